//! Which directory a collection is in.

use std::borrow::Cow;

use kvgate_core::name::{self, HashDigits, Sanitize};
use kvgate_core::{Error, Kind, Result};

/// The longest name that file systems take.
const NAME_BYTES_MAX: usize = 255;
/// The longest name that is made: short enough for every tool.
const MADE_CHARS_MAX: usize = 200;

/// The name of a collection's directory.
pub(super) fn directory_name(collection: &str, sanitize: Sanitize) -> Result<String> {
    match sanitize {
        Sanitize::Auto if is_plain(collection) => Ok(collection.to_owned()),
        Sanitize::Auto => {
            Ok(name::hybrid(collection, MADE_CHARS_MAX, name::is_word, HashDigits::Auto))
        }
        Sanitize::V1 => v1_name(collection),
    }
}

/// Whether a collection can be the name of its directory, on every system and
/// without meeting another one.
fn is_plain(collection: &str) -> bool {
    !is_made_of_dots(collection)
        && sanitize_filename(collection) == collection
        && !name::is_reserved(collection)
        && (!IGNORES_CASE || name::is_the_same_in_any_case(collection))
}

/// Here `a` and `A` are the same file, and so are `é` in one character and in two.
const IGNORES_CASE: bool = cfg!(any(windows, target_os = "macos"));

/// `sanitize_filename` leaves these alone.
fn is_made_of_dots(name: &str) -> bool {
    matches!(name, "." | "..")
}

fn v1_name(collection: &str) -> Result<String> {
    let name = sanitize_filename(collection);
    if name.is_empty() || is_made_of_dots(&name) {
        return Err(Error::new(
            Kind::InvalidCollection,
            "no directory can be named after the collection, as `sanitize = \"v1\"` does it",
        ));
    }
    if name.len() > NAME_BYTES_MAX {
        return Err(Error::new(
            Kind::InvalidCollection,
            format!("the collection's directory would have a name of {} bytes", name.len()),
        )
        .with_limit("collection_bytes_max", NAME_BYTES_MAX as u64));
    }
    Ok(name.into_owned())
}

/// What `sanitize_filename` of pathvalidate 3.3.1 makes of a name, with its
/// default platform `universal`.
fn sanitize_filename(name: &str) -> Cow<'_, str> {
    let allowed: String = name.chars().filter(|c| is_allowed(*c)).collect();
    let cut = cut_to(&allowed, NAME_BYTES_MAX);
    if is_blank(name) || is_blank(cut) {
        return Cow::Borrowed("");
    }
    let root = root_of(cut);
    let sanitized = if is_windows_device(root) {
        cut.replace(root, &format!("{root}_"))
    } else if is_made_of_dots(cut) {
        cut.to_owned()
    } else if cut.starts_with(' ') || cut.ends_with([' ', '.']) {
        let trimmed = cut.trim_matches(' ');
        match trimmed {
            "." | ".." => trimmed.to_owned(),
            _ => trimmed.trim_end_matches([' ', '.']).to_owned(),
        }
    } else {
        cut.to_owned()
    };
    if sanitized == name { Cow::Borrowed(name) } else { Cow::Owned(sanitized) }
}

fn is_allowed(c: char) -> bool {
    !c.is_ascii_control() && !r#"/\:*?"<>|"#.contains(c)
}

/// The start of the name that has at most so many bytes.
fn cut_to(name: &str, bytes_max: usize) -> &str {
    &name[..name.floor_char_boundary(bytes_max)]
}

/// Nothing but what Python takes for white space: that of Unicode and four more.
fn is_blank(name: &str) -> bool {
    let is_space = |c: char| c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c);
    name.chars().all(is_space)
}

/// What is before the first dot; the whole name if it begins with three.
fn root_of(name: &str) -> &str {
    if name.starts_with("...") {
        return name;
    }
    name.split('.').next().unwrap_or_default()
}

