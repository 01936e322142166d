//! JSON text into BSON.
//!
//! A parser that makes floats of large integers would change them unseen, so the text is
//! read here. It is known to be a valid JSON object: nothing is checked twice.

use std::fmt;

use ::mongodb::bson::{Bson, Document};
use kvgate_core::{Error, Kind, Value};

/// How deep a value may be nested: MongoDB documents 100 levels, and two are around it.
pub(super) const DEPTH_MAX: usize = 98;

/// Makes a BSON document that is equal to the value: integers and floats stay what they
/// are, members keep their order, and of members of the same name the last one stays, as
/// in Python.
pub(super) fn document(value: &Value) -> Result<Document, Problem> {
    let text = std::str::from_utf8(value.as_bytes())
        .map_err(|e| Problem { what: What::NotJson, at: e.valid_up_to() })?;
    let mut reader = Reader { text, at: 0, depth: 0 };
    reader.object()
}

/// Why a value has no form in BSON, and at which byte of its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    what: What,
    at: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Integer,
    Float,
    Surrogate,
    NulInName,
    Depth,
    NotJson,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.what {
            What::Integer => "holds an integer of more than 64 bits",
            What::Float => "holds a number beyond the range of a 64-bit float",
            What::Surrogate => "holds half a surrogate pair (\\ud800 to \\udfff)",
            What::NulInName => "has a member with a NUL in its name",
            What::Depth => "is nested too deep",
            What::NotJson => "is not JSON",
        };
        write!(f, "the value {what} at byte {}, which MongoDB can't store", self.at)?;
        match self.what {
            What::Depth => write!(f, ": at most {DEPTH_MAX} levels (json_depth_max)"),
            _ => Ok(()),
        }
    }
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        let error = Self::new(Kind::InvalidValue, problem.to_string());
        match problem.what {
            What::Depth => error.with_limit("json_depth_max", DEPTH_MAX as u64),
            _ => error,
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    /// The byte that is read next.
    at: usize,
    depth: usize,
}

impl<'a> Reader<'a> {
    /// What begins at the next byte that is no white space.
    fn value(&mut self) -> Result<Bson, Problem> {
        match self.peek() {
            Some(b'{') => Ok(Bson::Document(self.object()?)),
            Some(b'[') => Ok(Bson::Array(self.array()?)),
            Some(b'"') => Ok(Bson::String(self.string()?)),
            Some(b't') => Ok(self.word("true", Bson::Boolean(true))),
            Some(b'f') => Ok(self.word("false", Bson::Boolean(false))),
            Some(b'n') => Ok(self.word("null", Bson::Null)),
            _ => self.number(),
        }
    }

    fn object(&mut self) -> Result<Document, Problem> {
        let mut document = Document::new();
        self.members(b'{', b'}', |reader| {
            let at = reader.at;
            let name = reader.string()?;
            if name.contains('\0') {
                return Err(Problem { what: What::NulInName, at });
            }
            reader.take(b':')?;
            let value = reader.value()?;
            document.insert(name, value);
            Ok(())
        })?;
        Ok(document)
    }

    fn array(&mut self) -> Result<Vec<Bson>, Problem> {
        let mut items = Vec::new();
        self.members(b'[', b']', |reader| {
            items.push(reader.value()?);
            Ok(())
        })?;
        Ok(items)
    }

