//! Where an issuer's keys come from, and that they are fetched again.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use kvgate_core::Result;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::fetch::fetch;
use super::keys::KeySet;
use crate::config::{Jwt as Settings, is_safe};
use crate::reload::{Reloaded, misconfigured};
use crate::signals::Hangups;

/// How long after a token with an unknown key another one may have the keys fetched:
/// tokens with made-up keys must not make a load for the issuer.
const ASK_PAUSE: Duration = Duration::from_secs(5);

/// Where OIDC providers say where their keys are.
const DISCOVERY: &str = "/.well-known/openid-configuration";

/// The keys of an issuer, as they are now.
pub(crate) struct Keys {
    issuer: String,
    source: Source,
    current: ArcSwapOption<KeySet>,
    /// The SHA-256 of what was fetched last: the same keys stay the same.
    fetched: Mutex<Option<[u8; 32]>>,
    asked: watch::Sender<Asked>,
    ask: Notify,
    /// What went wrong last time: the same is not logged twice.
    failure: Mutex<Option<String>>,
}

enum Source {
    File(Arc<Reloaded<KeySet>>),
    Url { url: String, ca_file: Option<PathBuf>, refresh: Duration },
    Discovery { ca_file: Option<PathBuf>, refresh: Duration },
}

/// Whether callers wait for newer keys, and when one last did.
#[derive(Default)]
struct Asked {
    pending: bool,
    at: Option<Instant>,
}

impl Keys {
    /// A file is read; what is at a URL is not fetched yet.
    pub(super) fn open(settings: &Settings) -> Result<Self> {
        let (ca_file, refresh) = (settings.jwks_ca_file.clone(), settings.jwks_refresh);
        let source = match (&settings.jwks_file, &settings.jwks_url) {
            (Some(file), _) => {
                let what = format!("the keys of issuer {}", settings.issuer);
                let read = |files: &[Vec<u8>]| KeySet::parse(&files.concat());
                Source::File(Arc::new(Reloaded::open(what, vec![file.clone()], read)?))
            }
            (None, Some(url)) => Source::Url { url: url.clone(), ca_file, refresh },
            (None, None) => Source::Discovery { ca_file, refresh },
        };
        let current = match &source {
            Source::File(file) => Some(Arc::clone(&file.current())),
            _ => None,
        };
        Ok(Self {
            issuer: settings.issuer.clone(),
            source,
            current: ArcSwapOption::new(current),
            fetched: Mutex::default(),
            asked: watch::Sender::default(),
            ask: Notify::new(),
            failure: Mutex::default(),
        })
    }

    /// The keys, if they could be had so far.
    pub(super) fn current(&self) -> Option<Arc<KeySet>> {
        self.current.load_full()
    }

    /// Waits until the keys have been fetched again. It returns at once if that was asked
    /// for a moment ago.
    pub(crate) async fn newer(&self) {
        let mut asked = self.asked.subscribe();
        let mut waits = false;
        self.asked.send_modify(|asked| {
            if asked.pending {
                waits = true;
            } else if asked.at.is_none_or(|at| at.elapsed() >= ASK_PAUSE) {
                *asked = Asked { pending: true, at: Some(Instant::now()) };
                waits = true;
                self.ask.notify_one();
            }
        });
        if waits {
            // it fails only when there is nobody left to tell
            drop(asked.wait_for(|asked| !asked.pending).await);
        }
    }

    /// Fetches the keys again and again: in intervals, by SIGHUP, and when a caller asks.
    pub(crate) async fn watch(&self, reload_interval: Duration, mut hangups: Hangups) {
        let interval = match &self.source {
            Source::File(_) => reload_interval,
            Source::Url { refresh, .. } | Source::Discovery { refresh, .. } => *refresh,
        };
        loop {
            tokio::select! {
                () = tokio::time::sleep(interval) => {}
                () = hangups.next() => {}
                () = self.ask.notified() => {}
            }
            self.refresh().await;
        }
    }

    /// Fetches the keys. Those there are stay if it fails.
    pub(crate) async fn refresh(&self) {
        // who asks while this goes on is not answered by it
        let answers = self.asked.borrow().pending;
        match self.load().await {
            Ok(Some(keys)) => {
                self.current.store(Some(keys));
                self.failed(None);
            }
            Ok(None) => self.failed(None),
            Err(error) => self.failed(Some(error.to_string())),
        }
        if answers {
            self.asked.send_modify(|asked| asked.pending = false);
        }
    }

    /// The keys, if they are others than before.
    async fn load(&self) -> Result<Option<Arc<KeySet>>> {
        let json = match &self.source {
            Source::File(file) => {
                let reading = Arc::clone(file);
                let changed = tokio::task::spawn_blocking(move || reading.refresh()).await;
                return Ok(changed.unwrap_or(false).then(|| Arc::clone(&file.current())));
            }
            Source::Url { url, ca_file, .. } => fetch(url, ca_file.as_deref()).await?,
            Source::Discovery { ca_file, .. } => {
                let url = self.discover(ca_file.as_deref()).await?;
                fetch(&url, ca_file.as_deref()).await?
            }
        };
        let hash = Sha256::digest(&json).into();
        if *self.fetched.lock().unwrap_or_else(PoisonError::into_inner) == Some(hash) {
            return Ok(None);
        }
        let keys = KeySet::parse(&json)?;
        *self.fetched.lock().unwrap_or_else(PoisonError::into_inner) = Some(hash);
        tracing::info!(issuer = self.issuer, "the issuer's keys were fetched");
        Ok(Some(Arc::new(keys)))
    }

    /// Asks an OIDC provider where its keys are.
    async fn discover(&self, ca_file: Option<&Path>) -> Result<String> {
        #[derive(Deserialize)]
        struct Provider {
            issuer: String,
            jwks_uri: String,
        }
        let url = format!("{}{DISCOVERY}", self.issuer.trim_end_matches('/'));
        let json = fetch(&url, ca_file).await?;
        let provider: Provider = serde_json::from_slice(&json)
            .map_err(|error| misconfigured(format!("{url} is no OIDC configuration: {error}")))?;
        if provider.issuer != self.issuer {
            return Err(misconfigured(format!("{url} is of another issuer")));
        }
        if !is_safe(&provider.jwks_uri) {
            return Err(misconfigured(format!("{url} has a jwks_uri that is not https")));
        }
        Ok(provider.jwks_uri)
    }

    fn failed(&self, now: Option<String>) {
        let mut before = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(failure) = now.as_ref().filter(|now| before.as_ref() != Some(now)) {
            let issuer = &self.issuer;
            tracing::error!("the keys of issuer {issuer}: {failure}; those there are stay in use");
        }
        *before = now;
    }
}
