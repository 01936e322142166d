//! How kvgate proves to Vault who it is, and keeps being let in.
//!
//! A [`Session`] is a token and how long it lasts. A call that finds it past half its
//! life renews it; when it can't be renewed, the login is done again. Calls that come
//! meanwhile wait for the same renewal.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};
use kvgate_core::{BlockingPool, Error, Kind, Result, Secret};
use schemars::JsonSchema;
use serde::Deserialize;
use vaultrs::api::AuthInfo;
use vaultrs::auth::{approle, kubernetes};
use vaultrs::client::VaultClient;
use vaultrs::error::ClientError;
use vaultrs::token;

use super::connection::Connection;
use super::fault::{self, Effect};

/// How long after a failed login the next one is tried: until then its error is the
/// answer to all, so that callers don't knock by the thousands at a server that is just
/// starting.
const PAUSE: Duration = Duration::from_millis(100);

/// A role, and a secret of it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AppRole {
    /// The role's identifier.
    role_id: Secret,
    /// One of its secrets. It is used again when the token can't be renewed.
    secret_id: Secret,
    /// Where the method is mounted below `auth/`.
    #[serde(default = "default_approle_mount")]
    mount: String,
}

fn default_approle_mount() -> String {
    "approle".to_owned()
}

/// A role that is given to a service account of Kubernetes.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Kubernetes {
    /// The role at Vault.
    role: String,
    /// The file with the service account's token, read at each login.
    #[serde(default = "default_jwt_file")]
    jwt_file: PathBuf,
    /// Where the method is mounted below `auth/`.
    #[serde(default = "default_kubernetes_mount")]
    mount: String,
}

fn default_jwt_file() -> PathBuf {
    "/var/run/secrets/kubernetes.io/serviceaccount/token".into()
}

fn default_kubernetes_mount() -> String {
    "kubernetes".to_owned()
}

/// How a store gets in: a token that it was given, or one that it gets from somewhere,
/// again and again.
#[derive(Clone, Debug)]
pub(super) enum Credentials {
    Token(Secret),
    TokenFile(PathBuf),
    AppRole(AppRole),
    Kubernetes(Kubernetes),
}

impl Credentials {
    /// Where the login method is mounted, if there is one.
    pub(super) fn mount(&self) -> Option<&str> {
        match self {
            Self::AppRole(AppRole { mount, .. }) | Self::Kubernetes(Kubernetes { mount, .. }) => {
                Some(mount)
            }
            Self::Token(_) | Self::TokenFile(_) => None,
        }
    }
}

/// A token, and how long it lasts.
pub(super) struct Session {
    client: VaultClient,
    /// Nothing: for ever.
    lease: Option<Lease>,
}

#[derive(Clone, Copy, Debug)]
struct Lease {
    /// Half of its life is over.
    renew_at: Instant,
    ends_at: Instant,
    renewable: bool,
}

impl Lease {
    /// Vault's zero seconds are for ever.
    fn new(seconds: u64, renewable: bool) -> Option<Self> {
        let (now, life) = (Instant::now(), Duration::from_secs(seconds));
        let ends_at = now.checked_add(life)?;
        (seconds > 0).then_some(Self { renew_at: now + life / 2, ends_at, renewable })
    }
}

impl Session {
    /// The client that shows the token.
    pub(super) fn client(&self) -> &VaultClient {
        &self.client
    }

    fn is_fresh(&self, now: Instant) -> bool {
        self.lease.is_none_or(|lease| now < lease.renew_at)
    }

    fn is_good(&self, now: Instant) -> bool {
        self.lease.is_none_or(|lease| now < lease.ends_at)
    }
}

/// The session of a store: the one that it has, or the next one.
#[derive(Clone)]
pub(super) struct Sessions(Arc<Inner>);

struct Inner {
    connection: Connection,
    credentials: Credentials,
    files: BlockingPool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    session: Option<Arc<Session>>,
    /// The renewal or login that is under way: whoever needs it waits for the same.
    coming: Option<Coming>,
    /// The last failure, until another try succeeds.
    failed: Option<(Error, Instant)>,
}

/// It goes on when those who wait for it go away: else one whose deadline is too short
/// would undo the work for all.
type Coming = Shared<BoxFuture<'static, Result<Arc<Session>>>>;

impl Sessions {
    pub(super) fn new(connection: Connection, credentials: Credentials) -> Self {
        let (files, state) = (BlockingPool::new(1), Mutex::default());
        Self(Arc::new(Inner { connection, credentials, files, state }))
    }

    /// The session to ask with. It logs in, or renews, when it is time.
    pub(super) async fn current(&self) -> Result<Arc<Session>> {
        let now = Instant::now();
        let coming = {
            let mut state = self.0.state();
            let session = state.session.clone().filter(|session| session.is_good(now));
            if let Some(session) = session.as_ref().filter(|session| session.is_fresh(now)) {
                return Ok(Arc::clone(session));
            }
            if let Some((error, at)) = &state.failed
                && at.elapsed() < PAUSE
            {
                return Err(error.clone());
            }
            state.coming.get_or_insert_with(|| self.begin(session)).clone()
        };
        coming.await
    }

