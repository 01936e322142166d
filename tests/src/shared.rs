//! Backends that take long to start: the tests of one process share one of each.

use std::any::Any;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::OnceCell;

use crate::failure::{Failure, Outcome};

/// A backend that is started for the first test that needs it, and runs until
/// [`end_all`]. It is meant for a `static`.
pub struct Shared<B> {
    running: OnceCell<Result<Weak<B>, String>>,
}

impl<B: Send + Sync + 'static> Shared<B> {
    /// One that is not started yet.
    #[expect(clippy::new_without_default, reason = "a static needs a constant")]
    pub const fn new() -> Self {
        Self { running: OnceCell::const_new() }
    }

    /// The backend, which `start` starts if nobody has yet.
    pub async fn get(&self, start: impl AsyncFnOnce() -> Outcome<B>) -> Outcome<Arc<B>> {
        let start = async || {
            let backend = Arc::new(start().await.map_err(|failure| failure.to_string())?);
            let weak = Arc::downgrade(&backend);
            held().push(backend);
            Ok(weak)
        };
        let weak = self.running.get_or_init(start).await.clone().map_err(Failure::new)?;
        weak.upgrade().ok_or_else(|| Failure::new("the shared backends have ended"))
    }
}

/// A `static` is never dropped, so this is what keeps the backends.
static HELD: Mutex<Vec<Arc<dyn Any + Send + Sync>>> = Mutex::new(Vec::new());

fn held() -> MutexGuard<'static, Vec<Arc<dyn Any + Send + Sync>>> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends the shared backends. Whoever runs tests calls it after the last one.
pub fn end_all() {
    held().clear();
}
