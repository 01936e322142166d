//! Where there is no registry: nothing of it can be opened, so nothing is done with it.

use kvgate_core::{Error, Kind, Result};

use super::Hive;

/// There is none.
pub(super) enum Base {}

/// There are none.
pub(super) enum Values {}

impl Base {
    /// Says what to do instead.
    pub(super) fn open(_: Hive, _: &str) -> Result<Self> {
        Err(Error::new(
            Kind::Misconfigured,
            "a registry store needs Windows: run kvgate there, or use another type of store",
        ))
    }

    pub(super) fn collections(&self) -> Result<Vec<String>> {
        match *self {}
    }

    pub(super) fn collection(&self, _: &str) -> Result<Option<Values>> {
        match *self {}
    }

    pub(super) fn make_collection(&self, _: &str) -> Result<Values> {
        match *self {}
    }
}

impl Values {
    pub(super) fn get(&self, _: &str) -> Result<Option<String>> {
        match *self {}
    }

    pub(super) fn set(&self, _: &str, _: &str) -> Result<()> {
        match *self {}
    }

    pub(super) fn remove(&self, _: &str) -> Result<()> {
        match *self {}
    }

    pub(super) fn find<T>(&self, _: impl FnMut(Result<String>) -> Option<T>) -> Result<Option<T>> {
        match *self {}
    }

    pub(super) fn names(&self) -> Result<Vec<String>> {
        match *self {}
    }
}
