//! The disk store, in the server's build for Windows.

use kvgate_proto::v1::Stability;

use super::{Facts, Setup};

pub(super) const SETUP: Setup = Setup {
    name: "disk_windows",
    settings: |place| format!("type = \"disk\"\n{}", place.directory_setting()),
    backend: None,
    python: None,
    facts: Facts { on_windows: true, ..Facts::of("disk", Stability::Stable) },
};
