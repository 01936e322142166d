use super::*;

#[tokio::test]
async fn the_column_decides_when_an_entry_expires() {
    let (directory, store) = new();
    store.put("c", "k", expiring("{}", 4_000_000_000_000_000)).await.expect("put");
    database(directory.path())
        .execute_batch("UPDATE Cache SET expire_time = 4000000007.5")
        .expect("updated");
    let found = store.get("c", "k").await.expect("get").expect("there");
    assert_eq!(found.expires_at, Some(Timestamp::from_micros(4_000_000_007_500_000)));
    let removed = store.delete_many("c", &["k"]).await.expect("delete");
    let removed = removed.into_iter().next().expect("one").expect("deleted");
    assert_eq!(removed.and_then(|one| one.expires_at), found.expires_at);
}

#[tokio::test]
async fn rows_of_another_kind_fail_alone() {
    let (directory, store) = new();
    store.put("c", "good", entry("{}")).await.expect("put");
    store.put("c", "lost", long('x', 40_000)).await.expect("put");
    database(directory.path())
        .execute_batch(
            "INSERT INTO Cache(key, raw, mode, value) VALUES \
             ('c::pickle', 1, 4, x'80054b012e'), ('c::blob', 1, 1, x'7b7d'), \
             ('c::number', 1, 1, 5), ('c::broken', 1, 1, '{\"value\": '), \
             ('c::nan', 1, 1, '{\"value\": {\"a\": NaN}}'), \
             (x'80054b012e', 0, 1, 'a pickled key'), (17, 1, 1, 'a number as key');
             INSERT INTO Cache(key, raw, mode, filename) VALUES ('c::binary', 1, 2, 'a/b.val'), \
             ('c::outside', 1, 3, '../../etc/passwd')",
        )
        .expect("inserted");
    let file: Vec<String> = query(directory.path(), "SELECT filename FROM Cache WHERE size > 0");
    fs::remove_file(directory.path().join(&file[0])).expect("removed");
    let keys = ["good", "pickle", "blob", "number", "broken", "nan", "binary", "outside", "lost"];
    let found = store.get_many("c", &keys).await.expect("the call succeeds");
    assert!(matches!(&found[0], Ok(Some(_))));
    for (key, found) in keys.iter().zip(&found).take(8).skip(1) {
        let error = found.as_ref().expect_err(key);
        assert_eq!(error.kind(), Kind::Unreadable, "{key}");
    }
    assert!(matches!(&found[8], Ok(None)), "diskcache takes it for missing");
    assert_eq!(collections(&store, "", 10).await, ["c"]);
    store.destroy().await.expect("destroyed");
    assert_eq!(query::<i64>(directory.path(), "SELECT count(*) FROM Cache"), [0]);
    assert_eq!(query::<i64>(directory.path(), "SELECT count(*) FROM Settings"), [16]);
}

#[tokio::test]
async fn lists_collections_by_the_names_they_were_given() {
    let directory = tempfile::tempdir().expect("a directory");
    let clock = Arc::new(ManualClock::at(1));
    let settings = json!({ "directory": directory.path() });
    let store = try_open(settings, Arc::clone(&clock) as _).expect("opens");
    let names = ["a", "a-b", "a:", "a::b", "b", "S_b", "S", "H_x", "é", "::", "\u{10ffff}"];
    for name in names {
        store.put(name, "k", entry("{}")).await.expect("put");
        store.put(name, "::k", entry("{}")).await.expect("put");
    }
    store.put("old", "k", expiring("{}", 2000)).await.expect("put");
    clock.set(3000);
    database(directory.path())
        .execute_batch(
            "INSERT INTO Cache(key, raw, mode, value) VALUES ('foreign', 1, 1, '{}'), \
             ('S_raw::k', 1, 1, '{\"value\": {}, \"collection\": \"S_raw\"}')",
        )
        .expect("inserted");
    for limit in [1, 3, 100] {
        for prefix in ["", "a", "a:", "S", "S_", "S_b", "b", "é", "z", ":", "\u{10ffff}"] {
            let mut listed = collections(&store, prefix, limit).await;
            listed.sort();
            let mut expected: Vec<_> =
                names.into_iter().filter(|n| n.starts_with(prefix)).collect();
            expected.sort_unstable();
            assert_eq!(listed, expected, "prefix {prefix:?}, pages of {limit}");
        }
    }
    assert!(store.delete_collection("a").await.expect("deleted"));
    assert!(!store.delete_collection("a").await.expect("nothing left"));
    assert!(!store.delete_collection("old").await.expect("nothing was live"));
    let mut left = collections(&store, "a", 10).await;
    left.sort();
    assert_eq!(left, ["a-b", "a:", "a::b"]);
}

#[tokio::test]
async fn hides_what_has_expired() {
    let directory = tempfile::tempdir().expect("a directory");
    let clock = Arc::new(ManualClock::at(1000));
    let settings = json!({ "directory": directory.path() });
    let store = try_open(settings, Arc::clone(&clock) as _).expect("opens");
    let store = LiveStore::new("main", Arc::clone(&clock) as _, store);
    store.put("c", "k", expiring("{}", 2000)).await.expect("put");
    assert_eq!(collections(&store, "", 10).await, ["c"]);
    clock.set(2000);
    assert_eq!(store.get("c", "k").await.expect("get"), None);
    assert!(collections(&store, "", 10).await.is_empty());
    assert!(!store.delete("c", "k").await.expect("delete"));
}
