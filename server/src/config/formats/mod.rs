//! The formats of the configuration file, each read into the same [`Tree`].

mod json;
mod toml;
mod yaml;

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use super::path;
use super::problem::{Origin, Problem};
use super::tree::{DEPTH_MAX, Tree, kind};

pub(super) use json::parse as parse_json;

/// The largest file that is read: a configuration is a few KiB, and what is
/// larger is another file that was named by mistake.
const FILE_BYTES_MAX: usize = 1024 * 1024;

/// Reads the file at `path`.
pub(super) fn read(path: &Path) -> Result<Tree, Problem> {
    let mut bytes = Vec::new();
    let read = File::open(path)
        .and_then(|file| {
            let limited = file.take(FILE_BYTES_MAX as u64 + 1);
            std::io::BufReader::new(limited).read_to_end(&mut bytes)
        })
        .map_err(|error| Problem::whole(whole(path), format!("can't be read: {error}")));
    read.and_then(|_| parse(path, &bytes))
}

/// Reads what the file at `path` holds.
pub(super) fn parse(path: &Path, bytes: &[u8]) -> Result<Tree, Problem> {
    let ending = path.extension().and_then(|ending| ending.to_str());
    let format = match ending {
        Some("toml") => toml::read,
        Some("json") => json::read,
        Some("yaml" | "yml") => yaml::read,
        _ => {
            let message = "the ending says the format: it must be .toml, .json, .yaml or .yml";
            return Err(Problem::whole(whole(path), message));
        }
    };
    if bytes.len() > FILE_BYTES_MAX {
        let message = format!("larger than {FILE_BYTES_MAX} bytes");
        return Err(Problem::whole(whole(path), message));
    }
    let mut reading = Reading::new(path, bytes);
    let text = str::from_utf8(bytes).map_err(|error| {
        let before = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
        reading.syntax(Lines::of(&before).line(before.len()), "not UTF-8")
    })?;
    // some editors begin a file with a byte order mark
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    match format(text, &mut reading)? {
        root @ Value::Object(_) => reading.tree.root = root,
        // a YAML file of nothing but comments
        Value::Null => {}
        other => {
            let message = format!("holds {}, expected a table", kind(&other));
            return Err(Problem::whole(whole(path), message));
        }
    }
    Ok(reading.tree)
}

fn whole(path: &Path) -> Origin {
    Origin::File(path.display().to_string().into())
}

/// A file that is being read: what all formats need to do so.
struct Reading {
    file: Arc<str>,
    /// The last line: at the end of a file parsers may count further.
    line_max: usize,
    tree: Tree,
}

impl Reading {
    fn new(path: &Path, bytes: &[u8]) -> Self {
        let line_max = bytes.split(|byte| b"\n\r".contains(byte)).count();
        let file: Arc<str> = path.display().to_string().into();
        let tree = Tree::new(Origin::File(Arc::clone(&file)));
        Self { file, line_max, tree }
    }

    /// Notes that the part at `path` begins at `line`.
    fn at(&mut self, path: &str, line: usize) {
        let origin = self.line(line);
        self.tree.set_origin(path, origin);
    }

    fn line(&self, line: usize) -> Origin {
        Origin::Line(Arc::clone(&self.file), line.min(self.line_max))
    }

    /// Refuses a part that is nested too deep to be a configuration.
    fn check_depth(&self, path: &str, depth: usize) -> Result<(), Problem> {
        if depth > DEPTH_MAX {
            // the path itself is as long as it is deep
            let origin = self.tree.origin(path).clone();
            let message = format!("nested deeper than {DEPTH_MAX} levels");
            return Err(Problem::whole(origin, message));
        }
        Ok(())
    }

    /// An error of the format's syntax.
    fn syntax(&self, line: usize, message: impl Into<String>) -> Problem {
        Problem::whole(self.line(line), message)
    }
}

/// Where the lines of a text begin.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        let breaks = text.match_indices('\n').map(|(at, _)| at + 1);
        Self(std::iter::once(0).chain(breaks).collect())
    }

    /// The line, counted from 1, of the byte at `offset`.
    fn line(&self, offset: usize) -> usize {
        self.0.partition_point(|start| *start <= offset)
    }
}
