//! The null store, which accepts everything and keeps nothing.

use kvgate_proto::v1::Stability;

use super::{Facts, Setup};

pub(super) const SETUP: Setup = Setup {
    name: "null",
    settings: |_| String::from("type = \"null\"\n"),
    backend: None,
    python: None,
    facts: Facts { keeps_entries: false, ..Facts::of("null", Stability::NotApplicable) },
};
