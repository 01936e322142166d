//! The keyring store on Windows' Credential Manager: that of Wine 8, which can't list its
//! credentials (`CredEnumerate` fails), so that nothing is listed here.

use futures::future::join_all;
use kvgate_tests::client::{entry, found};
use kvgate_tests::failure::{Outcome, expect_equal};
use kvgate_tests::rpc_error::refused;
use tonic::Code;

use crate::registry::Scene;

#[tokio::test(flavor = "multi_thread")]
async fn entries_outlive_the_server() -> Outcome {
    let scene = Scene::set("[stores.main]\ntype = \"keyring\"\n").await?;
    let here = scene.server.client().await?.collection("", "c");
    let long = "k".repeat(300);
    let keys = ["key", "Key", "KEY", "a::b", "a b\\c/é", "S_a", &long];
    for key in keys {
        here.put(key, format!(r#"{{"key":{key:?}}}"#)).await?;
    }
    here.put("key", r#"{"n":1.0}"#).await?;
    here.put("key", r#"{"key":"key"}"#).await?;
    here.beside("C").put("key", r#"{"in":"C"}"#).await?;

    let scene = scene.restart().await?;
    let here = scene.server.client().await?.collection("", "c");
    for (name, value) in found(here.get_many(&keys).await?)? {
        let expected = format!(r#"{{"key":{name:?}}}"#);
        expect_equal(here.describe("Get", &name), value.as_deref(), Some(expected.as_bytes()))?;
    }
    // of many who delete it, one is told that it was there
    let deleted = join_all((0..16).map(|_| here.delete("key"))).await;
    let deleted = deleted.into_iter().collect::<Result<Vec<bool>, _>>()?;
    expect_equal("Delete", deleted.into_iter().filter(|deleted| *deleted).count(), 1)?;
    expect_equal("Get", here.get("key").await?, None)?;
    let there = here.beside("C").value("key").await?;
    expect_equal("Get", there.as_deref(), Some(br#"{"in":"C"}"#.as_slice()))
}

/// Windows takes 2,560 bytes, in UTF-16 and with names and times.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_is_refused() -> Outcome {
    let scene = Scene::set("[stores.main]\ntype = \"keyring\"\n").await?;
    let here = scene.server.client().await?.collection("", "c");
    let value = |characters: usize| format!(r#"{{"pad":"{}"}}"#, "é".repeat(characters));
    here.put("key", value(1_100)).await?;
    for characters in [1_280, 2_600] {
        let put = here.put("key", value(characters)).await;
        let error = refused(put, "Put", Code::InvalidArgument, "VALUE_TOO_LARGE")?;
        error.expect_metadata("limit_name", "value_bytes_max")?;
        error.expect_metadata("limit", "2560")?;
    }
    let many = vec![entry("small", "{}"), entry("large", value(1_280))];
    refused(here.put_many(many).await, "PutMany", Code::InvalidArgument, "VALUE_TOO_LARGE")?;
    let kept = here.value("key").await?;
    expect_equal("Get", kept.as_deref(), Some(value(1_100).as_bytes()))?;
    expect_equal("Get", here.get("small").await?, None)
}
