//! What one tenant may do, and what of another's it may not: by every call.

use kvgate_tests::client::entry;
use kvgate_tests::failure::{Outcome, expect, expect_equal};
use kvgate_tests::folder::Folder;
use kvgate_tests::rpc_error::refused;
use kvgate_tests::server::Server;
use tonic::Code;

use crate::attempts::{every_call, expect_allowed};
use crate::secure::Secure;
use crate::tokens::make;

const TABLES: &str = r#"
[[server.roles.a]]
stores = ["main"]
collections = ["a-*"]
operations = ["read", "write", "list", "admin"]

[[server.roles.b]]
stores = ["main"]
collections = ["b-*"]
operations = ["read", "write", "list", "admin"]
[[server.roles.b]]
stores = ["other"]
operations = ["read", "write", "list", "admin"]

[[server.roles.reader]]
stores = ["main"]
operations = ["read"]
[[server.roles.writer]]
stores = ["main"]
operations = ["write"]
[[server.roles.lister]]
stores = ["main"]
operations = ["list"]
[[server.roles.keeper]]
stores = ["main"]
operations = ["admin"]
[[server.roles.scanner]]
stores = ["main"]
collections = ["a-*"]
operations = ["read", "list"]

[stores.main]
type = "memory"
[stores.other]
type = "memory"
"#;

async fn start(folder: &Folder, roles: &[&[&str]]) -> Outcome<(Server, Vec<String>)> {
    let (mut tokens, mut entries) = (Vec::new(), String::new());
    for of in roles {
        let (token, entry) = make(folder, &format!("tenant-{}", of.join("-")), of).await?;
        tokens.push(token);
        entries.push_str(&entry);
    }
    std::fs::write(folder.path("tokens.toml"), entries)?;
    let file = folder.path("tokens.toml");
    let file = format!("[server.authentication]\ntokens_file = '{}'\n", file.display());
    Ok((folder.start(&format!("{file}{TABLES}")).await?, tokens))
}

const DENIED: Code = Code::PermissionDenied;
const REASON: &str = "NOT_ALLOWED";

/// What everybody may do who may list in some collection of the store, or see it.
const OF_THE_STORE: [&str; 2] = ["ListCollections", "GetStore"];

#[tokio::test(flavor = "multi_thread")]
async fn another_tenants_data() -> Outcome {
    let folder = Folder::new()?;
    let (server, tokens) = start(&folder, &[&["a"], &["b"]]).await?;
    let client = server.client().await?;
    let (a, b) = (client.with_token(&tokens[0])?, client.with_token(&tokens[1])?);
    let precious = b.collection("main", "b-1");
    precious.put("precious", "{}").await?;

    // its own collection, but not the store as a whole
    let whole = ["Cull", "DestroyStore"];
    let own = every_call(&a, "main", "a-1").await;
    let calls = own.iter().map(|(call, _)| *call);
    let allowed: Vec<&str> = calls.filter(|call| !whole.contains(call)).collect();
    expect_allowed("a in a-1", &own, &allowed, DENIED, REASON)?;

    for (collection, store, allowed) in [
        ("b-1", "main", &OF_THE_STORE[..]),
        ("", "main", &OF_THE_STORE),
        ("A-1", "main", &OF_THE_STORE),
        ("b-a-", "main", &OF_THE_STORE),
        ("a-1", "other", &[]),
        // it is not told that there is no such store
        ("a-1", "none", &[]),
    ] {
        let attempts = every_call(&a, store, collection).await;
        // an empty collection is an error of its own, where one must be named
        let attempts: Vec<_> = attempts
            .into_iter()
            .filter(|(call, _)| !(collection.is_empty() && *call == "DeleteCollection"))
            .collect();
        expect_allowed((store, collection), &attempts, allowed, DENIED, REASON)?;
    }
    expect(precious.get("precious").await?.is_some(), "b's entry is gone")?;
    expect_equal("b's keys", precious.sorted_keys("").await?, ["precious"])?;
    let log = server.log();
    for part in ["kvgate::audit", "tenant-a", "DestroyStore", "other", "b-1", "127.0.0.1"] {
        expect(log.contains(part), format!("no {part:?} in the audit log"))?;
    }
    expect(!log.contains("secret"), "a value is in the audit log")
}

/// Each batch of a stream is looked at.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_changes_its_collection() -> Outcome {
    let folder = Folder::new()?;
    let (server, tokens) = start(&folder, &[&["a"], &["b"]]).await?;
    let client = server.client().await?;
    let (a, b) = (client.with_token(&tokens[0])?, client.with_token(&tokens[1])?);
    let (own, others) = (a.collection("main", "a-1"), a.collection("main", "b-1"));
    let batches = vec![
        own.batch(vec![entry("1", "{}")]),
        others.batch(vec![entry("2", "{}")]),
        own.batch(vec![entry("3", "{}")]),
    ];
    let (stored, error) = own.stream_put_many(batches).await?;
    expect_equal("the batches that are acknowledged", stored, [1])?;
    refused(error.map_or(Ok(()), Err), "the second batch", DENIED, REASON)?;
    expect_equal("a's keys", own.sorted_keys("").await?, ["1"])?;
    let keys = b.collection("main", "b-1").sorted_keys("").await?;
    expect_equal("b's keys", keys, [""; 0])
}

