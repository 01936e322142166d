//! Requests that are wrong as a whole.

use std::time::{Duration, Instant};

use bytes::Bytes;
use kvgate_proto::v1::StreamPutManyRequest;
use tonic::{Code, Request};

use super::scan::fill;
use super::values::object_of;
use crate::case::Case;
use crate::client::entry;
use crate::context::Context;
use crate::failure::{Failure, Outcome, expect, expect_equal};
use crate::raw;
use crate::rpc_error::{RpcError, refused, refused_field};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::any_store("too_many_keys", too_many_keys),
        Case::any_store("request_too_large", request_too_large),
        Case::new("response_too_large", response_too_large),
        Case::any_store("unknown_method", unknown_method),
        Case::any_store("malformed_message", malformed_message),
        Case::any_store("deadline_of_a_stream", deadline_of_a_stream),
        Case::any_store("deadline_of_a_call", deadline_of_a_call),
    ]
}

async fn too_many_keys(context: Context) -> Outcome {
    let here = &context.here;
    let keys: Vec<String> = (0..10_001).map(|n| format!("key-{n}")).collect();
    let entries = || keys.iter().map(|key| entry(key, "{}")).collect::<Vec<_>>();
    let streamed = here.stream_put_many(vec![here.batch(entries())]).await;
    for (call, error, field) in [
        ("GetMany", here.get_many(&keys).await.err(), "keys"),
        ("TtlMany", here.ttl_many(&keys).await.err(), "keys"),
        ("DeleteMany", here.delete_many(&keys).await.err(), "keys"),
        ("PutMany", here.put_many(entries()).await.err(), "entries"),
        ("StreamPutMany", streamed.map_or_else(Some, |(_, error)| error), "entries"),
    ] {
        let answer = error.map_or(Ok(()), Err);
        let error = refused_field(answer, call, "TOO_MANY_KEYS", field)?;
        error.expect_metadata("limit", "10000")?;
        error.expect_metadata("limit_name", "keys_per_call_max")?;
    }
    expect_equal("what a refused PutMany has stored", here.get("key-0").await?, None)
}

async fn request_too_large(context: Context) -> Outcome {
    let here = &context.here;
    let streamed = here.stream_put_many(vec![here.batch(vec![entry("k", object_of(5 << 20))])]);
    let streamed = streamed.await.map_or_else(Some, |(_, error)| error);
    for (call, error) in [
        ("Put", here.put("key", object_of(4 << 20)).await.err()),
        ("Put", here.put("key", object_of(40 << 20)).await.err()),
        ("StreamPutMany", streamed),
    ] {
        let answer = error.map_or(Ok(()), Err);
        let call = here.describe(call, &"a large value");
        let error = refused(answer, call, Code::ResourceExhausted, "REQUEST_TOO_LARGE")?;
        error.expect_metadata("limit", "4194304")?;
        error.expect_metadata("limit_name", "message_bytes_max")?;
    }
    // The connection is of use afterwards.
    expect_equal(here.describe("Get", &"key"), here.get("key").await?, None)
}

async fn response_too_large(context: Context) -> Outcome {
    let here = &context.here;
    let size = match usize::try_from(context.limits.value_bytes_max)? {
        0 => 1 << 20,
        limit => (limit / 2).min(1 << 20),
    };
    let keys = fill(here, (5 << 20) / size, size).await?;
    for (call, error) in [
        ("GetMany", here.get_many(&keys).await.err()),
        ("TtlMany", here.ttl_many(&keys).await.err()),
    ] {
        let answer = error.map_or(Ok(()), Err);
        let error = refused(answer, call, Code::ResourceExhausted, "RESPONSE_TOO_LARGE")?;
        error.expect_metadata("limit", "4194304")?;
        error.expect_metadata("limit_name", "message_bytes_max")?;
    }
    expect_equal("GetMany of three of them", here.get_many(&keys[..3]).await?.len(), 3)
}

async fn unknown_method(context: Context) -> Outcome {
    for method in [
        "/keyvalue.v1.KeyValueService/NoSuchMethod",
        "/keyvalue.v1.StoreService/NoSuchMethod",
        "/keyvalue.v2.KeyValueService/Get",
        "/NoSuchService/Get",
        "/",
    ] {
        let answer = raw::call(&context.client, method, Bytes::new()).await;
        refused(answer, method, Code::Unimplemented, "METHOD_NOT_FOUND")?;
    }
    Ok(())
}

async fn malformed_message(context: Context) -> Outcome {
    let get = "/keyvalue.v1.KeyValueService/Get";
    // A tag that can't be, a field cut off, a name that is not UTF-8.
    for message in [&b"\xff\xff\xff"[..], b"\x1a\x05ab", b"\x1a\x02\xff\xfe", b"\x1b", b"\x18\x01"]
    {
        let call = format!("{get} with the message {message:?}");
        let answer = raw::call(&context.client, get, Bytes::from_static(message)).await;
        refused(answer, call, Code::InvalidArgument, "MALFORMED_REQUEST")?;
    }
    let stream = "/keyvalue.v1.KeyValueService/StreamGetMany";
    let answer = raw::call(&context.client, stream, Bytes::from_static(b"\xff")).await;
    refused(answer, stream, Code::InvalidArgument, "MALFORMED_REQUEST")?;
    let list = "/keyvalue.v1.StoreService/GetStore";
    let answer = raw::call(&context.client, list, Bytes::from_static(b"\xff")).await;
    refused(answer, list, Code::InvalidArgument, "MALFORMED_REQUEST").map(|_| ())
}

/// A call that waits for its caller ends at the caller's deadline.
async fn deadline_of_a_stream(context: Context) -> Outcome {
    let mut client = raw::plain_client(context.running.server.address());
    let mut request = Request::new(futures::stream::pending::<StreamPutManyRequest>());
    request.set_timeout(Duration::from_millis(300));
    let start = Instant::now();
    let status = match client.stream_put_many(request).await {
        Err(status) => status,
        Ok(response) => match response.into_inner().message().await {
            Err(status) => status,
            Ok(message) => return Err(Failure::new(format!("StreamPutMany: found {message:?}"))),
        },
    };
    let error = RpcError::of_call("StreamPutMany", &status);
    error.expect(Code::DeadlineExceeded, "DEADLINE_EXCEEDED")?;
    let waited = start.elapsed();
    expect(waited >= Duration::from_millis(300), format!("it ended after {waited:?}"))
}

/// A caller who never sends its message is told so at its own deadline.
async fn deadline_of_a_call(context: Context) -> Outcome {
    let method = "/keyvalue.v1.KeyValueService/Get";
    let timeout = Duration::from_millis(300);
    let start = Instant::now();
    let address = context.running.server.address();
    let answer = raw::call_without_message(address, method, timeout).await;
    refused(answer, method, Code::DeadlineExceeded, "DEADLINE_EXCEEDED")?;
    expect(start.elapsed() >= timeout, format!("it ended after {:?}", start.elapsed()))
}
