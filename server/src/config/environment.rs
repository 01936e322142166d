//! Environment variables that set fields: `KVGATE_STORES__MAIN__DIRECTORY` sets
//! `stores.main.directory`.
//!
//! Two underscores stand between levels; upper case and `_` stand for the lower
//! case and `-` of names. A variable without two underscores is not a field: that
//! keeps `KVGATE_CONFIG` and what Kubernetes sets for a service named `kvgate`
//! (`KVGATE_SERVICE_HOST`, `KVGATE_PORT`) apart from fields.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::formats;
use super::path;
use super::problem::{Origin, Problem};
use super::tree::Tree;
use super::wording;

const PREFIX: &str = "KVGATE_";
const SEPARATOR: &str = "__";

/// A variable that sets a field.
pub(super) struct Variable {
    name: String,
    /// The levels, as [`normal`] has them.
    segments: Vec<String>,
    text: String,
}

/// The variables of `environment` that set fields, each after those that set a
/// table around it.
pub(super) fn variables(environment: impl Iterator<Item = (String, String)>) -> Vec<Variable> {
    let mut variables: Vec<_> = environment
        .filter_map(|(name, text)| {
            let field = name.strip_prefix(PREFIX)?;
            let segments = field.contains(SEPARATOR).then(|| field.split(SEPARATOR).map(normal))?;
            let segments = segments.collect();
            Some(Variable { name, segments, text })
        })
        .collect();
    variables.sort_by(|a, b| a.name.cmp(&b.name));
    variables
}

impl Variable {
    /// The store that it makes, if it was not there: one that it sets as a whole,
    /// or of which it sets the type.
    pub(super) fn makes_store(&self) -> Option<&str> {
        let segments: Vec<&str> = self.segments.iter().map(String::as_str).collect();
        match segments.as_slice() {
            ["stores", name] | ["stores", name, "type"] => Some(name),
            _ => None,
        }
    }
}

/// Sets the fields of `tree` that `variables` name. Whether there are such fields
/// is found later, when the tree is read.
pub(super) fn apply(tree: &mut Tree, variables: &[Variable]) -> Vec<Problem> {
    let made = variables.iter().filter_map(Variable::makes_store).collect();
    variables
        .iter()
        .filter_map(|variable| {
            let message = set(tree, variable, &made).err()?;
            let origin = Origin::Variable(variable.name.clone());
            Some(Problem::whole(origin, message))
        })
        .collect()
}

fn set(tree: &mut Tree, variable: &Variable, made: &BTreeSet<&str>) -> Result<(), String> {
    if variable.segments.iter().any(String::is_empty) {
        return Err("not a field: a double underscore stands between two names".to_owned());
    }
    let mut at = String::new();
    let mut place = &mut tree.root;
    let mut new_tables = Vec::new();
    for segment in &variable.segments {
        // what is below a variable's own field, or was left empty, becomes a table
        if place.is_null() {
            *place = Value::Object(Map::new());
            new_tables.push(at.clone());
        }
        match place {
            Value::Object(table) => {
                let key = key(table, segment)?;
                if at == "stores" && !table.contains_key(&key) && !made.contains(segment.as_str()) {
                    return Err(unknown_store(table, &variable.name, segment));
                }
                at = path::member(&at, &key);
                place = table.entry(key).or_insert(Value::Null);
            }
            Value::Array(elements) => {
                let index = segment.parse::<usize>().ok();
                let index = index.filter(|index| *index < elements.len());
                let index = index.ok_or_else(|| format!("{at} has no element of this number"))?;
                at = path::element(&at, index);
                place = &mut elements[index];
            }
            _ => return Err(format!("{at} is not a table, so there is nothing below it")),
        }
    }
    *place = value(&variable.text);
    if let (Some(_), Origin::Variable(other)) = (tree.text(&at), tree.origin(&at)) {
        return Err(format!("sets {at}, which {other} sets too"));
    }
    for table in new_tables {
        tree.set_origin(&table, Origin::Variable(variable.name.clone()));
    }
    tree.set_from_variable(&at, &variable.name, variable.text.clone());
    Ok(())
}

/// The text as what it reads as: a number, a boolean, an array or a table in JSON,
/// otherwise itself. Where a string is wanted, [`super::part`] takes the text.
fn value(text: &str) -> Value {
    match formats::parse_json(text) {
        None | Some(Value::Null | Value::String(_)) => Value::String(text.to_owned()),
        Some(value) => value,
    }
}

/// The key of `table` that `segment` stands for; a new one if there is none.
fn key(table: &Map<String, Value>, segment: &str) -> Result<String, String> {
    let keys: Vec<_> = table.keys().filter(|key| normal(key) == segment).collect();
    match keys.as_slice() {
        [] => Ok(segment.to_owned()),
        [key] => Ok((*key).clone()),
        [one, other, ..] => Err(format!("stands for both {one} and {other}")),
    }
}

fn normal(name: &str) -> String {
    name.to_lowercase().replace('-', "_")
}

fn unknown_store(stores: &Map<String, Value>, variable: &str, segment: &str) -> String {
    let near = wording::did_you_mean(segment, stores.keys().map(String::as_str));
    let upper = variable.split(SEPARATOR).nth(1).unwrap_or(segment);
    let make = format!("{PREFIX}STORES{SEPARATOR}{upper}{SEPARATOR}TYPE");
    format!("there is no store {segment}{near} (a variable {make} would make one)")
}
