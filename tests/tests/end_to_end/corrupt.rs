//! Stored data that has been damaged.

use std::path::Path;
use std::process::Command;

use bytes::Bytes;
use kvgate_tests::client::{Collection, outcome};
use kvgate_tests::failure::{Failure, Outcome, expect, expect_equal};
use kvgate_tests::folder::Folder;
use kvgate_tests::rpc_error::{RpcError, refused};
use kvgate_tests::server::{Server, binary, run_to_end};
use rusqlite::Connection;
use tonic::Code;

fn stores(folder: &Folder, store_type: &str) -> String {
    let directory = folder.path("data");
    let directory = directory.display();
    format!(
        "default_store = \"main\"\n\
         [stores.main]\ntype = \"{store_type}\"\ndirectory = '{directory}'\n"
    )
}

async fn start(folder: &Folder, store_type: &str) -> Outcome<(Server, Collection)> {
    let server = folder.start(&stores(folder, store_type)).await?;
    let here = server.client().await?.collection("", "c");
    Ok((server, here))
}

/// `bad` is `DATA_LOSS` by every call; its neighbours are not.
pub(crate) async fn expect_one_bad(here: &Collection) -> Outcome {
    let (code, reason) = (Code::DataLoss, "UNREADABLE_ENTRY");
    refused(here.get("bad").await, here.describe("Get", &"bad"), code, reason)?;
    let keys = ["a", "bad", "z"].map(str::to_owned);
    let many = here.get_many(&keys).await?;
    let streamed = here.stream_results(keys.to_vec()).await?;
    for (call, results) in [("GetMany", many), ("StreamGetMany", streamed)] {
        let call = here.describe(call, &keys);
        let [a, bad, z] = <[_; 3]>::try_from(results).map_err(|_| Failure::new(&call))?;
        refused(outcome(bad), &call, code, reason)?;
        for (result, value) in [(a, r#"{"n":1}"#), (z, r#"{"n":3}"#)] {
            let found = outcome(result)?.map(|entry| entry.value);
            expect_equal(&call, found, Some(Bytes::from_static(value.as_bytes())))?;
        }
    }
    let messages = here.scan_messages("").await?;
    let entries: usize = messages.iter().map(|message| message.entries.len()).sum();
    expect_equal("the number of entries of ScanEntries", entries, 2)?;
    let failures: Vec<_> = messages.into_iter().flat_map(|message| message.failures).collect();
    let [failure] = <[_; 1]>::try_from(failures)
        .map_err(|all| Failure::new(format!("failures of ScanEntries: {all:?}")))?;
    let error = outcome(failure).err().ok_or_else(|| Failure::new("ScanEntries"))?;
    error.expect(code, reason)
}

pub(crate) async fn put_three(here: &Collection, bad: &str) -> Outcome {
    here.put("a", r#"{"n":1}"#).await?;
    here.put("bad", bad.to_owned()).await?;
    here.put("z", r#"{"n":3}"#).await?;
    Ok(())
}

pub(crate) const DAMAGES: &[&[u8]] = &[
    b"",
    b"{",
    b"not json",
    b"[]",
    b"{}",
    b"{\"value\":[],\"version\":1}",
    b"{\"value\":{},\"version\":1,\"expires_at\":\"soon\"}",
    b"{\"value\":{\"a\":\"\xff\"},\"version\":1}",
    b"\0\0\0\0\0\0\0\0",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_filetree() -> Outcome {
    let folder = Folder::new()?;
    let (_server, here) = start(&folder, "filetree").await?;
    put_three(&here, "{}").await?;
    for damage in DAMAGES {
        std::fs::write(folder.path("data/c/bad.json"), damage)?;
        let damaged = format!("with {:?}", String::from_utf8_lossy(damage));
        expect_one_bad(&here).await.map_err(|failure| failure.within(damaged))?;
    }
    // What is stray is no entry.
    std::fs::remove_file(folder.path("data/c/bad.json"))?;
    std::fs::write(folder.path("data/c/notes.txt"), "hello")?;
    std::fs::write(folder.path("data/c/tmpabcdef12.tmp"), "{\"val")?;
    std::fs::create_dir(folder.path("data/c/directory.json"))?;
    expect_equal("ScanEntries", here.scan("").await?.len(), 2)?;
    here.put("bad", "{}").await?;
    expect_equal("ScanEntries", here.scan("").await?.len(), 3)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_of_disk() -> Outcome {
    for store_type in ["disk", "multidisk"] {
        let folder = Folder::new()?;
        let (_server, here) = start(&folder, store_type).await?;
        put_three(&here, "{}").await?;
        let path = if store_type == "disk" { "data/cache.db" } else { "data/c/cache.db" };
        let database = Connection::open(folder.path(path))?;
        database.busy_timeout(std::time::Duration::from_secs(10))?;
        for damage in DAMAGES {
            let text = String::from_utf8_lossy(damage).into_owned();
            let update = "UPDATE Cache SET value = ?1 WHERE key LIKE '%bad'";
            expect_equal("rows that were damaged", database.execute(update, [&text])?, 1)?;
            // Replacing what is not UTF-8 has made text of it, which may be read.
            if text.contains('\u{fffd}') {
                continue;
            }
            let damaged = format!("{store_type} with {text:?}");
            expect_one_bad(&here).await.map_err(|failure| failure.within(damaged))?;
        }
        here.put("bad", "{}").await?;
        expect_equal("ScanEntries", here.scan("").await?.len(), 3)?;
    }
    Ok(())
}

/// A large value's file is damaged, then gone.
#[tokio::test(flavor = "multi_thread")]
async fn a_value_file_of_disk() -> Outcome {
    let folder = Folder::new()?;
    let (server, here) = start(&folder, "disk").await?;
    put_three(&here, &format!(r#"{{"pad":"{}"}}"#, "x".repeat(50_000))).await?;
    let file = value_file(&folder.path("data"))?.ok_or_else(|| Failure::new("no value file"))?;
    std::fs::write(&file, "{\"cut off")?;
    expect_one_bad(&here).await?;
    std::fs::write(&file, b"\xff\xff")?;
    expect_one_bad(&here).await?;
    // A file that is gone is to the Python library an entry that is gone.
    std::fs::remove_file(&file)?;
    match here.get("bad").await {
        Ok(found) => expect_equal(here.describe("Get", &"bad"), found, None)?,
        Err(error) => RpcError::expect(&error, Code::DataLoss, "UNREADABLE_ENTRY")?,
    }
    here.put("bad", "{}").await?;
    expect_equal("ScanEntries", here.scan("").await?.len(), 3)?;
    server.terminate().await
}

fn value_file(directory: &Path) -> Outcome<Option<std::path::PathBuf>> {
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            if let Some(found) = value_file(&path)? {
                return Ok(Some(found));
            }
        } else if path.extension().is_some_and(|extension| extension == "val") {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

/// Text in the place of the database: the server says so and leaves it alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_none() -> Outcome {
    let folder = Folder::new()?;
    std::fs::create_dir(folder.path("data"))?;
    let text = "this is not a database ".repeat(1_000);
    std::fs::write(folder.path("data/cache.db"), &text)?;
    folder
        .configure(&format!("[server]\nlisten = \"127.0.0.1:0\"\n{}", stores(&folder, "disk")))?;
    let mut command = Command::new(binary()?);
    command.args(["serve", "--config"]).arg(folder.configuration());
    let finished = run_to_end(command).await?;
    expect(matches!(finished.code, Some(1 | 2)), format!("the exit code is {:?}", finished.code))?;
    let path = folder.path("data").display().to_string();
    for part in ["main", path.as_str()] {
        let said = finished.output.contains(part);
        expect(said, format!("no {part:?} in {:?}", finished.output))?;
    }
    let left = std::fs::read_to_string(folder.path("data/cache.db"))?;
    expect(left == text, "the server has written into a file that is not its own")
}

/// Pages of the database are overwritten: what is readable stays so, the rest
/// is an error, and no wrong value comes back.
#[tokio::test(flavor = "multi_thread")]
async fn pages_of_a_database() -> Outcome {
    let folder = Folder::new()?;
    let (server, here) = start(&folder, "disk").await?;
    let value = |n: usize| format!(r#"{{"n":{n},"pad":"{}"}}"#, "x".repeat(500));
    for n in 0..200 {
        here.put(&format!("key-{n}"), value(n)).await?;
    }
    server.terminate().await?;
    let path = folder.path("data/cache.db");
    // whoever closes a database last moves its log into it, unless two close it at once
    let database = rusqlite::Connection::open(&path)?;
    database.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    drop(database);
    let mut bytes = std::fs::read(&path)?;
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 8192].fill(0xa5);
    std::fs::write(&path, &bytes)?;

    folder
        .configure(&format!("[server]\nlisten = \"127.0.0.1:0\"\n{}", stores(&folder, "disk")))?;
    let Ok(server) = Server::start(&folder.configuration()).await else {
        // It may as well refuse to start, as long as it says why.
        let mut command = Command::new(binary()?);
        command.args(["serve", "--config"]).arg(folder.configuration());
        let finished = run_to_end(command).await?;
        let said = finished.output.contains(&folder.path("data").display().to_string());
        return expect(said, format!("no path in {:?}", finished.output));
    };
    let here = server.client().await?.collection("", "c");
    let mut readable = 0;
    for n in 0..200 {
        match here.value(&format!("key-{n}")).await {
            Ok(Some(found)) => {
                expect_equal(here.describe("Get", &n), found, Bytes::from(value(n)))?;
                readable += 1;
            }
            // A row that can't be found is lost without a trace.
            Ok(None) => {}
            Err(error) => {
                let known = [Code::DataLoss, Code::Unavailable, Code::Internal];
                expect(known.contains(&error.code), &error)?;
                expect(!error.reason.is_empty(), &error)?;
            }
        }
    }
    expect(readable > 0, "nothing is readable of a database with two damaged pages")
}
