use std::fmt;

use bytes::Bytes;
use kvgate_core::{Error, Kind, Result};

use super::Config;

/// The items of one service in a keyring: texts, each under a user name. Every
/// function but the first three may block for long.
pub(super) trait Items: fmt::Display + Send + Sync + 'static {
    /// What user names may be made of.
    fn names(&self) -> NameLimits;

    /// The most bytes of a text, and how many a text has, as the keyring counts them.
    fn text_limit(&self) -> Option<TextLimit>;

    /// Whether [`Items::users`] can be asked.
    fn are_listed(&self) -> bool;

    /// Reads a text; nothing if there is no such item.
    fn read(&self, user: &str) -> Result<Option<Bytes>>;

    /// Stores a text, in the place of the one that is there.
    fn write(&self, user: &str, text: &str) -> Result<()>;

    /// Removes an item and answers what was in it. Of several callers who remove one
    /// item, one gets the answer.
    fn remove(&self, user: &str) -> Result<Option<Bytes>>;

    /// The user names of all items of the service, in no order.
    fn users(&self) -> Result<Vec<(String, Place)>>;

    /// Reads the text of an item that was just listed.
    fn read_listed(&self, user: &str, place: &Place) -> Result<Option<Bytes>>;

    /// Tries whether the keyring is there and unlocked.
    fn check(&self) -> Result<()>;
}

/// Where a keyring keeps an item, in its own words, and as long as the connection lasts
/// over which it told.
#[derive(Clone, Debug, Default)]
#[cfg_attr(
    any(windows, target_os = "macos"),
    expect(dead_code, reason = "only the Secret Service says where")
)]
pub(super) struct Place {
    pub(super) connection: u64,
    pub(super) path: String,
}

/// What the parts of a user name may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct NameLimits {
    /// The longest collection or key; without it, any, and keys are taken as they
    /// are.
    pub(super) part_bytes_max: Option<usize>,
    /// Whether names are the same that differ only in case.
    pub(super) ignores_case: bool,
}

/// The largest text.
#[derive(Clone, Copy, Debug)]
pub(super) struct TextLimit {
    pub(super) bytes_max: usize,
    /// Counts the bytes of a text.
    pub(super) count: fn(&str) -> usize,
}

impl TextLimit {
    /// Refuses a text that is too large.
    pub(super) fn check(&self, text: &str) -> Result<()> {
        let (bytes, max) = ((self.count)(text), self.bytes_max);
        if bytes <= max {
            return Ok(());
        }
        let context = format!(
            "the entry takes {bytes} bytes with its names and times, over the keyring's limit \
             of {max} bytes (value_bytes_max)"
        );
        Err(Error::new(Kind::ValueTooLarge, context).with_limit("value_bytes_max", max as u64))
    }
}

/// Which keyring.
pub(super) fn open(config: &Config) -> Result<Box<dyn Items>> {
    match config.backend {
        super::Backend::System => system(config),
        super::Backend::Keyutils => keyutils(config),
    }
}

#[cfg(all(unix, not(target_os = "macos")))]
fn system(config: &Config) -> Result<Box<dyn Items>> {
    Ok(Box::new(super::secret_service::SecretServiceItems::open(config)?))
}

#[cfg(target_os = "macos")]
fn system(config: &Config) -> Result<Box<dyn Items>> {
    refuse_dbus_address(config)?;
    Ok(Box::new(super::keychain::KeychainItems::open(config)?))
}

#[cfg(windows)]
fn system(config: &Config) -> Result<Box<dyn Items>> {
    refuse_dbus_address(config)?;
    Ok(Box::new(super::credential_manager::CredentialItems::open(config)?))
}

#[cfg(target_os = "linux")]
fn keyutils(config: &Config) -> Result<Box<dyn Items>> {
    refuse_dbus_address(config)?;
    Ok(Box::new(super::keyutils::KeyutilsItems::open(config)?))
}

#[cfg(not(target_os = "linux"))]
fn keyutils(_: &Config) -> Result<Box<dyn Items>> {
    let context = "backend = \"keyutils\" is the keyring of the Linux kernel: leave it out here";
    Err(Error::new(Kind::Misconfigured, context))
}

fn refuse_dbus_address(config: &Config) -> Result<()> {
    if config.dbus_address.is_none() {
        return Ok(());
    }
    let context = "dbus_address is for the Secret Service, and this keyring is none: leave it out";
    Err(Error::new(Kind::Misconfigured, context))
}
