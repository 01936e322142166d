//! Names that some backend somewhere takes for something else.

/// The length of long keys, in characters.
pub(super) const KEY_CHARACTERS: usize = 800;

/// The length of long collections, in characters.
pub(super) const COLLECTION_CHARACTERS: usize = 1500;

const SHORT: &[&str] = &[
    // Plain ones, and those that differ only in case.
    "a",
    "A",
    "b",
    "key",
    "Key",
    "KEY",
    "straße",
    "STRASSE",
    "ǅ",
    "ǆ",
    "ı",
    "i",
    "I",
    "İ",
    // Unicode: composed and decomposed, half and full width, right to left.
    "\u{c9}",
    "E\u{301}",
    "\u{212b}",
    "\u{c5}",
    "A\u{30a}",
    "ﬁ",
    "fi",
    "Ａ",
    "中文",
    "עברית",
    "😀",
    "👩‍👩‍👧",
    "👩👩👧",
    "\u{200b}",
    "\u{feff}a",
    "\u{fffd}",
    "a\u{10ffff}",
    "\u{e000}",
    // White space.
    " ",
    "  ",
    " a",
    "a ",
    "a b",
    "a  b",
    "\t",
    "a\tb",
    "\n",
    "a\nb",
    "a\n",
    "\r\n",
    "\u{a0}",
    "\u{2028}",
    "\u{3000}",
    // Control characters.
    "\u{1}",
    "\u{1f}",
    "\u{7f}",
    "\u{85}",
    "a\u{8}",
    "\u{1b}[31m",
    // Paths.
    "/",
    "//",
    "/a",
    "a/",
    "a/b",
    "a//b",
    "a/./b",
    "a/../b",
    ".",
    "..",
    "...",
    "./a",
    "../a",
    "../../etc/passwd",
    "a/..",
    ".a",
    "a.",
    "a..",
    "~",
    "~root",
    "\\",
    "a\\b",
    "\\\\server\\a",
    "C:",
    "C:\\a",
    "CON",
    "con",
    "NUL",
    "aux.txt",
    "COM1",
    "-",
    "--",
    "-rf",
    "--help",
    // What stores name their own files and keys.
    "a.json",
    "a.json.json",
    ".json",
    "a.tmp",
    ".tmp",
    "tmpabcd1234.tmp",
    "a-info",
    "a-info.json",
    "-info.json",
    "info",
    "info.json",
    "cache.db",
    "cache.db-wal",
    "a.val",
    "Settings",
    "rowid",
    "default_collection",
    "lost+found",
    // Separators, escapes, patterns, quotes.
    ":",
    "::",
    ":::",
    "a::b",
    "a:",
    ":b",
    "__",
    "a__b",
    "_",
    "p__a",
    "k__a",
    "c__a",
    "%",
    "%%",
    "%2e%2e",
    "%2E%2E",
    "%2F",
    "%2f",
    "a%00b",
    "%25",
    "+",
    "a+b",
    "&",
    "a=b",
    "#",
    "?",
    "*",
    "a*",
    "**",
    "[",
    "]",
    "[a]",
    "[^a]",
    "{a}",
    "{",
    "a?",
    "$",
    "${HOME}",
    "$(id)",
    "`id`",
    "!",
    "@",
    "^",
    "(",
    ")",
    ",",
    ";",
    "|",
    "<",
    ">",
    "'",
    "''",
    "\"",
    "\"\"",
    "'; DROP TABLE x; --",
    "a'b",
    "a\"b",
    "null",
    "true",
    "0",
    "00",
    "-0",
    "1e3",
    "NaN",
    "\\0",
    "\\u0000",
    // What the names of changed names look like.
    "S_",
    "H_",
    "S_a",
    "H_a",
    "s_a",
    "h_a",
    "S_a-ca978112",
    "S_-b7b3c2fc",
    "H_ca978112ca1bbdca",
    "a_b",
    "a_",
    "_b",
    "S__-6b86b273",
];

/// The short names and some long ones.
pub(super) fn names(characters: usize) -> Vec<String> {
    let mut names: Vec<String> = SHORT.iter().map(|name| (*name).to_owned()).collect();
    for end in ["x", "y", "X"] {
        names.push("long".repeat(characters / 4 - 1) + "lon" + end);
    }
    // Four bytes each, within the limit of 4,096 bytes.
    let wide = characters.min(1000);
    for end in ["😀", "😁"] {
        names.push("😀".repeat(wide - 1) + end);
    }
    // Around what a file's name may have, with and without an ending.
    for length in [200, 240, 244, 245, 246, 249, 250, 251, 254, 255, 256] {
        names.push("f".repeat(length));
    }
    names.push("é/".repeat(300));
    names.push("/".repeat(characters));
    names
}

/// Whether two names might meet in a backend that does not keep them apart:
/// checking every pair would take long and find no more.
pub(super) fn are_alike(one: &str, other: &str) -> bool {
    let key = |name: &str| -> String {
        let letters = name.to_lowercase();
        letters.chars().filter(char::is_ascii_alphanumeric).take(20).collect()
    };
    key(one) == key(other)
}
