//! The streaming calls.

use bytes::Bytes;
use prost::Message as _;
use tonic::Code;

use super::scan::fill;
use crate::case::Case;
use crate::client::{Batches, entry, found};
use crate::context::Context;
use crate::failure::{Failure, Outcome, expect, expect_equal};
use crate::rpc_error::refused;

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("get_in_order", get_in_order),
        Case::new("get_more_than_a_unary_call_may", get_more),
        Case::new("get_messages_stay_small", get_messages_stay_small),
        Case::new("get_more_than_a_message_holds", get_large),
        Case::any_store("get_ends_early", get_ends_early),
        Case::new("put_acknowledges_in_order", put_in_order),
        Case::new("put_one_by_one", put_one_by_one),
        Case::new("put_into_several_places", put_into_several),
        Case::new("put_stops_at_the_first_bad_batch", put_stops),
        Case::any_store("put_nothing", put_nothing),
        Case::new("put_of_a_client_that_goes_away", put_goes_away),
    ]
}

async fn get_in_order(context: Context) -> Outcome {
    let here = &context.here;
    let stored = fill(here, 3_000, 50).await?;
    // Backwards, with keys that are not there and keys that come twice.
    let mut keys: Vec<String> = Vec::new();
    for (n, key) in stored.iter().rev().enumerate() {
        keys.push(key.clone());
        if n % 10 == 0 {
            keys.push(format!("none-{n}"));
        }
        if n % 100 == 0 {
            keys.push(key.clone());
        }
    }
    let streamed = found(here.stream_results(keys.clone()).await?)?;
    expect_equal("the number of results of StreamGetMany", streamed.len(), keys.len())?;
    for ((key, value), asked) in streamed.iter().zip(&keys) {
        expect_equal("the key of a result of StreamGetMany", key, asked)?;
        let there = !asked.starts_with("none");
        expect_equal(here.describe("StreamGetMany", asked), value.is_some(), there)?;
    }
    let mut single = Vec::new();
    for part in keys.chunks(1_000) {
        single.extend(found(here.get_many(part).await?)?);
    }
    expect(single == streamed, "GetMany and StreamGetMany answer differently")
}

async fn get_more(context: Context) -> Outcome {
    let here = &context.here;
    here.put("key", "{}").await?;
    let keys: Vec<String> =
        (0..50_000).map(|n| if n % 1000 == 7 { "key".into() } else { format!("n{n}") }).collect();
    let results = found(here.stream_results(keys.clone()).await?)?;
    expect_equal("the number of results of StreamGetMany", results.len(), keys.len())?;
    let there = results.iter().filter(|(_, value)| value.is_some()).count();
    expect_equal("the number of entries of StreamGetMany", there, 50)
}

async fn get_messages_stay_small(context: Context) -> Outcome {
    let here = &context.here;
    let keys = fill(here, 2_000, 500).await?;
    let messages = here.stream_get_many(keys).await?;
    let total: usize = messages.iter().map(prost::Message::encoded_len).sum();
    for message in &messages {
        let size = message.encoded_len();
        expect(size <= (64 << 10) + 700, format!("a message of StreamGetMany has {size} bytes"))?;
    }
    // Neither are they tiny, which would cost much more than the bytes.
    let most = total / (16 << 10);
    let count = messages.len();
    expect(count <= most, format!("{total} bytes came in {count} messages"))
}