    /// Begins to get the session after this one, which is still good.
    fn begin(&self, session: Option<Arc<Session>>) -> Coming {
        let inner = Arc::clone(&self.0);
        let next = tokio::spawn(Arc::clone(&inner).next(session));
        let coming = async move {
            next.await.unwrap_or_else(|_| {
                inner.state().coming = None;
                Err(fault::unavailable("the login to Vault was cut off"))
            })
        };
        coming.boxed().shared()
    }

    /// Gives up a session that Vault no longer knows. Answers whether there is another
    /// one to be had.
    pub(super) fn give_up(&self, session: &Arc<Session>) -> bool {
        let mut state = self.0.state();
        state.session.take_if(|known| Arc::ptr_eq(known, session));
        !matches!(self.0.credentials, Credentials::Token(_))
    }
}

impl Inner {
    // nothing that is done under the lock panics half-way
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The session after this one, which is still good.
    async fn next(self: Arc<Self>, session: Option<Arc<Session>>) -> Result<Arc<Session>> {
        let next = match &session {
            Some(session) => self.renew_or_log_in(session).await,
            None => self.log_in().await,
        };
        let next = next.map(Arc::new);
        let mut state = self.state();
        state.coming = None;
        state.failed = next.as_ref().err().map(|error| (error.clone(), Instant::now()));
        if let Ok(session) = &next {
            state.session = Some(Arc::clone(session));
        }
        next
    }

    async fn renew_or_log_in(&self, session: &Session) -> Result<Session> {
        let renewed = match self.renew(session).await {
            Ok(Some(session)) => return Ok(session),
            Ok(None) => self.log_in().await,
            Err(error) => Err(error),
        };
        match (renewed, session.lease) {
            (Err(error), Some(lease)) if session.is_good(Instant::now()) => {
                tracing::warn!(%error, "the token for Vault could not be renewed yet");
                let left = lease.ends_at.saturating_duration_since(Instant::now());
                let lease = Lease { renew_at: Instant::now() + left / 2, ..lease };
                let client = self.connection.client(&session.client.settings.token)?;
                Ok(Session { client, lease: Some(lease) })
            }
            (renewed, _) => renewed,
        }
    }

    /// The same token with a new life; nothing if it takes a login.
    async fn renew(&self, session: &Session) -> Result<Option<Session>> {
        if !session.lease.is_some_and(|lease| lease.renewable) {
            return Ok(None);
        }
        match token::renew_self(&session.client, None).await {
            Ok(auth) => self.session(&auth).map(Some),
            Err(error) => match login_error(error) {
                error if error.kind().is_temporary() => Err(error),
                _ => Ok(None),
            },
        }
    }

    async fn log_in(&self) -> Result<Session> {
        // nobody has a token yet
        let client = self.connection.client("")?;
        let auth = match &self.credentials {
            Credentials::Token(token) => return self.look_up(token.expose()).await,
            Credentials::TokenFile(file) => return self.look_up(&self.read(file).await?).await,
            Credentials::AppRole(AppRole { role_id, secret_id, mount }) => {
                approle::login(&client, mount, role_id.expose(), secret_id.expose()).await
            }
            Credentials::Kubernetes(Kubernetes { role, jwt_file, mount }) => {
                let jwt = self.read(jwt_file).await?;
                kubernetes::login(&client, mount, role, &jwt).await
            }
        };
        self.session(&auth.map_err(login_error)?)
    }

    /// How long a token lasts that we were given. Vault's policy `default` allows a token
    /// to ask that.
    async fn look_up(&self, token: &str) -> Result<Session> {
        let client = self.connection.client(token)?;
        let found = token::lookup_self(&client).await.map_err(login_error)?;
        let renewable = found.renewable.unwrap_or(false);
        Ok(Session { lease: Lease::new(found.ttl, renewable), client })
    }

    fn session(&self, auth: &AuthInfo) -> Result<Session> {
        let client = self.connection.client(&auth.client_token)?;
        Ok(Session { client, lease: Lease::new(auth.lease_duration, auth.renewable) })
    }

    async fn read(&self, path: &Path) -> Result<String> {
        let path = path.to_owned();
        let read = move || {
            let text = std::fs::read_to_string(&path).map_err(|error| {
                let context = format!("reading the credentials file {}", path.display());
                Error::new(Kind::AccessDenied, context).with_source(error)
            })?;
            Ok(text.trim().to_owned())
        };
        self.files.run(read).await
    }
}

/// Whatever Vault refuses here, it refuses the credentials.
fn login_error(error: ClientError) -> Error {
    match fault::missing_or_error(error, Effect::Reads) {
        Ok(()) => fault::misconfigured("Vault has no such login method, see its mount"),
        Err(error) if error.kind().is_temporary() => error,
        Err(error) => fault::credentials_refused(&error.to_string()),
    }
}
