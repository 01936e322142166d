use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use kvgate_core::name::Sanitize;
use kvgate_core::{Clock, Entry, Kind, ManualClock, PageRequest, Timestamp, Value};
use tempfile::TempDir;

use super::tree::Tree;
use super::{directory, file};
use crate::blocking::BlockingStore;

const EVERYTHING: PageRequest<'static> = PageRequest { prefix: "", cursor: None, limit: 1000 };

fn open(directory: &Path) -> (Tree, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::default());
    let shared: Arc<dyn Clock> = clock.clone();
    let tree = Tree::open(directory, Sanitize::Auto, shared).expect("a directory");
    (tree, clock)
}

fn entry(json: &'static str, expires_at: Option<i64>) -> Entry {
    Entry {
        value: Value::from_checked(Bytes::from_static(json.as_bytes())),
        created_at: Some(Timestamp::from_micros(0)),
        expires_at: expires_at.map(Timestamp::from_micros),
    }
}

fn put(tree: &Tree, collection: &str, key: &str, entry: Entry) {
    let entries = [(key.to_owned(), entry)];
    let mut answers = tree.put_many(collection, &entries).expect("a batch");
    answers.pop().expect("an answer").expect("stored");
}

fn get(tree: &Tree, collection: &str, key: &str) -> Result<Option<Entry>, Kind> {
    let mut answers = tree.get_many(collection, &[key.to_owned()]).map_err(|error| error.kind())?;
    answers.pop().expect("an answer").map_err(|error| error.kind())
}

fn keys(tree: &Tree, collection: &str) -> Vec<String> {
    let page = tree.list_keys(collection, &EVERYTHING).expect("a page");
    page.items.into_iter().map(|listed| listed.key).collect()
}

fn collections(tree: &Tree) -> Vec<String> {
    tree.list_collections(&EVERYTHING).expect("a page").items
}

/// Every path below the directory, sorted.
fn paths(directory: &Path) -> Vec<String> {
    let mut paths = Vec::new();
    let mut todo = vec![directory.to_owned()];
    while let Some(next) = todo.pop() {
        for item in fs::read_dir(next).expect("a directory") {
            let path = item.expect("an item").path();
            let relative = path.strip_prefix(directory).expect("below it");
            paths.push(relative.to_string_lossy().into_owned());
            if path.is_dir() {
                todo.push(path);
            }
        }
    }
    paths.sort();
    paths
}

