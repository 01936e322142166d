//! `BACKENDS.md`: the real servers that the stores are tested with, how each is set
//! up and what it is asked. Made from the setups:
//! `KVGATE_UPDATE=1 cargo test -p kvgate-tests --test backends_page`.

use std::fmt::Write as _;
use std::path::Path;

use kvgate_tests::failure::{Outcome, expect};
use kvgate_tests::setups::{ALL, GetManyCost};

/// From this line on the page is made.
const MADE: &str =
    "<!-- made by KVGATE_UPDATE=1 cargo test -p kvgate-tests --test backends_page -->\n";

#[test]
fn is_current() -> Outcome {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("BACKENDS.md");
    let page = std::fs::read_to_string(&path)?;
    let written = page.split(MADE).next().unwrap_or_default();
    let current = format!("{written}{MADE}{}", table()?);
    if std::env::var_os("KVGATE_UPDATE").is_some() {
        return Ok(std::fs::write(path, current)?);
    }
    expect(page == current, format!("BACKENDS.md differs from the setups; {MADE}"))
}

fn table() -> Outcome<String> {
    let mut table =
        String::from("\n| Setup | What runs | `GetMany` of 1,000 keys |\n|---|---|---|\n");
    for setup in ALL {
        if let Some(backend) = &setup.backend {
            let cost = cost(backend.get_many);
            let about = match setup.facts.variant {
                Some(variant) => format!("{}; {}", backend.about, variant.about()),
                None => backend.about.to_owned(),
            };
            writeln!(table, "| `{}` | {about} | {cost} |", setup.name)?;
        }
    }
    Ok(table)
}

fn cost(cost: GetManyCost) -> String {
    let number = |count: Option<u64>, one: &str| match count? {
        1 => Some(format!("1 {one}")),
        more => Some(format!("{more} {one}s")),
    };
    let parts = [number(cost.round_trips, "round trip"), number(cost.commands, "command")];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}
