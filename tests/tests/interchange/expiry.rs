//! Times that cross over.

use std::time::{Duration, Instant};

use kvgate_tests::failure::{Failure, Outcome, expect, expect_equal};
use kvgate_tests::setups::Setup;
use kvgate_tests::wait::until;

use crate::pair::Pair;

/// What each side says is left may differ by the time between the questions, and by the
/// part of a second that Python can't read from some backends.
const TOLERANCE: f64 = 2.0;

const TTLS: &[f64] = &[5.5, 3_600.0, 86_400.0 * 365.0 * 20.0];

fn expect_near(call: &str, left: Option<f64>, ttl: f64, since: Instant) -> Outcome {
    let left = left.ok_or_else(|| Failure::new(format!("{call}: no time left")))?;
    let expected = ttl - since.elapsed().as_secs_f64();
    let near = (left - expected).abs() < TOLERANCE;
    expect(near, format!("{call}: {left} seconds are left, expected {expected}"))
}

pub(crate) async fn from_python(setup: &'static Setup) -> Outcome {
    let mut pair = Pair::open(setup).await?;
    let here = pair.server("expiry");
    for ttl in TTLS {
        let since = Instant::now();
        pair.python.put_for("expiry", "key", "{}", Some(*ttl))?;
        let answer = here.ttl("key").await?;
        let left = answer.ttl.map(Duration::try_from).transpose()?;
        let call = here.describe("Ttl", &"key");
        expect_near(&call, left.map(|left| left.as_secs_f64()), *ttl, since)?;
        expect(answer.entry.is_some_and(|entry| entry.created_at.is_some()), "no created_at")?;
    }
    Ok(())
}

pub(crate) async fn from_server(setup: &'static Setup) -> Outcome {
    let mut pair = Pair::open(setup).await?;
    let here = pair.server("expiry");
    for ttl in TTLS {
        let since = Instant::now();
        here.put_for("key", "{}", Duration::from_secs_f64(*ttl)).await?;
        let (_, left) = pair.python.ttl("expiry", "key")?.ok_or_else(|| Failure::new("nothing"))?;
        expect_near("Python ttl", left, *ttl, since)?;
    }
    Ok(())
}

/// What one side has put for a moment ends for the other, and not before.
pub(crate) async fn ends(setup: &'static Setup) -> Outcome {
    let mut pair = Pair::open(setup).await?;
    let here = pair.server("expiry");
    let ttl = Duration::from_millis(700);
    let since = Instant::now();
    pair.python.put_for("expiry", "python", "{}", Some(ttl.as_secs_f64()))?;
    here.put_for("server", "{}", ttl).await?;
    let tolerance = Duration::from_millis(20);
    until("what Python has put ends", async || {
        let gone = here.get("python").await?.is_none();
        let early = gone && since.elapsed() + tolerance < ttl;
        expect(!early, format!("{} found nothing too early", here.describe("Get", &"python")))?;
        Ok(gone.then_some(()))
    })
    .await?;
    let python = &mut pair.python;
    until("what the server has put ends", async || {
        let gone = python.get("expiry", "server")?.is_none();
        let early = gone && since.elapsed() + tolerance < ttl;
        expect(!early, "Python found nothing too early")?;
        Ok(gone.then_some(()))
    })
    .await?;
    expect_equal(here.describe("ListKeys", &""), here.keys("", 0).await?, Vec::<String>::new())
}

pub(crate) async fn removed_by_a_put(setup: &'static Setup) -> Outcome {
    let mut pair = Pair::open(setup).await?;
    let here = pair.server("expiry");
    pair.python.put_for("expiry", "key", "{}", Some(100.0))?;
    here.put("key", "{}").await?;
    let left = pair.python.ttl("expiry", "key")?;
    expect_equal("Python ttl", left, Some(("{}".to_owned(), None)))?;
    here.put_for("key", "{}", Duration::from_secs(100)).await?;
    pair.python.put("expiry", "key", "{}")?;
    let answer = here.ttl("key").await?;
    let expires = answer.entry.map(|entry| entry.expires_at);
    expect_equal(here.describe("Ttl", &"key"), (expires, answer.ttl), (Some(None), None))
}
