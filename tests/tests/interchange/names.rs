//! Names that cross over.

use kvgate_tests::failure::{Outcome, expect_equal};
use kvgate_tests::setups::Setup;

use crate::pair::Pair;

/// Names that every store of these takes as a key and as a collection.
const PLAIN: &[&str] = &[
    "a",
    "A",
    "key",
    "a b",
    "a.b",
    "a_b",
    "a-b",
    "0",
    "é",
    "e\u{301}",
    "中文",
    "עברית",
    "😀",
    "👩‍👩‍👧",
    "null",
    "a__b",
    "a.json",
    "a-info",
    "cache.db",
    "default_collection",
    "a'b",
    "a=b",
    "a+b",
    "(a)",
    "{a}",
    "[a]",
    "#a",
    "$a",
    "!a",
    "@a",
    "%a",
    "%2e%2e",
    "a,b",
    "a;b",
    "&a",
    "~a",
];

/// Keys that a file can't be named by, or not by everybody.
const ODD_KEYS: &[&str] = &[
    "a/b", "/", "..", ".", "a::b", "::", ":", "a\nb", "\t", " ", " a", "a ", "a.", ".a", "*", "?",
    "\"", "\\", "<a>", "|", "CON", "a\u{7f}", "\u{1}",
];

/// Keys that go into a path of Vault as they are, beside plain ones.
const VAULT_KEYS: &[&str] = &[
    "a/b", "a/b/c", "..", ".", "a::b", "::", ":", " ", " a", "a ", "a.", ".a", "*", "?", "\"",
    "\\", "<a>", "|", "CON",
];

/// The collections and keys under which both sides store as they are told.
fn names(setup: &Setup) -> (Vec<String>, Vec<String>) {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let mut collections = owned(PLAIN);
    let mut keys = owned(PLAIN);
    match setup.name {
        // The key is text in a row, or an attribute of an item.
        "disk" | "multidisk" | "keyring" => {
            keys.extend(owned(ODD_KEYS));
            keys.push("k".repeat(800));
        }
        // Both are text.
        "dynamodb" => {
            keys.extend(owned(ODD_KEYS));
            collections.extend(owned(ODD_KEYS));
            keys.push("k".repeat(1024));
            collections.push("c".repeat(2048));
        }
        // The compound key is an item's name, which has no white space; Python's client
        // refuses what is white space or a control character anywhere in Unicode.
        "memcached" => {
            keys.extend(owned(ODD_KEYS));
            let taken = |name: &String| !name.chars().any(|c| c.is_whitespace() || c.is_control());
            keys.retain(taken);
            collections.retain(taken);
            keys.push("k".repeat(250 - "collection::".len()));
            collections.push("c".repeat(250 - "::key".len()));
        }
        // The strategies make a name of anything.
        "filetree_v1" => {
            keys.extend(owned(ODD_KEYS));
            collections.extend(owned(ODD_KEYS));
            keys.push("k".repeat(800));
            collections.push("c".repeat(1500));
        }
        // The key is text in a document; the driver refuses collections with a `$`.
        "mongodb" => {
            keys.extend(owned(ODD_KEYS));
            keys.push("k".repeat(800));
            collections.retain(|name| !name.contains('$'));
        }
        // An index is in lower case, and can't have some characters.
        "elasticsearch" | "opensearch" => {
            collections.retain(|name| !name.contains(['A', ' ', '#', ',']));
            keys.extend(owned(&["a/b", "/", "a::b", "::", ":", "\t", " ", "*", "?", "\"", "|"]));
            keys.push("k".repeat(512));
        }
        // A path; Vault refuses the character that joins the family.
        "vault" | "vault_raft" => {
            keys.extend(owned(VAULT_KEYS));
            keys.push("k".repeat(800));
            collections.push("a/b".to_owned());
            keys.retain(|name| !name.contains('\u{200d}'));
            collections.retain(|name| !name.contains('\u{200d}'));
        }
        // A file's name has at most 255 bytes, `.json` among them.
        _ => keys.push("k".repeat(250)),
    }
    (collections, keys)
}

/// Whether a key can be told from what Python has stored under it: its file
/// tree keeps a key's name nowhere else than in the name of the file.
fn tells_its_name(setup: &Setup, key: &str) -> bool {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    setup.name != "filetree_v1" || (key.len() <= 250 && key.chars().all(plain))
}

/// All keys in one collection, then one key in all collections.
fn places(setup: &Setup) -> Vec<(String, String)> {
    let (collections, keys) = names(setup);
    let keys = keys.into_iter().map(|key| ("collection".to_owned(), key));
    keys.chain(collections.into_iter().map(|name| (name, "key".to_owned()))).collect()
}

pub(crate) async fn from_python(setup: &'static Setup) -> Outcome {
    let mut pair = Pair::open(setup).await?;
    let places = places(setup);
    for (index, (collection, key)) in places.iter().enumerate() {
        pair.python.put(collection, key, &format!(r#"{{"n": {index}}}"#))?;
    }
    for (index, (collection, key)) in places.iter().enumerate() {
        pair.expect_server(collection, key, &format!(r#"{{"n": {index}}}"#)).await?;
    }
    let (mut collections, mut keys) = names(setup);
    if !pair.capabilities.list_keys {
        return Ok(());
    }
    let here = pair.server("collection");
    keys.retain(|key| tells_its_name(setup, key));
    keys.sort_unstable();
    expect_equal(here.describe("ListKeys", &""), here.sorted_keys("").await?, keys)?;
    collections.push("collection".to_owned());
    collections.sort_unstable();
    let mut listed = pair.client.collections(setup.name, "", 0).await?;
    listed.sort_unstable();
    expect_equal("ListCollections", listed, collections)
}

pub(crate) async fn from_server(setup: &'static Setup) -> Outcome {
    let mut pair = Pair::open(setup).await?;
    let places = places(setup);
    for (index, (collection, key)) in places.iter().enumerate() {
        pair.server(collection).put(key, format!(r#"{{"n": {index}}}"#)).await?;
    }
    for (index, (collection, key)) in places.iter().enumerate() {
        pair.expect_python(collection, key, &format!(r#"{{"n": {index}}}"#))?;
    }
    Ok(())
}
