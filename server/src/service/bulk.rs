//! Calls for many keys that are answered in one message.

use std::collections::HashMap;

use kvgate_core::{Entry, Error, Outcome};
use kvgate_proto::v1::{
    DeleteManyRequest, DeleteManyResponse, DeleteResult, FailedEntry, GetManyRequest,
    GetManyResponse, PutEntry, PutManyFailure, PutManyRequest, PutManyResponse, TtlManyRequest,
    TtlManyResponse,
};
use tonic::Status;

use super::caller::Caller;
use super::request::Target;
use super::status::{Fault, with_put_failure};
use super::{Service, convert};
use crate::config::Operation;

/// How many keys are read from a store at once for one answer. With values of 4 MiB
/// they take 4 GiB before it is seen that they are too much; more keys need a second
/// round trip.
const CHUNK_KEYS_MAX: usize = 1_000;

/// How many failed entries an error shows in full: it travels in a header, and
/// clients take headers of 8 KiB.
const SHOWN_FAILURES_MAX: usize = 4;

/// How much of a failed entry's key an error shows, for the same reason.
const SHOWN_KEY_CHARS_MAX: usize = 100;

impl Service {
    pub(super) async fn get_many(
        &self,
        caller: &Caller,
        request: GetManyRequest,
    ) -> Result<GetManyResponse, Fault> {
        let target = self.target(caller, Operation::Read, &request.store, &request.collection)?;
        self.check_keys(&request.keys)?;
        let found = self.find(&target, &request.keys).await?;
        let results = request.keys.into_iter().zip(found);
        let results = results.map(|(key, found)| convert::get_result(key, found)).collect();
        let response = GetManyResponse { results };
        self.check_response(&response)?;
        Ok(response)
    }

    pub(super) async fn ttl_many(
        &self,
        caller: &Caller,
        request: TtlManyRequest,
    ) -> Result<TtlManyResponse, Fault> {
        let target = self.target(caller, Operation::Read, &request.store, &request.collection)?;
        self.check_keys(&request.keys)?;
        let found = self.find(&target, &request.keys).await?;
        let now = self.topology.clock.now();
        let results = request.keys.into_iter().zip(found);
        let results = results.map(|(key, found)| convert::ttl_result(key, found, now)).collect();
        let response = TtlManyResponse { results };
        self.check_response(&response)?;
        Ok(response)
    }

    pub(super) async fn put_many(
        &self,
        caller: &Caller,
        request: PutManyRequest,
    ) -> Result<PutManyResponse, Status> {
        let target = self.target(caller, Operation::Write, &request.store, &request.collection)?;
        self.put_batch(&target, &request.entries, request.ttl.as_ref()).await?;
        Ok(PutManyResponse {})
    }

    pub(super) async fn delete_many(
        &self,
        caller: &Caller,
        request: DeleteManyRequest,
    ) -> Result<DeleteManyResponse, Fault> {
        let target = self.target(caller, Operation::Write, &request.store, &request.collection)?;
        self.check_keys(&request.keys)?;
        if request.keys.is_empty() {
            return Ok(DeleteManyResponse::default());
        }
        let keys: Vec<&str> = request.keys.iter().map(String::as_str).collect();
        let removed = target
            .served
            .store
            .delete_many(target.collection, &keys)
            .await
            .map_err(|e| target.served.fault(e))?;
        let results: Vec<DeleteResult> = request
            .keys
            .into_iter()
            .zip(removed)
            .map(|(key, removed)| match removed {
                Ok(removed) => DeleteResult { key, deleted: removed.is_some(), error: None },
                Err(error) => {
                    let error = Some(convert::error_message(&error));
                    DeleteResult { key, deleted: false, error }
                }
            })
            .collect();
        let deleted_count = results.iter().filter(|result| result.deleted).count();
        Ok(DeleteManyResponse { results, deleted_count: count(deleted_count) })
    }

    /// Reads many entries for one answer. It stops as soon as they can't fit in it,
    /// and reads a key that occurs twice once: else a small request for large
    /// values could fill the server's memory.
    async fn find(
        &self,
        target: &Target<'_>,
        keys: &[String],
    ) -> Result<Vec<Result<Option<Entry>, Error>>, Fault> {
        let mut places = HashMap::with_capacity(keys.len());
        let mut distinct: Vec<&str> = Vec::with_capacity(keys.len());
        for key in keys {
            places.entry(key.as_str()).or_insert_with(|| {
                distinct.push(key);
                distinct.len() - 1
            });
        }
        let mut found = Vec::with_capacity(distinct.len());
        let mut bytes = 0;
        for chunk in distinct.chunks(CHUNK_KEYS_MAX) {
            let chunk = target
                .served
                .store
                .get_many(target.collection, chunk)
                .await
                .map_err(|e| target.served.fault(e))?;
            bytes +=
                chunk.iter().flatten().flatten().map(|e| e.value.as_bytes().len()).sum::<usize>();
            found.extend(chunk);
            if bytes > self.limits.message_bytes_max {
                return Err(self.response_too_large(bytes));
            }
        }
        Ok(keys.iter().map(|key| found[places[key.as_str()]].clone()).collect())
    }

    /// Stores one batch, all of it or an error that says what was stored.
    pub(super) async fn put_batch(
        &self,
        target: &Target<'_>,
        entries: &[PutEntry],
        default_ttl: Option<&prost_types::Duration>,
    ) -> Result<(), Status> {
        let entries = self.entries(entries, default_ttl)?;
        if entries.is_empty() {
            return Ok(());
        }
        let stored = target.served.store.put_many(target.collection, &entries).await;
        let stored = stored
            .unwrap_or_else(|error| vec![Err(error.in_store(&target.served.name)); entries.len()]);
        match stored.iter().find_map(|stored| stored.as_ref().err()) {
            None => Ok(()),
            Some(first) => {
                let status = Status::from(Fault::from(first).in_field("entries"));
                Err(with_put_failure(&status, &put_failure(&entries, &stored)))
            }
        }
    }
}

fn put_failure(entries: &[(&str, Entry)], stored: &[Result<(), Error>]) -> PutManyFailure {
    let mut failure = PutManyFailure::default();
    let mut bitmap = vec![0_u8; stored.len().div_ceil(8)];
    for (index, (stored, (key, _))) in stored.iter().zip(entries).enumerate() {
        match stored {
            Ok(()) => {
                bitmap[index / 8] |= 1 << (index % 8);
                failure.stored_count += 1;
            }
            Err(error) => {
                failure.uncertain |= error.outcome() == Outcome::MayHaveHappened;
                if failure.first_failures.len() < SHOWN_FAILURES_MAX {
                    failure.first_failures.push(failed_entry(index, key, error));
                }
            }
        }
    }
    failure.stored_bitmap = bitmap.into();
    failure
}

fn failed_entry(index: usize, key: &str, error: &Error) -> FailedEntry {
    FailedEntry {
        index: i32::try_from(index).unwrap_or(i32::MAX),
        key: key.chars().take(SHOWN_KEY_CHARS_MAX).collect(),
        error: Some(convert::error_message(error)),
    }
}

pub(super) fn count(entries: usize) -> i64 {
    i64::try_from(entries).unwrap_or(i64::MAX)
}
