//! The registry itself.

use std::io;

use kvgate_core::{Error, Kind, Result};
use windows_registry::{CURRENT_USER, Key, LOCAL_MACHINE, Type, Value};

use super::Hive;

/// The codes of Windows for what is expected to happen.
const ERROR_FILE_NOT_FOUND: i32 = 2;
const ERROR_ACCESS_DENIED: i32 = 5;
const ERROR_MORE_DATA: i32 = 234;
const ERROR_NO_SYSTEM_RESOURCES: i32 = 1450;

/// How often something is read anew that other processes change meanwhile.
const ATTEMPTS_MAX: usize = 10;

/// The registry key that holds the collections. It is opened for each operation:
/// others may remove it and make it again.
pub(super) struct Base {
    hive: Hive,
    path: String,
}

/// The registry key of a collection, with a value for each entry.
pub(super) struct Values(Key);

impl Base {
    /// Makes the key if it is not there.
    pub(super) fn open(hive: Hive, path: &str) -> Result<Self> {
        let made = root(hive).create(path).map_err(io::Error::from);
        made.map_err(|error| failed("making registry_path", error))?;
        Ok(Self { hive, path: path.to_owned() })
    }

    /// The names of the collections' keys.
    pub(super) fn collections(&self) -> Result<Vec<String>> {
        let opened = root(self.hive).open(&self.path).map_err(io::Error::from);
        match found("opening registry_path", opened)? {
            Some(key) => settled("listing collections", || Ok(key.keys()?.collect())),
            None => Ok(Vec::new()),
        }
    }

    /// The key of a collection, if it is there.
    pub(super) fn collection(&self, stored: &str) -> Result<Option<Values>> {
        let opened = root(self.hive).options().read().write().open(self.path_of(stored));
        Ok(found("opening a collection", opened.map_err(io::Error::from))?.map(Values))
    }

    /// The key of a collection, made if it is not there.
    pub(super) fn make_collection(&self, stored: &str) -> Result<Values> {
        let made = root(self.hive).create(self.path_of(stored)).map_err(io::Error::from);
        made.map(Values).map_err(|error| failed("making a collection", error))
    }

    fn path_of(&self, stored: &str) -> String {
        format!(r"{}\{stored}", self.path)
    }
}

fn root(hive: Hive) -> &'static Key {
    match hive {
        Hive::CurrentUser => CURRENT_USER,
        Hive::LocalMachine => LOCAL_MACHINE,
    }
}

impl Values {
    /// The text under a name; an error of kind [`Kind::Unreadable`] if it is no text.
    pub(super) fn get(&self, name: &str) -> Result<Option<String>> {
        let doing = "reading an entry";
        for _ in 0..ATTEMPTS_MAX {
            // its size is asked first, and may have grown when it is read
            let value = match self.0.get_value(name).map_err(io::Error::from) {
                Err(error) if code(&error) == ERROR_MORE_DATA => continue,
                value => found(doing, value)?,
            };
            return value.map(text).transpose();
        }
        Err(unsettled(doing))
    }

    /// Stores a text under a name.
    pub(super) fn set(&self, name: &str, text: &str) -> Result<()> {
        let set = self.0.set_string(name, text).map_err(io::Error::from);
        set.map_err(|error| failed("writing an entry", error))
    }

    /// Removes a name.
    pub(super) fn remove(&self, name: &str) -> Result<()> {
        let removed = self.0.remove_value(name).map_err(io::Error::from);
        found("removing an entry", removed).map(drop)
    }

    /// The first answer that `look` gives to one of the texts, read one after the other.
    pub(super) fn find<T>(
        &self,
        look: impl FnMut(Result<String>) -> Option<T>,
    ) -> Result<Option<T>> {
        let values = self.0.values().map_err(io::Error::from);
        let values = values.map_err(|error| failed("looking for an entry", error))?;
        Ok(values.map(|(_, value)| text(value)).find_map(look))
    }

    /// All names.
    pub(super) fn names(&self) -> Result<Vec<String>> {
        settled("listing entries", || Ok(self.0.values()?.map(|(name, _)| name).collect()))
    }
}

fn text(value: Value) -> Result<String> {
    let text = match value.ty() {
        Type::String => String::try_from(value).ok(),
        _ => None,
    };
    text.ok_or_else(|| Error::new(Kind::Unreadable, "what is in the registry is no text"))
}

/// A list that came out the same twice in a row: the registry counts anew when another
/// process adds or removes a name meanwhile, and where a value has grown the list ends,
/// without an error.
fn settled(doing: &str, list: impl Fn() -> io::Result<Vec<String>>) -> Result<Vec<String>> {
    let mut before = None;
    for _ in 0..ATTEMPTS_MAX {
        let names = list().map_err(|error| failed(doing, error))?;
        if before.as_ref() == Some(&names) {
            return Ok(names);
        }
        before = Some(names);
    }
    Err(unsettled(doing))
}

fn unsettled(doing: &str) -> Error {
    let context = format!("{doing} in the registry: other processes change it all the time");
    Error::new(Kind::Unavailable, context)
}

/// What is not there is no failure.
fn found<T>(doing: &str, answer: io::Result<T>) -> Result<Option<T>> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(error) if code(&error) == ERROR_FILE_NOT_FOUND => Ok(None),
        Err(error) => Err(failed(doing, error)),
    }
}

fn failed(doing: &str, error: io::Error) -> Error {
    let kind = match code(&error) {
        ERROR_ACCESS_DENIED => Kind::AccessDenied,
        ERROR_NO_SYSTEM_RESOURCES => Kind::Full,
        _ => Kind::Unavailable,
    };
    Error::new(kind, format!("{doing} in the registry")).with_source(error)
}

/// The code of Windows: the lower half of an `HRESULT`.
fn code(error: &io::Error) -> i32 {
    error.raw_os_error().unwrap_or_default() & 0xFFFF
}
