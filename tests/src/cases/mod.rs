//! The cases of the conformance suite, a file a theme.

mod admin;
mod bad_input;
mod bad_names;
mod bad_values;
mod concurrency;
mod listing;
mod many;
mod missing;
mod names;
mod restart;
mod scan;
mod streams;
mod tokens;
mod ttl;
mod values;

use crate::case::Case;

/// All themes, each with its cases.
pub fn all() -> Vec<(&'static str, Vec<Case>)> {
    vec![
        ("admin", admin::cases()),
        ("bad_input", bad_input::cases()),
        ("bad_names", bad_names::cases()),
        ("bad_values", bad_values::cases()),
        ("concurrency", concurrency::cases()),
        ("listing", listing::cases()),
        ("many", many::cases()),
        ("missing", missing::cases()),
        ("names", names::cases()),
        ("restart", restart::cases()),
        ("scan", scan::cases()),
        ("streams", streams::cases()),
        ("tokens", tokens::cases()),
        ("ttl", ttl::cases()),
        ("values", values::cases()),
    ]
}
