//! The calls on one key.

use std::fmt::Debug;
use std::time::Duration;

use bytes::Bytes;
use kvgate_proto::v1::{DeleteRequest, Entry, GetRequest, PutRequest, TtlRequest, TtlResponse};

use super::{Answer, Client, answer, describe, duration};

/// One collection of one store.
#[derive(Clone)]
pub struct Collection {
    /// The connection.
    pub client: Client,
    /// The store's name; empty for the default store.
    pub store: String,
    /// The collection's name; empty for the default collection.
    pub collection: String,
}

impl Collection {
    /// Another collection of the same store.
    #[must_use]
    pub fn beside(&self, collection: &str) -> Self {
        Self { collection: collection.to_owned(), ..self.clone() }
    }

    /// Names a call for its failure.
    pub fn describe(&self, call: &str, names: &impl Debug) -> String {
        describe(call, &self.store, Some(&self.collection), names)
    }

    /// Gets one entry.
    pub async fn get(&self, key: &str) -> Answer<Option<Entry>> {
        let request = GetRequest {
            store: self.store.clone(),
            collection: self.collection.clone(),
            key: key.to_owned(),
        };
        let result = self.client.key_value().get(request).await;
        Ok(answer(&self.describe("Get", &key), result)?.entry)
    }

    /// Gets the value of one entry.
    pub async fn value(&self, key: &str) -> Answer<Option<Bytes>> {
        Ok(self.get(key).await?.map(|entry| entry.value))
    }

    /// Stores one entry for ever.
    pub async fn put(&self, key: &str, value: impl Into<Bytes>) -> Answer<()> {
        self.put_with(key, value, None).await
    }

    /// Stores one entry for a time.
    pub async fn put_for(&self, key: &str, value: impl Into<Bytes>, ttl: Duration) -> Answer<()> {
        self.put_with(key, value, Some(duration(ttl))).await
    }

    /// Stores one entry with a `ttl` as the message carries it.
    pub async fn put_with(
        &self,
        key: &str,
        value: impl Into<Bytes>,
        ttl: Option<prost_types::Duration>,
    ) -> Answer<()> {
        let request = PutRequest {
            store: self.store.clone(),
            collection: self.collection.clone(),
            key: key.to_owned(),
            value: value.into(),
            ttl,
        };
        let result = self.client.key_value().put(request).await;
        answer(&self.describe("Put", &key), result).map(|_| ())
    }

    /// Removes one entry.
    pub async fn delete(&self, key: &str) -> Answer<bool> {
        let request = DeleteRequest {
            store: self.store.clone(),
            collection: self.collection.clone(),
            key: key.to_owned(),
        };
        let result = self.client.key_value().delete(request).await;
        Ok(answer(&self.describe("Delete", &key), result)?.deleted)
    }

    /// Gets one entry with the time it has left.
    pub async fn ttl(&self, key: &str) -> Answer<TtlResponse> {
        let request = TtlRequest {
            store: self.store.clone(),
            collection: self.collection.clone(),
            key: key.to_owned(),
        };
        let result = self.client.key_value().ttl(request).await;
        answer(&self.describe("Ttl", &key), result)
    }
}
