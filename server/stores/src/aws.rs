//! What the stores in AWS, and in what speaks like it, share: how they find their service,
//! sign in and try again, and what its refusals are to a caller.

use std::error::Error as StdError;
use std::num::NonZeroUsize;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::FinalizerInterceptorContextMut;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::{ConfigBag, Storable, StoreReplace};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use kvgate_core::{BackendUrl, Error, Kind, Result, Secret};
use tokio::sync::{Mutex, Semaphore, SemaphorePermit};

/// How long the service may take for one answer, unless it is set.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(5);

/// How long a connection may take, unless it is set.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// The most requests at once, unless it is set.
pub(crate) const REQUESTS_MAX: NonZeroUsize = NonZeroUsize::new(64).unwrap();

/// The most requests that one call has under way, so that large calls leave room.
pub(crate) const CALL_REQUESTS_MAX: usize = 16;

/// How often a request is sent in all before its failure is told.
const ATTEMPTS_MAX: u32 = 3;

/// The pause after the first attempt; it doubles with each.
const PAUSE: Duration = Duration::from_millis(50);

/// What kvgate calls itself in requests.
const APP_NAME: &str = "kvgate";

/// The region of requests to an endpoint of one's own, whose server hardly cares.
const REGION_OF_ENDPOINTS: &str = "us-east-1";

/// How a service is reached: the settings that the stores have in common.
pub(crate) struct Service {
    /// What it is called in errors.
    pub(crate) name: &'static str,
    pub(crate) region_name: Option<String>,
    pub(crate) endpoint_url: Option<BackendUrl>,
    /// Nothing: those of the standard chain.
    pub(crate) credentials: Option<Credentials>,
    pub(crate) timeout: Duration,
    pub(crate) connect_timeout: Duration,
}

impl Service {
    /// Checks the settings, as far as that needs no network.
    pub(crate) fn check(&self) -> Result<()> {
        let Some(url) = &self.endpoint_url else {
            return Ok(());
        };
        let text = url.expose();
        let host = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
        let is_odd = |host: &str| {
            host.is_empty() || host.contains(|c: char| c.is_whitespace() || "@?#".contains(c))
        };
        if host.is_none_or(is_odd) {
            let context = format!("endpoint_url is {url}: expected http://HOST or https://HOST");
            return Err(Error::new(Kind::Misconfigured, context));
        }
        Ok(())
    }

    /// The settings of a client. They may be looked up in files and from the machine's
    /// own services, so this is done when they are first needed.
    pub(crate) async fn load(&self) -> Result<SdkConfig> {
        let region = self.region().await.ok_or_else(|| {
            Error::new(
                Kind::Misconfigured,
                format!("no region to find {} in: set region_name or AWS_REGION", self.name),
            )
        })?;
        // an attempt ends with the whole, so that no caller waits for several of them
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(self.connect_timeout)
            .operation_timeout(self.timeout)
            .build();
        let retries = RetryConfig::standard()
            .with_max_attempts(ATTEMPTS_MAX)
            .with_initial_backoff(PAUSE)
            .with_max_backoff(self.timeout);
        let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .region(region)
            .timeout_config(timeouts)
            .retry_config(retries);
        if let Ok(name) = AppName::new(APP_NAME) {
            loader = loader.app_name(name);
        }
        if let Some(url) = &self.endpoint_url {
            loader = loader.endpoint_url(url.expose());
        }
        if let Some(credentials) = &self.credentials {
            loader = loader.credentials_provider(credentials.clone());
        }
        Ok(loader.load().await)
    }

    async fn region(&self) -> Option<Region> {
        let set = RegionProviderChain::first_try(self.region_name.clone().map(Region::new));
        let chain = if self.endpoint_url.is_some() {
            // the machine's own services are not asked: they need not be in AWS
            let environment = EnvironmentVariableRegionProvider::new();
            set.or_else(environment).or_else(Region::new(REGION_OF_ENDPOINTS))
        } else {
            set.or_default_provider()
        };
        chain.region().await
    }

