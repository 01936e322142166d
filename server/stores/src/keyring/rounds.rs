//! Work on many items, some at a time.

use std::collections::HashSet;
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use futures::future::join_all;
use kvgate_core::{Error, Kind, Result};

use super::{Keyring, KeyringStore};

impl KeyringStore {
    /// Does the same with each of many user names: as many at a time as there are
    /// threads, and in order for one that occurs twice. Once the keyring itself fails,
    /// the rest is not tried.
    pub(super) async fn each<I, T>(
        &self,
        users: Vec<(String, I)>,
        work: fn(&Keyring, &str, I) -> Result<T>,
    ) -> Result<Vec<Result<T>>>
    where
        I: Send + 'static,
        T: Send + 'static,
    {
        let mut answers = Vec::with_capacity(users.len());
        let mut failed: Option<Error> = None;
        for round in rounds(users, self.config.threads_max.get()) {
            if let Some(error) = &failed {
                answers.extend(round.iter().map(|_| Err(not_tried(error))));
                continue;
            }
            let working = round
                .into_iter()
                .map(|(user, with)| self.run(move |keyring| work(keyring, &user, with)));
            let done = join_all(working).await;
            failed = done
                .iter()
                .find_map(|answer| answer.as_ref().err().filter(|error| is_of_all(error)))
                .cloned();
            answers.extend(done);
        }
        match failed {
            // nothing is known of any
            Some(error) if answers.iter().all(Result::is_err) => Err(error),
            _ => Ok(answers),
        }
    }

    /// Does one thing on a thread that may block. Who has waited for too long leaves the
    /// thread to itself: it counts as busy until the keyring lets it go.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Keyring) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (keyring, begun) = (Arc::clone(&self.keyring), Arc::new(OnceLock::new()));
        let begin = Arc::clone(&begun);
        let mut running = pin!(self.pool.run(move || {
            begin.get_or_init(Instant::now);
            let answer = work(&keyring);
            if !answer.as_ref().is_err_and(is_of_all) {
                keyring.answers.fetch_add(1, Ordering::Relaxed);
            }
            answer
        }));
        let timeout = self.config.timeout;
        let mut patience = timeout;
        loop {
            let answers = self.keyring.answers.load(Ordering::Relaxed);
            if let Ok(answer) = tokio::time::timeout(patience, running.as_mut()).await {
                return answer;
            }
            patience = match begun.get() {
                Some(since) => timeout.saturating_sub(since.elapsed()),
                // others get their answers: the keyring is slow, but it does not hang
                None if self.keyring.answers.load(Ordering::Relaxed) != answers => timeout,
                None => Duration::ZERO,
            };
            if patience.is_zero() {
                return Err(no_answer(timeout, begun.get().is_some()));
            }
        }
    }
}

fn no_answer(timeout: Duration, begun: bool) -> Error {
    let context = format!(
        "the keyring did not answer within {timeout:?} (timeout): it hangs, or waits for somebody \
         to unlock it"
    );
    let error = Error::new(Kind::Unavailable, context);
    if begun { error.may_have_happened() } else { error }
}

/// Cuts a batch into parts of at most `max` items, with none twice in one.
fn rounds<I>(users: Vec<(String, I)>, max: usize) -> Vec<Vec<(String, I)>> {
    let mut rounds: Vec<Vec<(String, I)>> = Vec::new();
    let mut in_last = HashSet::new();
    for (user, with) in users {
        let fits = rounds.last().is_some_and(|last| last.len() < max) && !in_last.contains(&user);
        if !fits {
            in_last.clear();
            rounds.push(Vec::new());
        }
        in_last.insert(user.clone());
        if let Some(last) = rounds.last_mut() {
            last.push((user, with));
        }
    }
    rounds
}

/// Whether an error is that of the keyring, and not of one item.
fn is_of_all(error: &Error) -> bool {
    matches!(error.kind(), Kind::Unavailable | Kind::AccessDenied | Kind::Internal)
}

fn not_tried(error: &Error) -> Error {
    Error::new(error.kind(), format!("not tried, because another entry failed: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_twice_is_never_in_one_round() {
        let users = ["a", "b", "c", "d", "d", "e", "d", "f"];
        let users = users.into_iter().map(|user| (user.to_owned(), ())).collect();
        let rounds = rounds(users, 3);
        let names = |round: &Vec<(String, ())>| {
            round.iter().map(|(user, ())| user.as_str()).collect::<String>()
        };
        let names: Vec<String> = rounds.iter().map(names).collect();
        assert_eq!(names, ["abc", "d", "de", "df"]);
    }
}
