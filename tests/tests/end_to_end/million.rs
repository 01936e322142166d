//! Many small entries, loaded as a program would load them.

use futures::StreamExt as _;
use kvgate_proto::v1::StreamPutManyRequest;
use kvgate_tests::client::{Collection, entry};
use kvgate_tests::failure::{Outcome, expect_equal};

/// The bytes of a value.
pub(crate) const VALUE_BYTES: usize = 200;

/// The key of an entry.
pub(crate) fn key(n: usize) -> String {
    format!("key-{n:07}")
}

/// The value of an entry, of [`VALUE_BYTES`] bytes.
pub(crate) fn value(n: usize) -> String {
    let start = format!(r#"{{"n":{n},"pad":""#);
    let pad = "x".repeat(VALUE_BYTES - start.len() - 2);
    format!(r#"{start}{pad}"}}"#)
}

/// Stores `count` entries.
pub(crate) async fn load(here: &Collection, count: usize) -> Outcome {
    const BATCH: usize = 5_000;
    let place = here.clone();
    // Made as they are sent: all of them at once would be a gigabyte.
    let batches = (0..count).step_by(BATCH).map(move |first| {
        let numbers = first..(first + BATCH).min(count);
        let entries = numbers.map(|n| entry(key(n), value(n))).collect();
        StreamPutManyRequest { ..place.batch(entries) }
    });
    let batches = futures::stream::iter(batches);
    let mut answers = here.client.key_value().stream_put_many(batches).await?.into_inner();
    let mut stored = 0;
    while let Some(answer) = answers.next().await {
        stored += usize::try_from(answer?.stored)?;
    }
    expect_equal("the number of stored entries", stored, count)
}
