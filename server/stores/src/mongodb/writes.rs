//! Storing many entries in few round trips.

use std::collections::HashMap;
use std::ops::Range;

use ::mongodb::bson::raw::{RawArrayBuf, RawDocumentBuf};
use kvgate_core::{Entry, Error, Kind, Result};

use super::database::{Database, write_errors};
use super::{document, fault};

/// The most bytes of statements or keys in one command: the server takes 16 MiB, and the
/// command has a name and options, too.
const COMMAND_BYTES_MAX: usize = 16 * 1024 * 1024 - 32 * 1024;

/// The most statements or keys in one command. Servers take 100,000; but a command has to
/// end in time, and only when it has is it known what is stored.
const STATEMENTS_MAX: usize = 1_000;

/// What an item of an array takes beside itself: type, number and end.
const ITEM_BYTES: usize = 16;

/// How often a statement is tried that others of the same key were quicker than. One try
/// more is enough unless the entry is removed again at that moment.
const TRIES_MAX: usize = 10;

/// The server's code for a document whose `_id` is there already.
const DUPLICATE_KEY: i32 = 11000;

/// The statements that store entries. Of entries with the same key the last one is
/// stored, and its answer is that of all.
pub(super) struct Statements {
    /// One for each key, in the order of the entries.
    statements: Vec<RawDocumentBuf>,
    /// For each entry the statement of its key.
    of_entries: Vec<usize>,
}

impl Statements {
    /// Makes them all before anything is stored: one of the entries may be refused.
    pub(super) fn new(collection: &str, entries: &[(&str, Entry)]) -> Result<Self> {
        let mut of_keys: HashMap<&str, usize> = HashMap::with_capacity(entries.len());
        let mut lasts: Vec<&(&str, Entry)> = Vec::with_capacity(entries.len());
        let mut of_entries = Vec::with_capacity(entries.len());
        for entry in entries {
            let index = *of_keys.entry(entry.0).or_insert(lasts.len());
            if index == lasts.len() {
                lasts.push(entry);
            } else {
                lasts[index] = entry;
            }
            of_entries.push(index);
        }
        let statement = |(key, entry): &&(&str, Entry)| document::upsert(collection, key, entry);
        Ok(Self { statements: lasts.iter().map(statement).collect::<Result<_>>()?, of_entries })
    }

    /// Stores the entries, in as many round trips as there are commands' sizes in them.
    pub(super) async fn run(&self, database: &Database, stored: &str) -> Result<Vec<Result<()>>> {
        let mut answers = Vec::with_capacity(self.statements.len());
        let sizes = self.statements.iter().map(|statement| statement.as_bytes().len());
        for range in batches(sizes) {
            match upsert_batch(database, stored, &self.statements[range.clone()]).await {
                Ok(stored) => answers.extend(stored),
                Err(error) if range.start == 0 => return Err(error),
                Err(error) => {
                    answers.resize_with(self.statements.len(), || Err(error.clone()));
                    break;
                }
            }
        }
        Ok(self.of_entries.iter().map(|index| answers[*index].clone()).collect())
    }
}

/// Splits items into the fewest ranges that fit into commands.
pub(super) fn batches(sizes: impl Iterator<Item = usize>) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let (mut start, mut end, mut bytes) = (0, 0, 0);
    for size in sizes {
        let size = size + ITEM_BYTES;
        if end > start && (bytes + size > COMMAND_BYTES_MAX || end - start >= STATEMENTS_MAX) {
            ranges.push(start..end);
            (start, bytes) = (end, 0);
        }
        end += 1;
        bytes += size;
    }
    ranges.push(start..end);
    ranges
}

/// One round trip, and more while other writers make documents of the same keys.
async fn upsert_batch(
    database: &Database,
    stored: &str,
    statements: &[RawDocumentBuf],
) -> Result<Vec<Result<()>>> {
    let mut answers = vec![Ok(()); statements.len()];
    let mut tried: Vec<usize> = (0..statements.len()).collect();
    for tries in 1..=TRIES_MAX {
        let mut array = RawArrayBuf::new();
        for index in &tried {
            array.push(statements[*index].clone());
        }
        let answer = database.update(stored, array).await;
        let failed = match answer.and_then(|answer| write_errors(&answer)) {
            Ok(failed) => failed,
            Err(error) if tries == 1 => return Err(error),
            Err(error) => {
                for index in tried {
                    answers[index] = Err(error.clone());
                }
                break;
            }
        };
        let mut again = Vec::new();
        for failed in failed {
            let index = *tried.get(failed.index).ok_or_else(|| {
                fault::bad_answer("an index that no statement has").may_have_happened()
            })?;
            if failed.code == DUPLICATE_KEY && tries < TRIES_MAX {
                again.push(index);
            } else {
                answers[index] = Err(statement_error(failed.code));
            }
        }
        if again.is_empty() {
            break;
        }
        tried = again;
    }
    Ok(answers)
}

fn statement_error(code: i32) -> Error {
    if code == DUPLICATE_KEY {
        let context = format!(
            "writing to MongoDB: {TRIES_MAX} times another writer made the document first, or a \
             document with another key has this one as its _id"
        );
        return Error::new(Kind::Unavailable, context);
    }
    fault::of_statement(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_few_and_none_is_too_large() {
        assert_eq!(batches([1, 2, 3].into_iter()), vec![0..3]);
        let half = COMMAND_BYTES_MAX / 2 - ITEM_BYTES;
        assert_eq!(batches([half, half, 1, half].into_iter()), vec![0..2, 2..4]);
        let most = COMMAND_BYTES_MAX - ITEM_BYTES;
        assert_eq!(batches([most, 1, most].into_iter()), vec![0..1, 1..2, 2..3]);
        let many = batches(std::iter::repeat_n(1, STATEMENTS_MAX + 1));
        assert_eq!(many, vec![0..STATEMENTS_MAX, STATEMENTS_MAX..STATEMENTS_MAX + 1]);
    }
}
