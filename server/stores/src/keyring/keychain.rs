//! The keychain of macOS, with the items of Python's keyring library. It compiles; nobody
//! has tested it.

use std::collections::HashMap;
use std::fmt;

use apple_native_keyring_store::keychain::Store;
use bytes::Bytes;
use keyring_core::Entry;
use kvgate_core::Result;

use super::Config;
use super::credential::Credentials;
use super::items::{Items, NameLimits, Place, TextLimit};

pub(super) struct KeychainItems(Credentials);

impl KeychainItems {
    pub(super) fn open(config: &Config) -> Result<Self> {
        let hint = "the keychain is locked or denies access: unlock it";
        Credentials::open(&config.service_name, Store::new(), hint).map(Self)
    }
}

impl Items for KeychainItems {
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
        self.0.read(user)
    }

    fn write(&self, user: &str, text: &str) -> Result<()> {
        self.0.write(user, text)
    }

    fn remove(&self, user: &str) -> Result<Option<Bytes>> {
        self.0.remove(user)
    }

    fn users(&self) -> Result<Vec<(String, Place)>> {
        let of_service = HashMap::from([("service", self.0.service_name.as_str())]);
        let found = self.0.store.search(&of_service);
        let found = found.map_err(|cause| self.0.error("listing the keychain", cause))?;
        let user = |entry: &Entry| Some((entry.get_specifiers()?.1, Place::default()));
        Ok(found.iter().filter_map(user).collect())
    }

    fn read_listed(&self, user: &str, _: &Place) -> Result<Option<Bytes>> {
        self.read(user)
    }

    fn check(&self) -> Result<()> {
        self.0.read("check").map(drop)
    }
}

impl fmt::Display for KeychainItems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the keychain")
    }
}
