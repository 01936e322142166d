//! Reading takes a bounded amount of the server's memory, however much is read.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use kvgate_tests::client::{Collection, outcome};
use kvgate_tests::failure::{Failure, Outcome, expect, expect_equal};
use kvgate_tests::folder::Folder;
use kvgate_tests::process_figures::resident_bytes;

use crate::million::{key, load, value};

/// How much memory reading may take.
const GROWTH_MAX: u64 = 64 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn reading_a_million_entries_of_memory() -> Outcome {
    let stores = "[stores.main]\ntype = \"memory\"\nmax_entries_per_collection = 2000000\n";
    read(stores, 1_000_000).await
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_many_entries_of_disk() -> Outcome {
    // Fewer: a debug build takes long to write them.
    read("[stores.main]\ntype = \"disk\"\ndirectory = \"data\"\n", 300_000).await
}

async fn read(stores: &str, count: usize) -> Outcome {
    let folder = Folder::new()?;
    let data = folder.path("data").display().to_string();
    let stores = stores.replace("\"data\"", &format!("'{data}'"));
    let server = folder.start(&format!("default_store = \"main\"\n{stores}")).await?;
    let here = server.client().await?.collection("", "entries");
    load(&here, count).await?;

    let peak = Peak::start(server.pid())?;
    let per_call = count.div_ceil(5);
    for first in (0..count).step_by(per_call) {
        get(&here, first, per_call.min(count - first)).await?;
    }
    peak.expect_bounded("StreamGetMany")?;
    let peak = Peak::start(server.pid())?;
    scan(&here, count).await?;
    peak.expect_bounded("ScanEntries")
}

async fn get(here: &Collection, first: usize, count: usize) -> Outcome {
    let keys = (first..first + count).map(key).collect();
    let mut stream = here.open_get_many(keys).await?;
    let mut n = first;
    while let Some(message) = stream.message().await? {
        for result in message.results {
            let found = outcome(result)?.map(|entry| entry.value);
            let as_put = found.is_some_and(|found| found == value(n));
            expect(as_put, format!("StreamGetMany: {:?} is not as it was put", key(n)))?;
            n += 1;
        }
    }
    expect_equal("the number of results of StreamGetMany", n - first, count)
}

async fn scan(here: &Collection, count: usize) -> Outcome {
    let mut seen = vec![false; count];
    let mut stream = here.open_scan("").await?;
    while let Some(message) = stream.message().await? {
        expect_equal("failures of ScanEntries", message.failures, Vec::new())?;
        for entry in message.entries {
            let number = entry.key.strip_prefix("key-").and_then(|number| number.parse().ok());
            let number: usize = number.ok_or_else(|| Failure::new(&entry.key))?;
            let as_put = seen.get(number) == Some(&false) && entry.value == value(number);
            expect(as_put, format!("ScanEntries: {:?} is not as it was put", entry.key))?;
            seen[number] = true;
        }
    }
    expect(seen.iter().all(|seen| *seen), "ScanEntries lacks an entry")
}

/// The most memory that a process has while it is watched.
struct Peak {
    before: u64,
    most: Arc<AtomicU64>,
    done: Arc<AtomicBool>,
}

impl Peak {
    fn start(pid: u32) -> Outcome<Self> {
        let before = resident_bytes(pid)?;
        let (most, done) = (Arc::new(AtomicU64::new(before)), Arc::new(AtomicBool::new(false)));
        let (watched, ended) = (Arc::clone(&most), Arc::clone(&done));
        std::thread::spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                let Ok(now) = resident_bytes(pid) else { return };
                watched.fetch_max(now, Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        Ok(Self { before, most, done })
    }

    fn expect_bounded(self, call: &str) -> Outcome {
        let growth = self.most.load(Ordering::Relaxed).saturating_sub(self.before);
        let before = self.before >> 20;
        let text = format!("{call}: the server grew by {} MiB from {before} MiB", growth >> 20);
        expect(growth <= GROWTH_MAX, text)
    }
}

impl Drop for Peak {
    fn drop(&mut self) {
        self.done.store(true, Ordering::Relaxed);
    }
}
