//! What becomes of connections and answers when a server does something unusual, said
//! by a server whose every answer is written here.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;

use kvgate_core::{Entry, Kind, Outcome, StoreExt as _, SystemClock, Timestamp, Value};
use serde_json::json;

use super::*;
use std::time::Duration;

/// A connection, as the server sees it.
type Talk = BufReader<TcpStream>;

/// How the server handles a connection.
type Part = Box<dyn FnOnce(Talk) + Send>;

/// A server that handles its first connections as these say, one after the other, and
/// a store on it.
fn server(
    settings: &serde_json::Value,
    connections: Vec<Part>,
) -> (MemcachedStore, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let serving = std::thread::spawn(move || {
        // each goes on while the next one is taken
        let serve = |talk: Part| {
            let (stream, _) = listener.accept().expect("a connection");
            std::thread::spawn(move || talk(BufReader::new(stream)))
        };
        let running: Vec<_> = connections.into_iter().map(serve).collect();
        for connection in running {
            connection.join().expect("the server's part");
        }
    });
    let mut settings = settings.clone();
    settings["port"] = port.into();
    let config: Config = serde_json::from_value(settings).expect("settings");
    (config.open(Arc::new(SystemClock)).expect("a store"), serving)
}

/// Reads commands up to a line that begins so.
fn read_to(talk: &mut Talk, last: &str) {
    let mut lines = talk.lines().map(|line| line.expect("a line"));
    assert!(lines.any(|line| line.starts_with(last)), "the connection ended before {last:?}");
}

fn say(talk: &mut Talk, text: &str) {
    talk.get_mut().write_all(text.as_bytes()).expect("a connection");
}

