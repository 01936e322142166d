//! `kvgate export`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use futures::TryStreamExt;
use kvgate_client::Client;
use serde::{Deserialize, Serialize};

use super::failure::{Usage, complete};
use super::line::{self, Breaks};
use super::packed::{Packing, Writer};
use super::pages::{self, PageOfKeys, Pages, Position, Selection};
use super::place::Store;
use super::position_file::PositionFile;
use super::progress::Progress;

/// How often the position is saved.
const SAVE_INTERVAL: Duration = Duration::from_secs(1);

/// Write the entries of a store as lines of JSON into a file.
///
/// A line is `{"collection": …, "key": …, "value": …, "created_at": …, "expires_at": …}`. The
/// file is FILE.part until it is complete. An entry that is written meanwhile may be in it or
/// not; one that was there all the time is, once.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kvgate export backup.jsonl.zst
  kvgate export - --collection sessions | jq -r .key
  kvgate export backup.jsonl.gz --config kvgate.toml --store main

Exit code 4: some entries can't be read; standard error says which.")]
pub(crate) struct Arguments {
    /// The file; packed if it ends in .gz or .zst. `-` is standard output.
    file: PathBuf,
    #[command(flatten)]
    selection: Selection,
    /// Go on with an export into this file that was cut off, if there is one.
    #[arg(long)]
    resume: bool,
    /// Replace a file that is there, or one that is not complete.
    #[arg(long, conflicts_with = "resume")]
    overwrite: bool,
    #[command(flatten)]
    store: Store,
}

/// What is saved of an export that may be cut off.
#[derive(Deserialize, Serialize)]
struct Saved {
    store: String,
    selection: Selection,
    position: Position,
    bytes: u64,
    entries: u64,
    failed: u64,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let client = arguments.store.client()?;
    let progress = Progress::of_store(&client, &arguments.selection);
    let Arguments { file, selection, store, .. } = &arguments;
    if file == Path::new("-") {
        let writer = Writer::new(Packing::Plain, io::stdout().lock(), 0);
        let mut export = Export { client, writer, progress, part: None };
        export.run(selection.clone(), Position::default()).await?;
        export.progress.end();
        return Ok(complete(export.progress.failed));
    }
    let (part, saved) = Part::open(&arguments)?;
    let written = saved.as_ref().map_or(0, |saved| saved.bytes);
    let writer = Writer::new(Packing::of(file), part.file.try_clone()?, written);
    let mut export = Export { client, writer, progress, part: Some(part) };
    let mut begin = Position::default();
    if let Some(saved) = saved {
        begin = saved.position;
        export.progress.done(saved.entries);
        export.progress.failed = saved.failed;
    }
    // there is something to go on with from the beginning
    let from = store.described();
    export.save(&from, selection, &begin)?;
    let done = export.run_saving(&from, selection.clone(), begin).await;
    let collections = done.inspect_err(|_| export.progress.end()).with_context(|| {
        format!("{} is not complete (--resume goes on with it)", file.display())
    })?;
    export.complete(file)?;
    export.progress.summarize(Some(collections))?;
    Ok(complete(export.progress.failed))
}

struct Export<W: io::Write> {
    client: Client,
    writer: Writer<W>,
    progress: Progress,
    part: Option<Part>,
}

impl<W: io::Write> Export<W> {
    /// Writes everything; nothing of it can be gone on with.
    async fn run(&mut self, selection: Selection, from: Position) -> anyhow::Result<()> {
        let mut pages = Pages::new(self.client.clone(), selection, from);
        while let Some(page) = pages.next().await? {
            self.page(page).await?;
        }
        self.writer.finish()?;
        Ok(())
    }

