//! The nodes of a cluster, and how they are asked.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use elasticsearch::Elasticsearch;
use elasticsearch::auth::{ClientCertificate, Credentials};
use elasticsearch::cert::{Certificate, CertificateValidation};
use elasticsearch::http::headers::{ACCEPT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue};
use elasticsearch::http::transport::{SingleNodeConnectionPool, TransportBuilder};
use elasticsearch::http::{Method, Url};
use kvgate_core::{BackendUrl, Error, Kind, Result};
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use super::fault::Fault;
use super::settings::{Config, Login};
use crate::tls::{TlsFiles, install_cryptography};

/// How long a node that failed is asked only if all others failed, too.
const LEFT_OUT_FOR: Duration = Duration::from_secs(5);

/// The nodes of a cluster.
pub(super) struct Cluster {
    nodes: Vec<Node>,
    next: AtomicUsize,
    turns: Semaphore,
    requests_max: usize,
    timeout: Duration,
    since: Instant,
}

/// A request.
pub(super) struct Request {
    method: Method,
    path: String,
    query: Vec<(&'static str, &'static str)>,
    body: Option<(&'static str, Bytes)>,
    writes: bool,
}

impl Request {
    /// Asks for what is at a path.
    pub(super) fn new(method: Method, path: impl Into<String>) -> Self {
        Self { method, path: path.into(), query: Vec::new(), body: None, writes: false }
    }

    /// Adds to the query.
    pub(super) fn with(mut self, name: &'static str, value: &'static str) -> Self {
        self.query.push((name, value));
        self
    }

    /// Adds a body of JSON.
    pub(super) fn json(self, body: impl Into<Bytes>) -> Self {
        Self { body: Some(("application/json", body.into())), ..self }
    }

    /// Adds a body of lines of JSON.
    pub(super) fn lines(self, body: impl Into<Bytes>) -> Self {
        Self { body: Some(("application/x-ndjson", body.into())), ..self }
    }

    /// Says that it changes something, so that a lost answer leaves open what happened.
    pub(super) fn writing(self) -> Self {
        Self { writes: true, ..self }
    }
}

/// What the cluster answered.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Bytes,
    writes: bool,
}

impl Answer {
    /// What a request that writes was answered, for tests of what reads it.
    #[cfg(test)]
    pub(super) fn of_write(status: u16, body: Bytes) -> Self {
        Self { status, body, writes: true }
    }

    /// An answer that is a part of it.
    pub(super) fn within(&self, status: u16, body: Bytes) -> Self {
        Self { status, body, writes: self.writes }
    }

    /// The body of an answer that is no refusal; nothing if what was asked about is not
    /// there.
    pub(super) fn found(self) -> Result<Option<Bytes>> {
        match self.status {
            200..=299 => Ok(Some(self.body)),
            404 => Ok(None),
            status => Err(self.undecided(self.fault().of_request(status))),
        }
    }

    /// The error that it is. What a failing cluster was told to write may be written.
    pub(super) fn undecided(&self, error: Error) -> Error {
        if self.writes && self.status >= 500 { error.may_have_happened() } else { error }
    }

    /// Why it is a refusal. Proxies refuse in words of their own.
    pub(super) fn fault(&self) -> Fault<'_> {
        serde_json::from_slice(&self.body).map(|Refusal { error }| error).unwrap_or_default()
    }
}

#[derive(Deserialize)]
struct Refusal<'a> {
    #[serde(borrow)]
    error: Fault<'a>,
}

impl Cluster {
    /// The cluster of these settings. Nothing is asked yet.
    pub(super) fn new(config: &Config) -> Result<Self> {
        install_cryptography();
        let tls = config.tls.read()?;
        let node = |url| Node::new(url, config.login.as_ref(), &tls);
        let requests_max = config.requests_max.get().min(Semaphore::MAX_PERMITS);
        Ok(Self {
            nodes: config.urls.iter().map(node).collect::<Result<_>>()?,
            next: AtomicUsize::new(0),
            turns: Semaphore::new(requests_max),
            requests_max,
            timeout: config.timeout,
            since: Instant::now(),
        })
    }

    /// How long an answer may take.
    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Asks one node; another one if the first can't be reached.
    pub(super) async fn ask(&self, request: &Request) -> Result<Answer> {
        let deadline = Instant::now() + self.timeout;
        let turn = timeout_at(deadline, self.turns.acquire()).await;
        let _turn = turn.map_err(|_| self.busy())?.map_err(|_| self.busy())?;
        let mut unreached = None;
        for node in self.in_turn() {
            match node.ask(request, deadline).await {
                Ok(answer) => {
                    node.left_out_until.store(0, Ordering::Relaxed);
                    return Ok(answer);
                }
                Err(failure) => {
                    let until = self.since.elapsed() + LEFT_OUT_FOR;
                    node.left_out_until.store(millis(until), Ordering::Relaxed);
                    match failure {
                        Failure::Unreached(error) => unreached = Some(error),
                        Failure::Lost(error) if request.writes => {
                            return Err(error.may_have_happened());
                        }
                        Failure::Lost(error) => return Err(error),
                    }
                }
            }
        }
        Err(unreached.unwrap_or_else(|| Error::new(Kind::Internal, "the cluster has no nodes")))
    }

