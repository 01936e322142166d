//! A listener in the file system.

use std::os::unix::fs::PermissionsExt as _;

use kvgate_tests::failure::{Outcome, expect, expect_equal};
use kvgate_tests::folder::Folder;
use kvgate_tests::server::Server;

use crate::secure::STORE;

async fn start(folder: &Folder, mode: &str) -> Outcome<Server> {
    let path = folder.path("kvgate.sock");
    let socket = format!("listen = \"unix:{}\"\n{mode}", path.display());
    folder.configure(&format!("[server]\n{socket}\n{STORE}"))?;
    Server::start(&folder.configuration()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn serves_and_leaves_nothing() -> Outcome {
    let folder = Folder::new()?;
    let path = folder.path("kvgate.sock");
    for (setting, mode) in [("", 0o600), ("socket_mode = \"0660\"\n", 0o660)] {
        let server = start(&folder, setting).await?;
        expect_equal("the place", server.place(), format!("unix:{}", path.display()))?;
        let found = std::fs::metadata(&path)?.permissions().mode() & 0o777;
        expect_equal("the socket's mode", found, mode)?;
        let url = server.place();
        let put = folder.run(&["put", "key", "{}", "--url", url]).await?;
        expect_equal(format!("put: {}", put.output), put.code, Some(0))?;
        let got = folder.run(&["get", "key", "--url", url]).await?;
        expect_equal(format!("get: {}", got.output), got.code, Some(0))?;
        server.terminate().await?;
        expect(!path.exists(), "the socket is left behind")?;
    }
    Ok(())
}

/// A server that was killed leaves its socket, which the next one takes over; one that
/// runs keeps it, and so does a file of another kind.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_there_already() -> Outcome {
    let folder = Folder::new()?;
    let path = folder.path("kvgate.sock");
    start(&folder, "").await?.kill().await?;
    expect(path.exists(), "a server that was killed has removed its socket")?;
    let server = start(&folder, "").await?;
    let second = folder.run(&["serve", "--config", "kvgate.toml"]).await?;
    expect_equal("the exit code of a second server", second.code, Some(1))?;
    expect(second.output.contains("another server listens"), second.output)?;
    let got = folder.run(&["get", "key", "--url", server.place()]).await?;
    expect_equal("the exit code of a get: no entry", got.code, Some(3))?;
    server.terminate().await?;
    std::fs::write(&path, "precious")?;
    let refused = folder.run(&["serve", "--config", "kvgate.toml"]).await?;
    expect_equal("the exit code", refused.code, Some(1))?;
    expect_equal("the file", std::fs::read(&path)?, b"precious")
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_settings() -> Outcome {
    let folder = Folder::new()?;
    for (text, says) in [
        ("listen = \"unix:relative\"", "begins with /"),
        ("listen = \"unix:/tmp/x\"\nsocket_mode = \"rw\"", "three octal digits"),
        ("socket_mode = \"0600\"", "not a Unix socket"),
        ("listen = \"unix:/tmp/x\"\ntls.certificate_file = 'c'\ntls.key_file = 'k'", "Unix socket"),
    ] {
        folder.configure(&format!("[server]\n{text}\n{STORE}"))?;
        let finished = folder.run(&["check", "kvgate.toml"]).await?;
        expect_equal(format!("exit code of {text}"), finished.code, Some(2))?;
        expect(finished.output.contains(says), format!("{text}: {}", finished.output))?;
    }
    Ok(())
}