    /// What a failed request is to a caller. It may have taken place if it was sent.
    pub(crate) fn failure<E>(&self, error: &SdkError<E, HttpResponse>) -> Error
    where
        E: StdError + ProvideErrorMetadata + 'static,
    {
        let (error, was_sent) = self.explain(error);
        if was_sent { error.may_have_happened() } else { error }
    }

    /// What a failed request that only reads is to a caller.
    pub(crate) fn read_failure<E>(&self, error: &SdkError<E, HttpResponse>) -> Error
    where
        E: StdError + ProvideErrorMetadata + 'static,
    {
        self.explain(error).0
    }

    /// The error, and whether the service may have done what it was asked all the same.
    fn explain<E>(&self, error: &SdkError<E, HttpResponse>) -> (Error, bool)
    where
        E: StdError + ProvideErrorMetadata + 'static,
    {
        let name = self.name;
        if let Some(cause) = credentials_error(error) {
            let context = format!("there are no credentials for {name} to be had: {cause}");
            let kind = kind_of_credentials_error(cause);
            // who hands them out may have failed between two attempts
            return (Error::new(kind, context), kind == Kind::Unavailable);
        }
        let unavailable = |context: String| (Error::new(Kind::Unavailable, context), true);
        match error {
            SdkError::ServiceError(refusal) => {
                let status = refusal.raw().status().as_u16();
                let (code, message) = (refusal.err().code(), refusal.err().message());
                let (error, was_sent) = self.refusal(code, message, status);
                (error, was_sent || refusal.raw().extension::<Unclear>().is_some())
            }
            SdkError::TimeoutError(_) => {
                unavailable(format!("{name} did not answer within {:?}", self.timeout))
            }
            SdkError::ConstructionFailure(_) => {
                let context = format!("no request to {name} could be made: {}", causes(error));
                (Error::new(Kind::Internal, context), false)
            }
            _ => unavailable(format!("{name} can't be reached: {}", causes(error))),
        }
    }

    fn refusal(&self, code: Option<&str>, message: Option<&str>, status: u16) -> (Error, bool) {
        let name = self.name;
        let code = code.unwrap_or("no code");
        // what was to be signed may be quoted, with a token in it
        let message = message.filter(|_| !code.contains("Signature"));
        let said = match message {
            Some(message) => format!("{code} (status {status}): {message}"),
            None => format!("{code} (status {status})"),
        };
        if NOT_ALLOWED.contains(&code) || matches!(status, 401 | 403) {
            let what = "does not accept the credentials, or not for this";
            (Error::new(Kind::AccessDenied, format!("{name} {what}: {said}")), false)
        } else if is_throttling(code) || status == 429 {
            let context = format!("{name} is asked for too much: {said}");
            (Error::new(Kind::Unavailable, context), false)
        } else if status >= 500 {
            (Error::new(Kind::Unavailable, format!("{name} failed: {said}")), true)
        } else {
            (Error::new(Kind::Internal, format!("{name} refused a request: {said}")), false)
        }
    }
}

/// Watches the attempts at a request. The client sends it again by itself, and the answer to
/// the last attempt does not tell what became of those before.
#[derive(Debug)]
pub(crate) struct Attempts;

/// On an answer: an attempt before may have done what it was sent for.
#[derive(Clone, Copy, Debug)]
struct Unclear;

impl Storable for Unclear {
    type Storer = StoreReplace<Self>;
}

impl Intercept for Attempts {
    fn name(&self) -> &'static str {
        "Attempts"
    }

    fn modify_before_attempt_completion(
        &self,
        context: &mut FinalizerInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        state: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let was_unclear = state.load::<Unclear>().is_some();
        let mut is_refused = false;
        if let Some(answer) = context.response_mut() {
            is_refused = answer.status().is_client_error();
            if was_unclear {
                answer.add_extension(Unclear);
            }
        }
        if !is_refused {
            state.interceptor_state().store_put(Unclear);
        }
        Ok(())
    }
}

