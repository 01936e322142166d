//! The `RocksDB` store.

use kvgate_proto::v1::Stability;

use super::{Facts, Setup};

pub(super) const SETUP: Setup = Setup {
    name: "rocksdb",
    settings: |place| format!("type = \"rocksdb\"\npath = '{}'\n", place.directory.display()),
    backend: None,
    python: None,
    facts: Facts::of("rocksdb", Stability::Unstable),
};
