//! The bucket: made when it is first needed, and again if it is gone.

use aws_sdk_s3::Client;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::config::{RequestChecksumCalculation, ResponseChecksumValidation};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};
use kvgate_core::{Error, Kind, Result};
use tokio::sync::OnceCell;

use super::expired::Conditions;
use crate::aws::{Attempts, Ready, Requests, Service};

/// The region that a bucket is in without having been told: naming it is refused.
const DEFAULT_REGION: &str = "us-east-1";

/// The refusals of those who make a bucket at the same time as others.
const IS_MADE: [&str; 2] = ["BucketAlreadyOwnedByYou", "OperationAborted"];

/// What S3 answers.
pub(super) type Answer<T, E> = Result<T, SdkError<E, HttpResponse>>;

/// The bucket and the client by which it is reached.
pub(super) struct Bucket {
    pub(super) name: String,
    pub(super) auto_create: bool,
    pub(super) path_style: Option<bool>,
    pub(super) service: Service,
    pub(super) requests: Requests,
    client: OnceCell<Client>,
    ready: Ready,
    /// Which conditions its server keeps, once that was tried out.
    pub(super) conditions: OnceCell<Conditions>,
}

impl Bucket {
    pub(super) fn new(
        name: String,
        auto_create: bool,
        path_style: Option<bool>,
        service: Service,
        requests: Requests,
    ) -> Self {
        let (client, ready, conditions) = Default::default();
        Self { name, auto_create, path_style, service, requests, client, ready, conditions }
    }

    /// Sends a request about the bucket. If the bucket is gone, it is made and asked again.
    pub(super) async fn attempt<T, E, F>(
        &self,
        request: impl Fn(Client) -> F,
    ) -> Result<Answer<T, E>>
    where
        F: Future<Output = Answer<T, E>>,
        E: ProvideErrorMetadata,
    {
        let client = self.client.get_or_try_init(|| self.connect()).await?;
        self.ready.make(async || self.make(client).await).await?;
        let permit = self.requests.permit().await?;
        let answer = request(client.clone()).await;
        if !answer.as_ref().is_err_and(is_gone) {
            return Ok(answer);
        }
        drop(permit);
        self.ready.set(false);
        self.ready.make(async || self.make(client).await).await?;
        let _permit = self.requests.permit().await?;
        Ok(request(client.clone()).await)
    }

    /// Asks whether the bucket is there and may be used.
    pub(super) async fn check(&self) -> Result<()> {
        let client = self.client.get_or_try_init(|| self.connect()).await?;
        self.make(client).await?;
        self.ready.set(true);
        Ok(())
    }

    /// What a failed write is to a caller.
    pub(super) fn failure<E>(&self, error: &SdkError<E, HttpResponse>) -> Error
    where
        E: std::error::Error + ProvideErrorMetadata + 'static,
    {
        self.explain(error, Service::failure)
    }

    /// What a failed request that only reads is to a caller.
    pub(super) fn read_failure<E>(&self, error: &SdkError<E, HttpResponse>) -> Error
    where
        E: std::error::Error + ProvideErrorMetadata + 'static,
    {
        self.explain(error, Service::read_failure)
    }

    fn explain<E: ProvideErrorMetadata>(
        &self,
        error: &SdkError<E, HttpResponse>,
        otherwise: impl Fn(&Service, &SdkError<E, HttpResponse>) -> Error,
    ) -> Error {
        let said = |text: &str| match error.message() {
            Some(message) => format!("{text}: {message}"),
            None => text.to_owned(),
        };
        match error.code() {
            Some(NO_BUCKET) => {
                let context = format!("the bucket {} is gone: try again", self.name);
                Error::new(Kind::Unavailable, context)
            }
            Some(code) if BAD_NAMES.contains(&code) => {
                Error::new(Kind::InvalidKey, said("S3 does not take this name of an object"))
            }
            Some(code) if BESIDE_FILE.contains(&code) => {
                let context = "this server keeps objects as files, and has none for `p/q` beside \
                               `p`: set plain_slashes = false";
                Error::new(Kind::InvalidKey, said(context))
            }
            Some(code) if CONFLICTS.contains(&code) => {
                Error::new(Kind::Unavailable, said("others write the same object"))
            }
            Some(code) if NO_ROOM.contains(&code) => {
                Error::new(Kind::Full, said("S3 has no room left"))
            }
            _ => otherwise(&self.service, error),
        }
    }