/// Codes of those whom a service does not let in; some come with status 400.
const NOT_ALLOWED: [&str; 8] = [
    "AccessDeniedException",
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignatureException",
    "InvalidSignatureException",
    "InvalidToken",
    "MissingAuthenticationTokenException",
    "UnrecognizedClientException",
];

/// Whether a refusal says that the request did not happen for want of capacity.
pub(crate) fn is_throttling(code: &str) -> bool {
    [
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
    ]
    .contains(&code)
}

/// The credentials of the settings, if they are set.
pub(crate) fn credentials(
    access_key_id: Option<&Secret>,
    secret_access_key: Option<&Secret>,
    session_token: Option<&Secret>,
) -> Result<Option<Credentials>> {
    let expose = |secret: &Secret| secret.expose().to_owned();
    match (access_key_id, secret_access_key) {
        (Some(id), Some(key)) => Ok(Some(Credentials::new(
            expose(id),
            expose(key),
            session_token.map(expose),
            None,
            "kvgate's settings",
        ))),
        (None, None) if session_token.is_none() => Ok(None),
        _ => Err(Error::new(
            Kind::Misconfigured,
            "aws_access_key_id and aws_secret_access_key need each other, and \
             aws_session_token needs both",
        )),
    }
}

/// Why a request failed on its way. Nothing of the request or the answer is in it.
fn causes(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    for cause in sources(error) {
        let said = cause.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
    }
    text
}

/// Why there are no credentials, if a request failed for want of them.
fn credentials_error<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a CredentialsError> {
    sources(error).find_map(<dyn StdError>::downcast_ref)
}

fn kind_of_credentials_error(error: &CredentialsError) -> Kind {
    match error {
        // who hands them out did not answer, or not as it does
        CredentialsError::ProviderTimedOut(_) | CredentialsError::ProviderError(_) => {
            Kind::Unavailable
        }
        _ => Kind::AccessDenied,
    }
}

fn sources<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(error.source(), |cause| (*cause).source())
}

/// Bounds the requests that are under way at once.
pub(crate) struct Requests {
    free: Semaphore,
    max: NonZeroUsize,
    patience: Duration,
}

impl Requests {
    /// So many of them; who waits longer for one to end is told.
    pub(crate) fn new(max: NonZeroUsize, patience: Duration) -> Self {
        Self { free: Semaphore::new(max.get().min(Semaphore::MAX_PERMITS)), max, patience }
    }

    /// Waits until another request may be sent.
    pub(crate) async fn permit(&self) -> Result<SemaphorePermit<'_>> {
        if let Ok(Ok(permit)) = tokio::time::timeout(self.patience, self.free.acquire()).await {
            return Ok(permit);
        }
        let (max, waited) = (self.max, self.patience);
        let context = format!("{max} requests were under way for {waited:?} (requests_max)");
        Err(Error::new(Kind::Unavailable, context))
    }
}

/// Whether what holds the entries is there: a table or a bucket, made when it is first needed.
#[derive(Default)]
pub(crate) struct Ready {
    ready: AtomicBool,
    /// Held by the one who looks for it; when the last attempt that failed began, and why it did.
    making: Mutex<Option<(Instant, Error)>>,
}

impl Ready {
    /// Sees to it that it is there. Many callers look for it once.
    pub(crate) async fn make(&self, make: impl AsyncFnOnce() -> Result<()>) -> Result<()> {
        if self.ready.load(Ordering::Acquire) {
            return Ok(());
        }
        let came = Instant::now();
        let mut failed = self.making.lock().await;
        if self.ready.load(Ordering::Acquire) {
            return Ok(());
        }
        // an attempt that began after this caller came is its own, too
        if let Some((_, error)) = failed.as_ref().filter(|(began, _)| *began >= came) {
            return Err(error.clone());
        }
        let began = Instant::now();
        match make().await {
            Ok(()) => {
                self.set(true);
                Ok(())
            }
            Err(error) => {
                *failed = Some((began, error.clone()));
                Err(error)
            }
        }
    }

