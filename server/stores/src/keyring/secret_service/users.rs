//! Which item is of which user name.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use secret_service::Error as ServiceError;
use secret_service::blocking::Item;
use zbus::zvariant::OwnedObjectPath;

use super::fault;

/// The user names of the items that were seen. Items have to be asked one by one, and a
/// listing asks for all of them for each of its pages.
///
/// An item keeps its path and its user name as long as there is the daemon that told
/// them: replacing it changes neither.
#[derive(Default)]
pub(super) struct Users(Mutex<Seen>);

#[derive(Default)]
struct Seen {
    /// The daemon, by its name on the bus.
    owner: String,
    users: HashMap<OwnedObjectPath, String>,
}

impl Users {
    /// The user names of these items, which are all of a service at this daemon.
    pub(super) fn of(&self, items: &[Item<'_>], owner: &str) -> Result<Vec<String>, ServiceError> {
        // what a panic left half done is a part of the truth
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.owner != owner {
            *seen = Seen { owner: owner.to_owned(), users: HashMap::new() };
        }
        let mut before = std::mem::take(&mut seen.users);
        for item in items {
            let user = match before.remove(&item.item_path) {
                Some(user) => Some(user),
                None => fault::unless_gone(item.get_attributes())?
                    .and_then(|mut attributes| attributes.remove("username")),
            };
            seen.users.extend(user.map(|user| (item.item_path.clone(), user)));
        }
        Ok(seen.users.values().cloned().collect())
    }
}
