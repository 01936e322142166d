//! The Windows Registry store: the server's build for Windows, in a registry of Wine's.

use kvgate_proto::v1::Stability;

use super::{Facts, Setup};

pub(super) const SETUP: Setup = Setup {
    name: "registry",
    settings: |_| "type = \"registry\"\n".to_owned(),
    backend: None,
    // it runs on Windows alone, and Wine has no Python
    python: None,
    facts: Facts {
        on_windows: true,
        // a listing asks Wine's server, which is another process, for each name
        entries_many: 1_000,
        collections_many: 24,
        ..Facts::of("registry", Stability::Unstable)
    },
};
