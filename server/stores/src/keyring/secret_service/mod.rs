//! The Secret Service of the desktop, spoken to over D-Bus: gnome-keyring, `KeePassXC`,
//! `KWallet`.
//!
//! The items are those of Python's keyring library, attribute by attribute: a put of
//! either side finds the item of the other and replaces it, in one call. keyring-core's
//! store for the Secret Service makes items with other attributes and changes them
//! afterwards, so that Python's next put would make a second item:
//! `decisions/0006-keyring-items.md`.
//!
//! Nobody is asked for a password: a locked keyring is an error, not a prompt.

mod connection;
mod fault;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use kvgate_core::{Error, Kind, Result};
use secret_service::blocking::{Collection, Item};

use super::Config;
use super::items::{Items, NameLimits, Place, TextLimit};
use connection::Connection;
use fault::Failure;

/// What Python's keyring library gives all its items.
const APPLICATION: &str = "Python keyring library";

/// The same for the content type.
const CONTENT_TYPE: &str = "text/plain";

/// How often one thing is tried while others remove what it has found, or while gnome-keyring
/// does not find its default keyring: version 42 may look for a wrong name as a caller
/// connects.
const TRIES_MAX: usize = 5;

pub(super) struct SecretServiceItems {
    service_name: String,
    address: Option<String>,
    timeout: Duration,
    connection: Mutex<Option<Arc<Connection>>>,
}

impl SecretServiceItems {
    pub(super) fn open(config: &Config) -> Result<Self> {
        if let Some(address) = &config.dbus_address {
            zbus::Address::try_from(address.as_str()).map_err(|error| {
                let context = format!(
                    "dbus_address is {address:?}, which is no address of D-Bus such as \
                     unix:path=/run/user/1000/bus"
                );
                Error::new(Kind::Misconfigured, context).with_source(error)
            })?;
        }
        Ok(Self {
            service_name: config.service_name.clone(),
            address: config.dbus_address.clone(),
            timeout: config.timeout,
            connection: Mutex::default(),
        })
    }

    /// Works on the default keyring. If the connection or its session turns out to be
    /// gone, as after a restart of the keyring, again over a new one. If an item is gone
    /// that was just found, again, too: only a search can tell that there is none, as a
    /// keyring that is about to end withdraws its items first.
    fn in_keyring<T>(
        &self,
        work: impl Fn(&Connection, &Collection<'_>) -> Result<T, Failure>,
    ) -> Result<T> {
        let attempt = |connection: &Connection| {
            let done = connection.keyring().map_err(Failure::from);
            let done = done.and_then(|keyring| work(connection, &keyring));
            done.inspect_err(|failure| match failure {
                Failure::Gone(_) => {}
                _ => connection.forget_users(),
            })
        };
        let mut connection = self.connected()?;
        let mut done = attempt(&connection);
        for _ in 1..TRIES_MAX {
            match &done {
                Err(Failure::Stale(_)) => {
                    self.forget(&connection);
                    connection = self.connected()?;
                }
                Err(Failure::Gone(_)) => {}
                _ => break,
            }
            done = attempt(&connection);
        }
        done.map_err(|failure| fault::error(failure.into_cause()))
    }

    fn connected(&self) -> Result<Arc<Connection>> {
        let mut kept = self.connection();
        if let Some(connection) = kept.as_ref() {
            return Ok(Arc::clone(connection));
        }
        let opened = Connection::open(self.address.as_deref(), self.timeout);
        let connection = Arc::new(opened.map_err(fault::error)?);
        *kept = Some(Arc::clone(&connection));
        Ok(connection)
    }

    /// Gives up a connection, unless another thread has done so already.
    fn forget(&self, gone: &Arc<Connection>) {
        self.connection().take_if(|kept| Arc::ptr_eq(kept, gone));
    }

    fn connection(&self) -> MutexGuard<'_, Option<Arc<Connection>>> {
        // it is there or not, whoever panicked
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The items of a user name: one, unless other programs have made more.
    fn find<'a>(
        &self,
        connection: &Connection,
        keyring: &'a Collection<'_>,
        user: &str,
    ) -> Result<Vec<Item<'a>>, Failure> {
        let found = keyring.search_items(self.query(user))?;
        if !found.is_empty() {
            return Ok(found);
        }
        // A keyring that is locked, or that has just been started, need not show what is in
        // it. So nothing is missing until it was looked for after the keyring was unlocked.
        keyring.ensure_unlocked()?;
        let found = keyring.search_items(self.query(user))?;
        if found.is_empty() {
            connection.ensure_same_daemon()?;
        }
        Ok(found)
    }

    /// How Python's keyring library looks for an item.
    fn query<'a>(&'a self, user: &'a str) -> HashMap<&'a str, &'a str> {
        HashMap::from([("service", self.service_name.as_str()), ("username", user)])
    }
}

impl Items for SecretServiceItems {
    fn names(&self) -> NameLimits {
        NameLimits { part_bytes_max: None, ignores_case: false }
    }

    fn text_limit(&self) -> Option<TextLimit> {
        None
    }

    fn are_listed(&self) -> bool {
        true
    }

    fn read(&self, user: &str) -> Result<Option<Bytes>> {
        self.in_keyring(|connection, keyring| {
            let Some(item) = self.find(connection, keyring, user)?.into_iter().next() else {
                return Ok(None);
            };
            Ok(Some(item.get_secret()?.into()))
        })
    }

    fn write(&self, user: &str, text: &str) -> Result<()> {
        let label = format!("Password for '{user}' on '{}'", self.service_name);
        let written = Cell::new(false);
        let done = self.in_keyring(|connection, keyring| {
            // else the service might ask somebody for the password, and wait
            keyring.ensure_unlocked()?;
            let mut attributes = self.query(user);
            attributes.insert("application", APPLICATION);
            let item =
                keyring.create_item(&label, attributes, text.as_bytes(), true, CONTENT_TYPE)?;
            written.set(true);
            // items that other programs made of this name: a reader takes the first
            for other in self.find(connection, keyring, user)? {
                if other.item_path != item.item_path {
                    other.delete()?;
                }
            }
            Ok(())
        });
        done.map_err(|error| if written.get() { error.may_have_happened() } else { error })
    }

    fn remove(&self, user: &str) -> Result<Option<Bytes>> {
        let removed = RefCell::new(None);
        let done = self.in_keyring(|connection, keyring| {
            for item in self.find(connection, keyring, user)? {
                let text = item.get_secret()?;
                // not tried again once it may be done: the answer would be that it was not there
                item.delete().map_err(Failure::once)?;
                removed.borrow_mut().get_or_insert(Bytes::from(text));
            }
            Ok(())
        });
        let removed = removed.into_inner();
        match done {
            Ok(()) => Ok(removed),
            Err(error) if removed.is_some() => Err(error.may_have_happened()),
            Err(error) => Err(error),
        }
    }

    fn users(&self) -> Result<Vec<(String, Place)>> {
        self.in_keyring(|connection, keyring| {
            keyring.ensure_unlocked()?;
            connection.users(&self.service_name)
        })
    }

    fn read_listed(&self, user: &str, place: &Place) -> Result<Option<Bytes>> {
        match self.connected()?.secret_at(place) {
            Some(text) => Ok(Some(text.into())),
            None => self.read(user),
        }
    }

    fn check(&self) -> Result<()> {
        self.in_keyring(|_, keyring| Ok(keyring.ensure_unlocked()?))
    }
}

impl fmt::Display for SecretServiceItems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.address {
            Some(address) => write!(f, "the Secret Service at {address}"),
            None => f.write_str("the Secret Service of the session"),
        }
    }
}
