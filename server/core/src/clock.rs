use std::fmt::Debug;
use std::time::SystemTime;

use crate::Timestamp;

/// Where the current time comes from, so that tests can decide it.
pub trait Clock: Debug + Send + Sync + 'static {
    /// The wall-clock time now.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::from(SystemTime::now())
    }
}
