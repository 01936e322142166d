//! `kvgate token new`.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

use anyhow::Context;
use sha2::{Digest, Sha256};

/// What every token begins with: whoever finds one in a log or a repository knows what it
/// is, and so do programs that look for them.
const PREFIX: &str = "kvgate_";

/// How much of a token nobody can guess.
const RANDOM_BYTES: usize = 32;

/// Makes a token, and prints the entry by which a server knows it.
pub(crate) fn new(principal: &str, roles: &[String], save: Option<&Path>) -> anyhow::Result<()> {
    let token = make()?;
    match save {
        Some(file) => write(&token, file).with_context(|| format!("writing {}", file.display()))?,
        None => writeln!(io::stderr(), "the token, shown only now: {token}")?,
    }
    let hash = hexadecimal(&Sha256::digest(&token));
    // texts and lists of JSON are texts and lists of TOML
    let (principal, roles) = (serde_json::to_string(principal)?, serde_json::to_string(roles)?);
    let mut out = io::stdout().lock();
    writeln!(out, "[[tokens]]\nprincipal = {principal}\nsha256 = \"{hash}\"\nroles = {roles}")?;
    Ok(())
}

fn make() -> anyhow::Result<String> {
    let mut random = [0; RANDOM_BYTES];
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let filled = provider.secure_random.fill(&mut random);
    filled.map_err(|_| anyhow::anyhow!("the system has no random numbers"))?;
    Ok(format!("{PREFIX}{}", hexadecimal(&random)))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // a string takes everything
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A file that was there is left alone: it may hold the only copy of another token.
fn write(token: &str, file: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    writeln!(options.open(file)?, "{token}")
}
