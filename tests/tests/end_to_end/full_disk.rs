//! A file system without room: what was acknowledged stays, reading goes on.

use kvgate_tests::client::Collection;
use kvgate_tests::failure::{Failure, Outcome, expect, expect_equal};
use kvgate_tests::folder::{Folder, store_in};
use kvgate_tests::mount::Mount;
use kvgate_tests::server::Server;
use kvgate_tests::wait::until;
use tonic::Code;

use crate::million::key;

#[tokio::test(flavor = "multi_thread")]
async fn disk() -> Outcome {
    fill("disk").await
}

#[tokio::test(flavor = "multi_thread")]
async fn multidisk() -> Outcome {
    fill("multidisk").await
}

#[tokio::test(flavor = "multi_thread")]
async fn filetree() -> Outcome {
    fill("filetree").await
}

#[cfg(feature = "rocksdb")]
#[tokio::test(flavor = "multi_thread")]
async fn rocksdb() -> Outcome {
    fill("rocksdb").await
}

fn value(n: usize) -> String {
    // Rows and files of their own in turn.
    let length = if n % 4 == 3 { 60_000 } else { 3_000 };
    padded(n, length)
}

/// An object with so many characters that can't be compressed: else a full database may
/// make itself room.
fn padded(n: usize, length: usize) -> String {
    let words: Vec<_> = (0..length / 16).map(|at| format!("{:016x}", mixed(n, at))).collect();
    format!(r#"{{"n":{n},"pad":"{}"}}"#, words.concat())
}

/// A number of the sequence of `SplitMix64` that begins with `n`.
fn mixed(n: usize, at: usize) -> u64 {
    let step = (at as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let state = (n as u64).wrapping_add(step);
    let state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

async fn fill(store_type: &str) -> Outcome {
    let folder = Folder::new()?;
    let small = folder.path("small");
    std::fs::create_dir(&small)?;
    let mount = Mount::small(&small, 5 << 20)?;
    // What another program needs for a while.
    let ballast = small.join("ballast");
    std::fs::write(mount.outside(&ballast), vec![0; 1 << 20])?;
    let mut settings = store_in(store_type, &small.join("data"));
    if store_type == "rocksdb" {
        // it goes on when there is room for a buffer
        settings.push_str("write_buffer_bytes = 100_000\n");
    }
    folder.configure(&settings)?;
    let server = Server::start_with(mount.server()?, &folder.configuration()).await?;
    let here = server.client().await?.collection("", "c");

    let count = put_until_full(&here).await?;
    expect(count > 20, format!("{store_type}: full after {count} entries"))?;
    expect_all(&here, count).await?;
    // It stays full, and says so again.
    for n in count..count + 3 {
        full(&here, n).await?;
    }
    expect_all(&here, count).await?;

    // With room again, writing goes on by itself.
    std::fs::remove_file(mount.outside(&ballast))?;
    until("an entry can be put into the room that there is", async || {
        Ok(here.put("again", "{}").await.ok())
    })
    .await?;
    let deleted = (0..count).step_by(2).map(key).collect::<Vec<_>>();
    let answer = here.delete_many(&deleted).await?;
    let call = here.describe("DeleteMany", &"every other key");
    expect_equal(call, answer.deleted_count, i64::try_from(deleted.len())?)?;
    here.put("room", format!(r#"{{"pad":"{}"}}"#, "x".repeat(200_000))).await?;

    server.kill().await?;
    let server = Server::start_with(mount.server()?, &folder.configuration()).await?;
    let here = server.client().await?.collection("", "c");
    for n in (1..count).step_by(2) {
        let found = here.value(&key(n)).await?.unwrap_or_default();
        expect(found == value(n), format!("{store_type}: {:?} is lost after a kill", key(n)))?;
    }
    expect(here.get("again").await?.is_some(), here.describe("Get", &"again"))
}

/// How many entries there was room for.
async fn put_until_full(here: &Collection) -> Outcome<usize> {
    for n in 0..10_000 {
        if let Err(error) = here.put(&key(n), value(n)).await {
            error.expect(Code::ResourceExhausted, "STORE_FULL")?;
            error.expect_metadata("store", "main")?;
            return Ok(n);
        }
    }
    Err(Failure::new("a file system of 5 MiB is not full"))
}

async fn full(here: &Collection, n: usize) -> Outcome {
    match here.put(&key(n), padded(n, 200_000)).await {
        Ok(()) => Err(Failure::new("an entry of 200,000 bytes fits into a full disk")),
        Err(error) => error.expect(Code::ResourceExhausted, "STORE_FULL"),
    }
}

async fn expect_all(here: &Collection, count: usize) -> Outcome {
    for n in 0..count {
        let found = here.value(&key(n)).await?.unwrap_or_default();
        expect(
            found == value(n),
            format!("{} is not as it was put", here.describe("Get", &key(n))),
        )?;
    }
    expect_equal("the number of entries of ScanEntries", here.scan("").await?.len(), count)
}
