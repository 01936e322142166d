//! What can be seen without a Vault: the settings, and what a request looks like.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;

use kvgate_core::{Kind, Store as _, StoreExt as _, SystemClock, read_settings};
use serde_json::{Value, json};

use super::{Config, VaultStore};
use crate::StoreConfig as _;

fn open(settings: Value) -> kvgate_core::Result<VaultStore> {
    let config: Config = read_settings(settings).expect("settings");
    config.open(Arc::new(SystemClock))
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let token = "hunter2";
    for settings in [
        json!({}),
        json!({ "token": token, "token_file": "x" }),
        json!({ "token": token, "url": "redis://localhost" }),
        json!({ "token": token, "url": "http://localhost/below" }),
        json!({ "token": token, "url": "http://user:hunter2@localhost" }),
        json!({ "token": token, "mount_point": "secret/" }),
        json!({ "token": token, "mount_point": "../sys" }),
        json!({ "token": token, "namespace": "a\nb" }),
        json!({ "token": token, "tls": { "ca_file": "/no/such/file" } }),
        json!({ "kubernetes": { "role": "r", "mount": "a//b" } }),
    ] {
        let error = open(settings.clone()).err().unwrap_or_else(|| panic!("opened {settings}"));
        assert_eq!(error.kind(), Kind::Misconfigured, "{settings}");
        assert!(!format!("{error} {error:?}").contains(token), "{error:?}");
    }
}

#[test]
fn unknown_settings_of_a_login_are_refused() {
    let logins = [
        json!({ "approle": { "role_id": "r", "secret_id": "s", "role": "r" } }),
        json!({ "approle": { "role_id": "r" } }),
        json!({ "kubernetes": {} }),
        json!({ "password": "hunter2" }),
    ];
    for settings in logins {
        assert!(read_settings::<Config>(settings.clone()).is_err(), "{settings}");
    }
}

#[test]
fn secrets_are_not_shown() {
    let approle = json!({ "role_id": "hunter2", "secret_id": "hunter2" });
    let config: Config = read_settings(json!({ "approle": approle })).expect("settings");
    assert!(!format!("{config:?}").contains("hunter2"));
    let store = open(json!({ "token": "hunter2", "mount_point": "a/b" })).expect("a store");
    assert_eq!(store.to_string(), "vault http://localhost:8200, mount a/b");
}

#[tokio::test]
async fn a_token_that_is_no_header_is_refused_without_a_panic() {
    let store = open(json!({ "token": "hunter2\n" })).expect("a store");
    let error = store.check().await.expect_err("no token");
    assert_eq!(error.kind(), Kind::AccessDenied);
    assert!(!error.to_string().contains("hunter2"));
}

/// The namespace is Vault Enterprise's, which no test has: that it is sent is all that
/// can be seen. The name climbs for a server that decodes once more than it should.
#[tokio::test]
async fn the_namespace_and_an_escaped_name_are_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let answers = [
        r#"{"request_id":"","lease_id":"","lease_duration":0,"renewable":false,"data":{"accessor":"",
           "creation_time":0,"creation_ttl":0,"display_name":"","entity_id":"","expire_time":null,
           "explicit_max_ttl":0,"id":"","num_uses":0,"orphan":true,"path":"","policies":[],"ttl":0}}"#,
        r#"{"errors":[]}"#,
    ];
    let requests = std::thread::spawn(move || answers.map(|answer| answer_one(&listener, answer)));
    let store = open(json!({ "url": url, "token": "t", "namespace": "team/a" })).expect("a store");
    assert_eq!(store.get("c", "%2e%2e/%2e%2e").await.expect("an answer"), None);
    let [login, read] = requests.join().expect("two requests");
    assert!(login.starts_with("GET /v1/auth/token/lookup-self "), "{login}");
    assert!(read.starts_with("GET /v1/secret/data/c::%252e%252e/%252e%252e?"), "{read}");
    for request in [login, read] {
        assert!(request.to_lowercase().contains("\nx-vault-namespace: team/a\r"), "{request}");
    }
}

/// Answers one request, with status 404 if the answer is an error, and returns its head.
fn answer_one(listener: &TcpListener, answer: &str) -> String {
    let (mut connection, _) = listener.accept().expect("a connection");
    let mut head = String::new();
    let mut reader = BufReader::new(connection.try_clone().expect("a reader"));
    while !head.ends_with("\r\n\r\n") {
        assert!(reader.read_line(&mut head).expect("a line") > 0, "the request ended: {head}");
    }
    let status = if answer.contains("errors") { "404 Not Found" } else { "200 OK" };
    let length = answer.len();
    let text = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{answer}"
    );
    connection.write_all(text.as_bytes()).expect("an answer sent");
    // the client closes when it has read all of it
    let _ = connection.read(&mut [0]);
    head
}
