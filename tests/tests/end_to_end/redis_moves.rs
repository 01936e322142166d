//! Redis, whose keys move from server to server while they are written and read: what
//! fails says that it is unavailable, and all goes on by itself.
//!
//! Where a replica takes over, Redis may forget writes that it has acknowledged and not
//! yet copied; that is its own promise, and no store can better it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use futures::future::join_all;
use kvgate_tests::client::{Answer, Client, Collection};
use kvgate_tests::failure::{Failure, Outcome, expect, expect_equal};
use kvgate_tests::folder::Folder;
use kvgate_tests::redis::{Cluster, Product, Sentinel};
use kvgate_tests::setups::Backend;
use kvgate_tests::wait::until;
use serde_json::Value;
use tonic::Code;

/// As many slots as the tests move: a share of each caller's keys is among them.
const SLOTS_MOVED: usize = 500;

/// How many callers there are; their keys are on all nodes of a cluster.
const CALLERS: usize = 24;

/// What each caller stores before and after a move.
const ENTRIES: u64 = 20;

/// After how many milliseconds of silence a node of the cluster is replaced.
const REPLACED_AFTER_MS: u32 = 2_000;

#[tokio::test(flavor = "multi_thread")]
async fn slots_move_unnoticed() -> Outcome {
    let folder = Folder::new()?;
    let cluster =
        Cluster::start(Product::Redis, &folder.path("redis"), Cluster::PATIENT_MS).await?;
    let server = folder.start(&store(&cluster)).await?;
    let callers = Callers::new(&server.client().await?, Kept::All);
    let primaries = cluster.primaries()?;
    let (from, to) = (primaries[0], primaries[1]);
    callers.during(cluster.move_slots(from, to, SLOTS_MOVED)).await?;
    expect_equal("calls that failed", callers.failed(), 0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_takes_over_in_a_cluster() -> Outcome {
    let folder = Folder::new()?;
    let cluster = Cluster::start(Product::Redis, &folder.path("redis"), REPLACED_AFTER_MS).await?;
    let server = folder.start(&store(&cluster)).await?;
    let callers = Callers::new(&server.client().await?, Kept::WhatWasCopied);
    let before = cluster.primaries()?;
    callers
        .during(async {
            let replaced = before[0];
            cluster.stop_node(replaced).await?;
            until("a replica has taken over", async || {
                let primaries = cluster.primaries_but(replaced)?;
                Ok((primaries.len() == before.len()).then_some(()))
            })
            .await
        })
        .await?;
    expect(callers.failed() > 0, "no call noticed that a node was gone")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sentinel_names_another_primary() -> Outcome {
    let folder = Folder::new()?;
    let redis = Sentinel::start(Product::Redis, &folder.path("redis")).await?;
    let server = folder.start(&store(&redis)).await?;
    let callers = Callers::new(&server.client().await?, Kept::WhatWasCopied);
    // the server that was the primary goes on as a replica, and then goes away
    callers.during(redis.fail_over()).await?;
    redis.stop_replica().await?;
    callers.during(async { Ok(()) }).await
}

fn store(backend: &dyn Backend) -> String {
    format!("[stores.moving]\ntype = \"redis\"\n{}", backend.settings())
}

/// What of the acknowledged writes Redis keeps.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kept {
    All,
    WhatWasCopied,
}

/// Each counts upwards under a key of its own and reads what it has written.
struct Callers {
    all: Vec<Caller>,
    kept: Kept,
    failed: AtomicU64,
}

struct Caller {
    here: Collection,
    key: String,
    attempted: AtomicU64,
    acknowledged: AtomicU64,
}

impl Callers {
    fn new(client: &Client, kept: Kept) -> Self {
        let caller = |number| Caller {
            here: client.collection("", "moving"),
            key: format!("caller-{number}"),
            attempted: AtomicU64::new(0),
            acknowledged: AtomicU64::new(0),
        };
        Self { all: (0..CALLERS).map(caller).collect(), kept, failed: AtomicU64::new(0) }
    }

    fn failed(&self) -> u64 {
        self.failed.load(Ordering::SeqCst)
    }

    /// Calls on until something has happened, and for a while before and after it.
    async fn during(&self, happening: impl Future<Output = Outcome>) -> Outcome {
        let stop = AtomicBool::new(false);
        let load = join_all(self.all.iter().map(|caller| self.run(caller, &stop)));
        let rest = async {
            let outcome = async {
                self.all_store().await?;
                happening.await?;
                self.all_store().await
            };
            let outcome = outcome.await;
            stop.store(true, Ordering::SeqCst);
            outcome
        };
        let (load, rest) = tokio::join!(load, rest);
        // a caller that failed is the reason why the rest waited for it in vain
        load.into_iter().collect::<Outcome>()?;
        rest
    }

    /// Waits until each has stored [`ENTRIES`] more.
    async fn all_store(&self) -> Outcome {
        let acknowledged = |caller: &Caller| caller.acknowledged.load(Ordering::SeqCst);
        let enough: Vec<_> = self.all.iter().map(|it| acknowledged(it) + ENTRIES).collect();
        until("every caller has stored something", async || {
            let mut pairs = self.all.iter().zip(&enough);
            Ok(pairs.all(|(caller, enough)| acknowledged(caller) >= *enough).then_some(()))
        })
        .await
    }

    async fn run(&self, caller: &Caller, stop: &AtomicBool) -> Outcome {
        while !stop.load(Ordering::SeqCst) {
            // read first: what was lost is not yet written over
            if let Some(found) = self.succeeded(caller.here.value(&caller.key).await)? {
                caller.check(found.as_deref(), self.kept)?;
            }
            let next = caller.attempted.fetch_add(1, Ordering::SeqCst) + 1;
            let put = caller.here.put(&caller.key, format!(r#"{{"n":{next}}}"#)).await;
            if self.succeeded(put)?.is_some() {
                caller.acknowledged.store(next, Ordering::SeqCst);
            }
        }
        Ok(())
    }

    fn succeeded<T>(&self, answer: Answer<T>) -> Outcome<Option<T>> {
        match answer {
            Ok(answer) => Ok(Some(answer)),
            Err(error) if error.code == Code::Unavailable => {
                self.failed.fetch_add(1, Ordering::SeqCst);
                Ok(None)
            }
            Err(error) => Err(Failure::new(format!("{error:?}"))),
        }
    }
}

impl Caller {
    fn check(&self, found: Option<&[u8]>, kept: Kept) -> Outcome {
        let least = match kept {
            Kept::All => self.acknowledged.load(Ordering::SeqCst),
            Kept::WhatWasCopied => 0,
        };
        let number = match found {
            Some(found) => serde_json::from_slice::<Value>(found)?["n"].as_u64().unwrap_or(0),
            None => 0,
        };
        let range = least..=self.attempted.load(Ordering::SeqCst);
        let told = format!("{}: {number} was read, and is not within {range:?}", self.key);
        expect(range.contains(&number), told)
    }
}
