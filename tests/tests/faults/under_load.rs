//! A backend that is restarted while many callers read and write.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures::future::join_all;
use kvgate_tests::client::{Answer, Collection};
use kvgate_tests::failure::{Failure, Outcome, expect, expect_equal};
use kvgate_tests::wait::until;
use serde_json::Value;

use crate::Real;
use crate::scene::{Front, Scene, unavailable};

const CALLERS: usize = 32;

/// Entries that each caller has stored before and after the restart.
const ENTRIES: u64 = 10;

/// How long a caller waits after it was told that the store is unavailable.
const PAUSE: Duration = Duration::from_millis(50);

/// Callers see either the truth or `UNAVAILABLE`, and all of them go on afterwards.
pub(crate) async fn restarted(real: Real) -> Outcome {
    let scene = Scene::set(real).await?;
    let front = scene.start().await?;
    let here = front.here();
    let callers: Vec<Caller> = (0..CALLERS).map(|number| Caller::new(&here, number)).collect();
    let (stop, losses) = (AtomicBool::new(false), AtomicU64::new(0));
    let loads = join_all(callers.iter().map(|caller| caller.run(&stop, &losses)));
    let restart = async {
        let outcome = restart(&scene, &front, &callers, &losses).await;
        stop.store(true, Ordering::SeqCst);
        outcome
    };
    let (loads, restarted) = tokio::join!(loads, restart);
    // a caller that failed is the reason why the rest waited for it in vain
    loads.into_iter().collect::<Outcome>()?;
    restarted?;
    front.expect_clean_log()
}

/// Restarts the backend in the midst of everything. `losses` is odd while it forgets.
async fn restart(scene: &Scene, front: &Front, callers: &[Caller], losses: &AtomicU64) -> Outcome {
    all_store(callers, ENTRIES).await?;
    let forgets = u64::from(!scene.real.backend.keeps_entries);
    losses.fetch_add(forgets, Ordering::SeqCst);
    scene.backend.stop().await?;
    until("a caller is told", async || {
        Ok(callers.iter().any(|caller| caller.failed() > 0).then_some(()))
    })
    .await?;
    scene.backend.start().await?;
    losses.fetch_add(forgets, Ordering::SeqCst);
    front.until_recovered().await?;
    all_store(callers, ENTRIES).await
}

/// Waits until every caller has stored so many entries more.
async fn all_store(callers: &[Caller], more: u64) -> Outcome {
    let enough: Vec<u64> = callers.iter().map(|caller| caller.acknowledged() + more).collect();
    until(format!("every caller has stored {more} entries more"), async || {
        let mut pairs = callers.iter().zip(&enough);
        Ok(pairs.all(|(caller, enough)| caller.acknowledged() >= *enough).then_some(()))
    })
    .await
}

/// Counts upwards under one key, and reads what it has written.
struct Caller {
    here: Collection,
    key: String,
    attempted: AtomicU64,
    acknowledged: AtomicU64,
    /// How often the backend had begun or ended to forget everything when that was put.
    losses: AtomicU64,
    failed: AtomicU64,
}

impl Caller {
    fn new(here: &Collection, number: usize) -> Self {
        Self {
            here: here.clone(),
            key: format!("caller-{number}"),
            attempted: AtomicU64::new(0),
            acknowledged: AtomicU64::new(0),
            losses: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        }
    }

    fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::SeqCst)
    }

    fn failed(&self) -> u64 {
        self.failed.load(Ordering::SeqCst)
    }

    async fn run(&self, stop: &AtomicBool, losses: &AtomicU64) -> Outcome {
        while !stop.load(Ordering::SeqCst) {
            let losses_before = losses.load(Ordering::SeqCst);
            let next = self.attempted.fetch_add(1, Ordering::SeqCst) + 1;
            let put = self.here.put(&self.key, format!(r#"{{"n":{next}}}"#)).await;
            if self.succeeded("Put", put)?.is_some() {
                self.acknowledged.store(next, Ordering::SeqCst);
                self.losses.store(losses_before, Ordering::SeqCst);
            } else {
                // as callers do, so that they don't take the backend's processor
                tokio::time::sleep(PAUSE).await;
            }
            if let Some(found) = self.succeeded("Get", self.here.value(&self.key).await)? {
                let losses = losses.load(Ordering::SeqCst);
                let lost = losses % 2 == 1 || losses > self.losses.load(Ordering::SeqCst);
                self.check(found.as_deref(), lost)?;
            }
        }
        Ok(())
    }

    /// The answer, unless the backend was away.
    fn succeeded<T: std::fmt::Debug>(&self, call: &str, answer: Answer<T>) -> Outcome<Option<T>> {
        match answer {
            Ok(answer) => Ok(Some(answer)),
            Err(error) => {
                self.failed.fetch_add(1, Ordering::SeqCst);
                unavailable::<T>(call, Err(error)).map(|()| None)
            }
        }
    }

    /// What is there was written by this caller, and nothing that was acknowledged
    /// is missing, unless the backend has lost it by itself.
    fn check(&self, found: Option<&[u8]>, lost: bool) -> Outcome {
        let acknowledged = self.acknowledged();
        let Some(found) = found else {
            return expect(
                acknowledged == 0 || lost,
                format!("{}: {acknowledged} was acknowledged, nothing is there", self.key),
            );
        };
        let value: Value = serde_json::from_slice(found)?;
        let number = value["n"].as_u64().ok_or_else(|| Failure::new("no number"))?;
        let range = acknowledged..=self.attempted.load(Ordering::SeqCst);
        expect_equal(
            format!("{}: {number} within {range:?}", self.key),
            range.contains(&number),
            true,
        )
    }
}
