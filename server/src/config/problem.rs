//! What is wrong with a configuration, and where.

use std::fmt;
use std::sync::Arc;

/// Where a part of the configuration was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A file as a whole.
    File(Arc<str>),
    /// A line of a file, counted from 1.
    Line(Arc<str>, usize),
    /// The environment variable of this name.
    Variable(String),
    /// What holds when nothing is configured.
    Defaults,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => f.write_str(file),
            Self::Line(file, line) => write!(f, "{file}:{line}"),
            Self::Variable(name) => write!(f, "environment variable {name}"),
            Self::Defaults => f.write_str("default configuration"),
        }
    }
}

/// One thing that is wrong. Its text never holds a configured value: that may be
/// a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// Where it was written.
    pub(crate) origin: Origin,
    /// The field or table, such as `stores.main.directory`; empty if it is the
    /// file as a whole.
    pub(crate) path: String,
    /// What is wrong with it.
    pub(crate) message: String,
}

impl Problem {
    /// A problem of the whole file or variable, which has no path.
    pub(super) fn whole(origin: Origin, message: impl Into<String>) -> Self {
        Self { origin, path: String::new(), message: message.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path.is_empty() { String::new() } else { format!("{}: ", self.path) };
        let text = format!("{}: {path}{}", self.origin, self.message);
        // a key of the file may hold a line break: a problem is one line all the same
        for c in text.chars() {
            if c.is_control() {
                write!(f, "{}", c.escape_default())?;
            } else {
                write!(f, "{c}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Problem {}

/// Everything that is wrong with a configuration, a line each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problems(pub(crate) Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the configuration can't be used")?;
        self.0.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl std::error::Error for Problems {}
