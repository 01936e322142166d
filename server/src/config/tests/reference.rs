//! The configuration reference, `CONFIGURATION.md`: its tables are made from the
//! schema, and its example is a configuration.
//!
//! The section of a store that is not compiled in is taken as it is, so the
//! reference can be compared, and made, with any features.

use std::fmt::Write;
use std::fs;

use kvgate_stores::{STORE_TYPES, StoreType};
use serde_json::Value;

use super::load;
use crate::config::schema;
use crate::config::stores::{COMMON, NAME_CHARS_MAX};

const REFERENCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/CONFIGURATION.md");

/// What stands between the part written by hand and the one that is made.
const BEGIN: &str =
    "<!-- from here on made by KVGATE_UPDATE=1 cargo test -p kvgate reference -->\n";

const STORES_HEADING: &str = "## `[stores.NAME]`";

#[test]
fn the_reference_is_current() {
    let reference = fs::read_to_string(REFERENCE).expect("CONFIGURATION.md");
    let (head, made) = reference.split_once(BEGIN).expect("where the tables begin");
    let current = format!("{head}{BEGIN}{}", Tables { schema: schema() }.all(made));
    if std::env::var("KVGATE_UPDATE").is_ok_and(|value| value == "1") {
        fs::write(REFERENCE, current).expect("CONFIGURATION.md is written");
        return;
    }
    assert!(
        reference == current,
        "server/CONFIGURATION.md differs from the schema: {}\nto write it anew: \
         KVGATE_UPDATE=1 cargo test -p kvgate reference",
        difference(&reference, &current)
    );
}

#[test]
fn the_example_of_the_reference_is_a_configuration() {
    let reference = fs::read_to_string(REFERENCE).expect("CONFIGURATION.md");
    let (_, rest) = reference.split_once("```toml\n").expect("an example");
    let (example, _) = rest.split_once("```").expect("the end of the example");
    let compiled = |word| kvgate_stores::find(word).is_some_and(|known| known.adapter.is_some());
    if compiled("disk") && compiled("memory") {
        let problems = load("example.toml", example, &[]).err();
        assert!(problems.is_none(), "{problems:?}");
    }
}

/// The first line in which two texts differ.
fn difference(committed: &str, current: &str) -> String {
    let lines = committed.lines().zip(current.lines());
    match lines.enumerate().find(|(_, (old, new))| old != new) {
        Some((index, (old, new))) => {
            format!("line {} is\n{old}\nand should be\n{new}", index + 1)
        }
        None => "one of them is longer".to_owned(),
    }
}

/// The tables of a reference in Markdown.
struct Tables {
    schema: Value,
}

/// One section of the reference.
struct Section<'a> {
    /// Its heading, with the `#` that say how deep it is.
    heading: &'a str,
    /// What stands between the heading and the table.
    text: &'a str,
    /// Where the fields are in the configuration.
    path: &'a str,
    /// Fields of the schema that are explained elsewhere.
    without: &'a [&'a str],
}

impl Tables {
    /// All tables. What can't be made comes from `committed`.
    fn all(&self, committed: &str) -> String {
        let server = self.target(&self.schema["properties"]["server"]);
        let section = Section {
            heading: "## `[server]`",
            text: text(server, "description"),
            path: "server",
            without: &[],
        };
        let mut all = self.section(&section, server);
        let Some(first) = self.stores().first() else {
            // without a store the schema has no wrappers either
            let rest = committed.find(&format!("\n{STORES_HEADING}\n"));
            return all + rest.map_or("", |start| &committed[start..]);
        };
        all.push_str(&self.all_stores_have(first));
        for store_type in STORE_TYPES {
            let section = self.store(store_type);
            let section = section.unwrap_or_else(|| committed_section(committed, store_type));
            all.push_str(&section);
        }
        all.push_str(&self.wrappers());
        all
    }

    /// The fields that every store has: `store` is any of them.
    fn all_stores_have(&self, store: &Value) -> String {
        let fields = store["properties"].as_object().expect("properties");
        let text = format!(
            "A table for each store, at least one. A name has lower-case letters and digits, in \
             parts joined by one `-` or `_`, up to {NAME_CHARS_MAX} characters. Every store has \
             these fields, and those of its type."
        );
        let own: Vec<&str> =
            fields.keys().map(String::as_str).filter(|name| !COMMON.contains(name)).collect();
        let section =
            Section { heading: STORES_HEADING, text: &text, path: "stores.NAME", without: &own };
        self.section(&section, store)
    }