    /// All nodes, another one first each time, those that failed lately last.
    fn in_turn(&self) -> Vec<&Node> {
        let first = self.next.fetch_add(1, Ordering::Relaxed) % self.nodes.len();
        let (before, from) = self.nodes.split_at(first);
        let mut nodes: Vec<_> = from.iter().chain(before).collect();
        let now = millis(self.since.elapsed());
        nodes.sort_by_key(|node| node.left_out_until.load(Ordering::Relaxed) > now);
        nodes
    }

    fn busy(&self) -> Error {
        let max = self.requests_max;
        let context = format!("{max} requests (requests_max) are on their way and none has ended");
        Error::new(Kind::Unavailable, context).with_limit("requests_max", max as u64)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// One node, with its connections.
struct Node {
    client: Elasticsearch,
    /// For a person.
    url: String,
    /// Until when the others come first, in milliseconds since the cluster was opened.
    left_out_until: AtomicU64,
}

/// Why there is no answer.
enum Failure {
    /// The request did not get there.
    Unreached(Error),
    /// It may have.
    Lost(Error),
}

impl Node {
    fn new(url: &BackendUrl, login: Option<&Login>, tls: &TlsFiles) -> Result<Self> {
        let shown = url.to_string();
        let wrong = |what: &str| Error::new(Kind::Misconfigured, format!("{shown}: {what}"));
        let mut parsed =
            Url::parse(url.expose()).map_err(|error| wrong(&format!("this is no URL: {error}")))?;
        if !matches!(parsed.scheme(), "http" | "https") || !parsed.has_host() {
            return Err(wrong("expected http://host:port or https://host:port"));
        }
        let mut credentials = login.map(Login::credentials).or_else(|| user_of(&parsed));
        // a URL keeps them if it can't be without, which the check of its host excludes
        let _ = parsed.set_username("");
        let _ = parsed.set_password(None);
        let mut builder = TransportBuilder::new(SingleNodeConnectionPool::new(parsed))
            .disable_proxy()
            .enable_meta_header(false);
        if let Some(pem) = &tls.authorities {
            let authorities = Certificate::from_pem(pem)
                .map_err(|error| wrong("reading tls.ca_file").with_source(error))?;
            builder = builder.cert_validation(CertificateValidation::Full(authorities));
        }
        if let Some((certificate, key)) = &tls.identity {
            let pem = [certificate.as_slice(), b"\n", key].concat();
            let certificate = Credentials::Certificate(ClientCertificate::Pem(pem));
            if credentials.replace(certificate).is_some() {
                return Err(wrong("expected tls.cert_file or other credentials, not both"));
            }
        }
        if let Some(credentials) = credentials {
            builder = builder.auth(credentials);
        }
        let transport =
            builder.build().map_err(|error| wrong("preparing connections").with_source(error))?;
        let (client, left_out_until) = (Elasticsearch::new(transport), AtomicU64::new(0));
        Ok(Self { client, url: shown, left_out_until })
    }

    async fn ask(&self, request: &Request, deadline: Instant) -> Result<Answer, Failure> {
        let mut headers = HeaderMap::new();
        // a compressed answer costs both sides more than it saves on the way
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let body = request.body.as_ref().map(|(content_type, body)| {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
            body.clone()
        });
        let (method, path) = (request.method, request.path.as_str());
        let left = deadline.saturating_duration_since(Instant::now());
        let query = Some(request.query.as_slice());
        let sent = self.client.send(method, path, headers, query, body, Some(left)).await;
        let response = sent.map_err(|error| self.failure(&error))?;
        let status = response.status_code().as_u16();
        let body = response.bytes().await.map_err(|error| self.failure(&error))?;
        Ok(Answer { status, body, writes: request.writes })
    }

    fn failure(&self, error: &elasticsearch::Error) -> Failure {
        use std::error::Error as _;

        let source =
            error.source().and_then(|it| it.downcast_ref::<elasticsearch_reqwest::Error>());
        let unreached = source.is_some_and(elasticsearch_reqwest::Error::is_connect);
        let what = if error.is_timeout() { "no answer in time from" } else { "asking" };
        // what causes it says why; the error itself repeats the URL, and a key with it
        let mut failed = Error::new(Kind::Unavailable, format!("{what} {}", self.url));
        if let Some(cause) = source.and_then(innermost) {
            failed = failed.with_source(std::io::Error::other(cause));
        }
        if unreached { Failure::Unreached(failed) } else { Failure::Lost(failed) }
    }
}

/// What is at the bottom of an error.
fn innermost(error: &elasticsearch_reqwest::Error) -> Option<String> {
    use std::error::Error as _;

    let mut cause = error.source()?;
    while let Some(below) = cause.source() {
        cause = below;
    }
    Some(cause.to_string())
}

impl Login {
    fn credentials(&self) -> Credentials {
        match self {
            Self::ApiKey(key) => Credentials::EncodedApiKey(key.expose().to_owned()),
            Self::Password(user, password) => {
                Credentials::Basic(user.clone(), password.expose().to_owned())
            }
        }
    }
}

/// The user and password of a URL, whose escapes are undone.
fn user_of(url: &Url) -> Option<Credentials> {
    let plain = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let password = url.password()?;
    Some(Credentials::Basic(plain(url.username()), plain(password)))
}
