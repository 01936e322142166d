//! What Vault refuses, and what it must never be asked.

use kvgate_tests::client::Collection;
use kvgate_tests::failure::{Failure, Outcome, expect, expect_equal};
use kvgate_tests::folder::Folder;
use kvgate_tests::rpc_error::refused;
use kvgate_tests::setups::Backend as _;
use kvgate_tests::vault::{Kind, Server};
use kvgate_tests::wait::until;
use serde_json::json;
use tonic::Code;

/// The most bytes of an entry that the store sends, which is its default.
const ENTRY_BYTES_MAX: usize = (1 << 20) - (1 << 10);

/// A path that the policy closes is denied, for that path alone.
#[tokio::test(flavor = "multi_thread")]
async fn denied_path() -> Outcome {
    let folder = Folder::new()?;
    let vault = Server::start(&folder.path("vault"), Kind::Raft).await?;
    let policy =
        "path \"secret/data/open::*\" { capabilities = [\"create\", \"read\", \"update\"] }";
    vault.api().post("sys/policies/acl/open", &json!({ "policy": policy })).await?;
    let token = json!({ "id": "open-token", "policies": ["open", "default"], "no_parent": true });
    vault.api().post("auth/token/create", &token).await?;
    let url = vault.url_setting();
    let server = folder
        .start(&format!("[stores.main]\ntype = 'vault'\n{url}token = 'open-token'\n"))
        .await?;
    let client = server.client().await?;
    let (open, closed) = (client.collection("main", "open"), client.collection("main", "closed"));
    open.put("key", "{}").await?;
    expect(open.get("key").await?.is_some(), "the entry is not there")?;
    for answer in [closed.put("key", "{}").await, closed.get("key").await.map(|_| ())] {
        let error = refused(answer, "call", Code::PermissionDenied, "STORE_ACCESS_DENIED")?;
        expect(error.message.contains("denies access"), format!("it does not say why: {error}"))?;
    }
    expect(open.get("key").await?.is_some(), "the entry is not there any more")
}

