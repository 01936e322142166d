//! The keys of the Linux kernel. Nothing but kvgate keeps entries in them.

use std::fmt;

use bytes::Bytes;
use kvgate_core::{Error, Operation, Result};
use linux_keyutils_keyring_store::Store;

use super::Config;
use super::credential::Credentials;
use super::items::{Items, NameLimits, Place, TextLimit};

/// The longest description of a key is 4,095 bytes, of which the service has 200 at the
/// most and what is put around the names 12.
const PART_BYTES_MAX: usize = 1900;

/// The kernel's limit of the content of a key.
const TEXT_LIMIT: TextLimit = TextLimit { bytes_max: 32_767, count: str::len };

/// Without a session keyring of its own, a process does not possess the keys that it makes.
const HINT: &str = "the kernel denies access to its keys: run the server where keyctl is allowed, and \
    with a session keyring, as a login, a systemd service or `keyctl session` gives it one";

pub(super) struct KeyutilsItems(Credentials);

impl KeyutilsItems {
    pub(super) fn open(config: &Config) -> Result<Self> {
        Credentials::open(&config.service_name, Store::new(), HINT).map(Self)
    }
}

impl Items for KeyutilsItems {
    fn names(&self) -> NameLimits {
        NameLimits { part_bytes_max: Some(PART_BYTES_MAX), ignores_case: false }
    }

    fn text_limit(&self) -> Option<TextLimit> {
        Some(TEXT_LIMIT)
    }

    fn are_listed(&self) -> bool {
        false
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
        Err(Error::unsupported(Operation::ListKeys))
    }

    fn read_listed(&self, user: &str, _: &Place) -> Result<Option<Bytes>> {
        self.read(user)
    }

    fn check(&self) -> Result<()> {
        self.0.read("check").map(drop)
    }
}

impl fmt::Display for KeyutilsItems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the keys of the Linux kernel")
    }
}
