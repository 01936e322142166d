//! Why a test failed, with the call and the names that it used.

use std::fmt::{self, Debug, Display};

/// What a test and every step of it answers.
pub type Outcome<T = ()> = Result<T, Failure>;

/// Why a test failed.
///
/// It is not a `std::error::Error`, so that every error converts into it.
pub struct Failure(String);

impl Failure {
    /// A failure that says `text`.
    pub fn new(text: impl Display) -> Self {
        Self(text.to_string())
    }

    /// Puts `context` before the text.
    #[must_use]
    pub fn within(self, context: impl Display) -> Self {
        Self(format!("{context}: {}", self.0))
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// A test that returns an error is printed by `Debug`.
impl Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(error) = source {
            text = format!("{text}: {error}");
            source = error.source();
        }
        Self(text)
    }
}

/// Fails unless `holds`.
pub fn expect(holds: bool, text: impl Display) -> Outcome {
    if holds { Ok(()) } else { Err(Failure::new(text)) }
}

/// Fails unless `found` is `expected`; `what` names the call and its names.
#[expect(clippy::needless_pass_by_value, reason = "what is compared is seldom used again")]
pub fn expect_equal<A, B>(what: impl Display, found: A, expected: B) -> Outcome
where
    A: Debug + PartialEq<B>,
    B: Debug,
{
    if found == expected {
        return Ok(());
    }
    let (found, expected) = (shortened(&found), shortened(&expected));
    Err(Failure::new(format!("{what}: found {found}, expected {expected}")))
}

/// `value` in at most about 300 characters: a failure that prints megabytes
/// is not read.
pub fn shortened(value: &impl Debug) -> String {
    const SHOWN: usize = 300;
    let text = format!("{value:?}");
    let length = text.chars().count();
    if length <= SHOWN {
        return text;
    }
    let start: String = text.chars().take(SHOWN - 40).collect();
    let end: String = text.chars().skip(length - 20).collect();
    format!("{start}… ({length} characters) …{end}")
}
