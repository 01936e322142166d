//! Opening a diskcache directory, and making one.
//!
//! The tables, the indexes, the triggers and the rows of `Settings` are those that
//! diskcache 5.6.3 makes. What an existing directory says in its settings stays:
//! another process may have it open.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use kvgate_core::{Error, Kind, Result};
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, TransactionBehavior, params};

use super::{Options, fault};
use crate::local::{self, Durability, directory};

/// How long a statement waits while another process holds the lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection waits before it asks again where `SQLite` itself doesn't.
const BUSY_PAUSE: Duration = Duration::from_millis(5);
/// Pages that a connection keeps for itself; behind them is the system's cache.
const READER_CACHE_KIB: i64 = 2048;
const WRITER_CACHE_KIB: i64 = 4096;
/// More statements than any connection of ours has.
const STATEMENTS_MAX: usize = 32;

const TABLES: &str = "\
CREATE TABLE IF NOT EXISTS Settings ( key TEXT NOT NULL UNIQUE, value);
CREATE TABLE IF NOT EXISTS Cache ( rowid INTEGER PRIMARY KEY, key BLOB, raw INTEGER, \
store_time REAL, expire_time REAL, access_time REAL, access_count INTEGER DEFAULT 0, \
tag BLOB, size INTEGER DEFAULT 0, mode INTEGER DEFAULT 0, filename TEXT, value BLOB);
CREATE UNIQUE INDEX IF NOT EXISTS Cache_key_raw ON Cache(key, raw);
CREATE INDEX IF NOT EXISTS Cache_expire_time ON Cache (expire_time);";

/// They keep `count` and `size` in `Settings` up to date, whoever writes.
const TRIGGERS: &str = "\
CREATE TRIGGER IF NOT EXISTS Settings_count_insert AFTER INSERT ON Cache FOR EACH ROW BEGIN \
UPDATE Settings SET value = value + 1 WHERE key = \"count\"; END;
CREATE TRIGGER IF NOT EXISTS Settings_count_delete AFTER DELETE ON Cache FOR EACH ROW BEGIN \
UPDATE Settings SET value = value - 1 WHERE key = \"count\"; END;
CREATE TRIGGER IF NOT EXISTS Settings_size_insert AFTER INSERT ON Cache FOR EACH ROW BEGIN \
UPDATE Settings SET value = value + NEW.size WHERE key = \"size\"; END;
CREATE TRIGGER IF NOT EXISTS Settings_size_update AFTER UPDATE ON Cache FOR EACH ROW BEGIN \
UPDATE Settings SET value = value + NEW.size - OLD.size WHERE key = \"size\"; END;
CREATE TRIGGER IF NOT EXISTS Settings_size_delete AFTER DELETE ON Cache FOR EACH ROW BEGIN \
UPDATE Settings SET value = value - OLD.size WHERE key = \"size\"; END;";

const STORE_TIME_INDEX: &str = "CREATE INDEX IF NOT EXISTS Cache_store_time ON Cache (store_time)";

/// What has to be there.
const REQUIRED: [&str; 9] = [
    "Settings",
    "Cache",
    "Cache_key_raw",
    "Cache_expire_time",
    "Settings_count_insert",
    "Settings_count_delete",
    "Settings_size_insert",
    "Settings_size_update",
    "Settings_size_delete",
];

/// The rows of `Settings` in a new directory, in diskcache's order.
const SETTINGS: [(&str, Setting); 16] = [
    ("statistics", Setting::Number(0)),
    ("tag_index", Setting::Number(0)),
    ("eviction_policy", Setting::Text("none")),
    ("size_limit", Setting::Number(1 << 30)),
    ("cull_limit", Setting::Number(10)),
    ("sqlite_auto_vacuum", Setting::Number(1)),
    ("sqlite_cache_size", Setting::Number(8192)),
    ("sqlite_journal_mode", Setting::Text("wal")),
    ("sqlite_mmap_size", Setting::Number(64 << 20)),
    ("sqlite_synchronous", Setting::Number(1)),
    ("disk_min_file_size", Setting::Number(32 << 10)),
    ("disk_pickle_protocol", Setting::Number(5)),
    ("count", Setting::Number(0)),
    ("size", Setting::Number(0)),
    ("hits", Setting::Number(0)),
    ("misses", Setting::Number(0)),
];

#[derive(Clone, Copy)]
enum Setting {
    Number(i64),
    Text(&'static str),
}

impl From<Setting> for Value {
    fn from(setting: Setting) -> Self {
        match setting {
            Setting::Number(number) => Self::Integer(number),
            Setting::Text(text) => Self::Text(text.to_owned()),
        }
    }
}

/// What of the directory's settings concerns a writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    /// Values of as many characters or more go to a file.
    pub(super) min_file_size: usize,
    /// How many rows one put removes at the most, expired ones and evicted ones.
    pub(super) cull_limit: u64,
    /// What makes a row the first to be evicted.
    pub(super) evict_by: EvictBy,
}

