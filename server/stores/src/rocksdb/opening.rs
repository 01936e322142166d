//! How a database is made and opened.

use std::ffi::OsStr;
use std::sync::Arc;

use kvgate_core::{Clock, Error, Kind, Result, envelope, is_live};
use rocksdb::{
    BlockBasedOptions, Cache, CompactionDecision, DB, DBCompressionType, DBRecoveryMode,
    IteratorMode, Options, WriteOptions,
};

use super::{Compression, Config, DamagedLog, fault};
use crate::local::{self, Durability, directory};

/// What tells a database of ours: a key that no entry has, before all of theirs.
pub(super) const LAYOUT_KEY: &str = "\0layout";

/// The layout that is written and read.
const LAYOUT: &str = "kvgate 1";

/// The most table files that are open at the same time.
const OPEN_FILES_MAX: i32 = 512;

/// `RocksDB`'s own account of what it does, in the file `LOG` and its predecessors.
const LOG_BYTES_MAX: usize = 4 * 1024 * 1024;
const LOG_FILES_MAX: usize = 4;

/// Bits of the filter that spares looking for keys that are not there: one look in a
/// hundred is made in vain.
const FILTER_BITS_PER_KEY: f64 = 10.0;

/// Opens the database; makes it if the directory is empty.
pub(super) fn open(config: &Config, clock: Arc<dyn Clock>) -> Result<DB> {
    let path = config.path.as_path();
    directory::prepare(path, config.durability)?;
    let current = path.join("CURRENT");
    let looking = |e| local::fault(format!("looking for {}", current.display()), e);
    if !current.try_exists().map_err(looking)? {
        // a server that was killed while it made the database has left some files
        directory::check_holds_only(path, is_begun, LACKS_DATABASE)?;
    }
    let db = DB::open(&options(config, clock), path).map_err(|e| fault::opening(path, e))?;
    check_layout(&db, config)?;
    Ok(db)
}

const LACKS_DATABASE: &str = "has no RocksDB database: choose an empty directory";

/// Whether the file is one that `RocksDB` makes before there is a database. A log of
/// writes is not: without its database it is what is left of one.
fn is_begun(file: &OsStr) -> bool {
    let name = file.to_string_lossy();
    let begins = ["LOG.old.", "MANIFEST-", "OPTIONS-"];
    ["IDENTITY", "LOCK", "LOG"].contains(&&*name)
        || begins.iter().any(|begin| name.starts_with(begin))
        || name.ends_with(".dbtmp")
}

fn options(config: &Config, clock: Arc<dyn Clock>) -> Options {
    let mut tables = BlockBasedOptions::default();
    tables.set_block_cache(&Cache::new_lru_cache(config.block_cache_bytes_max.get()));
    // otherwise they would be in memory for each open file, without a bound
    tables.set_cache_index_and_filter_blocks(true);
    tables.set_bloom_filter(FILTER_BITS_PER_KEY, false);

    let mut options = Options::default();
    options.create_if_missing(true);
    options.set_block_based_table_factory(&tables);
    options.set_compression_type(match config.compression {
        Compression::None => DBCompressionType::None,
        Compression::Lz4 => DBCompressionType::Lz4,
    });
    options.set_write_buffer_size(config.write_buffer_bytes.get());
    options.set_wal_recovery_mode(match config.damaged_log {
        DamagedLog::Refuse => DBRecoveryMode::TolerateCorruptedTailRecords,
        DamagedLog::Cut => DBRecoveryMode::PointInTime,
    });
    options.set_max_open_files(OPEN_FILES_MAX);
    options.set_max_log_file_size(LOG_BYTES_MAX);
    options.set_keep_log_file_num(LOG_FILES_MAX);
    options.set_compaction_filter("kvgate.expired", move |_level, _key, text| {
        // what can't be read is kept for a person to look at
        match envelope::expires_at(text) {
            Ok(expires_at) if !is_live(expires_at, clock.now()) => CompactionDecision::Remove,
            _ => CompactionDecision::Keep,
        }
    });
    options
}

/// How a write is acknowledged. Each is in the log, which the system has, before it
/// is: that is why it survives the end of the process.
pub(super) fn write_options(durability: Durability) -> WriteOptions {
    let mut options = WriteOptions::default();
    options.set_sync(durability == Durability::Power);
    // a write that would have to wait fails: see behind.rs
    options.set_no_slowdown(true);
    options
}

/// Refuses a database of another program, and marks a new one as ours.
fn check_layout(db: &DB, config: &Config) -> Result<()> {
    let misconfigured = |context| Err(Error::new(Kind::Misconfigured, context));
    match db.get(LAYOUT_KEY).map_err(fault::reading)? {
        Some(layout) if layout == LAYOUT.as_bytes() => Ok(()),
        Some(_) => misconfigured(format!(
            "the database in {} was made by a newer version: use that one, or another path",
            config.path.display()
        )),
        None => match db.iterator(IteratorMode::Start).next() {
            None => db
                .put_opt(LAYOUT_KEY, LAYOUT, &write_options(config.durability))
                .map_err(fault::writing),
            Some(Ok(_)) => misconfigured(fault::foreign(&config.path)),
            Some(Err(error)) => Err(fault::reading(error)),
        },
    }
}
