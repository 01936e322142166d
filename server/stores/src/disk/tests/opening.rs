use super::*;

#[tokio::test]
async fn says_why_a_directory_can_not_be_used() {
    let base = tempfile::tempdir().expect("a directory");
    let refuse = |name: &str| {
        let settings = json!({ "directory": base.path().join(name) });
        let error = match try_open(settings, Arc::new(SystemClock)) {
            Ok(store) => panic!("{store} was opened"),
            Err(error) => error,
        };
        assert_eq!(error.kind(), Kind::Misconfigured, "{error}");
        error.to_string()
    };
    let make = |name: &str, file: &str, content: &str| {
        fs::create_dir(base.path().join(name)).expect("made");
        fs::write(base.path().join(name).join(file), content).expect("written");
    };
    assert!(refuse("not/there").contains("parent does not exist"));
    make("filled", "other.txt", "other");
    assert!(refuse("filled").contains("is not empty and has no cache.db"));
    assert!(refuse("filled/other.txt").contains("is not a directory"));
    make("garbage", "cache.db", &"garbage ".repeat(1000));
    assert!(refuse("garbage").contains("damaged or not an SQLite database"));
    for (name, tables) in [
        ("other", "CREATE TABLE users(id)"),
        ("changed", "CREATE TABLE Cache(key, raw); CREATE TABLE Settings(key, value)"),
    ] {
        fs::create_dir(base.path().join(name)).expect("made");
        database(&base.path().join(name)).execute_batch(tables).expect("made");
        let message = refuse(name);
        assert!(
            message.contains("another program") || message.contains("did not make"),
            "{message}"
        );
    }
    // a new file system, and a directory that a crash left without tables
    fs::create_dir_all(base.path().join("new/lost+found")).expect("made");
    open(&base.path().join("new"));
    make("begun", "cache.db", "");
    open(&base.path().join("begun"));
}

#[tokio::test]
async fn notices_that_its_file_was_replaced() {
    let (directory, store) = new();
    store.check().await.expect("there");
    let (elsewhere, other) = new();
    other.put("c", "k", entry("{\"other\":1}")).await.expect("put");
    drop(other);
    // its writer may be closing still: what it wrote is to be in the file itself
    query::<i64>(elsewhere.path(), "PRAGMA wal_checkpoint(TRUNCATE)");
    for file in ["cache.db", "cache.db-wal", "cache.db-shm"] {
        fs::remove_file(directory.path().join(file)).expect("removed");
    }
    for error in [
        store.put("c", "k", entry("{}")).await.expect_err("gone"),
        store.get("c", "k").await.expect_err("gone"),
        store.check().await.expect_err("gone"),
    ] {
        assert_eq!(error.kind(), Kind::Unavailable, "{error}");
    }
    fs::copy(elsewhere.path().join("cache.db"), directory.path().join("cache.db")).expect("copied");
    assert!(store.get("c", "k").await.expect("get").is_some());
    store.put("c", "k2", entry("{}")).await.expect("put");
    assert_eq!(query::<i64>(directory.path(), "SELECT count(*) FROM Cache"), [2]);
}
