//! Logs: what is in them, and what never is.

use kvgate_tests::failure::{Failure, Outcome, expect, expect_equal};
use kvgate_tests::folder::Folder;
use kvgate_tests::wait::until;

use crate::attempts::every_call;
use crate::tokens::{EVERYTHING, make};

#[tokio::test(flavor = "multi_thread")]
async fn json_without_secrets() -> Outcome {
    let folder = Folder::new()?;
    let (token, entry) = make(&folder, "web", &["all"]).await?;
    let file = folder.path("tokens.toml");
    std::fs::write(&file, entry)?;
    let log = "[server.log]\nlevel = \"trace\"\nformat = \"json\"\n";
    let tokens = format!("[server.authentication]\ntokens_file = '{}'\n", file.display());
    let server =
        folder.start(&format!("{log}{tokens}{EVERYTHING}{}", crate::secure::STORE)).await?;
    let client = server.client().await?.with_token(&token)?;
    every_call(&client, "main", "c").await;
    let wrong = server.client().await?.with_token("kvgate_wrong-token")?;
    every_call(&wrong, "main", "c").await;
    let ended = until("the access lines are there", async || {
        let ended = lines(&server.log())?;
        let ended: Vec<_> =
            ended.into_iter().filter(|l| l["fields"]["message"] == "call ended").collect();
        Ok((ended.len() >= 34).then_some(ended))
    })
    .await?;
    for line in &ended {
        let fields = &line["fields"];
        let code = fields["rpc.response.status_code"].as_str();
        expect(code.is_some(), format!("no code: {line}"))?;
        expect(line["span"]["rpc.method"].is_string(), format!("no method: {line}"))?;
        expect_equal("level", line["level"].as_str(), Some("DEBUG"))?;
    }
    let of_main = ended.iter().filter(|line| line["fields"]["store"] == "main").count();
    expect(of_main >= 16, format!("{of_main} lines name the store"))?;
    let log = server.log();
    for secret in [token.as_str(), "wrong-token", "\\\"secret\\\"", "{\"secret\":1}"] {
        expect(!log.contains(secret), format!("{secret} is in the log"))?;
    }
    Ok(())
}

fn lines(log: &str) -> Outcome<Vec<serde_json::Value>> {
    let read =
        |line| serde_json::from_str(line).map_err(|_| Failure::new(format!("not JSON: {line}")));
    // the last one may not be whole yet
    let whole = log.rfind('\n').map_or("", |end| &log[..end]);
    whole.lines().map(read).collect()
}
