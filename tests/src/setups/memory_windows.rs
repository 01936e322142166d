//! The memory store, in the server's build for Windows.

use kvgate_proto::v1::Stability;

use super::{Facts, Setup, Variant};

pub(super) const SETUP: Setup = Setup {
    name: "memory_windows",
    settings: |_| "type = \"memory\"\n".to_owned(),
    backend: None,
    python: None,
    facts: Facts {
        on_windows: true,
        variant: Some(VARIANT),
        ..Facts::of("memory", Stability::NotApplicable)
    },
};

/// The same code, over another system's clock, threads.
const VARIANT: Variant =
    Variant { of: "memory", themes: &["concurrency", "ttl", "values"], faults: &[] };