    /// The section of a type of store that is compiled in.
    fn store(&self, store_type: &StoreType) -> Option<String> {
        let is_it = |store: &&Value| store["properties"]["type"]["const"] == store_type.word;
        let store = self.stores().iter().find(is_it)?;
        let section = Section {
            heading: &store_heading(store_type),
            text: &format!("`type = \"{}\"`: {}.", store_type.word, store_type.summary),
            path: "stores.NAME",
            without: &COMMON,
        };
        Some(self.section(&section, store))
    }

    fn wrappers(&self) -> String {
        let mut all = String::from(
            "\n## Wrappers\n\nEach element of a store's `wrap` is a table with the `type` of the \
             wrapper and these fields.\n",
        );
        for wrapper in alternatives(&self.schema["$defs"]["Wrapper"]) {
            let word = text(&wrapper["properties"]["type"], "const");
            let section = Section {
                heading: &format!("### `{word}`"),
                text: &format!("`type = \"{word}\"`: {}.", text(wrapper, "description")),
                path: "stores.NAME.wrap",
                without: &["type"],
            };
            all.push_str(&self.section(&section, wrapper));
        }
        all
    }

    fn stores(&self) -> &[Value] {
        let stores = &self.schema["properties"]["stores"]["additionalProperties"]["oneOf"];
        stores.as_array().map_or(&[], Vec::as_slice)
    }

    /// The fields of a table, and below it those of the tables in it.
    fn section(&self, section: &Section<'_>, table: &Value) -> String {
        assert!(
            table.get("allOf").is_none(),
            "{}: fields of a combination of schemas can't be listed yet",
            section.heading
        );
        let mut fields = fields(table);
        fields.retain(|(name, _)| !section.without.contains(name));
        let (tables, plain): (Vec<_>, Vec<_>) =
            fields.into_iter().partition(|(_, field)| is_table(self.target(field)));
        let mut text = format!("\n{}\n\n{}\n", section.heading, section.text);
        text.push_str(&self.rows(table, &plain));
        for (name, field) in tables {
            text.push_str(&self.inner_section(section, name, field));
        }
        for (name, field) in plain {
            text.push_str(&self.list_section(section, name, field));
        }
        text
    }

    /// The section of the tables in a list, or in lists that have names of their own.
    fn list_section(&self, outer: &Section<'_>, name: &str, field: &Value) -> String {
        let field = self.target(field);
        let named = self.target(&field["additionalProperties"]);
        let (list, end) = if named.is_object() { (named, ".NAME") } else { (field, "") };
        let table = self.target(&list["items"]);
        if !is_table(table) {
            return String::new();
        }
        let path = format!("{}.{name}{end}", outer.path);
        let depth = outer.heading.find(' ').unwrap_or(0);
        let section = Section {
            heading: &format!("{}# `[[{path}]]`", &outer.heading[..depth]),
            text: text(table, "description"),
            path: &path,
            without: &[],
        };
        self.section(&section, table)
    }

    /// The section of a table that is a field of another one.
    fn inner_section(&self, outer: &Section<'_>, name: &str, field: &Value) -> String {
        let path = format!("{}.{name}", outer.path);
        let depth = outer.heading.find(' ').unwrap_or(0);
        let section = Section {
            heading: &format!("{}# `[{path}]`", &outer.heading[..depth]),
            text: text(field, "description"),
            path: &path,
            without: &[],
        };
        self.section(&section, self.target(field))
    }

    fn rows(&self, table: &Value, fields: &[(&str, &Value)]) -> String {
        if fields.is_empty() {
            return String::from("\nIt has no fields of its own.\n");
        }
        let mut rows =
            String::from("\n| Field | Type | Default | What it is |\n|---|---|---|---|\n");
        for (name, field) in fields {
            let kind = self.kind(field);
            let default = default(table, name, field);
            let about = self.about(field);
            let row = format!("| `{name}` | {} | {default} | {} |", cell(&kind), cell(&about));
            writeln!(rows, "{row}").expect("a string takes everything");
        }
        rows
    }

    /// What a field takes.
    fn kind(&self, field: &Value) -> String {
        let target = self.target(field);
        if is_table(target) {
            return "table".to_owned();
        }
        if let Some(name) = target["title"].as_str() {
            return name.to_owned();
        }
        if let Some(words) = target["enum"].as_array() {
            return either(words.iter().map(code));
        }
        match &target["type"] {
            Value::String(kind) => self.simple_kind(kind, target),
            Value::Array(kinds) => either(
                kinds
                    .iter()
                    .filter_map(Value::as_str)
                    .filter(|kind| *kind != "null")
                    .map(|kind| self.simple_kind(kind, target)),
            ),
            _ => either(alternatives(target).into_iter().map(|alternative| {
                match alternative.get("const") {
                    Some(word) => code(word),
                    None => self.kind(alternative),
                }
            })),
        }
    }

