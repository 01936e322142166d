//! Room for operations of the driver, each of which runs to its end.
//!
//! The driver does not forget a call that waits for a connection after its caller has gone:
//! it stays in a queue that moves on only when something else happens, and all who come
//! later stand behind it. A backend that was slow for a moment would stay slow. So nobody
//! waits in that queue: calls wait here, for one of as many slots as there may be
//! connections in use. What has begun goes on without its caller, so that no connection is
//! left in the middle of a command or on its way.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use ::mongodb::error::Result as DriverResult;
use kvgate_core::{Error, Kind};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout, timeout_at};

use super::fault;

/// Bounds the operations that are under way.
pub(super) struct Slots {
    free: Arc<Semaphore>,
    count: NonZeroU32,
}

/// Why there is no answer.
pub(super) enum Unanswered {
    /// The operation has not begun.
    NoSlot(Error),
    /// The operation has begun, and how it ends is not known.
    NoAnswer(Error),
}

impl Slots {
    /// So many slots.
    pub(super) fn new(count: NonZeroU32) -> Self {
        // more than a semaphore counts would be no bound either
        let permits = usize::try_from(count.get()).unwrap_or(Semaphore::MAX_PERMITS);
        Self { free: Arc::new(Semaphore::new(permits.min(Semaphore::MAX_PERMITS))), count }
    }

    /// Runs an operation as soon as there is a slot, and waits `patience` for all of it.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        patience: Duration,
        operation: impl Future<Output = DriverResult<T>> + Send + 'static,
    ) -> Result<DriverResult<T>, Unanswered> {
        let end = Instant::now() + patience;
        let slot = timeout_at(end, Arc::clone(&self.free).acquire_owned()).await;
        let Ok(Ok(slot)) = slot else {
            return Err(Unanswered::NoSlot(self.busy(patience)));
        };
        let running = tokio::spawn(async move {
            // anew, however long its caller has waited: whoever takes a slot keeps it as
            // long as the driver may need to give up a connection that it is making
            let answer = timeout(patience, operation).await;
            drop(slot);
            answer
        });
        match timeout_at(end, running).await {
            Ok(Ok(Ok(answer))) => Ok(answer),
            Ok(Err(_)) => Err(Unanswered::NoAnswer(cut_off())),
            Ok(Ok(Err(_))) | Err(_) => Err(Unanswered::NoAnswer(fault::no_answer(patience))),
        }
    }

    fn busy(&self, waited: Duration) -> Error {
        let context =
            format!("all {} connections were in use for {waited:?} (connections)", self.count);
        Error::new(Kind::Unavailable, context)
    }
}

fn cut_off() -> Error {
    Error::new(Kind::Unavailable, "the operation was cut off")
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    const ONE: NonZeroU32 = NonZeroU32::MIN;
    const SHORT: Duration = Duration::from_millis(10);
    const LONG: Duration = Duration::from_mins(1);

    #[tokio::test]
    async fn an_operation_goes_on_without_its_caller() {
        let slots = Slots::new(ONE);
        let (answer, answered) = oneshot::channel();
        let (ended, end) = oneshot::channel();
        let caller = slots.run(LONG, async move {
            let answer: u8 = answered.await.expect("an answer");
            ended.send(answer).expect("a listener");
            Ok(())
        });
        assert!(timeout(SHORT, caller).await.is_err());
        // it has its slot until it ends
        let next = slots.run(SHORT, async { Ok(()) }).await;
        assert!(matches!(next, Err(Unanswered::NoSlot(_))));
        answer.send(7).expect("a listener");
        assert_eq!(end.await.expect("the end"), 7);
        assert!(matches!(slots.run(LONG, async { Ok(8) }).await, Ok(Ok(8))));
    }

    #[tokio::test]
    async fn an_operation_that_never_ends_is_given_up() {
        let slots = Slots::new(ONE);
        let answer = slots.run(SHORT, std::future::pending::<DriverResult<()>>()).await;
        assert!(matches!(answer, Err(Unanswered::NoAnswer(_))));
        assert!(matches!(slots.run(LONG, async { Ok(8) }).await, Ok(Ok(8))));
    }

    #[tokio::test]
    async fn one_that_has_not_begun_never_begins() {
        let slots = Slots::new(ONE);
        let first = slots.run(SHORT, std::future::pending::<DriverResult<()>>());
        let (begun, begins) = oneshot::channel();
        let second = slots.run(SHORT, async move { Ok(begun.send(())) });
        let (_, second) = tokio::join!(first, timeout(Duration::ZERO, second));
        // given up by its caller, or on a busy machine for want of a slot
        assert!(!matches!(second, Ok(Ok(_))));
        assert!(begins.await.is_err());
    }
}
