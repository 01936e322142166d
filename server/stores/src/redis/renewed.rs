//! Things that many callers use at once: made when the first needs one, and made anew
//! when it is over.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use kvgate_core::{Error, Kind, Result};

/// How long after a failed attempt the next one is made: until then its error is the
/// answer to all, so that callers don't knock by the thousands at a server that is
/// just starting.
pub(super) const PAUSE: Duration = Duration::from_millis(100);

/// What does not last for ever.
pub(super) trait Perishable: Clone + Send + Sync + 'static {
    /// Whether another one must be made.
    fn is_over(&self) -> bool;
}

/// Something that is there whenever it can be.
pub(super) struct Renewed<T> {
    make: Box<dyn Fn() -> BoxFuture<'static, Result<T>> + Send + Sync>,
    attempt: Mutex<Option<Attempt<T>>>,
}

/// An attempt to make one, for which any number of callers wait. It goes on when they
/// go away: else one whose deadline is too short would undo the work for all.
type Attempt<T> = Shared<BoxFuture<'static, Result<T, Failed>>>;

#[derive(Clone)]
struct Failed {
    error: Error,
    at: Instant,
}

impl<T: Perishable> Renewed<T> {
    pub(super) fn new<F>(make: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<T>> + Send + 'static,
    {
        Self { make: Box::new(move || make().boxed()), attempt: Mutex::default() }
    }

    /// It, made if it is not there. Whoever comes first has it made on his runtime.
    pub(super) async fn get(&self) -> Result<T> {
        self.attempt().await.map_err(|failed| failed.error)
    }

    fn attempt(&self) -> Attempt<T> {
        let mut current = self.attempt.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(attempt) = current.as_ref().filter(|attempt| !is_over(attempt)) {
            return attempt.clone();
        }
        let begun = Instant::now();
        let making = (self.make)();
        let making = tokio::spawn(async move {
            making.await.map_err(|error| Failed { error, at: Instant::now() })
        });
        let attempt = async move {
            making.await.unwrap_or_else(|_| {
                let error = Error::new(Kind::Unavailable, "connecting was cut off");
                Err(Failed { error, at: begun })
            })
        };
        current.insert(attempt.boxed().shared()).clone()
    }
}

/// Whether it is time for another attempt.
fn is_over<T: Perishable>(attempt: &Attempt<T>) -> bool {
    // those who waited for it may have gone, so nobody may have looked yet
    match attempt.clone().now_or_never() {
        None => false,
        Some(Ok(made)) => made.is_over(),
        Some(Err(failed)) => failed.at.elapsed() >= PAUSE,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use futures::future::join_all;
    use tokio::sync::Semaphore;

    use super::*;

    #[derive(Clone)]
    struct Made {
        number: usize,
        over: Arc<AtomicBool>,
    }

    impl Perishable for Made {
        fn is_over(&self) -> bool {
            self.over.load(Ordering::Relaxed)
        }
    }

    /// Where they are made: how many, and what holds each up until it is opened.
    #[derive(Clone)]
    struct Workshop {
        count: Arc<AtomicUsize>,
        door: Arc<Semaphore>,
    }

    impl Workshop {
        fn closed() -> Self {
            Self { count: Arc::default(), door: Arc::new(Semaphore::new(0)) }
        }

        fn open() -> Self {
            let shop = Self::closed();
            shop.door.add_permits(1);
            shop
        }

        /// The first `failures` attempts fail.
        fn renewed(&self, failures: usize) -> Renewed<Made> {
            let shop = self.clone();
            Renewed::new(move || {
                let number = shop.count.fetch_add(1, Ordering::Relaxed);
                let door = Arc::clone(&shop.door);
                async move {
                    drop(door.acquire().await);
                    if number < failures {
                        return Err(Error::new(Kind::Unavailable, "not yet"));
                    }
                    Ok(Made { number, over: Arc::default() })
                }
            })
        }

        fn count(&self) -> usize {
            self.count.load(Ordering::Relaxed)
        }
    }

    #[tokio::test]
    async fn is_made_once_for_all() {
        let shop = Workshop::open();
        let renewed = shop.renewed(0);
        join_all((0..64).map(|_| renewed.get())).await;
        assert_eq!(shop.count(), 1);
        let first = renewed.get().await.expect("the first one");
        first.over.store(true, Ordering::Relaxed);
        assert_eq!(renewed.get().await.expect("another one").number, 1);
    }

    #[tokio::test]
    async fn is_made_though_its_callers_go_away() {
        let shop = Workshop::closed();
        let renewed = shop.renewed(0);
        for _ in 0..4 {
            assert!(renewed.get().now_or_never().is_none());
        }
        shop.door.add_permits(1);
        assert_eq!(renewed.get().await.expect("the first one").number, 0);
        assert_eq!(shop.count(), 1);
    }

    #[tokio::test]
    async fn a_failure_is_the_answer_for_a_moment() {
        let shop = Workshop::open();
        let renewed = shop.renewed(1);
        let begun = Instant::now();
        while renewed.get().await.is_err() {
            tokio::task::yield_now().await;
        }
        assert!(begun.elapsed() >= PAUSE);
        assert_eq!(shop.count(), 2);
    }

    #[tokio::test]
    async fn a_failure_that_nobody_saw_is_not_told_later() {
        let shop = Workshop::open();
        let renewed = shop.renewed(1);
        assert!(renewed.get().now_or_never().is_none());
        tokio::time::sleep(PAUSE * 2).await;
        assert!(renewed.get().await.is_ok());
    }
}
