//! The simple store.

use kvgate_proto::v1::Stability;

use super::{Facts, Setup};

pub(super) const SETUP: Setup = Setup {
    name: "simple",
    // Above what all cases together store: the bound is the store's, not a
    // collection's.
    settings: |_| String::from("type = \"simple\"\nmax_entries = 2000000\n"),
    backend: None,
    python: None,
    facts: Facts::of("simple", Stability::NotApplicable),
};
