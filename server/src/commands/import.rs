//! `kvgate import`.

use std::io::{self, BufRead, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, anyhow};
use clap::Args;
use kvgate_client::{Error, PutEntry};
use serde::{Deserialize, Serialize};

use super::failure::Usage;
use super::line;
use super::packed;
use super::place::Store;
use super::position_file::PositionFile;
use super::progress::Progress;
use super::waiting::Waiting;

/// How often the position is saved.
const SAVE_INTERVAL: Duration = Duration::from_secs(1);

/// The longest line that is read.
const LINE_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Store the entries of a file that `kvgate export` or somebody else has written.
///
/// A line is `{"collection": …, "key": …, "value": …}`, with `expires_at` or `ttl` (in seconds)
/// if it expires. What has expired is left out, and what is stored already is replaced: a file
/// can be imported again. A line that can't be stored ends the import; all before it is stored.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kvgate import backup.jsonl.zst --store cache
  jq -c '{key: .id, value: .}' users.json | kvgate import - --collection users")]
pub(crate) struct Arguments {
    /// The file; packed if it ends in .gz or .zst. `-` is standard input.
    file: PathBuf,
    /// Store everything in this collection, whatever the lines say.
    #[arg(long)]
    collection: Option<String>,
    /// Go on with an import of this file that was cut off, if there is one.
    #[arg(long)]
    resume: bool,
    #[command(flatten)]
    store: Store,
}

/// What is saved of an import that may be cut off.
#[derive(Deserialize, Serialize)]
struct Saved {
    into: String,
    /// All lines up to this one are dealt with.
    line: u64,
    entries: u64,
    /// The file's length, which says that it is the same.
    bytes: u64,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Arguments { file, collection, resume, store } = arguments;
    let client = store.client()?;
    let shown = file.display();
    let into = format!("{} {collection:?}", store.described());
    let bytes = (file != Path::new("-")).then(|| std::fs::metadata(&file)).transpose();
    let bytes = bytes.with_context(|| format!("reading {shown}"))?.map(|file| file.len());
    let begin = match (bytes, resume) {
        (Some(bytes), true) => position(&file, &into, bytes)?,
        _ => None,
    };
    let (reader, read) = packed::read(&file).with_context(|| format!("reading {shown}"))?;
    let mut progress = Progress::of_file(bytes);
    let before = begin.as_ref().map_or(0, |saved| saved.entries);
    progress.done_at(before, 0);
    let state = Arc::new(Mutex::new(State {
        progress,
        position: bytes.map(|bytes| (PositionFile::beside(&file, ".import.json"), bytes)),
        into,
        waiting: Waiting::new(),
        line: begin.as_ref().map_or(0, |saved| saved.line),
        before,
        saved: Instant::now(),
        problem: None,
        read,
    }));
    let lines = Lines {
        reader,
        number: 0,
        skipped: begin.map_or(0, |saved| saved.line),
        into: collection.map(Arc::from),
        last: Arc::from(""),
        state: Arc::clone(&state),
    };
    let told = Arc::clone(&state);
    let load = client.stream_put_many(futures::stream::iter(lines));
    let done = load.on_stored(move |stored| lock(&told).stored(stored)).await;
    let mut state = lock(&state);
    let problem = state.problem.take();
    let done = match (done, problem) {
        (Err(error), _) => Err(state.locate(error)),
        (Ok(_), Some(problem)) => Err(problem),
        (Ok(_), None) => Ok(()),
    };
    if let Err(error) = done {
        state.give_up();
        return Err(error.context(shown.to_string()));
    }
    if let Some((position, _)) = &state.position {
        position.remove()?;
    }
    state.progress.summarize(None)?;
    Ok(ExitCode::SUCCESS)
}

fn position(file: &Path, into: &str, bytes: u64) -> anyhow::Result<Option<Saved>> {
    let saved: Option<Saved> = PositionFile::beside(file, ".import.json").load()?;
    match saved {
        Some(saved) if saved.into != into || saved.bytes != bytes => {
            let message = "what was cut off was an import of another file or into another place";
            Err(Usage::new(message, "without --resume it begins anew").into())
        }
        saved => Ok(saved),
    }
}

