//! The memory store under both prefix wrappers.

use kvgate_proto::v1::Stability;

use super::{Facts, Setup};

pub(super) const SETUP: Setup = Setup {
    name: "memory_prefixed",
    settings: |_| {
        String::from(
            r#"
            type = "memory"
            max_entries_per_collection = 200000
            wrap = [
                { type = "prefix_keys", prefix = "k" },
                { type = "prefix_collections", prefix = "c" },
            ]
            "#,
        )
    },
    backend: None,
    python: None,
    facts: Facts::of("memory", Stability::NotApplicable),
};
