//! What the files are called.

use std::path::Path;

use kvgate_core::name::{self, HashDigits, Sanitize};
use kvgate_core::{Error, Kind, Result};

/// How the file of an entry ends.
pub(super) const ENTRY_SUFFIX: &str = ".json";

/// How the file beside a collection's directory ends.
pub(super) const INFO_SUFFIX: &str = "-info.json";

/// Makes file names from keys and collections: without the suffix, as listings
/// sort them.
#[derive(Debug)]
pub(super) struct Names {
    pub(super) sanitize: Sanitize,
    pub(super) limits: FileSystemLimits,
    /// Whether the file system takes names for the same that are not, such as
    /// those that differ only in case.
    pub(super) is_folding: bool,
}

/// How long a name may be where the directory is.
#[derive(Clone, Copy, Debug)]
pub(super) struct FileSystemLimits {
    name_bytes_max: usize,
    /// What the longest path leaves for a name: only py-key-value's strategy
    /// looks at it.
    path_rest: usize,
}

impl FileSystemLimits {
    /// The limits of the file system on which the directory is.
    pub(super) fn of(directory: &Path) -> Self {
        let path_chars = directory.to_string_lossy().chars().count();
        Self {
            name_bytes_max: name_bytes_max(directory),
            path_rest: PATH_MAX.saturating_sub(path_chars),
        }
    }
}

const PATH_MAX: usize = if cfg!(windows) {
    260
} else if cfg!(target_os = "linux") {
    4096
} else {
    1024
};

/// What nearly every file system takes; some that encrypt names take less.
const NAME_BYTES_MAX: usize = 255;

#[cfg(unix)]
fn name_bytes_max(directory: &Path) -> usize {
    match rustix::fs::statvfs(directory) {
        Ok(status) if status.f_namemax > 0 => {
            usize::try_from(status.f_namemax).unwrap_or(NAME_BYTES_MAX)
        }
        _ => NAME_BYTES_MAX,
    }
}

#[cfg(not(unix))]
fn name_bytes_max(_directory: &Path) -> usize {
    NAME_BYTES_MAX
}

impl Names {
    /// The name of a key's file.
    pub(super) fn key(&self, key: &str) -> Result<String> {
        let max = self.limits.name_bytes_max - ENTRY_SUFFIX.len();
        match self.sanitize {
            Sanitize::Auto if self.is_plain(key, max) => Ok(key.to_owned()),
            Sanitize::Auto => Ok(made(key, max)),
            Sanitize::V1 => name::hybrid_v1(key, max.min(self.limits.path_rest), name::is_word)
                .ok_or_else(|| refused(Kind::InvalidKey, "a key")),
        }
    }

    /// The name of a collection's directory.
    pub(super) fn collection(&self, collection: &str) -> Result<String> {
        let max = self.limits.name_bytes_max - INFO_SUFFIX.len();
        match self.sanitize {
            Sanitize::Auto if self.is_plain_collection(collection, max) => {
                Ok(collection.to_owned())
            }
            Sanitize::Auto => Ok(made(collection, max)),
            Sanitize::V1 => name::hybrid_v1(collection, max, name::is_word)
                .ok_or_else(|| refused(Kind::InvalidCollection, "a collection")),
        }
    }

    /// Whether a name can be that of a file as it is, and of no other name's
    /// file. Hidden files are fine, and so are `.` and `..` with a suffix.
    fn is_plain(&self, name: &str, bytes_max: usize) -> bool {
        let taken = if self.is_folding { is_plain_everywhere(name) } else { !name.contains('/') };
        taken && name.len() <= bytes_max && !name::is_reserved(name)
    }

    /// The same for a directory, which must not take the place of another
    /// collection's info file.
    fn is_plain_collection(&self, name: &str, bytes_max: usize) -> bool {
        self.is_plain(name, bytes_max)
            && !matches!(name, "." | "..")
            && !name.ends_with(INFO_SUFFIX)
    }
}