/// Names that Windows keeps for devices, whatever their ending.
fn is_windows_device(root: &str) -> bool {
    let root = root.to_uppercase();
    if matches!(root.as_str(), "CON" | "PRN" | "AUX" | "NUL" | "CLOCK$") {
        return true;
    }
    let number = root.strip_prefix("COM").or_else(|| root.strip_prefix("LPT"));
    number.is_some_and(|number| {
        let mut digits = number.chars();
        matches!(digits.next(), Some('0'..='9' | '¹' | '²' | '³')) && digits.next().is_none()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by pathvalidate 3.3.1.
    #[test]
    fn sanitizes_as_python_does() {
        for (name, sanitized) in [
            ("plain", "plain"),
            ("a/b", "ab"),
            ("a\u{5c}b:c*d?e\u{22}f<g>h|i", "abcdefghi"),
            ("tab\u{9}new\u{a}line", "tabnewline"),
            ("\u{1}\u{7f}x", "x"),
            ("", ""),
            ("   ", ""),
            ("\u{1c}\u{1f}", ""),
            (" a", "a"),
            ("a ", "a"),
            ("a.", "a"),
            ("a. .", "a"),
            (".", "."),
            (".. ", ".."),
            (". .", ""),
            ("...", ""),
            ("..a", "..a"),
            ("a..", "a"),
            (".hidden", ".hidden"),
            ("con", "con_"),
            ("CON", "CON_"),
            ("con.txt", "con_.txt"),
            ("con.con.txt", "con_.con_.txt"),
            ("Con ", "Con"),
            ("con.", "con_."),
            ("NUL", "NUL_"),
            ("com0", "com0_"),
            ("COM9.log", "COM9_.log"),
            ("com10", "com10"),
            ("lpt\u{b9}", "lpt\u{b9}_"),
            ("LPT\u{b2}x", "LPT\u{b2}x"),
            ("clock$", "clock$_"),
            ("aux.aux", "aux_.aux_"),
            ("....con", "....con"),
            ("...", ""),
            ("prn.", "prn_."),
            ("\u{e9}/\u{fc}", "\u{e9}\u{fc}"),
            ("\u{a0}", ""),
            ("\u{3000}a\u{3000}", "\u{3000}a\u{3000}"),
            ("a\u{2028}b", "a\u{2028}b"),
            ("a:", "a"),
            ("::", ""),
            ("S_x", "S_x"),
            ("\u{feff}", "\u{feff}"),
            ("nul/", "nul_"),
            ("c:on", "con_"),
            ("com\u{b9}.a.com\u{b9}", "com\u{b9}_.a.com\u{b9}_"),
            (" con", "con"),
            ("con :", "con"),
            (".con", ".con"),
            ("conin$", "conin$"),
            ("\u{85}", ""),
            ("~", "~"),
            ("a%b", "a%b"),
            ("emoji\u{1f600}", "emoji\u{1f600}"),
        ] {
            assert_eq!(sanitize_filename(name), sanitized, "{name:?}");
        }
        assert_eq!(sanitize_filename(&"x".repeat(300)), "x".repeat(255));
        assert_eq!(sanitize_filename(&"é".repeat(200)), "é".repeat(127));
        let device = format!("con.{}", "x".repeat(300));
        assert_eq!(sanitize_filename(&device), format!("con_.{}", "x".repeat(251)));
    }

    #[test]
    fn no_two_collections_are_in_one_directory() {
        let long = "x".repeat(300);
        let names = [
            "a",
            "A",
            "a/b",
            "ab",
            "a.",
            " a",
            "con",
            "con_",
            "S_a",
            "H_a",
            ".",
            "..",
            "...",
            "é",
            "e\u{301}",
            "s_a",
            &long,
            &long[..255],
        ];
        let made = |name: &&str| directory_name(name, Sanitize::Auto).expect("every name");
        let mut directories: Vec<String> = names.iter().map(made).collect();
        for directory in &directories {
            assert_eq!(sanitize_filename(directory), *directory);
        }
        directories.sort();
        directories.dedup();
        assert_eq!(directories.len(), names.len());
        assert_eq!(directory_name("a", Sanitize::Auto).expect("plain"), "a");
    }

    #[test]
    fn refuses_what_python_refuses() {
        for name in ["", "/", ".", "..", "../", " .. ", "...", "\u{3000}"] {
            let error = directory_name(name, Sanitize::V1).expect_err(name);
            assert_eq!(error.kind(), Kind::InvalidCollection, "{name:?}");
        }
        let device = format!("con.{}", "x".repeat(300));
        directory_name(&device, Sanitize::V1).expect_err("256 bytes");
        assert_eq!(directory_name("a/b", Sanitize::V1).expect("V1 takes it"), "ab");
    }
}
