//! Entries one by one, many at once.

use std::collections::HashMap;
use std::sync::OnceLock;

use bytes::Bytes;
use futures::stream::{self, StreamExt as _};
use kvgate_core::envelope::{self, Decoded};
use kvgate_core::{Entry, Error, Kind, Removed, Result};

use super::entry_size::escaped_bytes;
use super::fault::unavailable;
use super::{VaultStore, names};

/// An entry that was found, with the names in its envelope.
pub(super) type Found = Decoded;

/// How many old versions a cull empties with the newest one: ten times what Vault keeps
/// unless it is told otherwise.
const EMPTIED_VERSIONS_MAX: u64 = 100;

impl VaultStore {
    /// What is at a path.
    pub(super) async fn read(&self, path: String) -> Result<Option<Found>> {
        match self.engine.read(&path).await? {
            Some(secret) => envelope::decode(&Bytes::from(secret.into_text()?)).map(Some),
            None => Ok(None),
        }
    }

    pub(super) async fn put_each(
        &self,
        collection: &str,
        entries: &[(&str, Entry)],
    ) -> Result<Vec<Result<()>>> {
        // of one key only the last entry is sent: what is replaced at once is a version
        // that nobody needs
        let last: HashMap<&str, usize> = entries.iter().map(|(key, _)| *key).zip(0..).collect();
        let mut texts = Vec::new();
        let mut answer_of = HashMap::new();
        for (index, (key, entry)) in entries.iter().enumerate() {
            let text = envelope::encode(entry, Some((collection, key)));
            self.check_size(&text)?;
            if last.get(key) == Some(&index) {
                answer_of.insert(*key, texts.len());
                texts.push((names::path(collection, key), text));
            }
        }
        let answers = self.each(texts, |(path, text)| self.put(path, text)).await;
        Ok(entries.iter().map(|(key, _)| answers[answer_of[key]].clone()).collect())
    }

    async fn put(&self, path: String, text: String) -> Result<()> {
        let _shared = self.locks.shared(&path).await?;
        self.engine.write(&path, &text).await
    }

    fn check_size(&self, text: &str) -> Result<()> {
        let (bytes, max) = (escaped_bytes(text), self.entry_bytes_max);
        if bytes <= max {
            return Ok(());
        }
        let context = format!(
            "the entry has {bytes} bytes in Vault, over the limit of {max} (entry_bytes_max)"
        );
        Err(Error::new(Kind::ValueTooLarge, context).with_limit("entry_bytes_max", max as u64))
    }

    pub(super) async fn delete_each(
        &self,
        collection: &str,
        keys: &[&str],
    ) -> Vec<Result<Option<Removed>>> {
        let mut first = HashMap::new();
        let mut paths = Vec::new();
        for (index, key) in keys.iter().enumerate() {
            first.entry(*key).or_insert_with(|| {
                paths.push(names::path(collection, key));
                (index, paths.len() - 1)
            });
        }
        let answers = self.each(paths, |path| self.delete(path)).await;
        let answer = |(index, key): (usize, &&str)| {
            let (first, place) = first[key];
            // the first of the same keys has removed it
            answers[place].clone().map(|removed| removed.filter(|_| first == index))
        };
        keys.iter().enumerate().map(answer).collect()
    }

    async fn delete(&self, path: String) -> Result<Option<Removed>> {
        let _alone = self.locks.alone(&path).await?;
        let removed = self.removable(&path).await?;
        if removed.is_some() {
            self.engine.remove(&path).await?;
        }
        Ok(removed)
    }

    /// Removes what is at a path and its name; answers whether there was more than that.
    pub(super) async fn remove(&self, path: String) -> Result<bool> {
        let _alone = self.locks.alone(&path).await?;
        let removed = self.removable(&path).await?;
        self.engine.remove(&path).await?;
        Ok(removed.is_some())
    }

    async fn removable(&self, path: &str) -> Result<Option<Removed>> {
        match self.read(path.to_owned()).await {
            Ok(found) => Ok(found.map(|found| Removed { expires_at: found.entry.expires_at })),
            // what can't be read can be removed
            Err(error) if error.kind() == Kind::Unreadable => {
                Ok(Some(Removed { expires_at: None }))
            }
            Err(error) => Err(error),
        }
    }

    /// Empties an entry that has expired; answers whether it has. Only versions that were
    /// there when it was read are touched: what another server puts meanwhile stays.
    pub(super) async fn cull_one(&self, path: String) -> Result<bool> {
        // a delete and a put would begin to count the versions anew
        let _alone = self.locks.alone(&path).await?;
        let Some(secret) = self.engine.read(&path).await? else { return Ok(false) };
        let newest = secret.version;
        let expired = match secret.into_text().and_then(|text| envelope::decode(&text.into())) {
            Ok(found) => !found.entry.is_live(self.clock.now()),
            Err(_) => false,
        };
        if expired {
            let oldest = newest.saturating_sub(EMPTIED_VERSIONS_MAX - 1).max(1);
            self.engine.empty(&path, (oldest..=newest).collect()).await?;
        }
        Ok(expired)
    }

    /// Does some work for each item, as much at once as may be, and answers in order. Once
    /// Vault is unavailable, what was not begun is not tried.
    pub(super) async fn each<I, T, F: Future<Output = Result<T>>>(
        &self,
        items: Vec<I>,
        work: impl Fn(I) -> F,
    ) -> Vec<Result<T>> {
        let away = OnceLock::new();
        let one = |item| {
            let (away, work) = (&away, &work);
            async move {
                if let Some(error) = away.get() {
                    return Err(not_tried(error));
                }
                let answer = work(item).await;
                if let Err(error) = &answer
                    && is_unavailable(error)
                {
                    // another one may have been first
                    drop(away.set(error.clone()));
                }
                answer
            }
        };
        stream::iter(items.into_iter().map(one)).buffered(self.requests_max).collect().await
    }
}

fn not_tried(error: &Error) -> Error {
    unavailable("not tried after a failure").with_source(error.clone())
}

pub(super) fn is_unavailable(error: &Error) -> bool {
    error.kind() == Kind::Unavailable
}
