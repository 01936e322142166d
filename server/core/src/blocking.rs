use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::{Error, Kind, Result};

/// Runs blocking work beside the runtimes, at most so many pieces at once.
///
/// The runtimes are single-threaded: a blocking call in one of them would stop
/// every connection it serves. Pieces over the bound wait without a thread.
#[derive(Clone, Debug)]
pub struct BlockingPool {
    permits: Arc<Semaphore>,
}

impl BlockingPool {
    /// A pool that runs at most `threads_max` pieces of work at once.
    pub fn new(threads_max: usize) -> Self {
        Self { permits: Arc::new(Semaphore::new(threads_max.max(1))) }
    }

    /// Runs `work` on a thread that may block. If the caller goes away before the
    /// work has begun, it is not begun; once begun, it runs to its end.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|e| {
            Error::new(Kind::Internal, "the blocking pool is closed").with_source(e)
        })?;
        let running = tokio::task::spawn_blocking(move || {
            let answer = work();
            drop(permit);
            answer
        });
        running.await.map_err(|e| {
            Error::new(Kind::Internal, "blocking work failed").with_source(e).may_have_happened()
        })?
    }
}
