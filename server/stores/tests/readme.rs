//! The table of stores in the README is the one that the registry makes.

use std::fmt::Write;
use std::fs;

use kvgate_core::Stability;
use kvgate_stores::{STORE_TYPES, StoreType};

const README: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md");

const BEGIN: &str =
    "<!-- stores: made by KVGATE_UPDATE=1 cargo test -p kvgate-stores --test readme -->\n";
const END: &str = "<!-- /stores -->";

#[test]
fn the_table_of_stores_is_current() {
    let readme = fs::read_to_string(README).expect("README.md");
    let (head, rest) = readme.split_once(BEGIN).expect("where the table begins");
    let (_, tail) = rest.split_once(END).expect("where the table ends");
    let current = format!("{head}{BEGIN}\n{}\n{END}{tail}", table());
    if std::env::var("KVGATE_UPDATE").is_ok_and(|value| value == "1") {
        fs::write(README, current).expect("README.md is written");
        return;
    }
    assert!(
        readme == current,
        "README.md has another table of stores than the registry; to write it anew:\n\
         KVGATE_UPDATE=1 cargo test -p kvgate-stores --test readme\n\n{}",
        table()
    );
}

fn table() -> String {
    let mut table = String::from(
        "| Store | `type` | What it is | Stored form | For production | Tested with |\n\
         |---|---|---|---|---|---|\n",
    );
    for store_type in STORE_TYPES {
        writeln!(table, "{}", row(store_type)).expect("a string takes everything");
    }
    table
}

fn row(store_type: &StoreType) -> String {
    format!(
        "| {} | `{}` | {} | {} | {} | {} |",
        store_type.title,
        store_type.word,
        store_type.summary,
        stored_form(store_type.stability),
        if store_type.for_production { "yes" } else { "no, tests" },
        store_type.tested_with,
    )
}

fn stored_form(stability: Stability) -> &'static str {
    match stability {
        Stability::Stable => "Stable",
        Stability::Unstable => "Unstable",
        Stability::NotApplicable => "–",
    }
}
