//! The driver's client, and calls that end in time.

use std::num::NonZeroU32;
use std::time::Duration;

use ::mongodb::bson::raw::{RawArrayBuf, RawDocumentBuf};
use ::mongodb::bson::{Document, cstr, doc, rawdoc, serialize_to_raw_document_buf};
use ::mongodb::error::Result as DriverResult;
use ::mongodb::options::{
    Acknowledgment, ClientOptions, ConnectionString, Credential, FindOptions, Tls, TlsOptions,
    WriteConcern,
};
use futures::TryStreamExt as _;
use kvgate_core::{Error, Kind, Result};
use tokio::sync::OnceCell;

use super::slots::{Slots, Unanswered};
use super::{Config, fault};
use crate::tls::install_cryptography;

/// How often the driver looks whether a server answers: it closes the connections to one
/// that does not.
const HEARTBEAT: Duration = Duration::from_secs(2);

/// Connections that nobody used for so long are closed before somebody on the way does.
const IDLE_MAX: Duration = Duration::from_mins(1);

/// A database, whose client is made by the first call: that needs a runtime, and for a
/// `mongodb+srv` URL a name server.
pub(super) struct Database {
    config: Config,
    opened: OnceCell<Opened>,
}

struct Opened {
    database: ::mongodb::Database,
    write_concern: RawDocumentBuf,
    slots: Slots,
}

impl Database {
    /// Checks the settings, as far as that needs no network.
    pub(super) fn new(config: Config) -> Result<Self> {
        connection_string(&config)?;
        tls_options(&config)?;
        check_name(&config.db_name)?;
        if config.username.is_none() && config.password.is_some() {
            return Err(misconfigured("password needs username"));
        }
        install_cryptography();
        Ok(Self { config, opened: OnceCell::new() })
    }

    /// All documents that a query finds: in one round trip unless they are many MiB.
    pub(super) async fn find(
        &self,
        collection: &str,
        filter: Document,
        options: FindOptions,
    ) -> Result<Vec<RawDocumentBuf>> {
        let opened = self.opened().await?;
        let collection = opened.database.collection::<RawDocumentBuf>(collection);
        let found = async move {
            let cursor = collection.find(filter).with_options(options).await?;
            cursor.try_collect().await
        };
        self.read(opened, found).await
    }

    /// The names of all collections, sorted.
    pub(super) async fn collections(&self) -> Result<Vec<String>> {
        let opened = self.opened().await?;
        let database = opened.database.clone();
        let names = async move { database.list_collection_names().await };
        let mut names = self.read(opened, names).await?;
        names.sort_unstable();
        Ok(names)
    }

    /// Makes indexes; those that are there are left as they are.
    pub(super) async fn create_indexes(
        &self,
        collection: &str,
        indexes: &[Document],
    ) -> Result<()> {
        let command = doc! { "createIndexes": collection, "indexes": indexes };
        self.write(raw(&command)?, self.config.timeout).await.map(drop)
    }

    /// Runs the statements of an `update`, all of them even if one fails.
    pub(super) async fn update(
        &self,
        collection: &str,
        statements: RawArrayBuf,
    ) -> Result<Document> {
        let command = rawdoc! { "update": collection, "updates": statements, "ordered": false };
        self.write(command, self.config.timeout).await
    }

    /// Deletes the newest document that matches and answers with these of its members.
    pub(super) async fn find_and_delete(
        &self,
        collection: &str,
        filter: Document,
        members: Document,
    ) -> Result<Option<RawDocumentBuf>> {
        let command = doc! {
            "findAndModify": collection, "query": filter, "sort": { "created_at": -1 },
            "remove": true, "fields": members,
        };
        let answer = self.write(raw(&command)?, self.config.timeout).await?;
        answer.get_document("value").ok().map(raw).transpose()
    }