    /// Reads from one bracket to the other, with `member` what is between the commas.
    fn members(
        &mut self,
        open: u8,
        close: u8,
        mut member: impl FnMut(&mut Self) -> Result<(), Problem>,
    ) -> Result<(), Problem> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.problem(What::Depth));
        }
        self.take(open)?;
        if self.peek() != Some(close) {
            loop {
                self.peek();
                member(self)?;
                if self.peek() != Some(b',') {
                    break;
                }
                self.at += 1;
            }
        }
        self.depth -= 1;
        self.take(close)
    }

    fn string(&mut self) -> Result<String, Problem> {
        let start = self.at;
        self.take(b'"')?;
        let mut is_escaped = false;
        loop {
            match self.bytes().get(self.at) {
                Some(b'"') => break,
                Some(b'\\') => {
                    is_escaped = true;
                    self.at += 2;
                }
                Some(_) => self.at += 1,
                None => return Err(self.problem(What::NotJson)),
            }
        }
        self.at += 1;
        if is_escaped {
            let quoted = &self.text[start..self.at];
            // the one escape that is valid JSON and no text
            serde_json::from_str(quoted).map_err(|_| Problem { what: What::Surrogate, at: start })
        } else {
            Ok(self.text[start + 1..self.at - 1].to_owned())
        }
    }

    fn number(&mut self) -> Result<Bson, Problem> {
        let start = self.at;
        let rest = &self.text[start..];
        let is_part = |c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.' | 'e' | 'E');
        let digits = rest.find(|c| !is_part(c)).map_or(rest, |end| &rest[..end]);
        self.at += digits.len();
        // an integer has no negative zero
        if digits.contains(['.', 'e', 'E']) || digits == "-0" {
            let float: Option<f64> = digits.parse().ok().filter(|float: &f64| float.is_finite());
            return float.map(Bson::Double).ok_or(Problem { what: What::Float, at: start });
        }
        let integer: Option<i64> = digits.parse().ok();
        let integer = integer.ok_or(Problem { what: What::Integer, at: start })?;
        // the shorter form where it does, as Python's driver writes it
        Ok(i32::try_from(integer).map_or(Bson::Int64(integer), Bson::Int32))
    }

    fn word(&mut self, word: &str, value: Bson) -> Bson {
        self.at += word.len();
        value
    }

    fn take(&mut self, expected: u8) -> Result<(), Problem> {
        if self.peek() != Some(expected) {
            return Err(self.problem(What::NotJson));
        }
        self.at += 1;
        Ok(())
    }

    /// The next byte that is no white space, which is skipped.
    fn peek(&mut self) -> Option<u8> {
        while self.bytes().get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
        self.bytes().get(self.at).copied()
    }

    fn bytes(&self) -> &'a [u8] {
        self.text.as_bytes()
    }

    fn problem(&self, what: What) -> Problem {
        Problem { what, at: self.at }
    }
}

#[cfg(test)]
mod tests {
    use ::mongodb::bson::doc;
    use bytes::Bytes;

    use super::*;

    fn read(text: &str) -> Result<Document, Problem> {
        document(&Value::parse(&Bytes::from(text.to_owned()), 1000).expect(text))
    }

    #[test]
    fn every_form_of_json() {
        assert_eq!(read("{}").expect("empty"), doc! {});
        let text = "{ \"a\" : [ 1 , -2.5e1,\ttrue, false, null, [] , {} ],\r\n\"b\":{\"c\":\"\"} }";
        let expected = doc! { "a": [1, -25.0, true, false, null, [], {}], "b": { "c": "" } };
        assert_eq!(read(text).expect(text), expected);
        let text = r#"{"é\n":"\ud83d\ude00 \u0000 \"]}","$a.b":"\\"}"#;
        let expected = doc! { "é\n": "😀 \0 \"]}", "$a.b": "\\" };
        assert_eq!(read(text).expect(text), expected);
    }

    #[test]
    fn numbers_keep_their_type() {
        let text = r#"{"a":1,"b":1.0,"c":2147483648,"d":-9223372036854775808,"e":1e2,"f":-0}"#;
        let found = read(text).expect(text);
        let expected = doc! {
            "a": 1_i32, "b": 1.0, "c": 2_147_483_648_i64, "d": i64::MIN, "e": 100.0, "f": -0.0,
        };
        assert_eq!(found, expected);
        let zero = found.get("f").and_then(Bson::as_f64);
        assert!(zero.is_some_and(f64::is_sign_negative));
    }

    #[test]
    fn members_keep_their_order_and_the_last_of_a_name_stays() {
        let found = read(r#"{"z":1,"a":2,"m":{"y":1,"b":2},"a":3}"#).expect("an object");
        let names: Vec<_> = found.keys().map(String::as_str).collect();
        assert_eq!(names, ["z", "a", "m"]);
        assert_eq!(found.get("a"), Some(&Bson::Int32(3)));
    }

    #[test]
    fn what_bson_has_no_form_for_is_refused_with_its_place() {
        for (text, what, at) in [
            (r#"{"a":9223372036854775808}"#, What::Integer, 5),
            (r#"{"a":[1, -9223372036854775809]}"#, What::Integer, 9),
            (r#"{"a":1e400}"#, What::Float, 5),
            (r#"{"a":"\ud800"}"#, What::Surrogate, 5),
            (r#"{"\udc00":1}"#, What::Surrogate, 1),
            (r#"{"a":{"b\u0000":1}}"#, What::NulInName, 6),
        ] {
            assert_eq!(read(text), Err(Problem { what, at }), "{text}");
        }
        let nested = |depth| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        read(&nested(DEPTH_MAX - 1)).expect("as deep as may be");
        let error = Error::from(read(&nested(DEPTH_MAX)).expect_err("deeper"));
        assert_eq!(error.limit().map(|limit| limit.name), Some("json_depth_max"));
        let error = Error::from(read(r#"{"a":123456789012345678901}"#).expect_err("large"));
        assert!(!error.to_string().contains("123"), "{error}");
    }
}