/// The engine may be mounted anywhere; where there is none of version 2, the error says so.
#[tokio::test(flavor = "multi_thread")]
async fn mount_point() -> Outcome {
    let folder = Folder::new()?;
    let vault = Server::start(&folder.path("vault"), Kind::Memory).await?;
    let api = vault.api();
    for (path, version) in [("team/kv", "2"), ("old", "1")] {
        let engine = json!({ "type": "kv", "options": { "version": version } });
        api.post(&format!("sys/mounts/{path}"), &engine).await?;
    }
    until("the engine is ready", async || Ok(api.get("team/kv/config").await.unwrap_or_default()))
        .await?;
    let settings = vault.settings();
    let store = |name: &str, mount: &str| {
        format!("[stores.{name}]\ntype = 'vault'\nmount_point = '{mount}'\n{settings}")
    };
    let stores = [("main", "team/kv"), ("old", "old"), ("none", "none")];
    let server = folder.start(&stores.map(|(name, mount)| store(name, mount)).concat()).await?;
    let client = server.client().await?;
    let here = client.collection("main", "c");
    here.put("a/b", r#"{"n":1}"#).await?;
    let there = api.get("team/kv/data/c::a/b").await?.unwrap_or_default();
    expect(there["data"]["data"]["value"].is_string(), "the entry is not in the engine")?;
    let found = here.value("a/b").await?;
    expect_equal("Get", found.as_deref(), Some(br#"{"n":1}"#.as_slice()))?;
    expect_equal("ListKeys", here.keys("", 0).await?, vec!["a/b".to_owned()])?;
    expect_equal("Delete", here.delete("a/b").await?, true)?;
    for name in ["old", "none"] {
        let Err(error) = client.collection(name, "c").put("key", "{}").await else {
            return Err(Failure::new(format!("Put into {name} succeeded")));
        };
        expect(error.message.contains("mount_point"), format!("it does not say why: {error}"))?;
    }
    Ok(())
}

/// A sealed Vault is unavailable, says so, and is used again once it is unsealed.
#[tokio::test(flavor = "multi_thread")]
async fn sealed() -> Outcome {
    let folder = Folder::new()?;
    let vault = Server::start(&folder.path("vault"), Kind::Raft).await?;
    let settings = vault.settings();
    let server = folder.start(&format!("[stores.main]\ntype = 'vault'\n{settings}")).await?;
    let here = server.client().await?.collection("main", "c");
    here.put("key", r#"{"n":1}"#).await?;
    vault.api().post("sys/seal", &json!({})).await?;
    for answer in [here.put("key", "{}").await, here.get("key").await.map(|_| ())] {
        let error = refused(answer, "call", Code::Unavailable, "STORE_UNAVAILABLE")?;
        expect(error.message.contains("sealed"), format!("it does not say why: {error}"))?;
        error.expect_retry()?;
    }
    vault.unseal().await?;
    until("the store works again", async || Ok(here.put("after", "{}").await.ok())).await?;
    let found = here.value("key").await?;
    expect_equal("Get", found.as_deref(), Some(br#"{"n":1}"#.as_slice()))
}

/// An entry as large as the limit goes into Vault, however its text is made; one byte
/// more is refused by the limit's name, before Vault sees it.
#[tokio::test(flavor = "multi_thread")]
async fn largest_entry() -> Outcome {
    let folder = Folder::new()?;
    for kind in [Kind::Memory, Kind::Raft] {
        let vault = Server::start(&folder.path(&format!("{kind:?}")), kind).await?;
        let settings = vault.settings();
        let server = folder.start(&format!("[stores.main]\ntype = 'vault'\n{settings}")).await?;
        let here = server.client().await?.collection("main", "c");
        for unit in ["a", "é", "<"] {
            fits_to_the_byte(&here, unit).await?;
        }
    }
    Ok(())
}

async fn fits_to_the_byte(here: &Collection, unit: &str) -> Outcome {
    // what Vault stores of a character
    let unit_bytes = if unit == "<" { 6 } else { unit.len() };
    let value = |bytes: usize| {
        let text = unit.repeat(bytes / unit_bytes) + &"a".repeat(bytes % unit_bytes);
        format!(r#"{{"text":"{text}"}}"#)
    };
    // what stands around it is learned from the error
    let tried = ENTRY_BYTES_MAX - 20;
    let answer = here.put("large", value(tried)).await;
    let refusal = refused(answer, "Put", Code::InvalidArgument, "VALUE_TOO_LARGE")?;
    expect(refusal.message.contains("entry_bytes_max"), format!("no limit named: {refusal}"))?;
    let bytes = refusal.message.split(' ').find_map(|word| word.parse::<usize>().ok());
    let around = bytes.unwrap_or_default().saturating_sub(tried);
    expect(around > 20, format!("the error does not say how large it is: {refusal}"))?;
    let largest = value(ENTRY_BYTES_MAX - around);
    here.put("large", largest.clone()).await?;
    let found = here.value("large").await?;
    expect(found.as_deref() == Some(largest.as_bytes()), "Get has another value")?;
    let more = here.put("large", value(ENTRY_BYTES_MAX - around + 1)).await;
    refused(more, "Put", Code::InvalidArgument, "VALUE_TOO_LARGE").map(|_| ())
}

/// Names that would climb out of the mount, or be cleaned to others, stay where they are:
/// nothing beside the entries is read, changed or removed.
#[tokio::test(flavor = "multi_thread")]
async fn names_that_climb() -> Outcome {
    let folder = Folder::new()?;
    let vault = Server::start(&folder.path("vault"), Kind::Raft).await?;
    let api = vault.api();
    let other = json!({ "type": "kv", "options": { "version": "2" } });
    api.post("sys/mounts/other", &other).await?;
    until("the other engine is ready", async || {
        Ok(api.get("other/config").await.unwrap_or_default())
    })
    .await?;
    let theirs = json!({ "data": { "value": "theirs" } });
    for path in ["other/data/x", "secret/data/x"] {
        api.post(path, &theirs).await?;
    }
    let settings = vault.settings();
    let server = folder.start(&format!("[stores.main]\ntype = 'vault'\n{settings}")).await?;
    let client = server.client().await?;
    let ups = ["..", "%2e%2e", "%2E%2E", "%252e%252e", ".%2e"];
    let separators = ["/", "%2F", "%2f", "//", "/./", "\\"];
    let mut names = Vec::new();
    for up in ups {
        for separator in separators {
            // to where the other engine is: of a collection, and of a key
            for deep in [2, 4] {
                let climb = format!("{up}{separator}").repeat(deep);
                names.extend([format!("{climb}other/data/x"), format!("a{separator}{climb}x")]);
            }
        }
    }
    names.extend([".", "..", "/", "//", "a/", "/a", "x?version=1", "x#y"].map(str::to_owned));
    let before = vault.contents().await?;
    for (number, name) in names.iter().enumerate() {
        let value = format!(r#"{{"n":{number}}}"#);
        for (collection, key) in [("c", name.as_str()), (name.as_str(), "k")] {
            let here = client.collection("main", collection);
            expect_equal(format!("Get of {collection} {key}"), here.get(key).await?, None)?;
            here.put(key, value.clone()).await?;
        }
    }
    for (number, name) in names.iter().enumerate() {
        let value = format!(r#"{{"n":{number}}}"#);
        for (collection, key) in [("c", name.as_str()), (name.as_str(), "k")] {
            let here = client.collection("main", collection);
            let found = here.value(key).await?;
            expect_equal(format!("{collection} {key}"), found.as_deref(), Some(value.as_bytes()))?;
            expect_equal("Delete", here.delete(key).await?, true)?;
        }
    }
    expect_equal("what is there afterwards", vault.contents().await?, before)?;
    let there = api.get("other/data/x").await?.unwrap_or_default();
    expect_equal("the other engine", there["data"]["data"]["value"].as_str(), Some("theirs"))?;
    expect_equal("its version", there["data"]["metadata"]["version"].as_u64(), Some(1))
}
