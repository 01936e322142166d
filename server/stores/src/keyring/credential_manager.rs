//! Windows' Credential Manager, with the credentials of Python's keyring library. The tests
//! run it on Wine, whose `CredEnumerate` fails: what lists has never been run.
//!
//! That library keeps what it stored last under the name of the service, and moves it to
//! `user@service` before it stores something else there. So a credential is looked for in
//! both places, and written where it is.

use std::collections::HashMap;
use std::fmt;

use bytes::Bytes;
use keyring_core::Entry;
use kvgate_core::Result;
use windows_native_keyring_store::Store;

use super::Config;
use super::credential::Credentials;
use super::items::{Items, NameLimits, Place, TextLimit};

/// A user name has at most 513 bytes, the separator and two parts.
const PART_BYTES_MAX: usize = 250;

/// What Windows takes, which counts text in UTF-16.
const TEXT_LIMIT: TextLimit =
    TextLimit { bytes_max: 2560, count: |text| text.encode_utf16().count() * 2 };

/// One caller has its turn at a time: Windows does not keep the order of calls of several
/// threads.
pub(super) struct CredentialItems(Credentials);

impl CredentialItems {
    pub(super) fn open(config: &Config) -> Result<Self> {
        let store = Store::new_with_configuration(&HashMap::from([("divider", "@")]));
        let hint = "the Credential Manager denies access: run the server in a logged-on session";
        Credentials::open(&config.service_name, store, hint).map(Self)
    }

    /// The credential under the name of the service, if it is that of the user name.
    fn last_stored(&self, user: &str) -> Result<Option<Entry>> {
        let credentials = &self.0;
        let Credentials { service_name, store, .. } = credentials;
        let target = HashMap::from([("target", service_name.as_str())]);
        let entry = store.build(service_name, user, Some(&target));
        let entry = entry.map_err(|cause| credentials.error("naming a credential", cause))?;
        let attributes =
            credentials.unless_missing("looking for a credential", entry.get_attributes())?;
        let is_of_user = |attributes: &HashMap<String, String>| {
            attributes.get("username").is_some_and(|name| name == user)
        };
        Ok(attributes.filter(is_of_user).map(|_| entry))
    }

    fn find(&self, user: &str) -> Result<Entry> {
        match self.last_stored(user)? {
            Some(entry) => Ok(entry),
            None => self.0.of(user),
        }
    }

    fn text_of(&self, user: &str) -> Result<Option<Bytes>> {
        let text = self.find(user)?.get_password();
        Ok(self.0.unless_missing("reading a credential", text)?.map(Bytes::from))
    }
}

impl Items for CredentialItems {
    fn names(&self) -> NameLimits {
        NameLimits { part_bytes_max: Some(PART_BYTES_MAX), ignores_case: true }
    }

    fn text_limit(&self) -> Option<TextLimit> {
        Some(TEXT_LIMIT)
    }

    fn are_listed(&self) -> bool {
        true
    }

    fn read(&self, user: &str) -> Result<Option<Bytes>> {
        let _turn = self.0.turn();
        self.text_of(user)
    }

    fn write(&self, user: &str, text: &str) -> Result<()> {
        let _turn = self.0.turn();
        let written = self.find(user)?.set_password(text);
        written.map_err(|cause| self.0.error("storing a credential", cause))
    }

    fn remove(&self, user: &str) -> Result<Option<Bytes>> {
        let _turn = self.0.turn();
        let text = match self.text_of(user) {
            // removed all the same: nobody can read it
            Err(error) if error.kind() == kvgate_core::Kind::Unreadable => Some(Bytes::new()),
            text => text?,
        };
        // an older one of the same user name may be in the other place
        for entry in self.last_stored(user)?.into_iter().chain([self.0.of(user)?]) {
            self.0.unless_missing("removing a credential", entry.delete_credential())?;
        }
        Ok(text)
    }

    fn users(&self) -> Result<Vec<(String, Place)>> {
        let _turn = self.0.turn();
        let credentials = &self.0;
        let Credentials { service_name, store, .. } = credentials;
        let all = store.search(&HashMap::new());
        let mut users = Vec::new();
        for entry in all.map_err(|cause| credentials.error("listing the credentials", cause))? {
            let found = entry.get_attributes();
            let found = credentials.unless_missing("looking at a credential", found)?;
            let mut attributes = found.unwrap_or_default();
            let target = attributes.remove("target_name").unwrap_or_default();
            let user = attributes.remove("username").unwrap_or_default();
            if target == *service_name || target == format!("{user}@{service_name}") {
                users.push((user, Place::default()));
            }
        }
        Ok(users)
    }

    fn read_listed(&self, user: &str, _: &Place) -> Result<Option<Bytes>> {
        self.read(user)
    }

    fn check(&self) -> Result<()> {
        self.read("check").map(drop)
    }
}

impl fmt::Display for CredentialItems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the Credential Manager")
    }
}
