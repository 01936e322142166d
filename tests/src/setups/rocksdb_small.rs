//! The `RocksDB` store with the smallest buffers, so that table files are written and
//! compacted all the time, and with writes that wait for the disk.

use kvgate_proto::v1::Stability;

use super::{Facts, Setup};

pub(super) const SETUP: Setup = Setup {
    name: "rocksdb_small",
    settings: |place| {
        format!(
            "type = \"rocksdb\"\n\
             path = '{}'\n\
             durability = \"power\"\n\
             compression = \"none\"\n\
             write_buffer_bytes = 1\n\
             block_cache_bytes_max = 100_000\n\
             threads_max = 2\n",
            place.directory.display()
        )
    },
    backend: None,
    python: None,
    facts: Facts::of("rocksdb", Stability::Unstable),
};
