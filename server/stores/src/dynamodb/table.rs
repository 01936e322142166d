//! The table: made when it is first needed, and again if it is gone.

use std::time::{Duration, Instant};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{BuildError, ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
    TableDescription, TableStatus, TimeToLiveSpecification, TimeToLiveStatus,
};
use kvgate_core::{Error, Kind, Result};
use tokio::sync::OnceCell;

use super::item::{COLLECTION, KEY, TTL};
use crate::aws::{Attempts, Ready, Requests, Service};

/// How long a new table may take until it can be used.
const MAKING_MAX: Duration = Duration::from_mins(1);

/// How often a new table is looked at.
const MAKING_INTERVAL: Duration = Duration::from_millis(100);

const NO_TABLE: &str = "ResourceNotFoundException";
const TABLE_IN_USE: &str = "ResourceInUseException";

/// What DynamoDB answers.
pub(super) type Answer<T, E> = Result<T, SdkError<E, HttpResponse>>;

/// The table and the client by which it is reached.
pub(super) struct Table {
    pub(super) name: String,
    pub(super) auto_create: bool,
    pub(super) service: Service,
    pub(super) requests: Requests,
    client: OnceCell<Client>,
    ready: Ready,
}

impl Table {
    pub(super) fn new(
        name: String,
        auto_create: bool,
        service: Service,
        requests: Requests,
    ) -> Self {
        let (client, ready) = Default::default();
        Self { name, auto_create, service, requests, client, ready }
    }

    /// Sends a request that only reads.
    pub(super) async fn read<T, E, F>(&self, request: impl Fn(Client) -> F) -> Result<T>
    where
        F: Future<Output = Answer<T, E>>,
        E: std::error::Error + ProvideErrorMetadata + 'static,
    {
        let answer = self.attempt(request).await?;
        answer.map_err(|error| self.gone(&error, Service::read_failure))
    }

    /// Sends a request about the table. If the table is gone, it is made and asked again.
    pub(super) async fn attempt<T, E, F>(
        &self,
        request: impl Fn(Client) -> F,
    ) -> Result<Answer<T, E>>
    where
        F: Future<Output = Answer<T, E>>,
        E: ProvideErrorMetadata,
    {
        let client = self.client.get_or_try_init(async || {
            let shared = self.service.load().await?;
            let config = aws_sdk_dynamodb::config::Builder::from(&shared);
            Ok::<_, Error>(Client::from_conf(config.interceptor(Attempts).build()))
        });
        let client = client.await?;
        self.ready.make(async || self.make(client).await).await?;
        let permit = self.requests.permit().await?;
        let answer = request(client.clone()).await;
        if !answer.as_ref().is_err_and(is_missing) {
            return Ok(answer);
        }
        drop(permit);
        self.ready.set(false);
        self.ready.make(async || self.make(client).await).await?;
        let _permit = self.requests.permit().await?;
        Ok(request(client.clone()).await)
    }

    /// What a write that failed is to a caller.
    pub(super) fn failure<E>(&self, error: &SdkError<E, HttpResponse>) -> Error
    where
        E: std::error::Error + ProvideErrorMetadata + 'static,
    {
        self.gone(error, Service::failure)
    }

    /// A table that has just been there is gone again, or not yet known everywhere.
    fn gone<E: ProvideErrorMetadata>(
        &self,
        error: &SdkError<E, HttpResponse>,
        otherwise: impl Fn(&Service, &SdkError<E, HttpResponse>) -> Error,
    ) -> Error {
        if is_missing(error) {
            let context = format!("the table {} is gone: try again", self.name);
            return Error::new(Kind::Unavailable, context);
        }
        otherwise(&self.service, error)
    }

    async fn make(&self, client: &Client) -> Result<()> {
        let until = Instant::now() + MAKING_MAX;
        loop {
            match self.describe(client).await? {
                None if !self.auto_create => {
                    let name = &self.name;
                    return Err(Error::new(
                        Kind::Misconfigured,
                        format!("there is no table {name}: make it, or set auto_create = true"),
                    ));
                }
                Some(table) if is_usable(&table) => {
                    self.check_keys(&table)?;
                    return self.see_to_expiry(client).await;
                }
                Some(table) if !is_in_between(&table) || Instant::now() > until => {
                    let status = table.table_status().map_or("in no state", TableStatus::as_str);
                    let context = format!("the table {} can't be used: it is {status}", self.name);
                    return Err(Error::new(Kind::Unavailable, context));
                }
                Some(_) => {}
                None => self.create(client).await?,
            }
            tokio::time::sleep(MAKING_INTERVAL).await;
        }
    }

