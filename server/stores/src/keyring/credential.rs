//! What keyring-core's stores have in common.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[cfg(not(windows))]
use bytes::Bytes;
use keyring_core::api::CredentialStoreApi;
use keyring_core::{CredentialStore, Entry, Error as CoreError};
use kvgate_core::{Error, Kind, Result};

/// One service's credentials in one of keyring-core's stores.
pub(super) struct Credentials {
    pub(super) service_name: String,
    pub(super) store: Arc<CredentialStore>,
    /// What to do when the system denies access.
    hint: &'static str,
    turn: Mutex<()>,
}

impl Credentials {
    pub(super) fn open<S: CredentialStoreApi + Send + Sync + 'static>(
        service_name: &str,
        store: keyring_core::Result<Arc<S>>,
        hint: &'static str,
    ) -> Result<Self> {
        let store = store.map_err(|cause| error("opening the keyring", hint, cause))?;
        let service_name = service_name.to_owned();
        Ok(Self { service_name, store, hint, turn: Mutex::new(()) })
    }

    /// Waits for its turn where one caller at a time may do something.
    pub(super) fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The credential of a user name, which need not exist.
    pub(super) fn of(&self, user: &str) -> Result<Entry> {
        let entry = self.store.build(&self.service_name, user, None);
        entry.map_err(|cause| self.error("naming an item of the keyring", cause))
    }

    /// Nothing, if there is no such credential.
    pub(super) fn unless_missing<T>(
        &self,
        doing: &str,
        answer: keyring_core::Result<T>,
    ) -> Result<Option<T>> {
        match answer {
            Ok(found) => Ok(Some(found)),
            Err(CoreError::NoEntry) => Ok(None),
            Err(cause) => Err(self.error(doing, cause)),
        }
    }

    /// The error for the caller.
    pub(super) fn error(&self, doing: &str, cause: CoreError) -> Error {
        error(doing, self.hint, cause)
    }
}

/// Where a user name has one place: on Windows it has two.
#[cfg(not(windows))]
impl Credentials {
    /// Reads the text of a user name.
    pub(super) fn read(&self, user: &str) -> Result<Option<Bytes>> {
        let text = self.of(user)?.get_secret();
        Ok(self.unless_missing("reading an item of the keyring", text)?.map(Bytes::from))
    }

    /// Stores a text under a user name.
    pub(super) fn write(&self, user: &str, text: &str) -> Result<()> {
        let written = self.of(user)?.set_secret(text.as_bytes());
        written.map_err(|cause| self.error("storing an item in the keyring", cause))
    }

    /// Removes a user name and answers what its text was.
    pub(super) fn remove(&self, user: &str) -> Result<Option<Bytes>> {
        // the system tells each of several removers that it was the one
        let _alone = self.turn();
        let Some(text) = self.read(user)? else { return Ok(None) };
        let removed = self.of(user)?.delete_credential();
        Ok(self.unless_missing("removing an item of the keyring", removed)?.map(|()| text))
    }
}

/// What keyring-core's errors hold of a secret stays in them.
fn error(doing: &str, hint: &str, cause: CoreError) -> Error {
    match cause {
        CoreError::BadEncoding(_) | CoreError::BadDataFormat(..) => {
            Error::new(Kind::Unreadable, "what is stored in the keyring is not text")
        }
        CoreError::TooLong(what, max) => {
            let context = format!("the keyring takes no {what} of more than {max} characters");
            Error::new(Kind::InvalidKey, context)
        }
        CoreError::Invalid(what, reason) => {
            Error::new(Kind::InvalidKey, format!("the keyring does not take the {what}: {reason}"))
        }
        CoreError::NoStorageAccess(_) => {
            // a part may be done: the kernel makes a key before it denies its use
            let context = format!("{doing}: {hint}");
            Error::new(Kind::Unavailable, context).with_source(cause).may_have_happened()
        }
        CoreError::PlatformFailure(_) => {
            Error::new(Kind::Unavailable, doing).with_source(cause).may_have_happened()
        }
        cause => Error::new(Kind::Internal, doing).with_source(cause),
    }
}