/// What reading lines and having them stored share.
struct State {
    progress: Progress,
    /// Where the position is saved, and the file's length.
    position: Option<(PositionFile, u64)>,
    into: String,
    /// The lines of the entries that are not yet acknowledged.
    waiting: Waiting<u64>,
    /// The line of the last entry that is stored.
    line: u64,
    /// How many entries an earlier run has stored.
    before: u64,
    saved: Instant,
    /// Why no more lines can be read.
    problem: Option<anyhow::Error>,
    /// How many bytes of the file were read.
    read: Arc<AtomicU64>,
}

impl State {
    /// So many entries are stored.
    fn stored(&mut self, stored: u64) {
        self.line = self.waiting.acknowledge(stored).unwrap_or(self.line);
        self.progress.done_at(self.before + stored, self.read.load(Ordering::Relaxed));
        if self.saved.elapsed() >= SAVE_INTERVAL {
            self.save();
        }
    }

    fn save(&mut self) {
        let Some((position, bytes)) = &self.position else { return };
        let (into, line, entries) = (self.into.clone(), self.line, self.progress.entries);
        let saved = Saved { into, line, entries, bytes: *bytes };
        if let Err(error) = position.save(&saved) {
            self.progress.note(&format!("this import can't be gone on with: {error:#}"));
            self.position = None;
        }
        self.saved = Instant::now();
    }

    /// Says where to go on.
    fn give_up(&mut self) {
        self.save();
        self.progress.end();
        let (entries, line) = (self.progress.entries, self.line);
        let resume = if self.position.is_some() { "; --resume goes on after it" } else { "" };
        self.progress.note(&format!("{entries} entries up to line {line} are stored{resume}"));
    }

    /// Says at which line a load has failed, if one is to blame.
    fn locate(&self, error: Error) -> anyhow::Error {
        match self.waiting.blamed(&error) {
            Some(line) => anyhow!(error).context(format!("line {line}")),
            None => anyhow!(error),
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The entries of a file. They end where a line can't be read.
struct Lines {
    reader: Box<dyn BufRead + Send>,
    number: u64,
    /// Lines that an earlier run has dealt with.
    skipped: u64,
    into: Option<Arc<str>>,
    /// The collection of the last line, which is mostly that of the next.
    last: Arc<str>,
    state: Arc<Mutex<State>>,
}

impl Lines {
    /// The next line, without its end; nothing at the end of the file.
    fn read(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        self.reader.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Ok(None);
        }
        if line.len() as u64 == LINE_BYTES_MAX {
            let message = format!("a line of more than {LINE_BYTES_MAX} bytes");
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        self.number += 1;
        Ok(Some(line))
    }

    fn next_entry(&mut self) -> anyhow::Result<Option<(Arc<str>, PutEntry)>> {
        loop {
            let line = self.read().with_context(|| format!("after line {}", self.number))?;
            let Some(line) = line else { return Ok(None) };
            if self.number <= self.skipped || line.trim_ascii().is_empty() {
                continue;
            }
            let line = line::read(&line, SystemTime::now()).map_err(|problem| {
                let hint = "a line is {\"key\": …, \"value\": {…}}, see `kvgate import --help`";
                Usage::new(format!("line {}: {problem}", self.number), hint)
            })?;
            let Some(entry) = line.entry else {
                lock(&self.state).progress.expired += 1;
                continue;
            };
            lock(&self.state).waiting.push(self.number);
            return Ok(Some((self.collection(line.collection), entry)));
        }
    }

    fn collection(&mut self, said: Option<String>) -> Arc<str> {
        if let Some(into) = &self.into {
            return Arc::clone(into);
        }
        let name = said.unwrap_or_default();
        if *self.last != *name {
            self.last = name.into();
        }
        Arc::clone(&self.last)
    }
}

impl Iterator for Lines {
    type Item = (Arc<str>, PutEntry);

    fn next(&mut self) -> Option<Self::Item> {
        self.next_entry().unwrap_or_else(|problem| {
            lock(&self.state).problem = Some(problem);
            None
        })
    }
}
