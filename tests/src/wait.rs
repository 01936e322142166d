//! Waiting for a condition, with a deadline instead of a fixed sleep.

use std::fmt::Display;
use std::time::{Duration, Instant};

use futures::future::BoxFuture;

use crate::failure::{Failure, Outcome};

/// How long a condition may take before its test fails. Generous: tests share
/// small machines.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Asks `condition` again and again until it answers something.
pub async fn until<T>(
    what: impl Display,
    condition: impl AsyncFnMut() -> Outcome<Option<T>>,
) -> Outcome<T> {
    within(PATIENCE, what, condition).await
}

/// Like [`until`], with a deadline of its own.
pub async fn within<T>(
    patience: Duration,
    what: impl Display,
    mut condition: impl AsyncFnMut() -> Outcome<Option<T>>,
) -> Outcome<T> {
    let start = Instant::now();
    loop {
        if let Some(answer) = condition().await? {
            return Ok(answer);
        }
        if start.elapsed() > patience {
            return Err(Failure::new(format!("waited {patience:?} in vain until {what}")));
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Like [`until`], where the future must be `Send`: it can't be known of those that
/// async closures make.
pub async fn until_boxed<'a, T>(
    what: impl Display,
    condition: impl Fn() -> BoxFuture<'a, Outcome<Option<T>>>,
) -> Outcome<T> {
    within_boxed(PATIENCE, what, condition).await
}

/// Like [`until_boxed`], with a deadline of its own.
pub async fn within_boxed<'a, T>(
    patience: Duration,
    what: impl Display,
    condition: impl Fn() -> BoxFuture<'a, Outcome<Option<T>>>,
) -> Outcome<T> {
    let start = Instant::now();
    loop {
        if let Some(answer) = condition().await? {
            return Ok(answer);
        }
        if start.elapsed() > patience {
            return Err(Failure::new(format!("waited {patience:?} in vain until {what}")));
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
