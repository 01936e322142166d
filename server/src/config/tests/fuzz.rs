//! Files of arbitrary bytes: whatever they hold, there is an answer.

use super::*;

/// A valid file, and what is put into it at random.
const FILES: [(&str, &str); 3] = [
    (
        "kvgate.toml",
        "[server]\nlisten = \"127.0.0.1:1\"\nlimits.key_bytes_max = 5\n[stores.main]\n\
         type = \"memory\"\nwrap = [{ type = 'x' }, 1.5, 1979-05-27]\n[[stores.a.b]]\nc = 0x1F\n",
    ),
    (
        "kvgate.json",
        "{\"server\": {\"listen\": \"127.0.0.1:1\", \"limits\": {\"key_bytes_max\": 5}},\n\
         \"stores\": {\"main\": {\"type\": \"m\\u0065mory\", \"wrap\": [{\"type\": null}, 1e5]}}}",
    ),
    (
        "kvgate.yaml",
        "server: &a\n  listen: 127.0.0.1:1\n  limits: {key_bytes_max: 5}\nstores:\n  main: !!map\n\
         \x20   type: memory\n    b: *a\n    c: |\n      text\n    wrap:\n    - type: 'x'\n    - ~\n",
    ),
];

const PIECES: [&str; 24] = [
    "[", "]", "{", "}", "\"", "'", ":", ",", "\n", "\t", "-", "#", "&a ", "*a", "!!int ", "<<: ",
    "\\u", "\\ud800", ".nan", "1e999", "\u{feff}", "--- ", "? ", "=",
];

/// The xorshift generator: the same numbers in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).expect("below a usize")
    }
}

fn mutate(bytes: &mut Vec<u8>, random: &mut Random) {
    let at = random.below(bytes.len() + 1);
    match random.below(5) {
        0 => {
            let piece = PIECES[random.below(PIECES.len())];
            bytes.splice(at..at, piece.bytes());
        }
        1 => bytes.insert(at, u8::try_from(random.below(256)).expect("a byte")),
        2 => bytes.truncate(at.max(bytes.len() / 2)),
        3 => {
            let end = (at + random.below(20)).min(bytes.len());
            bytes.drain(at..end);
        }
        _ => {
            let end = (at + random.below(40)).min(bytes.len());
            let copy = bytes[at..end].to_vec();
            let to = random.below(bytes.len() + 1);
            bytes.splice(to..to, copy);
        }
    }
}

#[test]
fn arbitrary_bytes() {
    for (file, text) in FILES {
        for seed in 1..=3000 {
            let mut random = Random(0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(seed));
            let mut bytes = text.as_bytes().to_vec();
            for _ in 0..=random.below(6) {
                mutate(&mut bytes, &mut random);
            }
            check(file, &bytes);
        }
    }
}

fn check(file: &str, bytes: &[u8]) {
    let environment = [
        ("KVGATE_SERVER__LIMITS__KEY_BYTES_MAX", "7"),
        ("KVGATE_STORES__MAIN__WRAP__0__TYPE", "{}"),
        ("KVGATE_STORES__MAIN__B__C", "[1]"),
    ];
    let environment = &environment[..bytes.len() % 4];
    let Err(problems) = load_bytes(file, bytes, environment) else {
        return;
    };
    let text = String::from_utf8_lossy(bytes);
    assert!(!problems.0.is_empty(), "{file}: an error without a problem: {text}");
    let lines = text.split(['\n', '\r']).count();
    for problem in problems.0 {
        assert!(!problem.to_string().contains('\n'), "{problem}");
        if let crate::config::Origin::Line(_, line) = problem.origin {
            assert!((1..=lines).contains(&line), "{file}: line {line} of {lines}: {text}");
        }
    }
}

#[test]
fn deep_and_wide() {
    let deep =
        |open: &str, close: &str| format!("{}{}", open.repeat(100_000), close.repeat(100_000));
    let laughs = (1..40).fold("a0: &a0 [x, x]\n".to_owned(), |text, n| {
        format!("{text}a{n}: &a{n} [*a{0}, *a{0}]\n", n - 1)
    });
    let steps = (1..5000)
        .fold("a0: &a0 [x]\n".to_owned(), |text, n| format!("{text}a{n}: &a{n} [*a{}]\n", n - 1));
    for (file, text, expected) in [
        ("a.json", deep("[", "]"), "nested deeper than 64 levels"),
        ("a.json", deep("{\"a\":", "}"), "expected value"),
        (
            "a.json",
            format!("{{\"a\":{}1{}}}", "{\"b\":".repeat(70), "}".repeat(70)),
            "nested deeper than 64 levels",
        ),
        ("a.yaml", deep("[", "]"), "recursion limit"),
        ("a.yaml", deep("{a: ", "}"), "recursion limit"),
        ("a.yaml", deep("- ", ""), "nested deeper than 64 levels"),
        ("a.yaml", laughs, "alias expansion exceeded the maximum node budget"),
        ("a.yaml", steps, "alias expansion exceeded the maximum node budget"),
        ("a.toml", format!("a = {}", deep("[", "]")), "recursion"),
        ("a.toml", format!("a = {}", deep("{a=", "}")), "recursion"),
        ("a.toml", format!("{}b = 1", "a.".repeat(100_000)), "recursion"),
        ("a.toml", format!("[{}b]", "a.".repeat(70)), "nested deeper than 64 levels"),
    ] {
        let said = said(load(file, &text, &[]));
        assert!(said.len() == 1 && said[0].contains(expected), "{file} {expected}: {said:?}");
    }
}
