//! Reading a typed part of the tree, with the place of each mistake in it.

use std::collections::BTreeMap;

use kvgate_core::SettingsError;
use serde_json::Value;

use super::path;
use super::problem::Problem;
use super::tree::Tree;
use super::wording;

/// A table of the tree that is read as one thing.
pub(super) struct Part<'t> {
    /// The tree that it is from.
    pub(super) tree: &'t Tree,
    /// Where in the tree it is.
    pub(super) path: &'t str,
    /// Fields of the same table that are read elsewhere.
    pub(super) also: &'t [&'t str],
}

impl Part<'_> {
    /// Makes a `T` of `value`, which was taken from the tree, by `attempt`. Nothing
    /// if it can't be made; why was added to `problems`.
    ///
    /// Serde stops at the first mistake. To find them all, a field with a mistake
    /// is noted and taken out, and the rest is tried again.
    pub(super) fn read<T>(
        &self,
        mut value: Value,
        problems: &mut Vec<Problem>,
        attempt: impl Fn(Value) -> Result<T, SettingsError>,
    ) -> Option<T> {
        // what the first reading of an environment variable led to, by path
        let mut reread = BTreeMap::<String, Problem>::new();
        let mut removed = Vec::new();
        loop {
            let error = match attempt(value.clone()) {
                Ok(made) => return removed.is_empty().then_some(made),
                Err(error) => error,
            };
            if removed.contains(&missing(self.path, &error)) {
                return None;
            }
            let at = path::join(self.path, &error.path);
            let problem = self.problem(&mut value, &error);
            if let Some(text) = self.tree.text(&at)
                && !reread.contains_key(&at)
                && let Some(place) = path::find(&mut value, &error.path)
            {
                *place = Value::String(text.clone());
                reread.insert(at, problem);
                continue;
            }
            problems.push(reread.remove(&at).unwrap_or(problem));
            if !path::remove(&mut value, &error.path) {
                return None;
            }
            removed.push(at);
        }
    }

    fn problem(&self, value: &mut Value, error: &SettingsError) -> Problem {
        let place = path::find(value, &error.path);
        let message = wording::reword(&error.message, place.as_deref(), self.also);
        self.tree.problem(&path::join(self.path, &error.path), message)
    }
}

/// The path of the field that `error` says is missing; that of the table, which
/// was never removed, if it says something else.
fn missing(part: &str, error: &SettingsError) -> String {
    let table = path::join(part, &error.path);
    error
        .message
        .strip_prefix("missing field `")
        .and_then(|rest| rest.strip_suffix('`'))
        .map_or(table.clone(), |field| path::member(&table, field))
}
