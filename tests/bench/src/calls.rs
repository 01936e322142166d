//! The calls, made again and again by one caller, with every answer checked.

use std::time::Instant;

use bytes::Bytes;
use kvgate_proto::v1::{PutEntry, PutManyRequest, PutManyResponse};
use prost::Message;

use crate::Result;
use crate::connection::Connection;
use crate::dataset::{self, COLLECTION, Dataset, PUT_COLLECTION, STORE, VALUE_BYTES};
use crate::load::{Samples, Window};
use crate::wire;

const GET: &str = "/keyvalue.v1.KeyValueService/Get";
pub(crate) const PUT: &str = "/keyvalue.v1.KeyValueService/Put";
const PUT_MANY: &str = "/keyvalue.v1.KeyValueService/PutMany";
const STREAM_GET_MANY: &str = "/keyvalue.v1.KeyValueService/StreamGetMany";

/// Entries of one `PutMany` when the store is filled: within the server's
/// limits for entries and for a message.
const FILL_BATCH: usize = 5_000;

/// Puts the entries that gets and streams ask for.
pub(crate) async fn fill(mut connection: Connection, dataset: Dataset) -> Result<()> {
    let value = dataset::value();
    for keys in dataset.keys().chunks(FILL_BATCH) {
        let mut request = PutManyRequest {
            store: STORE.to_owned(),
            collection: COLLECTION.to_owned(),
            ..PutManyRequest::default()
        };
        for key in keys {
            let (key, value) = (str::from_utf8(key)?.to_owned(), value.clone());
            request.entries.push(PutEntry { key, value, ttl: None });
        }
        let PutManyResponse {} = connection.unary(PUT_MANY, &request).await?;
    }
    Ok(())
}

/// Checks that the puts of [`put`] arrived: the first key of the first caller
/// must be there.
pub(crate) async fn check_put(mut connection: Connection, dataset: Dataset) -> Result<()> {
    let key = dataset.walk(0).next().ok_or("there are no keys")?;
    get_one(&mut connection, PUT_COLLECTION, key).await
}

pub(crate) async fn get(
    mut connection: Connection,
    dataset: Dataset,
    caller: usize,
    window: Window,
) -> Result<Samples> {
    let mut samples = Samples::default();
    for key in dataset.walk(caller) {
        let begun = Instant::now();
        get_one(&mut connection, COLLECTION, key).await?;
        if !samples.note_call(begun, 1, window) {
            break;
        }
    }
    Ok(samples)
}

pub(crate) async fn put(
    mut connection: Connection,
    dataset: Dataset,
    caller: usize,
    window: Window,
) -> Result<Samples> {
    let mut samples = Samples::default();
    let value = dataset::value();
    for key in dataset.walk(caller) {
        let request = wire::PutRequest {
            store: Bytes::from_static(STORE.as_bytes()),
            collection: Bytes::from_static(PUT_COLLECTION.as_bytes()),
            key: key.clone(),
            value: value.clone(),
        };
        let begun = Instant::now();
        let wire::PutResponse {} = connection.unary(PUT, &request).await?;
        if !samples.note_call(begun, 1, window) {
            break;
        }
    }
    Ok(samples)
}

/// Asks for all entries in one stream after another. Entries count when they
/// arrive: a stream may be longer than the window.
pub(crate) async fn stream(
    mut connection: Connection,
    dataset: Dataset,
    window: Window,
) -> Result<Samples> {
    let mut samples = Samples::default();
    let request = wire::StreamGetManyRequest {
        store: Bytes::from_static(STORE.as_bytes()),
        collection: Bytes::from_static(COLLECTION.as_bytes()),
        keys: dataset.keys().to_vec(),
    };
    loop {
        let begun = Instant::now();
        let mut messages = connection.call(STREAM_GET_MANY, &request).await?;
        let mut expected = dataset.keys().iter();
        while let Some(message) = messages.next().await? {
            let message = wire::StreamGetManyResponse::decode(message)?;
            check_results(&message.results, expected.by_ref())?;
            if window.counts(Instant::now()) {
                samples.units += message.results.len();
            }
        }
        if expected.next().is_some() {
            return Err("a stream ended before its last entry".into());
        }
        if !samples.note_call(begun, 0, window) {
            return Ok(samples);
        }
    }
}

/// Gets an entry and checks it.
async fn get_one(connection: &mut Connection, collection: &'static str, key: &Bytes) -> Result<()> {
    let request = wire::GetRequest {
        store: Bytes::from_static(STORE.as_bytes()),
        collection: Bytes::from_static(collection.as_bytes()),
        key: key.clone(),
    };
    let response: wire::GetResponse = connection.unary(GET, &request).await?;
    check_entry(key, response.entry.as_ref())
}

fn check_results<'a>(
    results: &[wire::GetResult],
    mut expected: impl Iterator<Item = &'a Bytes>,
) -> Result<()> {
    for result in results {
        let key = expected.next().ok_or("a stream has more entries than were asked for")?;
        if result.key != key {
            return Err(format!("asked for {key:?}, the stream has {:?}", result.key).into());
        }
        check_entry(key, result.entry.as_ref())?;
    }
    Ok(())
}

fn check_entry(key: &Bytes, entry: Option<&wire::Entry>) -> Result<()> {
    let entry = entry.ok_or_else(|| format!("no entry for {key:?}"))?;
    if entry.key != key {
        return Err(format!("asked for {key:?}, got {:?}", entry.key).into());
    }
    if entry.value.len() != VALUE_BYTES {
        let length = entry.value.len();
        return Err(format!("{key:?} has {length} bytes instead of {VALUE_BYTES}").into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_answer_is_noticed() {
        let key = Bytes::from_static(b"k");
        let entry = |key: &'static str, length| wire::Entry {
            key: key.into(),
            value: vec![0; length].into(),
        };
        assert!(check_entry(&key, Some(&entry("k", VALUE_BYTES))).is_ok());
        assert!(check_entry(&key, Some(&entry("j", VALUE_BYTES))).is_err());
        assert!(check_entry(&key, Some(&entry("k", 3))).is_err());
        assert!(check_entry(&key, None).is_err());

        let result = wire::GetResult { key: "k".into(), entry: Some(entry("k", VALUE_BYTES)) };
        assert!(check_results(std::slice::from_ref(&result), [&key].into_iter()).is_ok());
        assert!(check_results(&[result.clone(), result], [&key].into_iter()).is_err());
    }
}
