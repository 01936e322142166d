//! `kvgate copy`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use anyhow::{Context, anyhow};
use clap::Args;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use kvgate_client::{Client, KeyResult, PutEntry};

use super::failure::{Usage, complete};
use super::pages::{self, Pages, Position, Selection};
use super::place::Server;
use super::progress::Progress;
use super::waiting::Waiting;

/// Copy entries from a store to another: through servers, or between the stores of a
/// configuration.
///
/// What expires does so at the same time; what is there already under the same keys is
/// replaced, the rest stays. A copy that was cut off can be made again.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kvgate copy main cache                                  two stores of a server
  kvgate copy old new --config migration.toml             without a server
  kvgate copy main main --to-url https://kvgate.example   to another server
  kvgate copy disk main --from-config old.toml            from files to a server

Exit code 4: some entries can't be read; standard error says which.")]
pub(crate) struct Arguments {
    /// The store to read.
    from: String,
    /// The store to write.
    to: String,
    #[command(flatten)]
    selection: Selection,
    /// The server of the store to read, if it is another one than --url.
    #[arg(long, value_name = "URL")]
    from_url: Option<String>,
    /// A file with the token for --from-url: the one for --url is not shown to it.
    #[arg(long, value_name = "FILE", requires = "from_url")]
    from_token_file: Option<PathBuf>,
    /// The configuration of the store to read.
    #[arg(long, value_name = "FILE", conflicts_with = "from_url")]
    from_config: Option<PathBuf>,
    /// The server of the store to write, if it is another one than --url.
    #[arg(long, value_name = "URL")]
    to_url: Option<String>,
    /// A file with the token for --to-url: the one for --url is not shown to it.
    #[arg(long, value_name = "FILE", requires = "to_url")]
    to_token_file: Option<PathBuf>,
    /// The configuration of the store to write.
    #[arg(long, value_name = "FILE", conflicts_with = "to_url")]
    to_config: Option<PathBuf>,
    #[command(flatten)]
    server: Server,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Arguments { from, to, selection, server, .. } = &arguments;
    let Arguments { from_url, from_token_file, from_config, .. } = &arguments;
    let Arguments { to_url, to_token_file, to_config, .. } = &arguments;
    let mut source_server =
        end(server, from_url.as_ref(), from_token_file.as_ref(), from_config.as_ref());
    let mut target_server =
        end(server, to_url.as_ref(), to_token_file.as_ref(), to_config.as_ref());
    secure_ends([&mut source_server, &mut target_server]);
    let client = source_server.client(1)?;
    let source = client.with_store(from.as_str());
    // the stores of a configuration are opened once
    let same = source_server.name() == target_server.name();
    if same && from == to {
        let message = "the store to read is the store to write";
        return Err(Usage::new(message, "name two stores, or --to-url or --to-config").into());
    }
    let target = if same { client } else { target_server.client(1)? };
    let target = target.with_store(to.as_str());

    let progress = Progress::of_store(&source, selection);
    let state = Arc::new(Mutex::new(State {
        progress,
        collections: 0,
        waiting: Waiting::new(),
        problem: None,
    }));
    let entries = entries(source, selection.clone(), Arc::clone(&state));
    let told = Arc::clone(&state);
    let load = target.stream_put_many(entries);
    let done = load.on_stored(move |stored| lock(&told).stored(stored)).await;
    let mut state = lock(&state);
    let (stored, problem) = (state.progress.entries, state.problem.take());
    let failed = |error: anyhow::Error| {
        state.progress.end();
        error.context(format!("after {stored} entries"))
    };
    if let Some(problem) = problem {
        return Err(failed(problem.context(format!("reading store {from:?}"))));
    }
    let done = done.map_err(|error| match state.waiting.blamed(&error) {
        Some((collection, key)) => {
            anyhow!(error).context(format!("collection {collection:?}, key {key:?}"))
        }
        None => anyhow!(error),
    });
    done.with_context(|| format!("writing store {to:?}")).map_err(failed)?;
    state.progress.summarize(Some(state.collections))?;
    Ok(complete(state.progress.failed))
}

/// Where one end of the copy is.
fn end(
    server: &Server,
    url: Option<&String>,
    token_file: Option<&PathBuf>,
    config: Option<&PathBuf>,
) -> Server {
    let mut end = server.clone();
    if let Some(url) = url {
        end.url.clone_from(url);
        end.config = None;
        end.credentials.token_file = token_file.cloned();
        end.credentials.takes_variable = false;
    }
    if config.is_some() {
        end.config = config.cloned();
    }
    end
}

/// Where one end has TLS, the options of TLS are for that one.
fn secure_ends(ends: [&mut Server; 2]) {
    let has_tls = |end: &Server| end.url.starts_with("https:");
    if ends.iter().any(|end| has_tls(end)) {
        for end in ends.into_iter().filter(|end| !has_tls(end)) {
            let given = &mut end.credentials;
            (given.tls_ca, given.tls_cert, given.tls_key) = (None, None, None);
        }
    }
}

/// What reading and writing share.
struct State {
    progress: Progress,
    collections: u64,
    /// Collections and keys.
    waiting: Waiting<(Arc<str>, String)>,
    /// Why no more can be read.
    problem: Option<anyhow::Error>,
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// All entries of the source. They end where it can't be read.
fn entries(
    source: Client,
    selection: Selection,
    state: Arc<Mutex<State>>,
) -> BoxStream<'static, (Arc<str>, PutEntry)> {
    let pages = Pages::new(source.clone(), selection, Position::default());
    let told = Arc::clone(&state);
    let pages = stream::try_unfold(pages, |mut pages| async {
        let page = pages.next().await?;
        anyhow::Ok(page.map(|page| (page, pages)))
    });
    let results = pages.map_ok(move |page| {
        lock(&told).collections = page.after.collections;
        let collection = page.collection;
        let results = pages::entries(&source, &collection, page.keys);
        results.map(move |result| anyhow::Ok((Arc::clone(&collection), result?)))
    });
    results
        .try_flatten()
        .scan(state, |state, result| {
            let mut state = lock(state);
            let taken = match result {
                Ok((collection, result)) => Some(state.take(collection, result)),
                Err(problem) => {
                    state.problem = Some(problem);
                    None
                }
            };
            std::future::ready(taken)
        })
        .filter_map(std::future::ready)
        .boxed()
}

impl State {
    fn stored(&mut self, stored: u64) {
        self.waiting.acknowledge(stored);
        self.progress.done(stored);
    }

    /// What is to be stored of a result, if anything is.
    fn take(&mut self, collection: Arc<str>, result: KeyResult) -> Option<(Arc<str>, PutEntry)> {
        match result.outcome {
            Ok(Some(entry)) => {
                let left = entry.expires_at.map(time_until);
                if left == Some(None) {
                    self.progress.expired += 1;
                    return None;
                }
                self.waiting.push((Arc::clone(&collection), entry.key.clone()));
                Some((collection, PutEntry::new(entry.key, entry.value).ttl(left.flatten())))
            }
            // it has gone since it was listed
            Ok(None) => None,
            Err(error) => {
                self.progress.failed(&collection, &result.key, &error);
                None
            }
        }
    }
}

/// The time until a moment; nothing if it has come.
fn time_until(at: SystemTime) -> Option<Duration> {
    at.duration_since(SystemTime::now()).ok().filter(|left| !left.is_zero())
}
