//! Directories that a store can't use.

use std::path::Path;
use std::process::Command;

use kvgate_tests::failure::{Outcome, expect, expect_equal};
use kvgate_tests::folder::{Folder, store_in};
use kvgate_tests::mount::Mount;
use kvgate_tests::server::{Finished, binary, run_to_end};
use rusqlite::Connection;

const TYPES: &[&str] = &[
    "disk",
    "multidisk",
    "filetree",
    #[cfg(feature = "rocksdb")]
    "rocksdb",
];

fn configure(folder: &Folder, store_type: &str, directory: &Path) -> Outcome {
    folder.configure(&store_in(store_type, directory))
}

async fn serve(folder: &Folder, mut command: Command) -> Outcome<Finished> {
    command.args(["serve", "--config"]).arg(folder.configuration());
    let ended = run_to_end(command).await;
    ended.map_err(|failure| failure.within(folder.text()))
}

/// Tries every type, and says of each what failed.
async fn each_type(test: impl AsyncFn(&'static str) -> Outcome) -> Outcome {
    let mut failures = Vec::new();
    for store_type in TYPES {
        if let Err(failure) = test(store_type).await {
            failures.push(failure.within(store_type).to_string());
        }
    }
    expect(failures.is_empty(), failures.join("\n"))
}

/// The server ends by itself and says which directory and what about it.
fn expect_refused(finished: &Finished, parts: &[&str]) -> Outcome {
    let failed = matches!(finished.code, Some(1 | 2));
    expect(failed, format!("the exit code is {:?}", finished.code))?;
    for part in parts {
        let text = format!("no {part:?} in {:?}", finished.output);
        expect(finished.output.contains(part), text)?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parent_that_is_not_there() -> Outcome {
    each_type(async |store_type| {
        let folder = Folder::new()?;
        let directory = folder.path("none/data");
        configure(&folder, store_type, &directory)?;
        let finished = serve(&folder, Command::new(binary()?)).await?;
        let path = folder.path("none").display().to_string();
        expect_refused(&finished, &["main", &path])?;
        expect(!folder.path("none").exists(), "the parent was made")?;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_in_its_place() -> Outcome {
    each_type(async |store_type| {
        let folder = Folder::new()?;
        let directory = folder.path("data");
        std::fs::write(&directory, "a file")?;
        configure(&folder, store_type, &directory)?;
        let finished = serve(&folder, Command::new(binary()?)).await?;
        expect_refused(&finished, &["main", &directory.display().to_string()])?;
        expect_equal("the file", std::fs::read_to_string(&directory)?.as_str(), "a file")?;
        Ok(())
    })
    .await
}

/// A directory that another program has filled is left as it is.
#[tokio::test(flavor = "multi_thread")]
async fn filled_by_another_program() -> Outcome {
    each_type(async |store_type| {
        let folder = Folder::new()?;
        let directory = folder.path("data");
        std::fs::create_dir_all(directory.join("src"))?;
        std::fs::write(directory.join("Cargo.toml"), "[package]")?;
        std::fs::write(directory.join("src/main.rs"), "fn main() {}")?;
        configure(&folder, store_type, &directory)?;
        let finished = serve(&folder, Command::new(binary()?)).await?;
        expect_refused(&finished, &["main", &directory.display().to_string()])?;
        let left = std::fs::read_dir(&directory)?.count();
        expect_equal("what is in the directory", left, 2)?;
        Ok(())
    })
    .await
}

/// A `cache.db` with tables of somebody else's.
#[tokio::test(flavor = "multi_thread")]
async fn database_of_another_program() -> Outcome {
    let folder = Folder::new()?;
    let directory = folder.path("data");
    std::fs::create_dir(&directory)?;
    let database = Connection::open(directory.join("cache.db"))?;
    database.execute_batch(
        "CREATE TABLE Cache (id INTEGER, url TEXT); INSERT INTO Cache VALUES (1, 'x')",
    )?;
    configure(&folder, "disk", &directory)?;
    let finished = serve(&folder, Command::new(binary()?)).await?;
    expect_refused(&finished, &["main", &directory.display().to_string()])?;
    let tables = "SELECT count(*) FROM sqlite_master";
    let count: i64 = database.query_row(tables, [], |row| row.get(0))?;
    expect_equal("the number of tables in somebody else's database", count, 1)
}

#[tokio::test(flavor = "multi_thread")]
async fn read_only() -> Outcome {
    each_type(async |store_type| {
        let folder = Folder::new()?;
        let directory = folder.path("data");
        std::fs::create_dir(&directory)?;
        configure(&folder, store_type, &directory)?;
        let mount = Mount::read_only(&directory)?;
        let finished = serve(&folder, mount.server()?).await?;
        let path = directory.display().to_string();
        expect_refused(&finished, &["main", &path, "writ"])?;
        Ok(())
    })
    .await
}
