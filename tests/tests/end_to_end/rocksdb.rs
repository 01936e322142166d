//! What only a `RocksDB` database can meet.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use kvgate_tests::client::Collection;
use kvgate_tests::failure::{Failure, Outcome, expect, expect_equal};
use kvgate_tests::folder::{Folder, store_in};
use kvgate_tests::server::{Finished, Server};
use rocksdb::DB;
use tonic::Code;

use crate::corrupt::{DAMAGES, expect_one_bad, put_three};

fn settings(folder: &Folder) -> String {
    store_in("rocksdb", &folder.path("data"))
}

async fn start(folder: &Folder) -> Outcome<(Server, Collection)> {
    start_with(folder, &settings(folder)).await
}

async fn start_with(folder: &Folder, settings: &str) -> Outcome<(Server, Collection)> {
    folder.configure(settings)?;
    let server = Server::start(&folder.configuration()).await?;
    let here = server.client().await?.collection("", "c");
    Ok((server, here))
}

/// Runs a server that is to end by itself.
async fn serve_in_vain(folder: &Folder) -> Outcome<Finished> {
    serve_in_vain_with(folder, &settings(folder)).await
}

async fn serve_in_vain_with(folder: &Folder, settings: &str) -> Outcome<Finished> {
    folder.configure(settings)?;
    let finished = folder.run(&["serve", "--config", "kvgate.toml"]).await?;
    expect(matches!(finished.code, Some(1 | 2)), format!("the exit code is {:?}", finished.code))?;
    Ok(finished)
}

