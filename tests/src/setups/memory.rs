//! The memory store.

use kvgate_proto::v1::Stability;

use super::{Facts, Setup};

pub(super) const SETUP: Setup = Setup {
    name: "memory",
    settings: |_| {
        // Above what any case stores, so that nothing is dropped.
        String::from("type = \"memory\"\nmax_entries_per_collection = 200000\n")
    },
    backend: None,
    python: None,
    facts: Facts::of("memory", Stability::NotApplicable),
};