/// diskcache's eviction policies, without `none`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EvictBy {
    /// `least-recently-stored`
    StoreTime,
    /// `least-recently-used`
    AccessTime,
    /// `least-frequently-used`
    AccessCount,
}

/// The file that diskcache looks for.
pub(super) const DATABASE: &str = "cache.db";

/// What a directory with other files in it is told.
const LACKS_DATABASE: &str = "has no cache.db: choose an empty directory, or one that kvgate or \
                              diskcache made";

/// The database of a cache in `directory`.
pub(super) fn database(directory: &Path) -> PathBuf {
    directory.join(DATABASE)
}

/// Opens the cache in an existing directory; makes it if the directory is empty.
pub(super) fn open(directory: &Path, options: &Options) -> Result<(Connection, Settings)> {
    let path = database(directory);
    let is_there = path
        .try_exists()
        .map_err(|e| local::fault(format!("looking for {}", path.display()), e))?;
    if !is_there {
        directory::check_holds_only(directory, |_| false, LACKS_DATABASE)?;
    }
    open_database(&path, options).map_err(|problem| problem.into_error(&path))
}

/// Opens a connection that only reads.
pub(super) fn connect_reader(database: &Path) -> rusqlite::Result<Connection> {
    let connection = connect(database, OpenFlags::empty(), READER_CACHE_KIB)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

fn connect(database: &Path, flags: OpenFlags, cache_kib: i64) -> rusqlite::Result<Connection> {
    let always = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(database, always | flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    // negative: KiB instead of pages
    connection.pragma_update(None, "cache_size", -cache_kib)?;
    Ok(connection)
}

/// Why a database can't be opened.
enum Problem {
    Sqlite(rusqlite::Error),
    /// It can be read, but not written.
    ReadOnly,
    /// It is not what it should be: what is wrong with it.
    Other(String),
}

impl From<rusqlite::Error> for Problem {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl Problem {
    fn into_error(self, path: &Path) -> Error {
        let path = path.display();
        match self {
            Self::Other(what) => Error::new(Kind::Misconfigured, format!("{path} {what}")),
            Self::ReadOnly => denied(&path),
            Self::Sqlite(source) => match fault::kind(&source) {
                Kind::AccessDenied => denied(&path).with_source(source),
                _ if fault::can_not_open(&source) => denied(&path).with_source(source),
                Kind::Unreadable | Kind::Internal => Error::new(
                    Kind::Misconfigured,
                    format!(
                        "{path} is damaged or not an SQLite database: restore it from a backup, \
                         or move it away together with the files beside it to begin anew"
                    ),
                )
                .with_source(source),
                _ => fault::sqlite(format!("opening {path}"), source),
            },
        }
    }
}

fn denied(path: &impl fmt::Display) -> Error {
    Error::new(
        Kind::AccessDenied,
        format!("{path} can't be written: make it, the files beside it and the directory writable"),
    )
}

fn open_database(path: &Path, options: &Options) -> Result<(Connection, Settings), Problem> {
    let mut connection = connect(path, OpenFlags::SQLITE_OPEN_CREATE, WRITER_CACHE_KIB)?;
    if connection.is_readonly("main")? {
        return Err(Problem::ReadOnly);
    }
    let names = names(&connection)?;
    check_foreign(&names)?;
    if names.contains("Cache") {
        check_columns(&connection)?;
    }
    // none are there yet, or whoever began to make them did not get to the end
    if REQUIRED.iter().any(|name| !names.contains(*name)) {
        patiently(|| connection.pragma_update(None, "auto_vacuum", 1))?;
        use_wal(&connection)?;
        create(&mut connection)?;
    }
    let stored = read_settings(&connection)?;
    if let Some(mode) = stored.get("sqlite_journal_mode")
        && *mode != Value::Text("wal".to_owned())
    {
        return Err(Problem::Other(
            "has an sqlite_journal_mode other than wal in its settings: open it once with \
             diskcache.Cache(directory, sqlite_journal_mode=\"wal\")"
                .to_owned(),
        ));
    }
    use_wal(&connection)?;
    let settings = settle(&mut connection, &stored, options)?;
    let synchronous = match options.durability {
        Durability::Process => "NORMAL",
        Durability::Power => "FULL",
    };
    connection.pragma_update(None, "synchronous", synchronous)?;
    Ok((connection, settings))
}

/// The tables, indexes and triggers that are there.
fn names(connection: &Connection) -> rusqlite::Result<BTreeSet<String>> {
    let mut names = connection.prepare("SELECT name FROM sqlite_master")?;
    names.query_map([], |row| row.get(0))?.collect()
}

fn check_foreign(names: &BTreeSet<String>) -> Result<(), Problem> {
    let is_foreign = |name: &String| !name.starts_with("sqlite_") && name != "Settings";
    if names.contains("Cache") || !names.iter().any(is_foreign) {
        return Ok(());
    }
    Err(Problem::Other(
        "is a database of another program: choose an empty directory, or one that kvgate or \
         diskcache made"
            .to_owned(),
    ))
}

fn use_wal(connection: &Connection) -> Result<(), Problem> {
    let mode: String = patiently(|| {
        connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))
    })?;
    if mode == "wal" {
        return Ok(());
    }
    Err(Problem::Other(format!(
        "can't be put into WAL mode, it stays in mode {mode}: choose a directory on a local disk"
    )))
}

fn create(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(TABLES)?;
    for (key, setting) in SETTINGS {
        transaction.execute(
            "INSERT OR IGNORE INTO Settings VALUES (?1, ?2)",
            params![key, Value::from(setting)],
        )?;
    }
    transaction.execute_batch(TRIGGERS)?;
    transaction.commit()
}

fn read_settings(connection: &Connection) -> rusqlite::Result<BTreeMap<String, Value>> {
    let mut settings = connection.prepare("SELECT key, value FROM Settings")?;
    settings.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

/// Reads what concerns us, and writes `max_size` down for the others. Without it
/// the settings stay as they are, although we evict nothing: py-key-value would
/// set the policy to `none`, and a process with a `max_size` would lose its own.
fn settle(
    connection: &mut Connection,
    stored: &BTreeMap<String, Value>,
    options: &Options,
) -> Result<Settings, Problem> {
    let number = |key: &str, default: i64| match stored.get(key) {
        Some(Value::Integer(number)) => *number,
        _ => default,
    };
    let policy = match stored.get("eviction_policy") {
        Some(Value::Text(policy)) => policy.as_str(),
        _ => "none",
    };
    let evict_by = match policy {
        "least-recently-used" => EvictBy::AccessTime,
        "least-frequently-used" => EvictBy::AccessCount,
        _ => EvictBy::StoreTime,
    };
    if let Some(max_size) = options.max_size {
        let max_size = i64::try_from(max_size.get()).unwrap_or(i64::MAX);
        if policy == "none" || number("size_limit", 0) != max_size {
            let policy = if policy == "none" { "least-recently-stored" } else { policy };
            write_limit(connection, policy, max_size)?;
        }
    }
    Ok(Settings {
        min_file_size: usize::try_from(number("disk_min_file_size", 0)).unwrap_or(0),
        cull_limit: u64::try_from(number("cull_limit", 0)).unwrap_or(0),
        evict_by,
    })
}

fn write_limit(connection: &mut Connection, policy: &str, max_size: i64) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let write = "INSERT OR REPLACE INTO Settings VALUES (?1, ?2)";
    let update = "UPDATE Settings SET value = ?2 WHERE key = ?1";
    for (key, value) in [
        ("eviction_policy", Value::Text(policy.to_owned())),
        ("size_limit", Value::Integer(max_size)),
    ] {
        // a row that is there keeps its place
        if transaction.execute(update, params![key, value])? == 0 {
            transaction.execute(write, params![key, value])?;
        }
    }
    if policy == "least-recently-stored" {
        transaction.execute_batch(STORE_TIME_INDEX)?;
    }
    transaction.commit()
}

/// Finds out now, not at the first call, that the table is another one.
fn check_columns(connection: &Connection) -> Result<(), Problem> {
    let statement = "SELECT rowid, key, raw, store_time, expire_time, access_time, \
                     access_count, tag, size, mode, filename, value \
                     FROM Cache LIMIT 1";
    match connection.query_row(statement, [], |_| Ok(())) {
        Ok(()) | Err(rusqlite::Error::QueryReturnedNoRows) => Ok(()),
        Err(error) if fault::kind(&error) == Kind::Internal => Err(Problem::Other(format!(
            "has a table Cache that diskcache did not make ({error}): choose another directory"
        ))),
        Err(error) => Err(error.into()),
    }
}

/// Some statements don't wait for a lock by themselves.
fn patiently<T>(mut run: impl FnMut() -> rusqlite::Result<T>) -> rusqlite::Result<T> {
    let begun = Instant::now();
    loop {
        match run() {
            Err(error) if fault::is_busy(&error) && begun.elapsed() < BUSY_TIMEOUT => {
                std::thread::sleep(BUSY_PAUSE);
            }
            done => return done,
        }
    }
}