    /// Deletes what matches and answers how many documents that were.
    pub(super) async fn delete(
        &self,
        collection: &str,
        filter: Document,
        timeout: Duration,
    ) -> Result<u64> {
        let statement = doc! { "q": filter, "limit": 0 };
        let command = doc! { "delete": collection, "deletes": [statement] };
        let answer = self.write(raw(&command)?, timeout).await?;
        if let Some(failed) = write_errors(&answer)?.first() {
            return Err(fault::of_statement(failed.code).may_have_happened());
        }
        number(&answer, "n")
    }

    /// Runs a command that writes. Its statements may have failed all the same.
    async fn write(&self, mut command: RawDocumentBuf, timeout: Duration) -> Result<Document> {
        let opened = self.opened().await?;
        command.append(cstr!("writeConcern"), opened.write_concern.clone());
        let database = opened.database.clone();
        let running = async move { database.run_raw_command(command).await };
        let answer = match opened.slots.run(timeout, running).await {
            Ok(answer) => answer.map_err(|error| fault::of_write(&error))?,
            Err(Unanswered::NoSlot(error)) => return Err(error),
            Err(Unanswered::NoAnswer(error)) => return Err(error.may_have_happened()),
        };
        match answer.get_document("writeConcernError") {
            Ok(error) => Err(fault::of_write_concern(error.get_i32("code").unwrap_or_default())),
            Err(_) => Ok(answer),
        }
    }

    async fn read<T: Send + 'static>(
        &self,
        opened: &Opened,
        reading: impl Future<Output = DriverResult<T>> + Send + 'static,
    ) -> Result<T> {
        match opened.slots.run(self.config.timeout, reading).await {
            Ok(answer) => answer.map_err(|error| fault::of_read(&error)),
            Err(Unanswered::NoSlot(error) | Unanswered::NoAnswer(error)) => Err(error),
        }
    }

    async fn opened(&self) -> Result<&Opened> {
        let opening = self.opened.get_or_try_init(|| open(&self.config));
        match tokio::time::timeout(self.config.timeout, opening).await {
            Ok(opened) => opened,
            Err(_) => Err(fault::no_answer(self.config.timeout)),
        }
    }
}

fn raw(document: &Document) -> Result<RawDocumentBuf> {
    RawDocumentBuf::try_from(document)
        .map_err(|_| Error::new(Kind::Internal, "a document can't be written as BSON"))
}

/// A statement of a write that failed.
pub(super) struct WriteError {
    /// Which one, from 0.
    pub(super) index: usize,
    /// The server's code.
    pub(super) code: i32,
}

/// What the answer to a write says of statements that failed.
pub(super) fn write_errors(answer: &Document) -> Result<Vec<WriteError>> {
    let Ok(errors) = answer.get_array("writeErrors") else {
        return Ok(Vec::new());
    };
    let errors = errors.iter().map(|error| {
        let error = error.as_document()?;
        let index = usize::try_from(number(error, "index").ok()?).ok()?;
        Some(WriteError { index, code: error.get_i32("code").ok()? })
    });
    let errors: Option<Vec<WriteError>> = errors.collect();
    errors.ok_or_else(|| fault::bad_answer("a writeError without index and code"))
}

/// A count: which of the types of numbers it has depends on the server.
fn number(answer: &Document, name: &str) -> Result<u64> {
    let number = match answer.get(name) {
        Some(::mongodb::bson::Bson::Int32(number)) => u64::try_from(*number).ok(),
        Some(::mongodb::bson::Bson::Int64(number)) => u64::try_from(*number).ok(),
        _ => None,
    };
    number.ok_or_else(|| fault::bad_answer(&format!("no {name}")))
}