    async fn connect(&self) -> Result<Client> {
        let shared = self.service.load().await?;
        let mut config = aws_sdk_s3::config::Builder::from(&shared).interceptor(Attempts);
        if self.service.endpoint_url.is_some() {
            // not every server that speaks S3 knows the newer checksums
            config = config
                .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
                .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
        }
        let path_style = self.path_style.unwrap_or(self.service.endpoint_url.is_some());
        Ok(Client::from_conf(config.force_path_style(path_style).build()))
    }

    async fn make(&self, client: &Client) -> Result<()> {
        let name = &self.name;
        let _permit = self.requests.permit().await?;
        let Err(error) = client.head_bucket().bucket(name).send().await else {
            return Ok(());
        };
        let misconfigured = |context: String| Err(Error::new(Kind::Misconfigured, context));
        match error.raw_response().map(|answer| answer.status().as_u16()) {
            Some(404) if self.auto_create => self.create(client).await,
            Some(404) => misconfigured(format!(
                "there is no bucket {name}: make it, or set auto_create = true"
            )),
            // AWS says so, without redirecting
            Some(301) => {
                misconfigured(format!("the bucket {name} is in another region: set region_name"))
            }
            _ => Err(self.service.read_failure(&error)),
        }
    }

    async fn create(&self, client: &Client) -> Result<()> {
        let mut request = client.create_bucket().bucket(&self.name);
        let region = client.config().region().map(AsRef::as_ref);
        // a server of one's own has one region, and no name for it
        let named =
            region.filter(|it| *it != DEFAULT_REGION && self.service.endpoint_url.is_none());
        if let Some(region) = named {
            let place = BucketLocationConstraint::from(region);
            let settings = CreateBucketConfiguration::builder().location_constraint(place).build();
            request = request.create_bucket_configuration(settings);
        }
        match request.send().await {
            Ok(_) => {
                tracing::info!(bucket = self.name, "made the bucket");
                Ok(())
            }
            Err(error) if error.code().is_some_and(|code| IS_MADE.contains(&code)) => Ok(()),
            Err(error) => Err(self.service.failure(&error)),
        }
    }
}

const NO_BUCKET: &str = "NoSuchBucket";

/// Names that are longer, or otherwise beyond a server: only `sanitize = "v1"` sends them.
const BAD_NAMES: [&str; 3] = ["KeyTooLongError", "InvalidObjectName", "XMinioInvalidObjectName"];

/// Of servers that keep objects as files.
const BESIDE_FILE: [&str; 2] = ["ExistingObjectIsDirectory", "ObjectParentIsFile"];

/// Others write the same object at the same moment.
const CONFLICTS: [&str; 2] = ["ConditionalRequestConflict", "OperationAborted"];

const NO_ROOM: [&str; 4] =
    ["InsufficientStorage", "QuotaExceeded", "XMinioAdminBucketQuotaExceeded", "XMinioStorageFull"];

/// Whether the bucket is gone.
fn is_gone<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    error.code() == Some(NO_BUCKET)
}

/// Whether a put may succeed if it is sent again: versitygw says that there is a folder in
/// its way also if somebody has just removed the last object beside it, and the folder
/// with that.
pub(super) fn is_passing<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    error.code().is_some_and(|code| code == BESIDE_FILE[0] || CONFLICTS.contains(&code))
}

/// Whether an object is not there.
pub(super) fn is_missing<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    has_status(error, 404) && !is_gone(error)
}

/// Whether the condition of a request did not hold: its object is another one by now, or
/// is no more.
pub(super) fn is_unmet<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    has_status(error, 412) || is_missing(error)
}

fn has_status<E>(error: &SdkError<E, HttpResponse>, status: u16) -> bool {
    error.raw_response().is_some_and(|answer| answer.status().as_u16() == status)
}
