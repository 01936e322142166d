//! Tests of the configuration as a whole.

mod environment;
mod fuzz;
mod mistakes;
mod reference;
mod schema;
mod syntax;
mod valid;

use std::path::Path;

use super::{Config, Problems, formats, from_tree};

/// Loads `text` as if it stood in a file of this name.
fn load(file: &str, text: &str, environment: &[(&str, &str)]) -> Result<Config, Problems> {
    load_bytes(file, text.as_bytes(), environment)
}

fn load_bytes(file: &str, bytes: &[u8], environment: &[(&str, &str)]) -> Result<Config, Problems> {
    let tree = formats::parse(Path::new(file), bytes).map_err(|problem| Problems(vec![problem]))?;
    from_tree(Some(tree), pairs(environment))
}

fn pairs(environment: &[(&str, &str)]) -> impl Iterator<Item = (String, String)> {
    let own = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
    environment.iter().map(own)
}

/// What is said about a configuration that has problems.
fn said(loaded: Result<Config, Problems>) -> Vec<String> {
    let problems = loaded.err().unwrap_or(Problems(Vec::new()));
    problems.0.iter().map(ToString::to_string).collect()
}