#[test]
fn the_stored_form() {
    let base = TempDir::new().expect("a directory");
    let (tree, _) = open(base.path());
    put(&tree, "sessions", "user 1", entry(r#"{"a": 1.0}"#, Some(1_500_000)));
    let expected = ["sessions", "sessions-info.json", "sessions/user 1.json"];
    assert_eq!(paths(base.path()), expected);
    let read = |path| fs::read_to_string(base.path().join(path)).expect("a file");
    assert_eq!(
        read("sessions/user 1.json"),
        "{\"created_at\": \"1970-01-01T00:00:00.000000+00:00\", \
         \"expires_at\": \"1970-01-01T00:00:01.500000+00:00\", \
         \"value\": {\"a\": 1.0}, \"version\": 1}"
    );
    let directory = base.path().canonicalize().expect("a path").join("sessions");
    assert_eq!(
        read("sessions-info.json"),
        format!(
            "{{\"collection\": \"sessions\", \
             \"created_at\": \"1970-01-01T00:00:00.000000+00:00\", \
             \"directory\": \"{}\", \"version\": 1}}",
            directory.display()
        )
    );
}

#[test]
fn odd_names_come_back_from_listings() {
    let base = TempDir::new().expect("a directory");
    let (tree, _) = open(base.path());
    let long = "😀".repeat(1000);
    let names = ["a/b", "a", "A", "..", ".", "S_a", "x-info.json", "x", "a::b", &long];
    for name in names {
        put(&tree, name, name, entry("{}", None));
    }
    let mut expected = names.to_vec();
    expected.sort_unstable();
    let mut listed = collections(&tree);
    listed.sort_unstable();
    assert_eq!(listed, expected);
    for name in names {
        assert_eq!(keys(&tree, name), [name]);
        put(&tree, "all", name, entry("{}", None));
    }
    let mut listed = keys(&tree, "all");
    listed.sort_unstable();
    assert_eq!(listed, expected);
    tree.destroy().expect("destroyed");
    assert_eq!(paths(base.path()), [""; 0]);
}

#[test]
fn pages_neither_repeat_nor_skip() {
    let base = TempDir::new().expect("a directory");
    let (tree, _) = open(base.path());
    for number in 0..25 {
        put(&tree, "c", &format!("k/{number}"), entry("{}", None));
        put(&tree, "c", &format!("k{number}"), entry("{}", None));
    }
    let mut listed = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let request = PageRequest { prefix: "k/", cursor: cursor.as_deref(), limit: 7 };
        let page = tree.list_keys("c", &request).expect("a page");
        assert!(page.items.len() <= 7);
        listed.extend(page.items.into_iter().map(|listed| listed.key));
        put(&tree, "c", &format!("k/x{}", listed.len()), entry("{}", None));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    listed.retain(|key| !key.starts_with("k/x"));
    listed.sort();
    let mut expected: Vec<_> = (0..25).map(|number| format!("k/{number}")).collect();
    expected.sort();
    assert_eq!(listed, expected);
}

#[test]
fn what_is_no_entry_is_an_error_of_its_key_alone() {
    let base = TempDir::new().expect("a directory");
    let (tree, _) = open(base.path());
    put(&tree, "c", "good", entry("{}", None));
    let file = |name: &str| base.path().join("c").join(name);
    fs::write(file("corrupt.json"), "{\"value\": ").expect("written");
    fs::write(file("latin.json"), b"{\"value\": {\"a\": \"\xe9\"}}").expect("written");
    fs::create_dir(file("directory.json")).expect("made");
    for key in ["corrupt", "latin", "directory"] {
        assert_eq!(get(&tree, "c", key), Err(Kind::Unreadable), "{key}");
    }
    assert!(get(&tree, "c", "good").expect("readable").is_some());
    assert_eq!(get(&tree, "c", "missing"), Ok(None));
    assert_eq!(keys(&tree, "c"), ["corrupt", "good", "latin"]);
    let removed = tree.delete_many("c", &["corrupt".to_owned(), "directory".to_owned()]);
    let removed = removed.expect("a batch");
    assert_eq!(removed[0].clone().expect("removed").expect("there").expires_at, None);
    assert!(removed[1].is_err());
    assert!(file("directory.json").is_dir());
}

#[cfg(unix)]
#[test]
fn links_are_not_followed() {
    use std::os::unix::fs::symlink;

    let (base, outside) = (TempDir::new().expect("one"), TempDir::new().expect("another"));
    let (tree, _) = open(base.path());
    let secret = outside.path().join("secret.json");
    fs::write(&secret, r#"{"value": {}}"#).expect("written");
    put(&tree, "c", "own", entry("{}", None));
    symlink(&secret, base.path().join("c/link.json")).expect("linked");
    symlink(outside.path(), base.path().join("out")).expect("linked");
    assert_eq!(get(&tree, "c", "link"), Err(Kind::Unreadable));
    assert_eq!(get(&tree, "out", "secret"), Err(Kind::Misconfigured));
    assert!(tree.put_many("out", &[("k".to_owned(), entry("{}", None))]).is_err());
    assert_eq!(keys(&tree, "c"), ["own"]);
    assert_eq!(collections(&tree), ["c"]);
    put(&tree, "c", "link", entry(r#"{"a": 1}"#, None));
    tree.destroy().expect("destroyed");
    let kept = fs::read_to_string(&secret).expect("still there");
    assert_eq!(kept, r#"{"value": {}}"#);
}

#[test]
fn a_failed_write_leaves_nothing() {
    let base = TempDir::new().expect("a directory");
    let (tree, _) = open(base.path());
    put(&tree, "c", "k", entry("{}", None));
    // a file can't be renamed onto a directory
    fs::create_dir(base.path().join("c/bad.json")).expect("made");
    let entries = [("bad".to_owned(), entry("{}", None)), ("good".to_owned(), entry("{}", None))];
    let answers = tree.put_many("c", &entries).expect("a batch");
    let error = answers[0].clone().expect_err("a directory is there");
    assert_eq!(error.kind(), Kind::Misconfigured);
    assert!(answers[1].is_ok());
    let expected = ["c", "c-info.json", "c/bad.json", "c/good.json", "c/k.json"];
    assert_eq!(paths(base.path()), expected);
}

#[test]
fn a_directory_of_another_program_is_refused() {
    let base = TempDir::new().expect("a directory");
    fs::write(base.path().join(".hidden"), "").expect("written");
    fs::create_dir(base.path().join("lost+found")).expect("made");
    drop(open(base.path()));
    fs::write(base.path().join("main.rs"), "").expect("written");
    let error = directory::open(base.path()).expect_err("not ours");
    assert_eq!(error.kind(), Kind::Misconfigured);
    assert!(error.to_string().contains("main.rs"), "{error}");
    let error = directory::open(&base.path().join("no/such")).expect_err("no parent");
    assert!(error.to_string().contains("parent"), "{error}");
    let error = directory::open(&base.path().join("main.rs")).expect_err("a file");
    assert!(error.to_string().contains("not a directory"), "{error}");
    directory::open(&base.path().join("new")).expect("made");
}

#[test]
fn destroy_leaves_what_is_not_ours() {
    let base = TempDir::new().expect("a directory");
    let (tree, _) = open(base.path());
    put(&tree, "c", "k", entry("{}", None));
    put(&tree, "gone", "k", entry("{}", None));
    let foreign = ["README", "c/notes.txt", ".git/x.json", "src/package.json"];
    for path in foreign {
        let path = base.path().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        fs::write(path, r#"{"name": "x"}"#).expect("written");
    }
    fs::write(base.path().join("src/python.json"), r#"{"value": {}}"#).expect("written");
    assert_eq!(collections(&tree), ["c", "gone", "src"]);
    tree.destroy().expect("destroyed");
    let mut expected = foreign.to_vec();
    expected.extend([".git", "c", "c-info.json", "src"]);
    expected.sort_unstable();
    assert_eq!(paths(base.path()), expected);
    put(&tree, "gone", "k", entry("{}", None));
    assert_eq!(keys(&tree, "gone"), ["k"]);
}

#[test]
fn a_deleted_collection_keeps_its_directory() {
    let base = TempDir::new().expect("a directory");
    let (tree, clock) = open(base.path());
    put(&tree, "c", "live", entry("{}", None));
    put(&tree, "old", "k", entry("{}", Some(5)));
    clock.set(5);
    assert!(tree.delete_collection("c").expect("deleted"));
    assert!(!tree.delete_collection("c").expect("nothing in it"));
    assert!(!tree.delete_collection("old").expect("nothing live in it"));
    assert!(!tree.delete_collection("never").expect("nothing"));
    assert_eq!(paths(base.path()), ["c", "c-info.json", "old", "old-info.json"]);
    assert_eq!(collections(&tree), [""; 0]);
}

#[test]
fn cull_removes_what_has_expired_and_nothing_else() {
    let base = TempDir::new().expect("a directory");
    let (tree, clock) = open(base.path());
    put(&tree, "c", "old", entry("{}", Some(10)));
    put(&tree, "c", "young", entry("{}", Some(11)));
    put(&tree, "a/b", "x/y", entry("{}", Some(10)));
    fs::write(base.path().join("c/corrupt.json"), "{").expect("written");
    clock.set(10);
    assert_eq!(tree.cull().expect("culled"), 2);
    assert_eq!(tree.cull().expect("culled"), 0);
    assert_eq!(keys(&tree, "c"), ["corrupt", "young"]);
}

#[test]
fn cull_removes_the_temporary_files_of_processes_that_died() {
    let base = TempDir::new().expect("a directory");
    let (tree, _) = open(base.path());
    put(&tree, "c", "k", entry("{}", None));
    let old = SystemTime::now() - Duration::from_hours(2);
    let names = [(".kvgate-x.tmp", old), (".kvgate-y.tmp", SystemTime::now()), ("z.tmp", old)];
    for (name, modified) in names {
        let file = fs::File::create(base.path().join("c").join(name)).expect("made");
        file.set_modified(modified).expect("set");
    }
    assert_eq!(tree.cull().expect("culled"), 0);
    let expected = ["c", "c-info.json", "c/.kvgate-y.tmp", "c/k.json", "c/z.tmp"];
    assert_eq!(paths(base.path()), expected);
}

/// What another process puts while a cull looks at the old file stays.
#[test]
fn a_file_that_was_taken_is_put_back_unless_there_is_a_newer_one() {
    let base = TempDir::new().expect("a directory");
    let path = base.path().join("k.json");
    let read = || fs::read_to_string(&path).expect("a file");
    fs::write(&path, "taken").expect("written");
    let taken = file::take(&path).expect("taken").expect("there");
    assert!(!path.exists());
    file::put_back(taken, &path).expect("put back");
    assert_eq!(read(), "taken");
    let taken = file::take(&path).expect("taken").expect("there");
    fs::write(&path, "newer").expect("written");
    file::put_back(taken, &path).expect("not needed");
    assert_eq!(read(), "newer");
    assert_eq!(paths(base.path()), ["k.json"]);
    assert!(file::take(&base.path().join("none")).expect("nothing").is_none());
}

#[test]
fn puts_survive_culls_and_destroys_at_the_same_time() {
    let base = TempDir::new().expect("a directory");
    let (tree, clock) = open(base.path());
    clock.set(10);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for _ in 0..30 {
                // a cull must take the expired entry, never the live one
                put(&tree, "culled", "k", entry("{}", Some(1)));
                put(&tree, "culled", "k", entry("{}", None));
                assert!(get(&tree, "culled", "k").expect("readable").is_some());
                // its directory comes and goes
                put(&tree, "destroyed", "k", entry("{}", None));
            }
        });
        while !writer.is_finished() {
            tree.cull().expect("culled");
            tree.remove(&tree.stored("destroyed")).expect("removed");
        }
        writer.join().expect("no put was lost");
    });
    put(&tree, "destroyed", "k", entry("{}", None));
    assert_eq!(collections(&tree), ["culled", "destroyed"]);
}

/// Of an expired and a live entry under one key, a delete answers for the one
/// that it removed.
#[test]
fn deletes_and_puts_at_the_same_time_lose_nothing() {
    let base = TempDir::new().expect("a directory");
    let (tree, _) = open(base.path());
    let deleted = std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for number in 0..100 {
                put(&tree, "c", "k", entry("{}", Some(number)));
            }
        });
        let mut deleted = Vec::new();
        loop {
            let done = writer.is_finished();
            let answer = tree.delete_many("c", &["k".to_owned()]).expect("a batch");
            let removed = answer[0].clone().expect("an answer");
            deleted.extend(removed.map(|removed| removed.expires_at.expect("readable")));
            if done {
                break deleted;
            }
        }
    });
    assert!(deleted.is_sorted_by(|one, next| one < next), "none came back");
    assert_eq!(deleted.last(), Some(&Timestamp::from_micros(99)));
    assert_eq!(keys(&tree, "c"), [""; 0]);
}
