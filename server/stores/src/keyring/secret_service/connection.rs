use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use secret_service::blocking::{Collection, SecretService};
use secret_service::{EncryptionType, Error as ServiceError};
use zbus::blocking::connection::Builder;
use zbus::blocking::fdo::DBusProxy;
use zbus::names::{BusName, WellKnownName};
use zbus::zvariant::{ObjectPath, OwnedObjectPath};

use super::super::items::Place;
use super::fault::{self, Failure};

/// The daemon's name on the bus.
const SERVICE: BusName<'static> =
    BusName::WellKnown(WellKnownName::from_static_str_unchecked("org.freedesktop.secrets"));

/// The keyring in which Python's keyring library keeps its items, too.
const DEFAULT_KEYRING: ObjectPath<'static> =
    ObjectPath::from_static_str_unchecked("/org/freedesktop/secrets/aliases/default");

/// How many connections were made.
static OPENED: AtomicU64 = AtomicU64::new(0);

/// A connection to a Secret Service, with an encrypted session: making one takes long.
pub(super) struct Connection {
    bus: zbus::blocking::Connection,
    service: SecretService<'static>,
    /// The daemon, by its own name on the bus.
    daemon: String,
    seen: Mutex<Seen>,
    /// Unlike that of any other.
    number: u64,
}

/// The user names of the items that were listed, by their paths. Items have to be asked
/// one by one, and each page of a listing begins with all of them.
///
/// An item keeps its path and its user name as long as the daemon that told them runs:
/// replacing it changes neither.
type Seen = HashMap<OwnedObjectPath, String>;

impl Connection {
    /// Connects to the bus at the address, or else to that of the session.
    pub(super) fn open(address: Option<&str>, timeout: Duration) -> Result<Self, ServiceError> {
        let builder = match address {
            Some(address) => Builder::address(address)?,
            None => Builder::session()?,
        };
        let bus = builder.method_timeout(timeout).build()?;
        let service = SecretService::connect_with_existing(EncryptionType::Dh, bus.clone())?;
        let daemon = daemon(&bus)?;
        let number = OPENED.fetch_add(1, Ordering::Relaxed);
        Ok(Self { bus, service, daemon, seen: Mutex::default(), number })
    }

    /// The default keyring. It need not exist.
    pub(super) fn keyring(&self) -> Result<Collection<'_>, ServiceError> {
        self.service.get_collection_by_path(OwnedObjectPath::from(DEFAULT_KEYRING))
    }

    /// Reads the secret of an item that was just listed. Nothing is answered if that fails
    /// in any way, or if another connection listed it: then the daemon may be another, to
    /// which the same path is another item's.
    pub(super) fn secret_at(&self, place: &Place) -> Option<Vec<u8>> {
        if place.connection != self.number {
            return None;
        }
        let path = OwnedObjectPath::try_from(place.path.as_str()).ok()?;
        self.service.get_item_by_path(path).ok()?.get_secret().ok()
    }

    /// Fails if another daemon is there than when the connection was made. One that has
    /// just been started may say of items that it has not read yet that they are not there:
    /// what is missing is missing only if the daemon is the one that was unlocked.
    pub(super) fn ensure_same_daemon(&self) -> Result<(), Failure> {
        match daemon(&self.bus) {
            Ok(daemon) if daemon == self.daemon => Ok(()),
            _ => Err(Failure::restarted()),
        }
    }

    /// The items of a service that have a user name, with their paths.
    pub(super) fn users(&self, service_name: &str) -> Result<Vec<(String, Place)>, Failure> {
        let query = HashMap::from([("service", service_name)]);
        let paths = self.search(&query)?;
        let mut seen = self.seen();
        let mut before = std::mem::take(&mut *seen);
        let mut gone = Vec::new();
        for path in paths {
            if let Some(user) = before.remove(&path) {
                seen.insert(path, user);
                continue;
            }
            match fault::unless_gone(self.service.get_item_by_path(path.clone())?.get_attributes())?
            {
                Some(mut attributes) => {
                    seen.extend(attributes.remove("username").map(|user| (path, user)));
                }
                None => gone.push(path),
            }
        }
        // a keyring that is about to end withdraws its items first
        if !gone.is_empty() && self.search(&query)?.iter().any(|path| gone.contains(path)) {
            return Err(Failure::restarted());
        }
        self.ensure_same_daemon()?;
        let place =
            |path: &OwnedObjectPath| Place { connection: self.number, path: path.to_string() };
        Ok(seen.iter().map(|(path, user)| (user.clone(), place(path))).collect())
    }

    /// The paths of items in the default keyring: where only these are asked for, there is
    /// no need of all that an item of the library has.
    fn search(&self, query: &HashMap<&str, &str>) -> Result<Vec<OwnedObjectPath>, ServiceError> {
        let collection = Some("org.freedesktop.Secret.Collection");
        let reply = self.bus.call_method(
            Some(SERVICE),
            DEFAULT_KEYRING,
            collection,
            "SearchItems",
            query,
        )?;
        Ok(reply.body().deserialize()?)
    }

    /// Forgets whose items are whose: something has happened to the keyring.
    pub(super) fn forget_users(&self) {
        self.seen().clear();
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        // what a panic left half done is a part of the truth
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn daemon(bus: &zbus::blocking::Connection) -> Result<String, ServiceError> {
    Ok(DBusProxy::new(bus)?.get_name_owner(SERVICE)?.to_string())
}
