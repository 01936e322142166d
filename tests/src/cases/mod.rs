//! The cases of the conformance suite, a file a theme.

use crate::case::Case;

/// All themes, each with its cases.
pub fn all() -> Vec<(&'static str, Vec<Case>)> {
    vec![]
}