/// Answers with an item whose value says so.
fn answer_get(talk: &mut Talk, key: &str) {
    read_to(talk, &format!("get c::{key}"));
    let value = format!(r#"{{"value": {{"of": "{key}"}}}}"#);
    say(talk, &format!("VALUE c::{key} 0 {}\r\n{value}\r\nEND\r\n", value.len()));
}

fn is_of(found: Option<Entry>, key: &str) -> bool {
    let text = format!(r#"{{"of": "{key}"}}"#);
    found.is_some_and(|entry| entry.value.as_bytes() == text.as_bytes())
}

fn entry() -> Entry {
    let value = Value::from_checked(Bytes::from_static(b"{}"));
    Entry { value, created_at: Some(Timestamp::from_micros(0)), expires_at: None }
}

#[tokio::test]
async fn a_call_that_is_dropped_leaves_its_answer_to_nobody() {
    let (store, serving) = server(
        &json!({}),
        vec![
            Box::new(|mut talk| {
                answer_get(&mut talk, "a");
                read_to(&mut talk, "get c::b");
                // the end of the connection, which the store gives up
                assert_eq!(talk.read_line(&mut String::new()).unwrap_or(0), 0);
            }),
            Box::new(|mut talk| answer_get(&mut talk, "c")),
        ],
    );
    assert!(is_of(store.get("c", "a").await.expect("an answer"), "a"));
    let patience = Duration::from_millis(200);
    tokio::time::timeout(patience, store.get("c", "b")).await.expect_err("no answer");
    assert!(is_of(store.get("c", "c").await.expect("an answer"), "c"));
    serving.join().expect("the server");
}

#[tokio::test]
async fn a_read_over_a_connection_that_was_closed_is_sent_again() {
    let (store, serving) = server(
        &json!({}),
        vec![
            Box::new(|mut talk| {
                answer_get(&mut talk, "a");
                read_to(&mut talk, "get c::b");
            }),
            Box::new(|mut talk| answer_get(&mut talk, "b")),
        ],
    );
    assert!(is_of(store.get("c", "a").await.expect("an answer"), "a"));
    assert!(is_of(store.get("c", "b").await.expect("an answer"), "b"));
    serving.join().expect("the server");
}

#[tokio::test]
async fn a_write_is_not_sent_again() {
    let (store, serving) = server(
        &json!({}),
        vec![Box::new(|mut talk| {
            answer_get(&mut talk, "a");
            read_to(&mut talk, "delete c::b");
        })],
    );
    store.get("c", "a").await.expect("an answer");
    let error = store.delete("c", "b").await.expect_err("no answer");
    assert_eq!((error.kind(), error.outcome()), (Kind::Unavailable, Outcome::MayHaveHappened));
    serving.join().expect("the server");
}

#[tokio::test]
async fn a_batch_that_breaks_off_says_what_was_stored() {
    let (store, serving) = server(
        &json!({}),
        vec![Box::new(|mut talk| {
            read_to(&mut talk, "set c::d ");
            say(&mut talk, "STORED\r\nSERVER_ERROR object too large for cache\r\n");
            say(&mut talk, "SERVER_ERROR out of memory storing object\r\n");
        })],
    );
    let entries = ["a", "b", "c", "d"].map(|key| (key, entry()));
    let stored = store.put_many("c", &entries).await.expect("answers");
    let failed = |index: usize| {
        stored[index].as_ref().map_err(|error| (error.kind(), error.outcome())).copied()
    };
    assert_eq!(failed(0), Ok(()));
    assert_eq!(failed(1), Err((Kind::ValueTooLarge, Outcome::DidNotHappen)));
    assert_eq!(failed(2), Err((Kind::Full, Outcome::DidNotHappen)));
    assert_eq!(failed(3), Err((Kind::Unavailable, Outcome::MayHaveHappened)));
    serving.join().expect("the server");
}

#[tokio::test]
async fn answers_that_can_t_be_are_no_answers() {
    const ANSWERS: [&str; 7] = [
        "VALUE c::secret 0 2\r\n{}\r\nEND\r\n",
        "VALUE c::a 0 1\r\nsecret\r\nEND\r\n",
        "VALUE c::a 0 18446744073709551616\r\nsecret",
        "VALUE c::a\r\n",
        "secret\r\n",
        "secret\n",
        "END\r\nEND\r\n",
    ];
    let parts = ANSWERS.iter().map(|answer| -> Part {
        Box::new(|mut talk| {
            read_to(&mut talk, "get c::a");
            say(&mut talk, answer);
            drop(talk.read_line(&mut String::new()));
        })
    });
    let (store, serving) = server(&json!({}), parts.collect());
    for answer in ANSWERS {
        let error = store.get("c", "a").await.expect_err(answer);
        assert_eq!(error.kind(), Kind::Internal, "{answer}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
    serving.join().expect("the server");
}

#[tokio::test]
async fn an_item_that_is_too_large_is_unreadable_alone() {
    let (store, serving) = server(
        &json!({ "item_bytes_max": 1024 }),
        vec![Box::new(|mut talk| {
            read_to(&mut talk, "get c::a c::b c::c c::b");
            let large = "x".repeat(100_000);
            say(&mut talk, &format!("VALUE c::b 0 {}\r\n{large}\r\n", large.len()));
            say(&mut talk, "VALUE c::b 0 13\r\n{\"value\": {}}\r\nEND\r\n");
            answer_get(&mut talk, "c");
        })],
    );
    let found = store.get_many("c", &["a", "b", "c", "b"]).await.expect("answers");
    let found: Vec<_> =
        found.into_iter().map(|it| it.map(|it| it.is_some()).map_err(|e| e.kind())).collect();
    assert_eq!(found, [Ok(false), Err(Kind::Unreadable), Ok(false), Ok(true)]);
    // the connection is of use afterwards
    assert!(is_of(store.get("c", "c").await.expect("an answer"), "c"));
    serving.join().expect("the server");
}

#[tokio::test]
async fn a_server_without_passwords_is_not_shown_one() {
    let (store, serving) = server(
        &json!({ "username": "u", "password": "hunter2" }),
        vec![Box::new(|mut talk| {
            read_to(&mut talk, "version");
            say(&mut talk, "VERSION 1.6.18\r\n");
            let mut more = String::new();
            assert_eq!(talk.read_line(&mut more).unwrap_or(0), 0, "{more}");
        })],
    );
    let error = store.check().await.expect_err("no such server");
    assert_eq!(error.kind(), Kind::Misconfigured);
    assert!(error.to_string().contains("asks for no password"), "{error}");
    serving.join().expect("the server");
}

#[test]
fn mistakes_in_the_settings() {
    for (settings, said) in [
        (json!({ "host": "a", "hosts": ["b"] }), "hosts, and host or port: expected one"),
        (json!({ "port": 1, "hosts": ["b"] }), "hosts, and host or port: expected one"),
        (json!({ "hosts": [] }), "hosts: expected at least one"),
        (json!({ "hosts": ["a", "a:11211"] }), "hosts: a:11211 is there twice"),
        (json!({ "hosts": ["a:b"] }), "hosts: \"a:b\" is not a host"),
        (json!({ "host": "memcache://a" }), "host: \"memcache://a\" is not a host"),
        (json!({ "port": 0 }), "nonzero"),
        (json!({ "username": "u" }), "username needs password"),
        (json!({ "password": "hunter2" }), "password needs username"),
        (json!({ "username": "a b", "password": "hunter2" }), "username: it must not"),
        (json!({ "item_bytes_max": 1000 }), "item_bytes_max: expected at least 1024"),
        (json!({ "url": "a" }), "unknown field `url`"),
    ] {
        let read = serde_json::from_value::<Config>(settings);
        let message = read.map(|_| ()).expect_err(said).to_string();
        assert!(message.contains(said) && !message.contains("hunter2"), "{message}");
    }
}