fn expect_said(finished: &Finished, parts: &[&str]) -> Outcome {
    for part in parts {
        let text = format!("no {part:?} in {:?}", finished.output);
        expect(finished.output.contains(part), text)?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn opened_by_two_servers() -> Outcome {
    let folder = Folder::new()?;
    let (server, here) = start(&folder).await?;
    here.put("key", r#"{"n":1}"#).await?;
    let finished = serve_in_vain(&folder).await?;
    let path = folder.path("data").display().to_string();
    expect_said(&finished, &["main", &path, "open already"])?;
    // The first one has not noticed.
    here.put("key", r#"{"n":2}"#).await?;
    server.terminate().await?;
    let (_server, here) = start(&folder).await?;
    expect_equal(here.describe("Get", &"key"), here.value("key").await?, Some(r#"{"n":2}"#.into()))
}

#[tokio::test(flavor = "multi_thread")]
async fn opened_by_two_stores_of_one_server() -> Outcome {
    let folder = Folder::new()?;
    let path = folder.path("data");
    let path = path.display();
    let other = format!("[stores.other]\ntype = \"rocksdb\"\npath = '{path}'\n");
    let finished = serve_in_vain_with(&folder, &(settings(&folder) + &other)).await?;
    expect_said(&finished, &[&path.to_string(), "open already"])
}

/// Its own account of itself ends with the end of the database.
#[tokio::test(flavor = "multi_thread")]
async fn closed_by_a_graceful_stop() -> Outcome {
    let folder = Folder::new()?;
    let (server, here) = start(&folder).await?;
    here.put("key", "{}").await?;
    server.terminate().await?;
    let account = std::fs::read_to_string(folder.path("data/LOG"))?;
    expect(account.contains("Shutdown complete"), "the database was not closed")
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_entries() -> Outcome {
    let folder = Folder::new()?;
    let (server, _) = start(&folder).await?;
    let client = server.client().await?;
    for number in 0..DAMAGES.len() {
        put_three(&client.collection("", &format!("c{number}")), "{}").await?;
    }
    server.terminate().await?;
    let database = DB::open_default(folder.path("data"))?;
    for (number, damage) in DAMAGES.iter().enumerate() {
        let key = format!("c{number}::bad");
        expect(database.get(&key)?.is_some(), format!("no {key} in the database"))?;
        database.put(key, damage)?;
    }
    drop(database);
    let (server, _) = start(&folder).await?;
    let client = server.client().await?;
    for (number, damage) in DAMAGES.iter().enumerate() {
        let here = client.collection("", &format!("c{number}"));
        let damaged = format!("with {:?}", String::from_utf8_lossy(damage));
        expect_one_bad(&here).await.map_err(|failure| failure.within(damaged))?;
        expect_equal(here.describe("Delete", &"bad"), here.delete("bad").await?, true)?;
        expect_equal(here.describe("Get", &"bad"), here.get("bad").await?, None)?;
    }
    Ok(())
}

const VALUES: usize = 200;

fn value(n: usize) -> String {
    format!(r#"{{"n":{n},"pad":"{}"}}"#, n.to_string().repeat(200))
}

/// A database of [`VALUES`] entries whose server has ended, and its one file of the
/// kind.
async fn filled(folder: &Folder, ending: &str) -> Outcome<PathBuf> {
    let (server, here) = start(folder).await?;
    for n in 0..VALUES {
        here.put(&format!("key-{n}"), value(n)).await?;
    }
    server.terminate().await?;
    // What is in the log only gets into a table file when it is opened again.
    if ending == "sst" {
        start(folder).await?.0.terminate().await?;
    }
    largest(&folder.path("data"), ending)
}

fn largest(directory: &Path, ending: &str) -> Outcome<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        if entry.path().extension().is_some_and(|found| found == ending) {
            files.push((entry.metadata()?.len(), entry.path()));
        }
    }
    let largest = files.into_iter().max().map(|(_, path)| path);
    largest.ok_or_else(|| Failure::new(format!("no .{ending} file in {}", directory.display())))
}

fn damage(file: &Path) -> Outcome {
    let mut bytes = std::fs::read(file)?;
    let middle = bytes.len() / 2;
    bytes[middle..middle + 100].fill(0xa5);
    Ok(std::fs::write(file, bytes)?)
}

/// What is in the damaged part is an error, the rest is as it was put.
#[tokio::test(flavor = "multi_thread")]
async fn damaged_table_file() -> Outcome {
    let folder = Folder::new()?;
    damage(&filled(&folder, "sst").await?)?;
    let (_server, here) = start(&folder).await?;
    let keys: Vec<_> = (0..VALUES).map(|n| format!("key-{n}")).collect();
    let (mut readable, mut damaged) = (0, 0);
    for (n, key) in keys.iter().enumerate() {
        match here.value(key).await {
            Ok(found) => {
                expect_equal(here.describe("Get", key), found, Some(Bytes::from(value(n))))?;
                readable += 1;
            }
            Err(error) => {
                error.expect(Code::DataLoss, "UNREADABLE_ENTRY")?;
                damaged += 1;
            }
        }
    }
    expect(readable > 0 && damaged > 0, format!("{readable} readable, {damaged} damaged"))?;
    // Each by itself when they are read together.
    let results = here.get_many(&keys).await?;
    let failed =
        results.into_iter().filter(|result| kvgate_tests::client::outcome(result.clone()).is_err());
    expect_equal("the errors of GetMany", failed.count(), damaged)
}

/// Acknowledged writes are in the damaged part: only a person may give them up.
#[tokio::test(flavor = "multi_thread")]
async fn damaged_log() -> Outcome {
    let folder = Folder::new()?;
    damage(&filled(&folder, "log").await?)?;
    let finished = serve_in_vain(&folder).await?;
    let path = folder.path("data").display().to_string();
    expect_said(&finished, &["main", &path, "damaged", "damaged_log = \"cut\""])?;

    let cut = settings(&folder) + "damaged_log = \"cut\"\n";
    let (server, here) = start_with(&folder, &cut).await?;
    let found = here.scan("").await?.len();
    expect(found > 0 && found < VALUES, format!("{found} entries before the damage"))?;
    here.put("again", "{}").await?;
    server.terminate().await?;
    // Nothing is damaged any more.
    let (_server, here) = start(&folder).await?;
    expect_equal("the entries afterwards", here.scan("").await?.len(), found + 1)
}

/// A write that a sudden end has cut off was not acknowledged.
#[tokio::test(flavor = "multi_thread")]
async fn log_that_ends_within_a_write() -> Outcome {
    let folder = Folder::new()?;
    let log = filled(&folder, "log").await?;
    let length = std::fs::metadata(&log)?.len();
    std::fs::OpenOptions::new().write(true).open(&log)?.set_len(length - 7)?;
    let (_server, here) = start(&folder).await?;
    expect_equal("the entries", here.scan("").await?.len(), VALUES - 1)?;
    Ok(here.put("again", "{}").await?)
}

/// A file that the database names is gone.
#[tokio::test(flavor = "multi_thread")]
async fn lost_table_file() -> Outcome {
    let folder = Folder::new()?;
    std::fs::remove_file(filled(&folder, "sst").await?)?;
    let finished = serve_in_vain(&folder).await?;
    let path = folder.path("data").display().to_string();
    expect_said(&finished, &["main", &path, "damaged"])
}
