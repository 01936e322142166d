//! What the stores in AWS, and in what speaks like it, share: how they find their service,
//! sign in and try again, and what its refusals are to a caller.

use std::error::Error as StdError;
use std::num::NonZeroUsize;
use std::time::Duration;

use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use kvgate_core::{BackendUrl, Error, Kind, Result, Secret};
use tokio::sync::{Semaphore, SemaphorePermit};

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

    /// What a failed request is to a caller.
    pub(crate) fn failure<E>(&self, error: &SdkError<E, HttpResponse>) -> Error
    where
        E: StdError + ProvideErrorMetadata + 'static,
    {
        let name = self.name;
        let unavailable = |context: String| Error::new(Kind::Unavailable, context);
        match error {
            SdkError::ServiceError(refusal) => {
                let status = refusal.raw().status().as_u16();
                self.refusal(refusal.err().code(), refusal.err().message(), status)
            }
            SdkError::TimeoutError(_) => {
                unavailable(format!("{name} did not answer within {:?}", self.timeout))
                    .may_have_happened()
            }
            _ if is_about_credentials(error) => {
                let causes = causes(error);
                let context = format!("there are no credentials for {name} to be had: {causes}");
                Error::new(Kind::AccessDenied, context)
            }
            SdkError::ConstructionFailure(_) => {
                let context = format!("no request to {name} could be made: {}", causes(error));
                Error::new(Kind::Internal, context)
            }
            _ => unavailable(format!("{name} can't be reached: {}", causes(error)))
                .may_have_happened(),
        }
    }

    fn refusal(&self, code: Option<&str>, message: Option<&str>, status: u16) -> Error {
        let name = self.name;
        let code = code.unwrap_or("no code");
        let said = match message {
            Some(message) => format!("{code} (status {status}): {message}"),
            None => format!("{code} (status {status})"),
        };
        if NOT_ALLOWED.contains(&code) || matches!(status, 401 | 403) {
            let context =
                format!("{name} does not accept the credentials, or not for this: {said}");
            Error::new(Kind::AccessDenied, context)
        } else if is_throttling(code) || status == 429 {
            Error::new(Kind::Unavailable, format!("{name} is asked for too much: {said}"))
        } else if status >= 500 {
            Error::new(Kind::Unavailable, format!("{name} failed: {said}")).may_have_happened()
        } else {
            Error::new(Kind::Internal, format!("{name} refused a request: {said}"))
        }
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

fn is_about_credentials(error: &(dyn StdError + 'static)) -> bool {
    sources(error).any(<dyn StdError>::is::<CredentialsError>)
}

fn sources<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(error.source(), |cause| cause.source())
}

/// Bounds the requests that are under way at once.
pub(crate) struct Requests(Semaphore);

impl Requests {
    pub(crate) fn new(max: NonZeroUsize) -> Self {
        Self(Semaphore::new(max.get().min(Semaphore::MAX_PERMITS)))
    }

    /// Waits until another request may be sent.
    pub(crate) async fn permit(&self) -> Result<SemaphorePermit<'_>> {
        self.0.acquire().await.map_err(|error| {
            Error::new(Kind::Internal, "the bound of requests is closed").with_source(error)
        })
    }
}

/// Growing pauses between attempts at what a service leaves undone for want of capacity.
#[derive(Default)]
pub(crate) struct Pauses(u32);

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
