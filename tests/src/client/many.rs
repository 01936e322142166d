//! The calls on many keys.

use std::time::Duration;

use bytes::Bytes;
use kvgate_proto::v1::get_result::Outcome as Found;
use kvgate_proto::v1::{
    DeleteManyRequest, DeleteManyResponse, Entry, GetManyRequest, GetResult, PutEntry,
    PutManyRequest, TtlManyRequest, TtlResult,
};

use super::{Answer, Collection, answer, duration};
use crate::rpc_error::RpcError;

/// One entry to put, for ever unless its call says otherwise.
pub fn entry(key: impl Into<String>, value: impl Into<Bytes>) -> PutEntry {
    PutEntry { key: key.into(), value: value.into(), ttl: None }
}

/// One entry to put for a time.
pub fn entry_for(key: impl Into<String>, value: impl Into<Bytes>, ttl: Duration) -> PutEntry {
    PutEntry { ttl: Some(duration(ttl)), ..entry(key, value) }
}

/// What was found under one key, or the error that it alone has.
pub fn outcome(result: GetResult) -> Answer<Option<Entry>> {
    match result.outcome {
        None => Ok(None),
        Some(Found::Entry(entry)) => Ok(Some(entry)),
        Some(Found::Error(status)) => {
            Err(RpcError::of_entry(&format!("result of {:?}", result.key), &status))
        }
    }
}

/// Keys and values in the order of the answer; fails if a key has an error.
pub fn found(results: Vec<GetResult>) -> Answer<Vec<(String, Option<Bytes>)>> {
    let pairs = results.into_iter().map(|result| {
        let key = result.key.clone();
        Ok((key, outcome(result)?.map(|entry| entry.value)))
    });
    pairs.collect()
}

/// The first names of a call and how many there are.
fn names(keys: &[String]) -> (usize, &[String]) {
    (keys.len(), &keys[..keys.len().min(5)])
}

fn owned<K: AsRef<str>>(keys: &[K]) -> Vec<String> {
    keys.iter().map(|key| key.as_ref().to_owned()).collect()
}

impl Collection {
    /// Gets many entries.
    pub async fn get_many<K: AsRef<str>>(&self, keys: &[K]) -> Answer<Vec<GetResult>> {
        let keys = owned(keys);
        let call = self.describe("GetMany", &names(&keys));
        let request =
            GetManyRequest { store: self.store.clone(), collection: self.collection.clone(), keys };
        Ok(answer(&call, self.client.key_value().get_many(request).await)?.results)
    }

    /// Stores many entries.
    pub async fn put_many(&self, entries: Vec<PutEntry>) -> Answer<()> {
        self.put_many_with(entries, None).await
    }

    /// Stores many entries with a `ttl` for those that have none.
    pub async fn put_many_with(
        &self,
        entries: Vec<PutEntry>,
        ttl: Option<prost_types::Duration>,
    ) -> Answer<()> {
        let keys: Vec<String> = entries.iter().map(|entry| entry.key.clone()).collect();
        let call = self.describe("PutMany", &names(&keys));
        let (store, collection) = (self.store.clone(), self.collection.clone());
        let request = PutManyRequest { store, collection, entries, ttl };
        answer(&call, self.client.key_value().put_many(request).await).map(|_| ())
    }

    /// Removes many entries.
    pub async fn delete_many<K: AsRef<str>>(&self, keys: &[K]) -> Answer<DeleteManyResponse> {
        let keys = owned(keys);
        let call = self.describe("DeleteMany", &names(&keys));
        let (store, collection) = (self.store.clone(), self.collection.clone());
        let request = DeleteManyRequest { store, collection, keys };
        answer(&call, self.client.key_value().delete_many(request).await)
    }

    /// Gets many entries with the time each has left.
    pub async fn ttl_many<K: AsRef<str>>(&self, keys: &[K]) -> Answer<Vec<TtlResult>> {
        let keys = owned(keys);
        let call = self.describe("TtlMany", &names(&keys));
        let request =
            TtlManyRequest { store: self.store.clone(), collection: self.collection.clone(), keys };
        Ok(answer(&call, self.client.key_value().ttl_many(request).await)?.results)
    }
}
