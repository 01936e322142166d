//! The keyring store on a Secret Service that is absent, locked, restarted or shared.

use std::fmt::Debug;

use kvgate_tests::client::{Answer, Collection, entry};
use kvgate_tests::failure::{Failure, Outcome, expect, expect_equal};
use kvgate_tests::folder::Folder;
use kvgate_tests::python::Python;
use kvgate_tests::rpc_error::refused;
use kvgate_tests::secret_service::{Bus, Keyring};
use kvgate_tests::server::Server;
use kvgate_tests::setups::{ALL, Setup};
use kvgate_tests::wait::until;
use serde_json::json;
use tonic::Code;

/// The service that both sides use by default.
const SERVICE_NAME: &str = "py-key-value";

fn stores(address: &str, settings: &str) -> String {
    format!(
        "default_store = \"secrets\"\n[stores.beside]\ntype = \"simple\"\n\
         [stores.secrets]\ntype = \"keyring\"\ndbus_address = '{address}'\n{settings}\n"
    )
}

async fn here(server: &Server) -> Outcome<Collection> {
    Ok(server.client().await?.collection("secrets", "c"))
}

/// Checks that every call is `UNAVAILABLE` and says what to do, and `kvgate check` too.
async fn expect_hint(folder: &Folder, server: &Server, hint: &str) -> Outcome {
    let here = here(server).await?;
    unavailable("Get", here.get("key").await, hint)?;
    unavailable("Get", here.get("another").await, hint)?;
    unavailable("GetMany", here.get_many(&["key", "another"]).await, hint)?;
    unavailable("Put", here.put("key", "{}").await, hint)?;
    unavailable("PutMany", here.put_many(vec![entry("a", "{}"), entry("b", "{}")]).await, hint)?;
    unavailable("Delete", here.delete("key").await, hint)?;
    unavailable("ListKeys", here.list_keys("", 0, "").await, hint)?;
    let beside = server.client().await?.collection("beside", "c");
    beside.put("key", "{}").await?;
    let file = folder.configuration().display().to_string();
    let checked = folder.run(&["check", "--connect", &file]).await?;
    let text = format!("`kvgate check --connect` said: {}", checked.output);
    expect(checked.code != Some(0) && checked.output.contains(hint), text)
}