    /// Writes everything and saves now and then where it is; says how many collections it was.
    async fn run_saving(
        &mut self,
        store: &str,
        selection: Selection,
        from: Position,
    ) -> anyhow::Result<u64> {
        let mut position = from.clone();
        let mut saved = Instant::now();
        let mut pages = Pages::new(self.client.clone(), selection.clone(), from);
        while let Some(page) = pages.next().await? {
            position = page.after.clone();
            self.page(page).await?;
            if saved.elapsed() >= SAVE_INTERVAL {
                self.save(store, &selection, &position)?;
                saved = Instant::now();
            }
        }
        Ok(position.collections)
    }

    async fn page(&mut self, page: PageOfKeys) -> anyhow::Result<()> {
        let PageOfKeys { collection, keys, .. } = page;
        let mut results = pages::entries(&self.client, &collection, keys);
        while let Some(result) = results.try_next().await? {
            match result.outcome {
                Ok(Some(entry)) => {
                    line::write(self.writer.line(), &collection, &entry, Breaks::AsText)?;
                    self.writer.end_line()?;
                    self.progress.entries += 1;
                }
                // it has gone since it was listed
                Ok(None) => {}
                Err(error) => self.progress.failed(&collection, &result.key, &error),
            }
        }
        self.progress.done(self.progress.entries);
        Ok(())
    }

    /// What is written so far stays written, and can be gone on with.
    fn save(
        &mut self,
        store: &str,
        selection: &Selection,
        position: &Position,
    ) -> anyhow::Result<()> {
        let bytes = self.writer.finish()?;
        let Some(part) = &self.part else { return Ok(()) };
        part.file.sync_data()?;
        part.position.save(&Saved {
            store: store.to_owned(),
            selection: selection.clone(),
            position: position.clone(),
            bytes,
            entries: self.progress.entries,
            failed: self.progress.failed,
        })
    }

    /// The file gets its name.
    fn complete(&mut self, file: &Path) -> anyhow::Result<()> {
        self.writer.finish()?;
        let Some(part) = &self.part else { return Ok(()) };
        part.file.sync_all()?;
        fs::rename(&part.path, file).with_context(|| format!("naming {}", file.display()))?;
        part.position.remove()
    }
}

/// A file that is not complete.
struct Part {
    path: PathBuf,
    file: File,
    position: PositionFile,
}

impl Part {
    fn open(arguments: &Arguments) -> anyhow::Result<(Self, Option<Saved>)> {
        let Arguments { file, resume, overwrite, .. } = arguments;
        let shown = file.display();
        if file.exists() && !overwrite {
            let hint = "--overwrite replaces it";
            return Err(Usage::new(format!("{shown} is there already"), hint).into());
        }
        let position = PositionFile::beside(file, ".part.json");
        let mut path = file.clone().into_os_string();
        path.push(".part");
        let path = PathBuf::from(path);
        // one that got nowhere has nothing to go on with
        let saved: Option<Saved> = if *overwrite {
            None
        } else {
            position.load()?.filter(|saved: &Saved| saved.entries > 0)
        };
        if let Some(saved) = &saved
            && !resume
        {
            let message =
                format!("an export into {shown} was cut off after {} entries", saved.entries);
            let hint = "--resume goes on with it, --overwrite begins anew";
            return Err(Usage::new(message, hint).into());
        }
        let begun = || format!("opening {}", path.display());
        let Some(saved) = saved else {
            let file = File::create(&path).with_context(begun)?;
            return Ok((Self { path, file, position }, None));
        };
        if saved.store != arguments.store.described() || saved.selection != arguments.selection {
            let message = format!("what was cut off was an export of something else into {shown}");
            let hint = "--resume wants the same server, --store, --collection and --prefix";
            return Err(Usage::new(message, hint).into());
        }
        let mut file = OpenOptions::new().write(true).open(&path).with_context(begun)?;
        anyhow::ensure!(
            file.metadata()?.len() >= saved.bytes,
            "{} is shorter than it was: begin anew by --overwrite",
            path.display()
        );
        file.set_len(saved.bytes)?;
        file.seek(SeekFrom::End(0))?;
        Ok((Self { path, file, position }, Some(saved)))
    }
}
