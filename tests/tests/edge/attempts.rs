//! Every call of the API, made by one caller in one collection.

use std::collections::BTreeSet;
use std::fmt::Debug;

use kvgate_proto::FILE_DESCRIPTOR_SET;
use kvgate_tests::client::{Answer, Client, entry};
use kvgate_tests::failure::{Failure, Outcome, expect_equal};
use prost::Message as _;
use tonic::Code;

/// A call, and what became of it.
pub(crate) type Attempt = (&'static str, Answer<()>);

/// Makes every call that names a store. All of them can work.
pub(crate) async fn every_call(client: &Client, store: &str, collection: &str) -> Vec<Attempt> {
    let here = client.collection(store, collection);
    let keys = || vec!["key".to_owned()];
    let entries = || vec![entry("key", "{\"secret\":1}")];
    let streamed = here.stream_put_many(vec![here.batch(entries())]).await;
    let streamed = streamed.and_then(|(_, error)| error.map_or(Ok(()), Err));
    vec![
        ("StreamPutMany", streamed),
        ("Put", here.put("key", "{\"secret\":1}").await),
        ("PutMany", here.put_many(entries()).await),
        ("Get", nothing(here.get("key").await)),
        ("Ttl", nothing(here.ttl("key").await)),
        ("GetMany", nothing(here.get_many(&keys()).await)),
        ("TtlMany", nothing(here.ttl_many(&keys()).await)),
        ("StreamGetMany", nothing(here.stream_get_many(keys()).await)),
        ("ListKeys", nothing(here.list_keys("", 0, "").await)),
        ("ScanEntries", nothing(here.scan_messages("").await)),
        ("ListCollections", nothing(client.list_collections(store, "", 0, "").await)),
        ("GetStore", nothing(client.get_store(store).await)),
        ("Delete", nothing(here.delete("key").await)),
        ("DeleteMany", nothing(here.delete_many(&keys()).await)),
        ("DeleteCollection", nothing(here.delete_collection().await)),
        ("Cull", nothing(client.cull(store).await)),
        ("DestroyStore", client.destroy_store(store).await),
    ]
}

fn nothing<T>(answer: Answer<T>) -> Answer<()> {
    answer.map(|_| ())
}

/// Checks that exactly these calls are answered, and that all others are refused.
pub(crate) fn expect_allowed(
    what: impl Debug,
    attempts: &[Attempt],
    allowed: &[&str],
    code: Code,
    reason: &str,
) -> Outcome {
    let mut wrong = Vec::new();
    for (call, answer) in attempts {
        match (answer, allowed.contains(call)) {
            (Ok(()), true) => {}
            (Err(error), false) if error.expect(code, reason).is_ok() => {}
            (Ok(()), false) => wrong.push(format!("{call} is answered")),
            (Err(error), _) => wrong.push(error.to_string()),
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!("{what:?}: {}", wrong.join("\n"))))
}

/// A call that is added to the API is added here.
#[tokio::test(flavor = "multi_thread")]
async fn no_call_is_forgotten() -> Outcome {
    let secure = crate::secure::Secure::new()?;
    let server = secure.start("", "").await?;
    let attempts = every_call(&server.client().await?, "main", "c").await;
    let mut made: BTreeSet<String> = attempts.iter().map(|(call, _)| (*call).to_owned()).collect();
    made.insert("ListStores".to_owned());
    let api = prost_types::FileDescriptorSet::decode(FILE_DESCRIPTOR_SET)?;
    let services = api.file.iter().flat_map(|file| &file.service);
    let calls: BTreeSet<String> =
        services.flat_map(|service| &service.method).map(|call| call.name().to_owned()).collect();
    expect_equal("the calls", made, calls)?;
    let all: Vec<&str> = attempts.iter().map(|(call, _)| *call).collect();
    expect_allowed("without authentication", &attempts, &all, Code::Ok, "")
}