fn made(name: &str, bytes_max: usize) -> String {
    // made of ASCII, so that a character is a byte
    name::hybrid(name, bytes_max, name::is_word, HashDigits::Auto)
}

fn refused(kind: Kind, what: &str) -> Error {
    let context = format!("{what} that begins with S_ or H_ is refused by sanitize = \"v1\"");
    Error::new(kind, context)
}

/// Whether Windows and macOS take the name, and for no other one: no upper case,
/// no letters that can be written in two ways, no devices.
fn is_plain_everywhere(name: &str) -> bool {
    const DEVICES: [&str; 4] = ["con", "prn", "aux", "nul"];
    let is_plain =
        |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-' | '.');
    let stem = name.split('.').next().unwrap_or(name);
    let numbered = stem.strip_prefix("com").or(stem.strip_prefix("lpt"));
    let is_device = DEVICES.contains(&stem) || numbered.is_some_and(|number| number.len() == 1);
    let is_like_made = name.starts_with("s_") || name.starts_with("h_");
    name.chars().all(is_plain) && !name.ends_with('.') && !is_device && !is_like_made
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(sanitize: Sanitize, is_folding: bool) -> Names {
        let limits = FileSystemLimits { name_bytes_max: 255, path_rest: 4000 };
        Names { sanitize, limits, is_folding }
    }

    #[test]
    fn a_name_that_the_file_system_takes_stays_as_it_is() {
        let names = names(Sanitize::Auto, false);
        for name in ["a", "A b", ".hidden", "a\\b", "%2e%2e", "😀", "a::b", "*\"\n"] {
            assert_eq!(names.key(name).expect(name), name);
            assert_eq!(names.collection(name).expect(name), name);
        }
        assert_eq!(names.key("..").expect("fine with a suffix"), "..");
        assert_eq!(names.key("a-info.json").expect("fine"), "a-info.json");
    }

    #[test]
    fn any_other_is_stored_under_a_made_name_that_fits() {
        let names = names(Sanitize::Auto, false);
        let long = "ü".repeat(2048);
        for name in ["a/b", "/", "../x", "S_a", "H_a", &long] {
            let made = names.key(name).expect(name);
            assert!(made.starts_with("S_") && made.len() <= 250, "{name}");
            assert!(name::is_reserved(&made) && !made.contains('/'), "{name}");
        }
        for name in [".", "..", "a-info.json", "a/b", &"x".repeat(246)] {
            let made = names.collection(name).expect(name);
            assert!(made.starts_with("S_") && made.len() <= 245, "{name}");
        }
        assert_eq!(names.key(&"x".repeat(250)).expect("fits").len(), 250);
        assert_eq!(names.collection(&"x".repeat(245)).expect("fits").len(), 245);
    }

    #[test]
    fn no_two_names_meet_where_case_does_not_count() {
        let names = names(Sanitize::Auto, true);
        let made = names.key("a b").expect("a name").to_lowercase();
        let mut stored: Vec<_> =
            ["A", "a", "é", "e\u{301}", "nul", "nul.x", "com1", "a.", "a b", &made]
                .into_iter()
                .map(|name| names.key(name).expect(name).to_lowercase())
                .collect();
        assert_eq!(stored[1], "a");
        stored.sort();
        stored.dedup();
        assert_eq!(stored.len(), 10);
        assert!(!stored.contains(&"nul".to_owned()));
    }

    #[test]
    fn v1_refuses_what_python_refuses() {
        let names = names(Sanitize::V1, false);
        assert_eq!(names.key("a b").expect("a name"), "S_a_b-c8687a08");
        let refused = |error: Error| error.kind();
        assert_eq!(names.key("S_a").map_err(refused), Err(Kind::InvalidKey));
        let collection = names.collection("H_a").map_err(refused);
        assert_eq!(collection, Err(Kind::InvalidCollection));
    }
}
