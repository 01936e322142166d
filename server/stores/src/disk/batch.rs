//! Writing: a batch of changes in one transaction.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use kvgate_core::{Clock, Error, Outcome, Result};
use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::change::{Answer, Change, Effect};
use super::files::ValueFiles;
use super::schema::{self, Settings};
use super::writing::Writing;
use super::{Options, fault};
use crate::local::{self, Durability, Identity};

/// The one connection that writes.
pub(super) struct BatchWriter {
    directory: PathBuf,
    options: Options,
    clock: Arc<dyn Clock>,
    files: ValueFiles,
    connection: Connection,
    settings: Settings,
    identity: Identity,
    /// How many transactions were committed.
    #[cfg(test)]
    pub(super) commits: u64,
}

/// A change, and the file that was written for its value.
struct Prepared<'a> {
    change: &'a Change,
    file: Option<String>,
}

/// Why a batch was not committed.
enum Failure {
    /// One of its changes, or many: each alone may do.
    Change(Error),
    /// Something that concerns all of them.
    All(Error),
}

impl BatchWriter {
    pub(super) fn open(directory: &Path, options: Options, clock: Arc<dyn Clock>) -> Result<Self> {
        let (connection, settings) = schema::open(directory, &options)?;
        Ok(Self {
            identity: Identity::of(&schema::database(directory))?,
            files: ValueFiles::new(directory),
            directory: directory.to_owned(),
            options,
            clock,
            connection,
            settings,
            #[cfg(test)]
            commits: 0,
        })
    }

    /// Does the changes in order and answers each; what is answered with `Ok` is
    /// committed.
    pub(super) fn run(&mut self, changes: &[&Change]) -> Vec<Answer> {
        if let Err(error) = self.reopen_if_replaced() {
            return changes.iter().map(|_| Err(error.clone())).collect();
        }
        // files before the transaction: while it lasts, no other process writes
        let prepared: Vec<_> = changes.iter().map(|change| self.prepare(change)).collect();
        let written: Vec<&Prepared> = prepared.iter().flatten().collect();
        let mut answers = self.commit_or_each(&written).into_iter();
        let answer = |prepared| match prepared {
            Err(error) => Some(Err(error)),
            Ok(_) => answers.next(),
        };
        prepared.into_iter().filter_map(answer).collect()
    }

    fn reopen_if_replaced(&mut self) -> Result<()> {
        let identity = Identity::of(&schema::database(&self.directory))?;
        if identity != self.identity {
            let (connection, settings) = schema::open(&self.directory, &self.options)?;
            (self.connection, self.settings, self.identity) = (connection, settings, identity);
        }
        Ok(())
    }

    fn prepare<'a>(&self, change: &'a Change) -> Result<Prepared<'a>> {
        let file = match change {
            Change::Put { text, .. } if !self.fits_inline(text) => {
                let written = self.files.write(text);
                Some(written.map_err(|e| local::fault("writing a value file", e))?)
            }
            _ => None,
        };
        Ok(Prepared { change, file })
    }

    /// diskcache measures in characters.
    fn fits_inline(&self, text: &str) -> bool {
        let min_file_size = self.settings.min_file_size;
        text.len() < min_file_size || text.chars().count() < min_file_size
    }

    /// Commits the changes together; if one of them fails, each alone, so that it
    /// fails alone.
    fn commit_or_each(&mut self, prepared: &[&Prepared]) -> Vec<Answer> {
        if prepared.is_empty() {
            return Vec::new();
        }
        match self.commit(prepared) {
            Ok(effects) => effects.into_iter().map(Ok).collect(),
            Err(Failure::Change(_)) if prepared.len() > 1 => {
                prepared.iter().flat_map(|one| self.commit_or_each(&[one])).collect()
            }
            Err(Failure::Change(error) | Failure::All(error)) => {
                if error.outcome() == Outcome::DidNotHappen {
                    for name in files_of(prepared) {
                        self.files.remove(name);
                    }
                }
                prepared.iter().map(|_| Err(error.clone())).collect()
            }
        }
    }

    fn commit(&mut self, prepared: &[&Prepared]) -> Result<Vec<Effect>, Failure> {
        let now = self.clock.now();
        let puts = prepared.iter().filter(|one| one.is_put()).count() as u64;
        self.sync_files(prepared).map_err(Failure::All)?;
        let transaction = begin(&mut self.connection).map_err(Failure::All)?;
        let failed = |e| Failure::Change(fault::sqlite("writing cache.db", e));
        let mut writing = Writing::new(&transaction, now);
        let effects = prepared
            .iter()
            .map(|one| writing.apply(one.change, one.file.as_deref()))
            .collect::<rusqlite::Result<_>>()
            .map_err(failed)?;
        let removed_max = puts * self.settings.cull_limit;
        let removed = writing.remove_expired(removed_max).map_err(failed)?;
        if let Some(max_size) = self.options.max_size {
            writing
                .evict(max_size, removed_max - removed, self.settings.evict_by)
                .map_err(failed)?;
        }
        let obsolete = writing.into_obsolete_files();
        transaction.commit().map_err(|e| Failure::All(committing(e)))?;
        #[cfg(test)]
        {
            self.commits += 1;
        }
        // not before: until now the rows that name these files were the valid ones
        for name in &obsolete {
            self.files.remove(name);
        }
        Ok(effects)
    }

    fn sync_files(&self, prepared: &[&Prepared]) -> Result<()> {
        let names: Vec<&str> = files_of(prepared).collect();
        match self.options.durability {
            Durability::Power if !names.is_empty() => {
                self.files.sync(&names).map_err(|e| local::fault("syncing value files", e))
            }
            _ => Ok(()),
        }
    }
}

impl Prepared<'_> {
    fn is_put(&self) -> bool {
        matches!(self.change, Change::Put { .. })
    }
}

fn files_of<'a>(prepared: &'a [&Prepared<'_>]) -> impl Iterator<Item = &'a str> {
    prepared.iter().filter_map(|one| one.file.as_deref())
}

fn begin(connection: &mut Connection) -> Result<Transaction<'_>> {
    let beginning = |e| fault::sqlite("waiting for the right to write to cache.db", e);
    if !connection.is_autocommit() {
        // a panic left it so
        connection.execute_batch("ROLLBACK").map_err(beginning)?;
    }
    connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(beginning)
}

fn committing(error: rusqlite::Error) -> Error {
    let may_have_happened = fault::may_be_in_the_log(&error);
    let error = fault::sqlite("committing to cache.db", error);
    if may_have_happened { error.may_have_happened() } else { error }
}
