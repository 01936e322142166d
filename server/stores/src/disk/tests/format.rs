use super::*;

const SCHEMA: &[&str] = &[
    "CREATE INDEX Cache_expire_time ON Cache (expire_time)",
    "CREATE TABLE Cache ( rowid INTEGER PRIMARY KEY, key BLOB, raw INTEGER, store_time REAL, \
     expire_time REAL, access_time REAL, access_count INTEGER DEFAULT 0, tag BLOB, \
     size INTEGER DEFAULT 0, mode INTEGER DEFAULT 0, filename TEXT, value BLOB)",
    "CREATE TABLE Settings ( key TEXT NOT NULL UNIQUE, value)",
    "CREATE TRIGGER Settings_count_delete AFTER DELETE ON Cache FOR EACH ROW BEGIN \
     UPDATE Settings SET value = value - 1 WHERE key = \"count\"; END",
    "CREATE TRIGGER Settings_count_insert AFTER INSERT ON Cache FOR EACH ROW BEGIN \
     UPDATE Settings SET value = value + 1 WHERE key = \"count\"; END",
    "CREATE TRIGGER Settings_size_delete AFTER DELETE ON Cache FOR EACH ROW BEGIN \
     UPDATE Settings SET value = value - OLD.size WHERE key = \"size\"; END",
    "CREATE TRIGGER Settings_size_insert AFTER INSERT ON Cache FOR EACH ROW BEGIN \
     UPDATE Settings SET value = value + NEW.size WHERE key = \"size\"; END",
    "CREATE TRIGGER Settings_size_update AFTER UPDATE ON Cache FOR EACH ROW BEGIN \
     UPDATE Settings SET value = value + NEW.size - OLD.size WHERE key = \"size\"; END",
    "CREATE UNIQUE INDEX Cache_key_raw ON Cache(key, raw)",
];

/// `select key, quote(value) from Settings` of `Cache(dir, eviction_policy="none")`.
const SETTINGS: &[(&str, &str)] = &[
    ("statistics", "0"),
    ("tag_index", "0"),
    ("eviction_policy", "'none'"),
    ("size_limit", "1073741824"),
    ("cull_limit", "10"),
    ("sqlite_auto_vacuum", "1"),
    ("sqlite_cache_size", "8192"),
    ("sqlite_journal_mode", "'wal'"),
    ("sqlite_mmap_size", "67108864"),
    ("sqlite_synchronous", "1"),
    ("disk_min_file_size", "32768"),
    ("disk_pickle_protocol", "5"),
    ("count", "0"),
    ("size", "0"),
    ("hits", "0"),
    ("misses", "0"),
];

#[tokio::test]
async fn makes_what_diskcache_makes() {
    let (directory, _store) = new();
    let schema = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY sql";
    assert_eq!(query::<String>(directory.path(), schema), SCHEMA);
    let settings = "SELECT key || '=' || quote(value) FROM Settings ORDER BY rowid";
    let expected: Vec<_> = SETTINGS.iter().map(|(key, value)| format!("{key}={value}")).collect();
    assert_eq!(query::<String>(directory.path(), settings), expected);
    assert_eq!(query::<i64>(directory.path(), "PRAGMA auto_vacuum"), [1]);
    assert_eq!(query::<String>(directory.path(), "PRAGMA journal_mode"), ["wal"]);
}

#[tokio::test]
async fn writes_a_limit_down_for_the_others() {
    let (directory, store) = new();
    drop(store);
    let settings = json!({ "directory": directory.path(), "max_size": 100_000 });
    let store = try_open(settings, Arc::new(SystemClock)).expect("opens");
    assert!(store.capabilities().evicts);
    let setting = |key: &str| {
        let statement = format!("SELECT quote(value) FROM Settings WHERE key = '{key}'");
        query::<String>(directory.path(), &statement)
    };
    assert_eq!(setting("eviction_policy"), ["'least-recently-stored'"]);
    assert_eq!(setting("size_limit"), ["100000"]);
    let index = "SELECT sql FROM sqlite_master WHERE name = 'Cache_store_time'";
    assert_eq!(
        query::<String>(directory.path(), index),
        ["CREATE INDEX Cache_store_time ON Cache (store_time)"]
    );
    // opened without a limit, the directory keeps its own
    drop(store);
    let store = open(directory.path());
    assert!(!store.capabilities().evicts);
    assert_eq!(setting("size_limit"), ["100000"]);
}

#[tokio::test]
async fn fills_the_columns_as_diskcache_does() {
    let directory = tempfile::tempdir().expect("a directory");
    let clock = Arc::new(ManualClock::at(1_500_000));
    let settings = json!({ "directory": directory.path() });
    let store = try_open(settings, clock).expect("opens");
    store.put("c", "k", expiring("{}", 2_250_000)).await.expect("put");
    let row = "SELECT json_array(key, raw, store_time, expire_time, access_time, access_count, \
               tag, size, mode, filename, value, typeof(key), typeof(value)) FROM Cache";
    let envelope = "{\\\"collection\\\": \\\"c\\\", \
                    \\\"expires_at\\\": \\\"1970-01-01T00:00:02.250000+00:00\\\", \
                    \\\"key\\\": \\\"k\\\", \\\"value\\\": {}, \\\"version\\\": 1}";
    assert_eq!(
        query::<String>(directory.path(), row),
        [format!("[\"c::k\",1,1.5,2.25,1.5,0,null,0,1,null,\"{envelope}\",\"text\",\"text\"]")]
    );
}

