//! What only one format has: its syntax, and what of it no field can be.

use super::*;

#[test]
fn mistakes() {
    for (file, text, expected) in MISTAKES {
        assert_eq!(said(load(file, text, &[])), [*expected], "{text}");
    }
    let found = said(load_bytes("kvgate.toml", b"a = 1\nb = '\xff'", &[]));
    assert_eq!(found, ["kvgate.toml:2: not UTF-8"]);
}

const MISTAKES: &[(&str, &str, &str)] = &[
    (
        "kvgate.toml",
        "[stores.a]\ntype = 'null'\ntype = 'null'",
        "kvgate.toml:3: duplicate key `type`",
    ),
    ("kvgate.toml", "[stores.a]\ntype = 'null'\n[stores.a]", "kvgate.toml:3: duplicate key `a`"),
    (
        "kvgate.toml",
        "a = 1\nb = hunter2",
        "kvgate.toml:2: string values must be quoted, expected literal string",
    ),
    ("kvgate.toml", "\n[a\nb = 1", "kvgate.toml:2: unclosed table, expected `]`"),
    ("kvgate.toml", "\n\na = 'hunter2", "kvgate.toml:3: invalid literal string, expected `'`"),
    (
        "kvgate.toml",
        "[a]\nb = 2020-01-01",
        "kvgate.toml:2: a.b: a date or time, which no field is: write it as a string",
    ),
    (
        "kvgate.toml",
        "[a]\nb = [1,\n nan]",
        "kvgate.toml:3: a.b[1]: a number outside of the range that can be read",
    ),
    (
        "kvgate.toml",
        "a = 99999999999999999999",
        "kvgate.toml:1: a: a number outside of the range that can be read",
    ),
    ("kvgate.json", "{\"a\": 1,\n\"b\": 2,\n\"a\": 3}", "kvgate.json:3: duplicate key `a`"),
    ("kvgate.json", "{\"a\": {\"b\": 2,\n\"\\u0062\": 3}}", "kvgate.json:2: duplicate key `b`"),
    ("kvgate.json", "{\"a\": 1,\n}", "kvgate.json:2: key must be a string"),
    ("kvgate.json", "{\n\"a\": hunter2}", "kvgate.json:2: expected value"),
    ("kvgate.json", "{\n\"a\": 1", "kvgate.json:2: EOF while parsing an object"),
    ("kvgate.json", "{}\n{}", "kvgate.json:2: trailing characters"),
    ("kvgate.json", "{\n\n\"a\": [\"\\ud800\"]}", "kvgate.json:3: unexpected end of hex escape"),
    ("kvgate.json", "{\n\"a\": 1e999}", "kvgate.json:2: number out of range"),
    ("kvgate.json", "", "kvgate.json:1: EOF while parsing a value"),
    ("kvgate.json", "[]", "kvgate.json: holds an array, expected a table"),
    ("kvgate.yaml", "a: 1\nb: 2\na: 3", "kvgate.yaml:3: duplicated key in mapping"),
    ("kvgate.yaml", "a: 1\n\"a\": 3", "kvgate.yaml:2: duplicated key in mapping"),
    ("kvgate.yaml", "a: 1\n1: 3", "kvgate.yaml:2: a key that is not a string: put it in quotes"),
    ("kvgate.yaml", "a: 1\n---\nb: 2", "kvgate.yaml:3: a second document: the file must be one"),
    ("kvgate.yaml", "a: 1\nb: !secret hunter2", "kvgate.yaml:2: b: a tag, which no field has"),
    (
        "kvgate.yaml",
        "a:\n- 1\n- .inf",
        "kvgate.yaml:3: a[1]: a number outside of the range that can be read",
    ),
    ("kvgate.yaml", "a: *b", "kvgate.yaml:1: while parsing node, found unknown anchor"),
    ("kvgate.yaml", "hunter2", "kvgate.yaml: holds a string, expected a table"),
    (
        "kvgate.ini",
        "",
        "kvgate.ini: the ending says the format: it must be .toml, .json, .yaml or .yml",
    ),
    ("kvgate", "", "kvgate: the ending says the format: it must be .toml, .json, .yaml or .yml"),
];
