//! What is asked of Vault, so many things at once.

use std::sync::Arc;

use kvgate_core::{Error, Kind, Result};
use rustify::endpoint::Endpoint;
use rustify::enums::{RequestMethod, RequestType, ResponseType};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use vaultrs::api;
use vaultrs::api::kv2::requests::ReadSecretRequest;
use vaultrs::error::ClientError;
use vaultrs::kv2;

use super::fault::{self, Effect, misconfigured, unavailable};
use super::locks::WAIT_MAX;
use super::login::{Session, Sessions};

/// The field in which an entry is, as in py-key-value.
const FIELD: &str = "value";

/// A KV version 2 engine.
pub(super) struct Engine {
    pub(super) mount: String,
    pub(super) sessions: Sessions,
    /// One for each request that may be on its way.
    pub(super) permits: Semaphore,
}

/// What is at a path.
pub(super) struct Secret {
    fields: Value,
    /// The version that was read: the newest.
    pub(super) version: u64,
}

impl Secret {
    /// The text of the entry in it.
    pub(super) fn into_text(mut self) -> Result<String> {
        match self.fields.get_mut(FIELD).map(Value::take) {
            Some(Value::String(text)) => Ok(text),
            _ => Err(Error::new(Kind::Unreadable, "the secret has no text in its field `value`")),
        }
    }
}

impl Engine {
    /// What is at a path; nothing as well if its newest version was deleted.
    pub(super) async fn read(&self, path: &str) -> Result<Option<Secret>> {
        let read = |session: Arc<Session>| async move {
            let request =
                ReadSecretRequest { mount: self.mount(), path: path.into(), version: None };
            api::exec_with_result(session.client(), request).await
        };
        let found = self.ask(Effect::Reads, read).await?;
        Ok(found.map(|found| Secret { fields: found.data, version: found.metadata.version }))
    }

    /// Stores a text: a new version of what is at the path.
    pub(super) async fn write(&self, path: &str, text: &str) -> Result<()> {
        let write = |session: Arc<Session>| async move {
            let fields = json!({ FIELD: text });
            kv2::set(session.client(), &self.mount, path, &fields).await
        };
        match self.ask(Effect::Writes, write).await? {
            Some(_) => Ok(()),
            None => Err(misconfigured("there is no KV version 2 engine at mount_point")),
        }
    }

    /// Removes all that is at a path: every version, and its name.
    pub(super) async fn remove(&self, path: &str) -> Result<()> {
        let remove = |session: Arc<Session>| async move {
            kv2::delete_metadata(session.client(), &self.mount, path).await
        };
        self.ask(Effect::Writes, remove).await.map(|_| ())
    }

    /// Removes what is in some versions, for good.
    pub(super) async fn empty(&self, path: &str, versions: Vec<u64>) -> Result<()> {
        let empty = |session: Arc<Session>| {
            let versions = versions.clone();
            async move { kv2::destroy_versions(session.client(), &self.mount, path, versions).await }
        };
        self.ask(Effect::Writes, empty).await.map(|_| ())
    }

    /// The names in a directory, which is a path that ends in a slash, or the empty one;
    /// so do the names of directories in it.
    pub(super) async fn list(&self, directory: &str) -> Result<Vec<String>> {
        let list = |session: Arc<Session>| async move {
            kv2::list(session.client(), &self.mount, directory).await
        };
        Ok(self.ask(Effect::Reads, list).await?.unwrap_or_default())
    }

    /// Checks that the mount is there and that we may use it.
    pub(super) async fn check(&self) -> Result<()> {
        let look = |session: Arc<Session>| async move {
            let request = ReadMount { mount: self.mount() };
            api::exec_with_result(session.client(), request).await
        };
        let found = self.ask(Effect::Reads, look).await?;
        let version = found.as_ref().and_then(|mount| mount.options.as_ref()?.version.as_deref());
        match version {
            Some("2") => Ok(()),
            _ => Err(misconfigured("what is at mount_point is not a KV engine of version 2")),
        }
    }

    fn mount(&self) -> String {
        self.mount.clone()
    }

    /// Asks for one thing; the answer is nothing if it is not there. A token that Vault
    /// no longer knows is replaced once, if there is a way.
    async fn ask<T, F: Future<Output = Result<T, ClientError>>>(
        &self,
        effect: Effect,
        send: impl Fn(Arc<Session>) -> F,
    ) -> Result<Option<T>> {
        let turn = timeout(WAIT_MAX, self.permits.acquire()).await;
        let Ok(Ok(_permit)) = turn else {
            return Err(unavailable("waiting for earlier requests to Vault (requests_max)"));
        };
        let session = self.sessions.current().await?;
        let mut answer = send(Arc::clone(&session)).await;
        let refused = answer.as_ref().is_err_and(fault::is_token_refused);
        if refused && self.sessions.give_up(&session) {
            answer = send(self.sessions.current().await?).await;
        }
        match answer {
            Ok(answer) => Ok(Some(answer)),
            Err(error) => fault::missing_or_error(error, effect).map(|()| None),
        }
    }
}

/// Asks about a mount: allowed to every token that may use anything in it.
struct ReadMount {
    mount: String,
}

#[derive(Deserialize)]
struct Mount {
    options: Option<MountOptions>,
}

#[derive(Deserialize)]
struct MountOptions {
    version: Option<String>,
}

impl Endpoint for ReadMount {
    type Response = Mount;
    const REQUEST_BODY_TYPE: RequestType = RequestType::JSON;
    const RESPONSE_BODY_TYPE: ResponseType = ResponseType::JSON;

    fn path(&self) -> String {
        format!("sys/internal/ui/mounts/{}", self.mount)
    }

    fn method(&self) -> RequestMethod {
        RequestMethod::GET
    }
}