    /// A type of JSON, called what TOML calls it.
    fn simple_kind(&self, kind: &str, target: &Value) -> String {
        match kind {
            "array" => match target.get("items") {
                Some(items) => match self.kind(items) {
                    words if words.ends_with('`') => format!("array of {words}"),
                    kind => match kind.split_once(',') {
                        Some((noun, more)) => format!("array of {noun}s,{more}"),
                        None => format!("array of {kind}s"),
                    },
                },
                None => kind.to_owned(),
            },
            "object" => "table".to_owned(),
            _ => kind.to_owned(),
        }
    }

    /// What is said about a field, its bounds and the words that it takes.
    fn about(&self, field: &Value) -> String {
        let target = self.target(field);
        let described = [field, target].into_iter().find(|f| f.get("description").is_some());
        let mut parts = vec![described.map_or("", |f| text(f, "description")).to_owned()];
        if target.get("title").is_none() {
            parts.extend(bounds(target));
        }
        let of_items = alternatives(self.target(&target["items"]));
        for alternative in alternatives(target).into_iter().chain(of_items) {
            if let Some(word) = alternative.get("const") {
                parts.push(format!("{}: {}", code(word), text(alternative, "description")));
            }
        }
        parts.join(" ")
    }

    /// The schema that a field refers to, without the `null` of an optional one.
    fn target<'a>(&'a self, field: &'a Value) -> &'a Value {
        if let Some(reference) = field["$ref"].as_str() {
            let pointer = reference.strip_prefix('#').expect("a reference into the schema");
            return self.target(self.schema.pointer(pointer).expect("what is referred to"));
        }
        match alternatives(field).as_slice() {
            [only] => self.target(only),
            _ => field,
        }
    }
}

/// What a field may be one of, but for `null`.
fn alternatives(field: &Value) -> Vec<&Value> {
    let lists = ["oneOf", "anyOf"].into_iter().filter_map(|keyword| field[keyword].as_array());
    let alternatives = lists.flatten();
    alternatives.filter(|alternative| alternative["type"] != "null").collect()
}

fn store_heading(store_type: &StoreType) -> String {
    format!("### {}", store_type.title)
}

/// The section of a type of store as it was committed.
fn committed_section(committed: &str, store_type: &StoreType) -> String {
    let start = committed.find(&format!("\n{}\n", store_heading(store_type)));
    let start = start.unwrap_or_else(|| {
        let word = store_type.word;
        panic!("no section of {word} in CONFIGURATION.md: make it with the feature {word}")
    });
    let below = &committed[start + 1..];
    let ends = ["\n### ", "\n## "].into_iter().filter_map(|next| below.find(next));
    let end = ends.min().map_or(committed.len(), |end| start + 1 + end);
    committed[start..end].to_owned()
}

/// The fields of a table: those that are required, then the others, by name.
fn fields(table: &Value) -> Vec<(&str, &Value)> {
    let properties = table["properties"].as_object().into_iter().flatten();
    let mut fields: Vec<_> = properties.map(|(name, field)| (name.as_str(), field)).collect();
    fields.sort_by_key(|(name, _)| (!is_required(table, name), *name));
    fields
}

/// Whether it has fields of its own.
fn is_table(schema: &Value) -> bool {
    schema.get("properties").is_some()
}

fn is_required(table: &Value, name: &str) -> bool {
    let required = table["required"].as_array();
    required.is_some_and(|required| required.iter().any(|field| field == name))
}

fn default(table: &Value, name: &str, field: &Value) -> String {
    match &field["default"] {
        _ if is_required(table, name) => "**required**".to_owned(),
        Value::Null => "–".to_owned(),
        default => code(default),
    }
}

fn bounds(field: &Value) -> Option<String> {
    match (&field["minimum"], &field["maximum"]) {
        (Value::Null, Value::Null) => None,
        (min, Value::Null) if *min == 0 => None,
        (min, Value::Null) => Some(format!("At least {min}.")),
        (Value::Null, max) => Some(format!("At most {max}.")),
        (min, max) => Some(format!("From {min} to {max}.")),
    }
}

/// The kinds without those that are there twice.
fn either(kinds: impl Iterator<Item = String>) -> String {
    let mut different: Vec<String> = Vec::new();
    for kind in kinds {
        if !different.contains(&kind) {
            different.push(kind);
        }
    }
    different.join(" or ")
}

fn code(value: &Value) -> String {
    format!("`{value}`")
}

fn text<'a>(schema: &'a Value, keyword: &str) -> &'a str {
    schema[keyword].as_str().unwrap_or_default()
}

/// A text as it can stand in a table.
fn cell(text: &str) -> String {
    text.replace('\n', " ").replace('|', "\\|")
}
