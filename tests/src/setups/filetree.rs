//! The store of one file per entry.

use kvgate_proto::v1::Stability;

use super::{Facts, Setup};

pub(super) const SETUP: Setup = Setup {
    name: "filetree",
    settings: |place| format!("type = \"filetree\"\n{}", place.directory_setting()),
    backend: None,
    python: Some("filetree"),
    facts: Facts::of("filetree", Stability::Unstable),
};
