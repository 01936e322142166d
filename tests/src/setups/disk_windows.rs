//! The disk store, in the server's build for Windows.

use kvgate_proto::v1::Stability;

use super::{Facts, Setup, Variant};

pub(super) const SETUP: Setup = Setup {
    name: "disk_windows",
    settings: |place| format!("type = \"disk\"\n{}", place.directory_setting()),
    backend: None,
    python: None,
    facts: Facts {
        on_windows: true,
        collections_many: 24,
        variant: Some(VARIANT),
        ..Facts::of("disk", Stability::Stable)
    },
};

/// The same code, over another system's clock, threads and files.
const VARIANT: Variant = Variant {
    of: "disk",
    themes: &["concurrency", "names", "restart", "ttl", "values"],
    faults: &[],
};
