//! What a reader can't take for an entry: an error for that key alone.

use kvgate_tests::client::{Collection, outcome};
use kvgate_tests::failure::{Failure, Outcome, expect_equal};
use kvgate_tests::rpc_error::{RpcError, refused};
use kvgate_tests::setups::Setup;
use tonic::Code;

use crate::pair::Pair;

/// What Python writes and nobody else reads: `NaN` and `Infinity`, which are not JSON, or
/// half of a surrogate pair as bytes that are not UTF-8.
fn bad_members(setup: &Setup) -> &'static [&'static str] {
    if setup.facts.python_client_writes {
        &[r#""n": "\ud800""#, r#""n": ["é", "\udc00"]"#]
    } else {
        &[r#""n": NaN"#, r#""n": [-Infinity, {"a": Infinity}]"#]
    }
}

pub(crate) async fn nan(setup: &'static Setup) -> Outcome {
    let mut pair = Pair::open(setup).await?;
    pair.server_makes("unreadable").await?;
    for bad in bad_members(setup).iter().map(|members| format!("{{{members}}}")) {
        pair.python.put("unreadable", "before", r#"{"n": 1}"#)?;
        pair.python.put("unreadable", "key", &bad)?;
        pair.python.put("unreadable", "later", r#"{"n": 2}"#)?;
        check(&pair, &pair.server("unreadable")).await?;
        // The words themselves are nothing bad.
        let text = r#"{"NaN": "NaN", "s": "Infinity \" NaN"}"#;
        pair.python.put("unreadable", "key", text)?;
        pair.expect_server("unreadable", "key", text).await?;
        pair.python.put("unreadable", "key", &bad)?;
        pair.server("unreadable").put("key", "{}").await?;
        pair.expect_python("unreadable", "key", "{}")?;
    }
    Ok(())
}

/// The value's text has `NaN` in a file of its own.
pub(crate) async fn nan_in_a_large_value(setup: &'static Setup) -> Outcome {
    let mut pair = Pair::open(setup).await?;
    pair.server_makes("unreadable").await?;
    let (bad, pad) = (bad_members(setup)[0], "x".repeat(50_000));
    pair.python.put("unreadable", "before", r#"{"n": 1}"#)?;
    pair.python.put("unreadable", "key", &format!(r#"{{{bad}, "pad": "{pad}"}}"#))?;
    pair.python.put("unreadable", "later", r#"{"n": 2}"#)?;
    let here = pair.server("unreadable");
    check(&pair, &here).await?;
    expect_equal(here.describe("Delete", &"key"), here.delete("key").await?, true)?;
    expect_equal("Python get", pair.python.get("unreadable", "key")?, None)
}

/// `key` is `DATA_LOSS` by every call, and its neighbours are not.
async fn check(pair: &Pair, here: &Collection) -> Outcome {
    let (code, reason) = (Code::DataLoss, "UNREADABLE_ENTRY");
    refused(here.get("key").await, here.describe("Get", &"key"), code, reason)?;
    refused(here.ttl("key").await, here.describe("Ttl", &"key"), code, reason)?;
    let keys = ["before", "key", "later"].map(str::to_owned);
    let many = here.get_many(&keys).await?;
    let streamed = here.stream_results(keys.to_vec()).await?;
    for (call, results) in [("GetMany", many), ("StreamGetMany", streamed)] {
        let call = here.describe(call, &keys);
        let [before, bad, later] = <[_; 3]>::try_from(results).map_err(|_| Failure::new(&call))?;
        refused(outcome(bad), &call, code, reason)?;
        for (result, value) in [(before, r#"{"n": 1}"#), (later, r#"{"n": 2}"#)] {
            let found = outcome(result)?.map(|entry| entry.value);
            pair.expect_text(call.clone(), found, value)?;
        }
    }
    let results = here.ttl_many(&keys).await?;
    let there: Vec<bool> = results.iter().map(|result| result.entry.is_some()).collect();
    expect_equal(here.describe("TtlMany", &keys), there, [true, false, true])?;
    let error = results.get(1).and_then(|result| result.error.as_ref());
    let error = error.ok_or_else(|| Failure::new("TtlMany has no error for the key"))?;
    RpcError::of_entry("TtlMany", error).expect(code, reason)?;

    if !pair.capabilities.list_keys {
        return Ok(());
    }
    let messages = here.scan_messages("").await?;
    let mut entries: Vec<_> =
        messages.iter().flat_map(|it| &it.entries).map(|entry| entry.key.as_str()).collect();
    entries.sort_unstable();
    expect_equal(here.describe("ScanEntries", &""), entries, ["before", "later"])?;
    let failures: Vec<_> = messages.into_iter().flat_map(|message| message.failures).collect();
    let [failure] = <[_; 1]>::try_from(failures).map_err(|_| Failure::new("ScanEntries"))?;
    expect_equal("the key of a failure of ScanEntries", failure.key.as_str(), "key")?;
    refused(outcome(failure), "ScanEntries", code, reason).map(|_| ())
}
