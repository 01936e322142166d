//! Serde's messages in the words of a configuration, without the values in them.
//!
//! Serde quotes what it found: `invalid type: string "hunter2", expected u16`. A
//! value may be a secret, so it is left out; what was expected is said in words
//! that need no Rust.

use serde_json::{Map, Value};

/// The message for serde's `message` about `value`. `also` are fields of the same
/// table that somebody else reads.
pub(super) fn reword(message: &str, value: Option<&Value>, also: &[&str]) -> String {
    if let Some(rest) = message.strip_prefix("unknown field ") {
        return unknown("unknown field", rest, also);
    }
    if let Some(rest) = message.strip_prefix("unknown variant ") {
        return unknown("unknown word", rest, &[]);
    }
    // from the right: the value that stands before it may hold the same words
    if let Some(rest) = message.strip_prefix("invalid type: ") {
        let expected = rest.rsplit_once(", expected ").map_or("", |(_, e)| e);
        return wrong_type(rest, &in_words(expected));
    }
    if let Some(rest) = message.strip_prefix("invalid value: ") {
        let expected = rest.rsplit_once(", expected ").map_or("", |(_, e)| e);
        return format!("wrong value, expected {}", in_words(expected));
    }
    if message == "invalid socket address syntax" {
        return "expected an IP address and a port, such as 127.0.0.1:50051".to_owned();
    }
    value.map_or_else(|| message.to_owned(), |value| without(message, value))
}

/// The words that are near `word`, to say after what is wrong with it.
pub(super) fn did_you_mean<'w>(word: &str, words: impl Iterator<Item = &'w str>) -> String {
    let near = words
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| distance * 3 <= word.len().max(candidate.len()))
        .min();
    near.map_or_else(String::new, |(_, word)| format!("; did you mean {word}?"))
}

/// From serde's list: "`x`, expected one of `a`, `b`", "`x`, expected `a` or `b`"
/// or "`x`, there are no fields".
fn unknown(what: &str, rest: &str, also: &[&str]) -> String {
    let (word, expected) = match rest.rsplit_once(", expected ") {
        Some(parts) => parts,
        None => (rest.rsplit_once(", there are no ").map_or(rest, |(word, _)| word), ""),
    };
    // what is quoted stands between the backticks: every second piece
    let words: Vec<&str> =
        expected.split('`').skip(1).step_by(2).chain(also.iter().copied()).collect();
    let list = match words.as_slice() {
        [] => return format!("{what}, none is expected"),
        [only] => format!("expected {only}"),
        many => format!("expected one of {}", many.join(", ")),
    };
    let near = did_you_mean(word.trim_matches('`'), words.into_iter());
    format!("{what}, {list}{near}")
}

/// The kinds of value as serde names them.
const KINDS: [(&str, &str); 7] = [
    ("boolean", "a boolean"),
    ("integer", "a whole number"),
    ("floating point", "a number with a decimal point"),
    ("string", "a string"),
    ("null", "nothing"),
    ("sequence", "an array"),
    ("map", "a table"),
];

fn wrong_type(found: &str, expected: &str) -> String {
    let found = KINDS.iter().find(|(serde, _)| found.starts_with(serde));
    match found {
        Some((_, found)) => format!("wrong type: {found}, expected {expected}"),
        None => format!("wrong type, expected {expected}"),
    }
}

fn in_words(expected: &str) -> String {
    let words = match expected {
        "a boolean" | "a string" => expected,
        "a sequence" => "an array",
        "a map" | "map" | "object" => "a table",
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" | "u64" | "usize" => "a whole number that is not negative",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "socket address" => "an IP address and a port, such as \"127.0.0.1:50051\"",
        _ if expected.starts_with("a nonzero ") => "a whole number of at least 1",
        _ if expected.starts_with("struct ") => "a table",
        _ if expected.starts_with("enum ") => "a word",
        _ => expected,
    };
    words.to_owned()
}

/// A message of somebody else's, without the values that it is about. Shorter
/// ones stay: they are no secrets, and would take parts of words with them.
fn without(message: &str, value: &Value) -> String {
    match value {
        Value::String(text) if text.chars().count() >= 4 => message.replace(text.as_str(), "…"),
        Value::Number(number) if number.to_string().len() >= 4 => {
            message.replace(&number.to_string(), "…")
        }
        Value::Array(elements) => {
            elements.iter().fold(message.to_owned(), |message, value| without(&message, value))
        }
        // where a secret is kept is none itself, and what its message is about
        Value::Object(members) if is_source(members) => message.to_owned(),
        Value::Object(members) => {
            members.values().fold(message.to_owned(), |message, value| without(&message, value))
        }
        _ => message.to_owned(),
    }
}

/// `{ env = "NAME" }` or `{ file = "PATH" }`.
fn is_source(members: &Map<String, Value>) -> bool {
    members.len() == 1 && (members.contains_key("env") || members.contains_key("file"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_place_of_a_secret_is_named() {
        let message = "the environment variable REDIS_PASSWORD is not set";
        for (value, shown) in [
            (json!({"env": "REDIS_PASSWORD"}), message),
            (json!("REDIS_PASSWORD"), "the environment variable … is not set"),
            (json!({"env": "REDIS_PASSWORD", "x": 1}), "the environment variable … is not set"),
        ] {
            assert_eq!(reword(message, Some(&value), &[]), shown);
        }
    }

    #[test]
    fn words() {
        for (serde, ours) in [
            (
                "unknown field `directry`, expected one of `directory`, `max_size`",
                "unknown field, expected one of directory, max_size, wrap; did you mean directory?",
            ),
            (
                "unknown field `warp`, expected `directory` or `max_size`",
                "unknown field, expected one of directory, max_size, wrap; did you mean wrap?",
            ),
            ("unknown field `x`, there are no fields", "unknown field, expected wrap"),
            (
                "unknown variant `hunter2`, expected `text` or `json`",
                "unknown word, expected one of text, json",
            ),
            (
                r#"invalid type: string "hunter2, expected u8", expected u16"#,
                "wrong type: a string, expected a whole number from 0 to 65535",
            ),
            (
                "invalid type: floating point `4096.0`, expected usize",
                "wrong type: a number with a decimal point, expected a whole number that is not negative",
            ),
            (
                "invalid value: integer `0`, expected a nonzero u64",
                "wrong value, expected a whole number of at least 1",
            ),
            ("invalid type: null, expected struct Limits", "wrong type: nothing, expected a table"),
            ("missing field `url`", "missing field `url`"),
            ("no such host hunter2", "no such host …"),
        ] {
            let value = json!({"password": ["hunter2"]});
            assert_eq!(reword(serde, Some(&value), &["wrap"]), ours);
        }
    }

    #[test]
    fn near_words() {
        let near = |word| did_you_mean(word, ["memory", "redis", "s3", "disk"].into_iter());
        assert_eq!(near("memroy"), "; did you mean memory?");
        assert_eq!(near("reddis"), "; did you mean redis?");
        assert_eq!(near("disks"), "; did you mean disk?");
        assert_eq!(near("etcd"), "");
        assert_eq!(near(""), "");
    }
}
