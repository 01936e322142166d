//! .
#[expect(dead_code, unused_imports, reason = "main does not use it yet")]
mod config;

fn main() {}