    async fn describe(&self, client: &Client) -> Result<Option<TableDescription>> {
        match client.describe_table().table_name(&self.name).send().await {
            Ok(answer) => Ok(answer.table),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(self.service.read_failure(&error)),
        }
    }

    async fn create(&self, client: &Client) -> Result<()> {
        let mut request =
            client.create_table().table_name(&self.name).billing_mode(BillingMode::PayPerRequest);
        for (name, key_type) in [(COLLECTION, KeyType::Hash), (KEY, KeyType::Range)] {
            let definition = AttributeDefinition::builder()
                .attribute_name(name)
                .attribute_type(ScalarAttributeType::S);
            let element = KeySchemaElement::builder().attribute_name(name).key_type(key_type);
            request = request
                .attribute_definitions(definition.build().map_err(incomplete)?)
                .key_schema(element.build().map_err(incomplete)?);
        }
        match request.send().await {
            Ok(_) => {
                tracing::info!(table = self.name, "made the table");
                Ok(())
            }
            // somebody else makes it at the same time
            Err(error) if error.code() == Some(TABLE_IN_USE) => Ok(()),
            Err(error) => Err(self.service.failure(&error)),
        }
    }

    fn check_keys(&self, table: &TableDescription) -> Result<()> {
        let keys = table.key_schema().iter().map(KeySchemaElement::attribute_name);
        if keys.eq([COLLECTION, KEY]) {
            return Ok(());
        }
        let name = &self.name;
        Err(Error::new(
            Kind::Misconfigured,
            format!("the table {name} is another's: its keys are not collection and key"),
        ))
    }

    /// Lets DynamoDB remove what has expired. Without that the store works all the same,
    /// so who may not do it is told and no more. A table that others make stays as they
    /// made it.
    async fn see_to_expiry(&self, client: &Client) -> Result<()> {
        let name = &self.name;
        let described = client.describe_time_to_live().table_name(name).send().await;
        let state = match described.map_err(|error| self.service.read_failure(&error)) {
            Ok(answer) => answer.time_to_live_description,
            Err(error) if error.kind() == Kind::Unavailable => return Err(error),
            Err(error) => {
                tracing::warn!(table = name, "does DynamoDB remove what expires? {error}");
                return Ok(());
            }
        };
        let is_off = state.as_ref().is_none_or(|state| {
            matches!(state.time_to_live_status(), None | Some(TimeToLiveStatus::Disabled))
        });
        if is_off && self.auto_create {
            return self.switch_expiry_on(client).await;
        }
        if is_off || state.is_some_and(|state| state.attribute_name() != Some(TTL)) {
            tracing::warn!(
                table = name,
                "what expires stays in the table until it is culled: no TTL on {TTL}"
            );
        }
        Ok(())
    }

    async fn switch_expiry_on(&self, client: &Client) -> Result<()> {
        let specification = TimeToLiveSpecification::builder().enabled(true).attribute_name(TTL);
        let request = client
            .update_time_to_live()
            .table_name(&self.name)
            .time_to_live_specification(specification.build().map_err(incomplete)?);
        match request.send().await.map_err(|error| self.service.failure(&error)) {
            Err(error) if error.kind() == Kind::Unavailable => Err(error),
            Err(error) => {
                // it may be on by now: somebody else has done it at the same time
                tracing::warn!(table = self.name, "no TTL on the table: {error}");
                Ok(())
            }
            Ok(_) => Ok(()),
        }
    }
}

fn is_usable(table: &TableDescription) -> bool {
    matches!(table.table_status(), Some(TableStatus::Active | TableStatus::Updating))
}

/// Whether the table is on its way to be there, or not to be.
fn is_in_between(table: &TableDescription) -> bool {
    matches!(table.table_status(), Some(TableStatus::Creating | TableStatus::Deleting))
}

fn is_missing<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    error.code() == Some(NO_TABLE)
}

/// A request that kvgate has not filled in: a fault of its own.
pub(super) fn incomplete(error: BuildError) -> Error {
    Error::new(Kind::Internal, "an incomplete request to DynamoDB").with_source(error)
}
