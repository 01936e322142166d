//! The table: made when it is first needed, and again if it is gone.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{BuildError, ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
    TableDescription, TableStatus, TimeToLiveSpecification, TimeToLiveStatus,
};
use kvgate_core::{Error, Kind, Result};
use tokio::sync::{Mutex, OnceCell};

use super::item::{COLLECTION, KEY, TTL};
use crate::aws::{Requests, Service};

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
    ready: AtomicBool,
    /// Held by the one who looks for the table; when the last attempt that failed began, and why.
    making: Mutex<Option<(Instant, Error)>>,
}

impl Table {
    pub(super) fn new(
        name: String,
        auto_create: bool,
        service: Service,
        requests: Requests,
    ) -> Self {
        let (client, ready, making) = Default::default();
        Self { name, auto_create, service, requests, client, ready, making }
    }

    /// Sends a request about the table. If the table is gone, it is made and asked again.
    pub(super) async fn send<T, E, F>(&self, request: impl Fn(Client) -> F) -> Result<T>
    where
        F: Future<Output = Answer<T, E>>,
        E: std::error::Error + ProvideErrorMetadata + 'static,
    {
        self.attempt(request).await?.map_err(|error| self.service.failure(&error))
    }

    /// Like [`Table::send`], for callers who expect a refusal of this request.
    pub(super) async fn attempt<T, E, F>(
        &self,
        request: impl Fn(Client) -> F,
    ) -> Result<Answer<T, E>>
    where
        F: Future<Output = Answer<T, E>>,
        E: ProvideErrorMetadata,
    {
        let made = self
            .client
            .get_or_try_init(async || Ok::<_, Error>(Client::new(&self.service.load().await?)));
        let client = made.await?;
        self.make_ready(client).await?;
        let permit = self.requests.permit().await?;
        let answer = request(client.clone()).await;
        if !answer.as_ref().is_err_and(is_missing) {
            return Ok(answer);
        }
        drop(permit);
        self.ready.store(false, Ordering::Release);
        self.make_ready(client).await?;
        let _permit = self.requests.permit().await?;
        Ok(request(client.clone()).await)
    }

    /// Sees to it that the table is there. Many callers look for it once.
    async fn make_ready(&self, client: &Client) -> Result<()> {
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
        match self.make(client).await {
            Ok(()) => {
                self.ready.store(true, Ordering::Release);
                Ok(())
            }
            Err(error) => {
                *failed = Some((began, error.clone()));
                Err(error)
            }
        }
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
                    return self.let_expire(client).await;
                }
                _ if Instant::now() > until => {
                    let context = format!("the table {} is not ready yet: try again", self.name);
                    return Err(Error::new(Kind::Unavailable, context));
                }
                None => self.create(client).await?,
                Some(_) => {}
            }
            tokio::time::sleep(MAKING_INTERVAL).await;
        }
    }

    async fn describe(&self, client: &Client) -> Result<Option<TableDescription>> {
        match client.describe_table().table_name(&self.name).send().await {
            Ok(answer) => Ok(answer.table),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(self.service.failure(&error)),
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
    /// so who may not do it is told and no more.
    async fn let_expire(&self, client: &Client) -> Result<()> {
        let name = &self.name;
        let described = client.describe_time_to_live().table_name(name).send().await;
        let answer = described.map_err(|error| self.service.failure(&error));
        let state = match answer {
            Err(error) if error.kind() == Kind::Unavailable => return Err(error),
            Err(error) => {
                tracing::warn!(table = name, "does DynamoDB remove what expires? {error}");
                return Ok(());
            }
            Ok(answer) => answer.time_to_live_description.unwrap_or_else(|| {
                aws_sdk_dynamodb::types::TimeToLiveDescription::builder().build()
            }),
        };
        if state.time_to_live_status() == Some(&TimeToLiveStatus::Disabled) {
            return self.switch_expiry_on(client).await;
        }
        if state.attribute_name().is_some_and(|attribute| attribute != TTL) {
            tracing::warn!(table = name, "the table's TTL is not on the attribute {TTL}");
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

fn is_missing<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    error.code() == Some(NO_TABLE)
}

/// A request that kvgate has not filled in: a fault of its own.
pub(super) fn incomplete(error: BuildError) -> Error {
    Error::new(Kind::Internal, "an incomplete request to DynamoDB").with_source(error)
}
