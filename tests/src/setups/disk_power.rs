//! The disk store that also survives a loss of power.

use kvgate_proto::v1::Stability;

use super::{Facts, Setup};

pub(super) const SETUP: Setup = Setup {
    name: "disk_power",
    settings: |place| {
        format!("type = \"disk\"\ndurability = \"power\"\n{}", place.directory_setting())
    },
    backend: None,
    python: None,
    facts: Facts::of("disk", Stability::Stable),
};