/// Each operation allows its calls and no other.
#[tokio::test(flavor = "multi_thread")]
async fn operations() -> Outcome {
    let folder = Folder::new()?;
    let read = &["Get", "Ttl", "GetMany", "TtlMany", "StreamGetMany", "GetStore"][..];
    let write = &["Put", "PutMany", "StreamPutMany", "Delete", "DeleteMany", "GetStore"][..];
    let list = &["ListKeys", "ListCollections", "GetStore"][..];
    let admin = &["DeleteCollection", "Cull", "DestroyStore", "GetStore"][..];
    let scan = [&read[..5], list, &["ScanEntries"]].concat();
    let cases: [(&[&str], &[&str]); 6] = [
        (&["reader"], read),
        (&["writer"], write),
        (&["lister"], list),
        (&["keeper"], admin),
        (&["scanner"], &scan),
        (&[], &[]),
    ];
    let roles: Vec<&[&str]> = cases.iter().map(|(roles, _)| *roles).collect();
    let (server, tokens) = start(&folder, &roles).await?;
    let client = server.client().await?;
    for ((roles, allowed), token) in cases.iter().zip(&tokens) {
        let attempts = every_call(&client.with_token(token)?, "main", "a-1").await;
        expect_allowed(roles, &attempts, allowed, DENIED, REASON)?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_show_what_may_be_used() -> Outcome {
    let folder = Folder::new()?;
    let (server, tokens) = start(&folder, &[&["a"], &["b"], &[]]).await?;
    let client = server.client().await?;
    let callers: Vec<_> =
        tokens.iter().map(|token| client.with_token(token)).collect::<Outcome<_>>()?;
    for (caller, stores) in callers.iter().zip([&["main"][..], &["main", "other"], &[]]) {
        let listed = caller.list_stores().await?;
        let names: Vec<_> = listed.into_iter().map(|store| store.name).collect();
        expect_equal("ListStores", names, stores)?;
    }
    for (caller, collection) in [(0, "a-1"), (0, "a-2"), (1, "b-1")] {
        callers[caller].collection("main", collection).put("key", "{}").await?;
    }
    // pages that are not full, or empty, lead on
    for page_size in [0, 1] {
        let of_a = callers[0].collections("main", "", page_size).await?;
        expect_equal("a's collections", of_a, ["a-1", "a-2"])?;
        let of_b = callers[1].collections("main", "", page_size).await?;
        expect_equal("b's collections", of_b, ["b-1"])?;
    }
    Ok(())
}

/// Callers who are known by the certificate of their connection.
#[tokio::test(flavor = "multi_thread")]
async fn certificates() -> Outcome {
    let secure = Secure::new()?;
    let (token, of_token) = make(&secure.folder, "by-token", &["b"]).await?;
    std::fs::write(secure.folder.path("tokens.toml"), of_token)?;
    let file = secure.folder.path("tokens.toml");
    let settings = format!(
        "{}[server.authentication]\ntokens_file = '{}'\n[[server.authentication.certificates]]\nname \
         = \"spiffe://prod/ns/a/*\"\nroles = [\"a\"]\n[[server.authentication.certificates]]\nname = \
         \"b.internal\"\nroles = [\"b\"]\n{TABLES}",
        secure.tls(&secure.client_certificates("optional")),
        file.display()
    );
    let server = secure.folder.start(&settings).await?;
    let sign = |name, of: &[&str]| secure.authority.sign(name, of);
    let by_uri = sign("uri", &["spiffe://prod/ns/a/sa/web", "x.internal"])?;
    let by_name = sign("name", &["b.internal"])?;
    let stranger = sign("stranger", &["spiffe://prod/ns/b/sa/web", "c.internal"])?;
    for (what, own, in_a, in_b) in [
        ("a SPIFFE ID", Some(&by_uri), None, Some(DENIED)),
        ("a name", Some(&by_name), Some(DENIED), None),
        ("another name", Some(&stranger), Some(Code::Unauthenticated), Some(Code::Unauthenticated)),
        ("none", None, Some(Code::Unauthenticated), Some(Code::Unauthenticated)),
    ] {
        let client = secure.client(&server, own).await?;
        for (collection, code) in [("a-1", in_a), ("b-1", in_b)] {
            let answer = client.collection("main", collection).get("key").await;
            let found = answer.err().map(|error| error.code);
            expect_equal(format!("{what} in {collection}"), found, code)?;
        }
        // the token of a call goes before the certificate of its connection
        let known = client.with_token(&token)?;
        known.collection("main", "b-1").get("key").await?;
        let answer = known.collection("main", "a-1").get("key").await;
        refused(answer, what, DENIED, REASON)?;
        let answer = client.with_token("wrong")?.collection("main", "a-1").get("key").await;
        refused(answer, what, Code::Unauthenticated, "CREDENTIALS_INVALID")?;
    }
    Ok(())
}
