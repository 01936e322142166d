//! What every store of kvgate shares.
//!
//! - [`Store`] is what an adapter or a wrapper implements; [`LiveStore`] is put
//!   around every adapter once and does for all of them what none should do
//!   itself: hides expired entries, enforces the store's limits and names the
//!   store in errors.
//! - [`Entry`], [`Value`] and [`Timestamp`] are what is stored, [`envelope`] is
//!   the form in which it is stored, [`name`] makes names that a backend takes.
//! - [`Secret`], [`BackendUrl`] and [`duration`] are what settings of several stores
//!   are made of.
//! - [`Error`] says what failed, whether a retry may help, and whether the
//!   operation may have happened all the same.
//!
//! This crate knows no transport and no client of any backend.

mod backend_url;
mod blocking;
mod clock;
pub mod duration;
mod entry;
pub mod envelope;
mod error;
mod live;
pub mod name;
mod secret;
mod settings;
mod store;
mod timestamp;
mod value;

pub use backend_url::BackendUrl;
pub use blocking::BlockingPool;
pub use clock::{Clock, ManualClock, SystemClock};
pub use entry::{Entry, is_live};
pub use error::{Error, Kind, Limit, Outcome, Result};
pub use live::LiveStore;
pub use secret::Secret;
pub use settings::{SettingsError, read_settings};
pub use store::{
    Capabilities, Limits, ListedKey, Operation, Page, PageRequest, Removed, Stability, Store,
    StoreExt,
};
pub use timestamp::Timestamp;
pub use value::{Value, ValueProblem};
