//! Which calls are tried again, and when.

use std::time::Duration;

use tokio::time::Instant;

use crate::error::{Error, ErrorKind, Result};

/// The pause before the second try, which doubles with each one.
const BACKOFF: Duration = Duration::from_millis(50);

/// The longest pause.
const BACKOFF_MAX: Duration = Duration::from_secs(1);

/// The longest timeout that gRPC can say.
const TIMEOUT_MAX: Duration = Duration::from_hours(99_999_999);

/// The tries of one call, which share its deadline.
pub(crate) struct Tries {
    attempts: u32,
    attempts_max: u32,
    deadline: Option<Instant>,
}

impl Tries {
    pub(crate) fn new(attempts_max: u32, timeout: Option<Duration>) -> Self {
        // a timeout beyond what gRPC can say, or clocks count to, is none
        let deadline = timeout
            .filter(|timeout| *timeout <= TIMEOUT_MAX)
            .and_then(|timeout| Instant::now().checked_add(timeout));
        Self { attempts: 0, attempts_max, deadline }
    }

    pub(crate) fn time_left(&self) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// Waits for something until the deadline.
    pub(crate) async fn bound<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let Some(deadline) = self.deadline else { return work.await };
        let done = tokio::time::timeout_at(deadline, work).await;
        done.unwrap_or_else(|_| Err(Error::deadline()))
    }

    /// Waits before the next try; gives the error back if there is to be none.
    pub(crate) async fn pause_after(&mut self, error: Error) -> Result<()> {
        self.attempts += 1;
        let pause = pause(&error, self.attempts).filter(|_| self.attempts < self.attempts_max);
        match pause {
            Some(pause) if self.time_left().is_none_or(|left| pause < left) => {
                tokio::time::sleep(pause).await;
                Ok(())
            }
            _ => Err(error.after_attempts(self.attempts)),
        }
    }
}

/// How long to wait after so many tries; nothing: not again.
///
/// Whatever is unavailable is tried again, and what is exhausted where the server says when:
/// too many calls at once pass, a full disk doesn't.
fn pause(error: &Error, attempts: u32) -> Option<Duration> {
    let again = match error.kind() {
        ErrorKind::Unavailable => true,
        ErrorKind::ResourceExhausted => error.retry_after().is_some(),
        _ => false,
    };
    let backoff = BACKOFF.saturating_mul(1 << (attempts - 1).min(16)).min(BACKOFF_MAX);
    // at random, so that the callers of a server that comes back don't call all at once
    let backoff = backoff.mul_f64(rand::random_range(0.5..1.5));
    again.then(|| error.retry_after().unwrap_or_default().saturating_add(backoff))
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    fn error(kind: ErrorKind, retry_after: Option<Duration>) -> Error {
        Error::new(kind, Code::Unknown, "").with_retry_after(retry_after)
    }

    #[test]
    fn pauses_grow_and_heed_the_server() {
        for (attempts, backoff) in [(1, BACKOFF), (2, 2 * BACKOFF), (99, BACKOFF_MAX)] {
            let pause = pause(&error(ErrorKind::Unavailable, None), attempts).expect("again");
            assert!(pause >= backoff.mul_f64(0.5) && pause <= backoff.mul_f64(1.5), "{pause:?}");
        }
        let asked = Duration::from_secs(7);
        let pause = pause(&error(ErrorKind::ResourceExhausted, Some(asked)), 1).expect("again");
        assert!(pause >= asked);
    }

    #[test]
    fn what_does_not_pass_is_not_tried_again() {
        assert_eq!(pause(&error(ErrorKind::ResourceExhausted, None), 1), None);
        assert_eq!(pause(&error(ErrorKind::InvalidArgument, Some(BACKOFF)), 1), None);
    }
}
