//! The store of one file per entry, in the server's build for Windows.

use kvgate_proto::v1::Stability;

use super::{Facts, Setup, Variant};

pub(super) const SETUP: Setup = Setup {
    name: "filetree_windows",
    settings: |place| format!("type = \"filetree\"\n{}", place.directory_setting()),
    backend: None,
    python: None,
    facts: Facts {
        on_windows: true,
        // a file each, which Wine opens in many steps
        entries_many: 1_000,
        collections_many: 24,
        variant: Some(VARIANT),
        ..Facts::of("filetree", Stability::Unstable)
    },
};

/// The same code, over another system's clock, threads and files.
const VARIANT: Variant =
    Variant { of: "filetree", themes: &["concurrency", "names", "restart", "values"], faults: &[] };
