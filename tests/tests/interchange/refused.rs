//! Values that a collection does not take as Python makes it, and one of ours does.

use kvgate_tests::client::{entry, found};
use kvgate_tests::failure::{Outcome, expect, expect_equal};
use kvgate_tests::rpc_error::refused;
use kvgate_tests::setups::Setup;
use tonic::Code;

use crate::pair::Pair;

/// They are refused by both sides, with the reason and without the value; others in the
/// same call are stored.
pub(crate) async fn large_text(setup: &'static Setup) -> Outcome {
    let mut pair = Pair::open(setup).await?;
    pair.python.put("made_by_python", "key", r#"{"n": 1}"#)?;
    let large = format!(r#"{{"text": "{}"}}"#, "xyzzy".repeat(10_000));
    let by_python = pair.python.put("made_by_python", "large", &large).is_err();
    expect(by_python, "Python put a text that its collection does not take")?;

    let here = pair.server("made_by_python");
    let answer = here.put("large", large.clone()).await;
    let call = here.describe("Put", &"large");
    let error = refused(answer, &call, Code::InvalidArgument, "INVALID_VALUE")?;
    expect(error.message.contains("32,766"), format!("{call} does not say why: {error}"))?;
    expect(!error.message.contains("xyzzy"), format!("{call} shows the value: {error}"))?;

    let many = vec![entry("a", "{}"), entry("large", large.clone()), entry("b", "{}")];
    let call = here.describe("PutMany", &["a", "large", "b"]);
    refused(here.put_many(many).await, &call, Code::InvalidArgument, "INVALID_VALUE")?;
    let results = found(here.get_many(&["a", "large", "b", "key"]).await?)?;
    let there: Vec<bool> = results.iter().map(|(_, value)| value.is_some()).collect();
    expect_equal(here.describe("GetMany", &"all"), there, [true, false, true, true])?;

    pair.server("made_by_server").put("large", large.clone()).await?;
    pair.expect_python("made_by_server", "large", &large)
}