    /// Notes that it has been seen, or is gone.
    pub(crate) fn set(&self, is_there: bool) {
        self.ready.store(is_there, Ordering::Release);
    }
}

/// Why the rest of a call of many requests is not sent: each would be waited for in turn.
#[derive(Default)]
pub(crate) struct GivenUp(OnceLock<Error>);

impl GivenUp {
    /// Fails if a request of the call has failed.
    pub(crate) fn check(&self) -> Result<()> {
        self.0.get().map_or(Ok(()), |error| Err(error.clone()))
    }

    /// Remembers the first failure.
    pub(crate) fn note(&self, error: &Error) {
        self.0.get_or_init(|| error.clone());
    }
}

/// Growing pauses between attempts at what a service leaves undone for want of capacity.
#[cfg(feature = "dynamodb")]
#[derive(Default)]
pub(crate) struct Pauses(u32);

#[cfg(feature = "dynamodb")]
impl Pauses {
    /// How many there are: a bit more than three seconds.
    const MAX: u32 = 6;

    /// Waits; false if it was long enough.
    pub(crate) async fn pause(&mut self) -> bool {
        if self.0 == Self::MAX {
            return false;
        }
        tokio::time::sleep(PAUSE * 2_u32.pow(self.0)).await;
        self.0 += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(endpoint_url: Option<&str>) -> Service {
        Service {
            name: "DynamoDB",
            region_name: None,
            endpoint_url: endpoint_url.map(|url| url.to_owned().into()),
            credentials: None,
            timeout: TIMEOUT,
            connect_timeout: CONNECT_TIMEOUT,
        }
    }

    #[test]
    fn an_endpoint_is_a_url() {
        for url in ["http://localhost:8000", "https://db.example/path"] {
            assert!(service(Some(url)).check().is_ok(), "{url}");
        }
        for url in
            ["", "localhost:8000", "https://", "ftp://a", "http://user:hunter2@a", "http://a b"]
        {
            let error = service(Some(url)).check().expect_err(url);
            assert_eq!(error.kind(), Kind::Misconfigured);
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn credentials_are_whole_or_none() {
        let secret = Secret::from("s".to_owned());
        let made = |id, key, token| credentials(id, key, token).map(|it| it.is_some());
        let some = Some(&secret);
        assert_eq!(made(None, None, None).ok(), Some(false));
        assert_eq!(made(some, some, None).ok(), Some(true));
        assert_eq!(made(some, some, some).ok(), Some(true));
        for (id, key, token) in [(some, None, None), (None, some, None), (None, None, some)] {
            assert_eq!(made(id, key, token).expect_err("a part").kind(), Kind::Misconfigured);
        }
    }

    #[test]
    fn refusals() {
        for (code, status, kind, may_have_happened) in [
            ("UnrecognizedClientException", 400, Kind::AccessDenied, false),
            ("AccessDenied", 403, Kind::AccessDenied, false),
            ("ThrottlingException", 400, Kind::Unavailable, false),
            ("SlowDown", 503, Kind::Unavailable, false),
            ("InternalServerError", 500, Kind::Unavailable, true),
            ("ValidationException", 400, Kind::Internal, false),
        ] {
            let (error, was_sent) = service(None).refusal(Some(code), Some("said"), status);
            assert_eq!((error.kind(), was_sent), (kind, may_have_happened), "{code}");
            assert!(error.to_string().contains("said"), "{error}");
        }
        let quoted = Some("the canonical string was x-amz-security-token:hunter2");
        let (error, _) = service(None).refusal(Some("InvalidSignatureException"), quoted, 400);
        assert_eq!(error.kind(), Kind::AccessDenied);
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }

    #[tokio::test]
    async fn requests_are_waited_for_only_so_long() {
        let requests = Requests::new(NonZeroUsize::MIN, Duration::from_millis(10));
        let permit = requests.permit().await.expect("the first");
        let error = requests.permit().await.expect_err("a second");
        assert_eq!(error.kind(), Kind::Unavailable);
        drop(permit);
        assert!(requests.permit().await.is_ok());
    }
}
