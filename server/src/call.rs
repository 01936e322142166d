//! `kvgate get`, `put` and `delete`: one call to a running server.

use std::io::{Read, Write};
use std::time::Duration;

use anyhow::{Context, anyhow};
use kvgate_proto::v1::key_value_service_client::KeyValueServiceClient;
use kvgate_proto::v1::{DeleteRequest, GetRequest, PutRequest};
use tonic::Status;
use tonic_types::StatusExt;

use crate::cli::Place;
use crate::connect::{Connection, connect};

/// How long a call may take, from connecting to its answer.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// Values may be as large as the server takes: it refuses what is too large.
const MESSAGE_BYTES_MAX: usize = usize::MAX;

/// Prints the entry of a key; answers whether there is one.
pub(crate) fn get(key: String, place: Place) -> anyhow::Result<bool> {
    let entry = run(async move {
        let mut client = client(&place).await?;
        let Place { store, collection, .. } = place;
        let answer = client.get(GetRequest { store, collection, key }).await.map_err(failure)?;
        Ok(answer.into_inner().entry)
    })?;
    let Some(entry) = entry else { return Ok(false) };
    let mut out = std::io::stdout().lock();
    out.write_all(&entry.value)?;
    out.write_all(b"\n")?;
    Ok(true)
}

/// Stores a JSON object.
pub(crate) fn put(
    key: String,
    value: String,
    ttl: Option<f64>,
    place: Place,
) -> anyhow::Result<()> {
    let value = if value == "-" { read_stdin()? } else { value.into_bytes() };
    let ttl = ttl.map(seconds).transpose()?;
    run(async move {
        let mut client = client(&place).await?;
        let Place { store, collection, .. } = place;
        let request = PutRequest { store, collection, key, value: value.into(), ttl };
        client.put(request).await.map_err(failure)?;
        Ok(())
    })
}

/// Deletes a key; answers whether it had an entry.
pub(crate) fn delete(key: String, place: Place) -> anyhow::Result<bool> {
    run(async move {
        let mut client = client(&place).await?;
        let Place { store, collection, .. } = place;
        let request = DeleteRequest { store, collection, key };
        let answer = client.delete(request).await.map_err(failure)?;
        Ok(answer.into_inner().deleted)
    })
}

fn run<T>(call: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime
        .block_on(async { tokio::time::timeout(CALL_TIMEOUT, call).await })
        .map_err(|_| anyhow!("no answer within {CALL_TIMEOUT:?}"))?
}

async fn client(place: &Place) -> anyhow::Result<KeyValueServiceClient<Connection>> {
    let connection = connect(&place.url, &place.credentials).await?;
    Ok(KeyValueServiceClient::new(connection)
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX))
}

/// The server's error as a line to read.
#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn failure(status: Status) -> anyhow::Error {
    let details = status.get_error_details();
    match details.error_info() {
        Some(info) => anyhow!("{} ({})", status.message(), info.reason),
        None => anyhow!("{}: {}", status.code(), status.message()),
    }
}

fn read_stdin() -> anyhow::Result<Vec<u8>> {
    let mut value = Vec::new();
    std::io::stdin().read_to_end(&mut value).context("reading the value from standard input")?;
    Ok(value)
}

fn seconds(ttl: f64) -> anyhow::Result<prost_types::Duration> {
    let length = Duration::try_from_secs_f64(ttl).context("--ttl is not a length of time")?;
    prost_types::Duration::try_from(length).map_err(|_| anyhow!("--ttl is too long"))
}
