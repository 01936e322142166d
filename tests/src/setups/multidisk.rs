//! The store that keeps a disk directory per collection.

use kvgate_proto::v1::Stability;

use super::{Facts, Setup};

pub(super) const SETUP: Setup = Setup {
    name: "multidisk",
    settings: |place| format!("type = \"multidisk\"\n{}", place.directory_setting()),
    backend: None,
    python: Some("multidisk"),
    facts: Facts::of("multidisk", Stability::Stable),
};
