//! The store of one file per entry, with the names of py-key-value's V1
//! strategies.

use kvgate_proto::v1::Stability;

use super::{Facts, Setup};

pub(super) const SETUP: Setup = Setup {
    name: "filetree_v1",
    settings: |place| {
        format!("type = \"filetree\"\nsanitize = \"v1\"\n{}", place.directory_setting())
    },
    backend: None,
    python: Some("filetree_v1"),
    facts: Facts {
        // What the strategies themselves begin a changed name with.
        refused_name_starts: &["H_", "S_"],
        // They cut a name of letters and digits without a hash to tell it by.
        kept_name_characters: Some(245),
        ..Facts::of("filetree", Stability::Unstable)
    },
};
