//! What `tests/backends/install` has built and keeps below the user's cache folder.

use std::path::{Path, PathBuf};

use crate::failure::{Failure, Outcome};

/// The folder of a backend, which has this file in it.
pub fn built(backend: &str, file: &str) -> Outcome<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache"));
    let cache = cache.or(home).ok_or_else(|| Failure::new("neither XDG_CACHE_HOME nor HOME"))?;
    let folder = cache.join("kvgate-backends").join(backend);
    if folder.join(file).is_file() {
        return Ok(folder);
    }
    let place = folder.display();
    Err(Failure::new(format!("no {file} in {place}: run `tests/backends/install {backend}`")))
}
