//! The disk store under the collection prefix.

use kvgate_proto::v1::Stability;

use super::{Facts, Setup};

pub(super) const SETUP: Setup = Setup {
    name: "disk_prefixed",
    settings: |place| {
        let wrap = "wrap = [{ type = \"prefix_collections\", prefix = \"c\" }]";
        format!("type = \"disk\"\n{wrap}\n{}", place.directory_setting())
    },
    backend: None,
    python: None,
    facts: Facts::of("disk", Stability::Stable),
};
