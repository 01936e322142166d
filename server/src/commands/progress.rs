//! What is told of work with many entries: bars on a terminal, the ones that failed, and a
//! summary.

use std::fmt;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use kvgate_client::Client;
use serde_json::json;

use super::output::grouped;
use super::pages::{self, Selection};

/// How often a bar that nothing happens to is drawn.
const TICK: Duration = Duration::from_millis(200);

/// How many entries that failed are told one by one.
const FAILURES_TOLD_MAX: u64 = 20;

/// Counts entries, and shows a bar if standard error is a terminal.
pub(super) struct Progress {
    bar: ProgressBar,
    begun: Instant,
    /// Entries that are done.
    pub(super) entries: u64,
    /// Entries that had expired on the way.
    pub(super) expired: u64,
    /// Entries that can't be read.
    pub(super) failed: u64,
}

impl Progress {
    /// For the entries of a store. Only for a bar that is seen are they counted first, while
    /// the work is under way.
    pub(super) fn of_store(client: &Client, selection: &Selection) -> Self {
        let progress =
            Self::new("{wide_bar} {human_pos}/{human_len} entries, {rate}, {eta} left", None);
        if !progress.bar.is_hidden() {
            let counting = pages::count(client.clone(), selection.clone());
            let bar = progress.bar.clone();
            tokio::spawn(async move {
                // a bar without a length does as well
                if let Ok(count) = counting.await {
                    bar.set_length(count);
                }
            });
        }
        progress
    }

    /// For a file of so many bytes, if that is known.
    pub(super) fn of_file(bytes: Option<u64>) -> Self {
        let template = "{msg} {wide_bar} {binary_bytes}/{binary_total_bytes}, {eta} left";
        Self::new(template, bytes)
    }

    /// For work that has no entries, but words for what it is at.
    pub(super) fn spinning() -> Self {
        Self::new("{spinner} {msg}", None)
    }

    /// Says what the work is at.
    pub(super) fn say(&self, text: String) {
        self.bar.set_message(text);
    }

    fn new(template: &str, length: Option<u64>) -> Self {
        let bar = match length {
            Some(length) => ProgressBar::new(length),
            None => ProgressBar::no_length(),
        };
        // a template that can't be read is a plain bar
        let style = ProgressStyle::with_template(template);
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.set_style(style.with_key("rate", |state: &ProgressState, out: &mut dyn fmt::Write| {
            // a text takes everything
            let _ = write!(out, "{:.0}/s", state.per_sec());
        }));
        // it is hidden if standard error is no terminal
        if !bar.is_hidden() {
            bar.enable_steady_tick(TICK);
        }
        Self { bar, begun: Instant::now(), entries: 0, expired: 0, failed: 0 }
    }

    /// So many entries are done.
    pub(super) fn done(&mut self, entries: u64) {
        self.entries = entries;
        self.bar.set_position(entries);
    }

    /// So many entries are done, at this byte of the file.
    pub(super) fn done_at(&mut self, entries: u64, bytes: u64) {
        self.entries = entries;
        let rate = per_second(entries, self.begun.elapsed());
        self.bar.set_message(format!("{} entries, {}/s", grouped(entries), grouped(rate)));
        self.bar.set_position(bytes);
    }

    /// An entry can't be read.
    pub(super) fn failed(&mut self, collection: &str, key: &str, why: &impl fmt::Display) {
        self.failed += 1;
        if self.failed > FAILURES_TOLD_MAX {
            return;
        }
        let more =
            if self.failed == FAILURES_TOLD_MAX { "; no more of these are told" } else { "" };
        self.note(&format!("collection {collection:?}, key {key:?}: {why}{more}"));
    }

    /// Tells something on standard error, past the bar.
    pub(super) fn note(&self, text: &str) {
        // nothing is left to be done if standard error is closed
        self.bar.suspend(|| drop(writeln!(io::stderr(), "kvgate: {text}")));
    }

    /// Ends the bar.
    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }

    /// Ends the bar and prints what was done, as JSON.
    pub(super) fn summarize(&self, collections: Option<u64>) -> io::Result<()> {
        self.end();
        let seconds = self.begun.elapsed().as_millis();
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of a command")]
        let mut summary = json!({
            "entries": self.entries,
            "expired": self.expired,
            "failed": self.failed,
            "seconds": seconds as f64 / 1000.0,
        });
        if let Some(collections) = collections {
            summary["collections"] = json!(collections);
        }
        writeln!(io::stdout(), "{summary}")
    }
}

fn per_second(count: u64, time: Duration) -> u64 {
    let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1);
    count.saturating_mul(1000) / millis
}
