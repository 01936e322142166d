use super::*;

#[tokio::test]
async fn concurrent_puts_share_transactions() {
    let (_directory, store) = new();
    let store = Arc::new(store);
    store.put("c", "first", entry("{}")).await.expect("put");
    let before = store.cache.commits();
    let puts: Vec<_> = (0..64)
        .map(|i| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.put("c", &format!("k{i}"), entry("{}")).await })
        })
        .collect();
    for put in puts {
        put.await.expect("no panic").expect("put");
    }
    let commits = store.cache.commits() - before;
    assert!(commits <= 8, "64 puts took {commits} commits");
}

#[tokio::test]
async fn a_bulk_larger_than_a_transaction_is_stored_whole() {
    let (_directory, store) = new();
    let keys: Vec<String> = (0..2500).map(|i| format!("k{i:04}")).collect();
    let entries: Vec<_> = keys.iter().map(|key| (key.as_str(), entry("{\"a\":1}"))).collect();
    let stored = store.put_many("c", &entries).await.expect("put");
    assert_eq!(stored.len(), 2500);
    assert_eq!(store.cache.commits(), 3);
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let deleted = store.delete_many("c", &keys).await.expect("delete");
    assert!(deleted.iter().all(|one| matches!(one, Ok(Some(_)))));
    let deleted = store.delete_many("c", &keys).await.expect("delete");
    assert!(deleted.iter().all(|one| matches!(one, Ok(None))));
}

#[tokio::test]
async fn a_caller_that_goes_away_undoes_nothing() {
    let (_directory, store) = new();
    {
        let entries = [("k", entry("{}"))];
        let put = store.put_many("c", &entries);
        tokio::pin!(put);
        // polled once: it is in the queue
        tokio::select! {
            biased;
            _ = &mut put => {}
            () = std::future::ready(()) => {}
        }
    }
    // behind it in the queue
    store.put("c", "next", entry("{}")).await.expect("put");
    assert!(store.get("c", "k").await.expect("get").is_some());
}

#[tokio::test]
async fn one_failing_change_fails_alone() {
    let (directory, store) = new();
    database(directory.path())
        .execute_batch(
            "CREATE TRIGGER refuse BEFORE INSERT ON Cache WHEN NEW.key = 'c::bad' \
             BEGIN SELECT RAISE(ABORT, 'refused'); END",
        )
        .expect("a trigger");
    let entries: Vec<_> = ["a", "bad", "b"].map(|key| (key, long('x', 40_000))).into();
    let stored = store.put_many("c", &entries).await.expect("an answer each");
    let are_stored: Vec<bool> = stored.iter().map(Result::is_ok).collect();
    assert_eq!(are_stored, [true, false, true]);
    let found = store.get_many("c", &["a", "bad", "b"]).await.expect("get");
    let found: Vec<bool> = found.into_iter().map(|one| one.expect("readable").is_some()).collect();
    assert_eq!(found, [true, false, true]);
    assert_eq!(value_files(directory.path()), 2, "the file of the refused one is gone");
}

#[tokio::test]
async fn a_failed_commit_leaves_nothing() {
    let (directory, store) = new();
    store.put("c", "old", long('o', 40_000)).await.expect("put");
    // a constraint that is looked at when the transaction is committed
    database(directory.path())
        .execute_batch(
            "CREATE TABLE parent(id INTEGER PRIMARY KEY);
             CREATE TABLE child(id REFERENCES parent(id) DEFERRABLE INITIALLY DEFERRED);
             CREATE TRIGGER poison AFTER INSERT ON Cache WHEN NEW.key = 'c::bad' \
             BEGIN INSERT INTO child VALUES (1); END",
        )
        .expect("a trigger");
    let entries: Vec<_> = ["old", "a", "bad"].map(|key| (key, long('x', 40_000))).into();
    for stored in store.put_many("c", &entries).await.expect("an answer each") {
        let error = stored.expect_err("nothing was committed");
        assert_eq!(error.outcome(), Outcome::DidNotHappen);
        assert!(error.to_string().starts_with("committing to cache.db"), "{error}");
    }
    let found = store.get_many("c", &["old", "a", "bad"]).await.expect("get");
    let found: Vec<_> = found.into_iter().map(|one| one.expect("readable")).collect();
    assert_eq!(found, [Some(long('o', 40_000)), None, None]);
    assert_eq!(value_files(directory.path()), 1);
    store.put("c", "good", entry("{}")).await.expect("the store goes on");
}

#[tokio::test]
async fn evicts_what_was_stored_first() {
    let directory = tempfile::tempdir().expect("a directory");
    let clock = Arc::new(ManualClock::at(1));
    let settings = json!({ "directory": directory.path(), "max_size": 400_000 });
    let store = try_open(settings, Arc::clone(&clock) as _).expect("opens");
    for i in 0..20 {
        clock.set(i);
        store.put("c", &format!("k{i:02}"), long('x', 50_000)).await.expect("put");
    }
    let page = PageRequest { prefix: "", cursor: None, limit: 100 };
    let left = store.list_keys("c", &page).await.expect("a page").items;
    let left: Vec<_> = left.into_iter().map(|listed| listed.key).collect();
    assert!((5..8).contains(&left.len()), "{left:?}");
    assert_eq!(left.last().map(String::as_str), Some("k19"));
    assert_eq!(left.first().cloned(), Some(format!("k{:02}", 20 - left.len())));
    assert_eq!(value_files(directory.path()), left.len());
    // larger than everything together: what was just put stays nevertheless
    clock.set(50);
    store.put("c", "huge", long('x', 1_000_000)).await.expect("put");
    assert!(store.get("c", "huge").await.expect("get").is_some());
}

#[tokio::test]
async fn deletes_collections_larger_than_a_transaction() {
    let (directory, store) = new();
    let keys: Vec<String> = (0..2100).map(|i| format!("k{i}")).collect();
    let entries: Vec<_> = keys.iter().map(|key| (key.as_str(), entry("{}"))).collect();
    store.put_many("c", &entries).await.expect("put");
    store.put("c2", "k", entry("{}")).await.expect("put");
    assert!(store.delete_collection("c").await.expect("deleted"));
    assert_eq!(query::<i64>(directory.path(), "SELECT count(*) FROM Cache"), [1]);
}