fn unavailable<T: Debug>(call: &str, answer: Answer<T>, hint: &str) -> Outcome {
    let error = refused(answer, call, Code::Unavailable, "STORE_UNAVAILABLE")?;
    error.expect_retry()?;
    expect(error.message.contains(hint), format!("{call} does not say {hint:?}: {error}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn no_bus_and_then_a_bus_without_a_keyring() -> Outcome {
    let folder = Folder::new()?;
    let directory = folder.path("bus");
    let address = format!("unix:path={}", directory.join("bus").display());
    let server = folder.start(&stores(&address, "")).await?;
    expect_hint(&folder, &server, "no keyring answers on D-Bus").await?;
    let bus = Bus::start(&directory).await?;
    expect_equal("the bus's address", bus.address(), address.as_str())?;
    expect_hint(&folder, &server, "no keyring answers on D-Bus").await
}

#[tokio::test(flavor = "multi_thread")]
async fn locked() -> Outcome {
    let folder = Folder::new()?;
    let keyring = Keyring::start(folder.path("keyring")).await?;
    let server = folder.start(&stores(keyring.bus().address(), "")).await?;
    let here = here(&server).await?;
    here.put("key", r#"{"n":1}"#).await?;
    keyring.lock().await?;
    expect_hint(&folder, &server, "the keyring is locked").await?;
    keyring.daemon().stop().await?;
    keyring.daemon().restart().await?;
    expect_equal("Get", here.value("key").await?.as_deref(), Some(br#"{"n":1}"#.as_slice()))?;
    expect_equal("ListKeys", here.keys("", 0).await?, ["key"])
}

/// The keyring ends with its bus, and both come back.
#[tokio::test(flavor = "multi_thread")]
async fn restarted_with_its_bus() -> Outcome {
    let folder = Folder::new()?;
    let keyring = Keyring::start(folder.path("keyring")).await?;
    let server = folder.start(&stores(keyring.bus().address(), "")).await?;
    let here = here(&server).await?;
    here.put("key", r#"{"n":1}"#).await?;
    keyring.daemon().stop().await?;
    keyring.bus().stop().await?;
    unavailable("Get", here.get("key").await, "no keyring answers on D-Bus")?;
    keyring.bus().restart().await?;
    keyring.daemon().restart().await?;
    until("the store works again", async || match here.value("key").await {
        Ok(found) => {
            expect_equal("Get", found.as_deref(), Some(br#"{"n":1}"#.as_slice())).map(Some)
        }
        Err(error) => unavailable::<()>("Get", Err(error), "keyring").map(|()| None),
    })
    .await?;
    here.put("key", r#"{"n":2}"#).await?;
    expect_equal("ListKeys", here.keys("", 0).await?, ["key"])
}

fn setup() -> Outcome<&'static Setup> {
    ALL.iter().find(|setup| setup.name == "keyring").ok_or_else(|| Failure::new("no such setup"))
}

/// kvgate, Python and other programs in turn: there is one item, and whoever wrote it
/// last, it looks the same but for its text.
#[tokio::test(flavor = "multi_thread")]
async fn one_item_for_all() -> Outcome {
    let folder = Folder::new()?;
    let keyring = Keyring::start(folder.path("keyring")).await?;
    let server = folder.start(&stores(keyring.bus().address(), "")).await?;
    let here = here(&server).await?;
    let mut python = Python::open(setup()?, &json!({ "dbus_address": keyring.bus().address() }))?;
    let item = async || -> Outcome<String> {
        let items = keyring.items(SERVICE_NAME).await?;
        expect_equal("the number of items", items.len(), 1)?;
        let frame = items[0].split_once(" {").map(|(frame, _)| frame.to_owned());
        frame.ok_or_else(|| Failure::new(&items[0]))
    };
    python.put("c", "key", r#"{"n": 1}"#)?;
    let by_python = item().await?;
    here.put("key", r#"{"n": 2}"#).await?;
    expect_equal("the item after a Put over Python's", item().await?, by_python.clone())?;
    expect_equal("Python get", python.get("c", "key")?.as_deref(), Some(r#"{"n": 2}"#))?;
    python.put("c", "key", r#"{"n": 3}"#)?;
    expect_equal("the item after Python's put", item().await?, by_python.clone())?;
    expect_equal("Get", here.value("key").await?.as_deref(), Some(br#"{"n": 3}"#.as_slice()))?;
    // A new one of ours is like one of Python's, and is removed by both.
    expect_equal("Python delete", python.delete("c", "key")?, true)?;
    here.put("key", r#"{"n": 4}"#).await?;
    expect_equal("the item after a Put", item().await?, by_python)?;
    expect_equal("Python delete", python.delete("c", "key")?, true)?;
    expect_equal("Delete", here.delete("key").await?, false)?;
    // What another program has put under the name does not hide what we put later.
    keyring.put_item(SERVICE_NAME, "c::key", "{\"value\": {\"n\": 5}}").await?;
    expect_equal("Get", here.value("key").await?.as_deref(), Some(br#"{"n": 5}"#.as_slice()))?;
    here.put("key", r#"{"n": 6}"#).await?;
    item().await?;
    expect_equal("Python get", python.get("c", "key")?.as_deref(), Some(r#"{"n": 6}"#))
}

/// The names that py-key-value's V1 strategies make.
#[tokio::test(flavor = "multi_thread")]
async fn names_of_v1() -> Outcome {
    let folder = Folder::new()?;
    let keyring = Keyring::start(folder.path("keyring")).await?;
    let address = keyring.bus().address();
    let server = folder.start(&stores(address, "sanitize = \"v1\"")).await?;
    let client = server.client().await?;
    let mut python = Python::open(setup()?, &json!({ "dbus_address": address, "v1": true }))?;
    let names = ["plain", "a_b", "a b", "a/b::c", "é", "😀", "::", &"x".repeat(300)];
    for (index, name) in names.iter().enumerate() {
        let (here, value) = (client.collection("secrets", name), format!(r#"{{"n": {index}}}"#));
        here.put(name, value.clone()).await?;
        expect_equal(format!("Python get {name:?}"), python.get(name, name)?, Some(value.clone()))?;
        python.put(name, "by python é", &value)?;
        let found = here.value("by python é").await?;
        expect_equal(here.describe("Get", name), found.as_deref(), Some(value.as_bytes()))?;
        let mut expected = [(*name).to_owned(), "by python é".to_owned()];
        expected.sort_unstable();
        expect_equal(here.describe("ListKeys", &""), here.sorted_keys("").await?, expected)?;
    }
    let mut collections = names.map(str::to_owned);
    collections.sort_unstable();
    let mut listed = client.collections("secrets", "", 0).await?;
    listed.sort_unstable();
    expect_equal("ListCollections", listed, collections)?;
    let here = client.collection("secrets", "c");
    refused(here.put("S_a", "{}").await, "Put", Code::InvalidArgument, "INVALID_KEY")?;
    Ok(())
}