#[tokio::test]
async fn long_values_are_files_and_go_with_their_entries() {
    let (directory, store) = new();
    let overhead = "{\"collection\": \"c\", \"key\": \"k\", \"value\": {\"a\":\"\"}, \
                    \"version\": 1}"
        .len();
    for (c, bytes) in [('x', 1), ('é', 2)] {
        let limit = 32_768 - overhead;
        store.put("c", "k", long(c, limit - 1)).await.expect("put");
        assert_eq!(value_files(directory.path()), 0, "one character less than the limit");
        store.put("c", "k", long(c, limit)).await.expect("put");
        assert_eq!(value_files(directory.path()), 1);
        let size = "SELECT size FROM Cache WHERE mode = 3 AND value IS NULL";
        let expected = i64::try_from(overhead + limit * bytes).expect("small");
        assert_eq!(query::<i64>(directory.path(), size), [expected]);
        let found = store.get("c", "k").await.expect("get").expect("there");
        assert_eq!(found, long(c, limit));
    }
    store.put("c", "k", long('y', 50_000)).await.expect("replaced");
    assert_eq!(value_files(directory.path()), 1, "the replaced file is gone");
    // twice in one transaction: the first file is never needed
    let (first, second) = (long('1', 40_000), long('2', 40_000));
    let both = [("k", first), ("k", second.clone())];
    store.put_many("c", &both).await.expect("put");
    assert_eq!(store.get("c", "k").await.expect("get"), Some(second));
    assert_eq!(value_files(directory.path()), 1);
    assert!(store.delete("c", "k").await.expect("delete"));
    assert_eq!(value_files(directory.path()), 0);
    let left: BTreeSet<_> = fs::read_dir(directory.path())
        .expect("the directory")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    assert!(left.iter().all(|name| name.to_string_lossy().starts_with("cache.db")));
    assert_eq!(
        query::<i64>(directory.path(), "SELECT value FROM Settings WHERE key = 'size'"),
        [0]
    );
}

#[tokio::test]
async fn power_durability_writes_files_too() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("new");
    let settings = json!({ "directory": path, "durability": "power" });
    let store = try_open(settings, Arc::new(SystemClock)).expect("opens");
    store.put("c", "k", long('x', 40_000)).await.expect("put");
    assert_eq!(store.get("c", "k").await.expect("get"), Some(long('x', 40_000)));
    assert_eq!(store.to_string(), format!("disk {}, durability power", path.display()));
}

#[tokio::test]
async fn obeys_the_settings_of_the_directory() {
    let (directory, store) = new();
    drop(store);
    database(directory.path())
        .execute_batch(
            "UPDATE Settings SET value = 200 WHERE key = 'disk_min_file_size';
             UPDATE Settings SET value = 1 WHERE key = 'cull_limit';
             UPDATE Settings SET value = 2 WHERE key = 'disk_pickle_protocol'",
        )
        .expect("settings");
    let all = "SELECT key || '=' || quote(value) FROM Settings ORDER BY rowid";
    let before = query::<String>(directory.path(), all);
    let clock = Arc::new(ManualClock::at(1000));
    let settings = json!({ "directory": directory.path() });
    let store = try_open(settings, Arc::clone(&clock) as _).expect("opens");
    assert_eq!(query::<String>(directory.path(), all), before);
    for i in 0..5 {
        store.put("c", &format!("old{i}"), expiring("{}", 2000)).await.expect("put");
    }
    clock.set(3000);
    store.put("c", "new", long('x', 200)).await.expect("put");
    assert_eq!(value_files(directory.path()), 1, "of the new one only");
    let count = "SELECT count(*) FROM Cache WHERE expire_time IS NOT NULL";
    assert_eq!(query::<i64>(directory.path(), count), [4]);
    assert_eq!(store.cull().await.expect("cull"), 4);
    assert_eq!(query::<i64>(directory.path(), "SELECT count(*) FROM Cache"), [1]);
}

#[tokio::test]
async fn v1_stores_names_as_they_are() {
    let directory = tempfile::tempdir().expect("a directory");
    let settings = json!({ "directory": directory.path(), "sanitize": "v1" });
    let store = try_open(settings, Arc::new(SystemClock)).expect("opens");
    for name in ["S_a", "a::b"] {
        store.put(name, "k", entry("{}")).await.expect("put");
    }
    let keys = "SELECT key FROM Cache ORDER BY key";
    assert_eq!(query::<String>(directory.path(), keys), ["S_a::k", "a::b::k"]);
    assert_eq!(collections(&store, "", 10).await, ["S_a", "a"]);
    assert_eq!(collections(&store, "S_", 10).await, ["S_a"]);
}
