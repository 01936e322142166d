//! The disk store.

use kvgate_proto::v1::Stability;

use super::{Facts, Setup};

pub(super) const SETUP: Setup = Setup {
    name: "disk",
    settings: |place| format!("type = \"disk\"\n{}", place.directory_setting()),
    backend: None,
    python: Some("disk"),
    facts: Facts::of("disk", Stability::Stable),
};