async fn get_large(context: Context) -> Outcome {
    let here = &context.here;
    // as much as the store takes, up to a mebibyte
    let size = match usize::try_from(context.limits.value_bytes_max)? {
        0 => 1 << 20,
        limit => (limit / 2).min(1 << 20),
    };
    let keys = fill(here, 12, size).await?;
    let results = found(here.stream_results(keys).await?)?;
    for (n, (key, value)) in results.into_iter().enumerate() {
        let expected = format!(r#"{{"n":{n},"pad":"{}"}}"#, "x".repeat(size));
        context.expect_value(here.describe("StreamGetMany", &key), value, &expected.into())?;
    }
    Ok(())
}

/// A caller that takes one message and goes away harms nobody.
async fn get_ends_early(context: Context) -> Outcome {
    let here = &context.here;
    let keys: Vec<String> = (0..20_000).map(|n| format!("key-{n}")).collect();
    for _ in 0..5 {
        let mut stream = here.open_get_many(keys.clone()).await?;
        let first = stream.message().await?.ok_or_else(|| Failure::new("no first message"))?;
        expect(!first.results.is_empty(), "the first message of StreamGetMany is empty")?;
    }
    here.get("key").await?;
    Ok(())
}

fn batch_of(first: usize, count: usize) -> Vec<kvgate_proto::v1::PutEntry> {
    let numbers = first..first + count;
    numbers.map(|n| entry(format!("key-{n}"), format!(r#"{{"n":{n}}}"#))).collect()
}

async fn put_in_order(context: Context) -> Outcome {
    let here = &context.here;
    let sizes = [1, 100, 0, 7, 1_000, 3];
    let mut first = 0;
    let mut batches = Vec::new();
    for size in sizes {
        batches.push(here.batch(batch_of(first, size)));
        first += size;
    }
    let (stored, error) = here.stream_put_many(batches).await?;
    if let Some(error) = error {
        return Err(error.into());
    }
    expect_equal("what StreamPutMany acknowledges", stored, [1, 100, 0, 7, 1_000, 3])?;
    let keys: Vec<String> = (0..first).map(|n| format!("key-{n}")).collect();
    let results = found(here.get_many(&keys).await?)?;
    for (n, (key, value)) in results.into_iter().enumerate() {
        let expected = Bytes::from(format!(r#"{{"n":{n}}}"#));
        context.expect_value(here.describe("GetMany", &key), value, &expected)?;
    }
    Ok(())
}

/// Each batch is stored once it is acknowledged, while the call goes on.
async fn put_one_by_one(context: Context) -> Outcome {
    let here = &context.here;
    let mut batches = Batches::open(&context.client).await?;
    for n in 0..20 {
        let key = format!("key-{n}");
        batches.send(here.batch(vec![entry(&key, "{}"), entry(&key, "{\"twice\":true}")])).await?;
        expect_equal("what StreamPutMany acknowledges", batches.acknowledged().await?, Some(2))?;
        let call = here.describe("Get", &key);
        context.expect_value(call, here.value(&key).await?, &"{\"twice\":true}".into())?;
    }
    batches.finish();
    expect_equal("the end of StreamPutMany", batches.acknowledged().await?, None)
}

async fn put_into_several(context: Context) -> Outcome {
    let here = &context.here;
    let there = here.beside(&format!("{}-there", here.collection));
    let unnamed = context.client.collection("", &here.collection);
    let batches = vec![
        here.batch(vec![entry("a", r#"{"at":1}"#)]),
        there.batch(vec![entry("a", r#"{"at":2}"#)]),
        unnamed.batch(vec![entry("b", r#"{"at":3}"#)]),
    ];
    let (stored, error) = here.stream_put_many(batches).await?;
    expect(error.is_none(), format!("StreamPutMany ended with {error:?}"))?;
    expect_equal("what StreamPutMany acknowledges", stored, [1, 1, 1])?;
    for (place, key, value) in
        [(here, "a", r#"{"at":1}"#), (&there, "a", r#"{"at":2}"#), (here, "b", r#"{"at":3}"#)]
    {
        context.expect_value(
            place.describe("Get", &key),
            place.value(key).await?,
            &value.into(),
        )?;
    }
    Ok(())
}

async fn put_stops(context: Context) -> Outcome {
    let here = &context.here;
    let bad = [
        (
            "INVALID_VALUE",
            Code::InvalidArgument,
            here.batch(vec![entry("x", "{}"), entry("y", "1")]),
        ),
        ("INVALID_KEY", Code::InvalidArgument, here.batch(vec![entry("x", "{}"), entry("", "{}")])),
        (
            "STORE_NOT_FOUND",
            Code::NotFound,
            context.client.collection("no such store", "c").batch(vec![entry("x", "{}")]),
        ),
    ];
    for (reason, code, bad) in bad {
        let good = here.batch(vec![entry("good", "{}")]);
        let after = here.batch(vec![entry("after", "{}")]);
        let (stored, error) = here.stream_put_many(vec![good.clone(), good, bad, after]).await?;
        let call = format!("StreamPutMany with a batch of {reason}");
        expect_equal(&call, stored, [1, 1])?;
        let ended = error.map_or(Ok(()), Err);
        refused(ended, &call, code, reason)?;
        let left = found(here.get_many(&["good", "x", "after"]).await?)?;
        let left: Vec<bool> = left.iter().map(|(_, value)| value.is_some()).collect();
        expect_equal(format!("what {call} has stored"), left, [true, false, false])?;
    }
    Ok(())
}

async fn put_nothing(context: Context) -> Outcome {
    let (stored, error) = context.here.stream_put_many(Vec::new()).await?;
    expect(error.is_none(), format!("StreamPutMany ended with {error:?}"))?;
    expect_equal("what an empty StreamPutMany acknowledges", stored, Vec::<i64>::new())
}

/// What was acknowledged stays when the caller goes away without an end.
async fn put_goes_away(context: Context) -> Outcome {
    let here = &context.here;
    let mut batches = Batches::open(&context.client).await?;
    batches.send(here.batch(batch_of(0, 100))).await?;
    expect_equal("what StreamPutMany acknowledges", batches.acknowledged().await?, Some(100))?;
    drop(batches);
    let keys: Vec<String> = (0..100).map(|n| format!("key-{n}")).collect();
    let results = found(here.get_many(&keys).await?)?;
    let lost = results.into_iter().find(|(_, value)| value.is_none());
    expect_equal("an acknowledged entry that is lost", lost, None)
}
