//! The examples run, against a real server, and say what they should.

use std::process::Command;

use kvgate_tests::failure::{Failure, Outcome, expect};
use kvgate_tests::folder::Folder;
use kvgate_tests::server::run_to_end;

async fn run(example: &str, says: &[&str]) -> Outcome {
    let folder = Folder::new()?;
    let server = folder.start("[stores.main]\ntype = \"memory\"\n").await?;
    // target/debug/deps/<this test>
    let program = std::env::current_exe()?;
    let program = program.ancestors().nth(2).map(|directory| directory.join("examples"));
    let program = program.ok_or_else(|| Failure::new("the test binary has no directory"))?;
    let mut command = Command::new(program.join(example));
    command.arg(format!("http://{}", server.address()));
    let done = run_to_end(command).await?;
    for word in says {
        expect(done.output.contains(word), format!("no {word:?} in {}", done.output))?;
    }
    expect(done.code == Some(0), format!("{:?}: {}", done.code, done.output))
}

#[tokio::test]
async fn quickstart() -> Outcome {
    let ada = r#"Some(Session { name: "Ada", cart: [1, 2] })"#;
    run("quickstart", &[ada, "None", "lives 3599 seconds more"]).await
}

#[tokio::test]
async fn bulk() -> Outcome {
    run("bulk", &["stored 100000", "the warmest of sensor 1: 24.9"]).await
}

#[tokio::test]
async fn errors() -> Outcome {
    let says =
        ["INVALID_KEY", "entries[1].key", "STORE_NOT_FOUND", "INVALID_VALUE", "tried 2 times"];
    run("errors", &says).await
}
