//! What is wrong is told on standard error with a hint, and by the exit code.

use kvgate_tests::failure::{Outcome, expect, expect_equal};

use crate::kvgate::Kvgate;

#[tokio::test]
async fn exit_codes_and_hints() -> Outcome {
    let kvgate = Kvgate::start().await?;
    for (arguments, code, says, hint) in [
        (&["get", ""][..], 2, "INVALID_KEY", ""),
        (&["put", "key", "[1]"], 2, "INVALID_VALUE", "a JSON object"),
        (&["get", "key", "--store", "none"], 2, "STORE_NOT_FOUND", "kvgate stores"),
        (&["put", "key", "{}", "--store", "sealed"], 1, "READ_ONLY", "read_only"),
        (&["get", "key", "--url", "http://127.0.0.1:1"], 5, "refused", "kvgate serve"),
        (&["get", "key", "--url", "ftp://host"], 2, "--url ftp://host", ""),
        (&["get", "key", "--token-file", "none"], 2, "reading none", ""),
        (&["get", "key", "--config", "none.toml"], 2, "none.toml", ""),
        (&["get", "key", "--tls-ca", "none.pem"], 2, "", ""),
        (&["get"], 2, "KEY", ""),
        (&["get", "key", "--format", "xml"], 2, "table", ""),
        (&["copy", "main", "main"], 2, "the store to read", "--to-url"),
        (&["import", "none.jsonl"], 1, "reading none.jsonl", ""),
        (&["bench", "--mix", "got=1"], 2, "put_many", ""),
    ] {
        let done = kvgate.run(arguments).await?;
        let call = format!("{arguments:?}: {}", done.err);
        expect_equal(&call, done.code, Some(code))?;
        expect(done.err.contains(says), format!("no {says:?} in {call}"))?;
        let hinted = hint.is_empty() || done.err.contains("hint: ") && done.err.contains(hint);
        expect(hinted, format!("no hint {hint:?} in {call}"))?;
        expect_equal("standard output", done.out.as_str(), "")?;
        expect(!done.err.contains('\u{1b}'), "colours in a pipe")?;
    }
    Ok(())
}