/// Makes the client, whose tasks live on this runtime. What the URL says itself stays.
async fn open(config: &Config) -> Result<Opened> {
    let mut options = ClientOptions::parse(connection_string(config)?)
        .await
        .map_err(|error| fault::of_read(&error))?;
    options.app_name.get_or_insert_with(|| "kvgate".to_owned());
    // also how long a heartbeat may take: one that fails ends all calls that are under way
    options.connect_timeout.get_or_insert(config.timeout);
    // the driver's 30 s are too long to wait for a backend that is down
    options.server_selection_timeout.get_or_insert(config.connect_timeout);
    options.heartbeat_freq.get_or_insert(HEARTBEAT);
    options.max_idle_time.get_or_insert(IDLE_MAX);
    let in_use = options.max_pool_size.and_then(NonZeroU32::new).unwrap_or(config.connections);
    // the slots are the bound, so that nobody waits in the pool
    options.max_pool_size = Some(u32::MAX);
    options.max_connecting = Some(u32::MAX);
    if let Some(tls) = tls_options(config)? {
        options.tls = Some(Tls::Enabled(tls));
    }
    if let Some(username) = &config.username {
        let credential = options.credential.get_or_insert_with(Credential::default);
        credential.username = Some(username.clone());
        if credential.source.is_none() {
            credential.source.clone_from(&options.default_database);
        }
        if let Some(password) = &config.password {
            credential.password = Some(password.expose().to_owned());
        }
    }
    let write_concern = write_concern(&options)?;
    let client = ::mongodb::Client::with_options(options).map_err(|e| fault::of_read(&e))?;
    let database = client.database(&config.db_name);
    Ok(Opened { database, write_concern, slots: Slots::new(in_use) })
}

/// When a write is acknowledged: by default once most servers have it in their journals.
fn write_concern(options: &ClientOptions) -> Result<RawDocumentBuf> {
    let write_concern = options.write_concern.clone().unwrap_or_else(|| {
        WriteConcern::builder().w(Acknowledgment::Majority).journal(true).build()
    });
    if matches!(write_concern.w, Some(Acknowledgment::Nodes(0))) {
        return Err(misconfigured("url: with w=0 no write would be acknowledged; leave w out"));
    }
    serialize_to_raw_document_buf(&write_concern)
        .map_err(|_| misconfigured("url: w, journal or wTimeoutMS can't be used"))
}

/// The driver's own texts are not passed on: they quote parts of the URL, where a
/// password may be.
fn connection_string(config: &Config) -> Result<ConnectionString> {
    ConnectionString::parse(config.url.expose()).map_err(|_| {
        misconfigured(
            "url is no connection string of MongoDB: expected mongodb://HOST:PORT or \
             mongodb+srv://HOST, with a user and password in it percent-encoded, and after /? \
             options that the driver knows",
        )
    })
}

/// The driver reads the files itself. What it would pass over in silence is looked for here.
fn tls_options(config: &Config) -> Result<Option<TlsOptions>> {
    let Some(tls) = &config.tls else {
        return Ok(None);
    };
    let files = tls.read()?;
    if files.authorities.is_some_and(|pem| !holds_certificate(&pem)) {
        return Err(misconfigured("tls.ca_file holds no certificate in PEM"));
    }
    if files.identity.is_some_and(|(cert, key)| cert != key) {
        return Err(misconfigured(
            "MongoDB's driver takes certificate and key from one file: write both into one and \
             name it in tls.cert_file and in tls.key_file",
        ));
    }
    let paths = tls.paths()?;
    let mut options = TlsOptions::default();
    options.ca_file_path = paths.authorities.map(ToOwned::to_owned);
    options.cert_key_file_path = paths.identity.map(|(cert, _)| cert.to_owned());
    Ok(Some(options))
}

fn holds_certificate(pem: &[u8]) -> bool {
    let begin = b"-----BEGIN CERTIFICATE-----";
    pem.windows(begin.len()).any(|window| window == begin)
}

/// What MongoDB takes as a database's name, on every system.
fn check_name(db_name: &str) -> Result<()> {
    let is_odd = |c: char| c.is_whitespace() || "/\\.\"$*<>:|?\0".contains(c);
    if db_name.is_empty() || db_name.len() > 63 || db_name.contains(is_odd) {
        return Err(misconfigured(
            "db_name must be 1 to 63 bytes without white space and none of /\\.\"$*<>:|?",
        ));
    }
    Ok(())
}

fn misconfigured(context: &str) -> Error {
    Error::new(Kind::Misconfigured, context)
}
