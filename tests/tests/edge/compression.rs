//! Messages that are compressed.

use bytes::Bytes;
use kvgate_proto::v1::{GetRequest, PutRequest};
use kvgate_tests::client::Client;
use kvgate_tests::failure::{Outcome, expect, expect_equal};
use kvgate_tests::folder::Folder;
use kvgate_tests::process_figures::resident_bytes;
use kvgate_tests::rpc_error::{RpcError, refused};
use tonic::Code;
use tonic::codec::CompressionEncoding;

use crate::secure::STORE;

fn put(value: String) -> PutRequest {
    let (store, collection) = (String::new(), "c".to_owned());
    PutRequest { store, collection, key: "key".to_owned(), value: value.into(), ttl: None }
}

/// How the server says that it has compressed an answer, to who takes `encoding`.
async fn encoding_of_get(client: &Client, encoding: CompressionEncoding) -> Outcome<String> {
    let request =
        GetRequest { collection: "c".to_owned(), key: "key".to_owned(), ..<_>::default() };
    let answer = client.key_value().accept_compressed(encoding).get(request).await?;
    let used = answer.metadata().get("grpc-encoding").and_then(|used| used.to_str().ok());
    let used = used.unwrap_or("none").to_owned();
    let value = answer.into_inner().entry.unwrap_or_default().value;
    expect(value.starts_with(b"{\"pad\":\"xxx"), "the value did not come back")?;
    Ok(used)
}

#[tokio::test(flavor = "multi_thread")]
async fn both_ways() -> Outcome {
    for (setting, gzip, zstd) in
        [("", "none", "none"), ("compression = [\"gzip\", \"zstd\"]\n", "gzip", "zstd")]
    {
        let folder = Folder::new()?;
        let server = folder.start(&format!("{setting}{STORE}")).await?;
        let client = server.client().await?;
        let value = format!("{{\"pad\":\"{}\"}}", "x".repeat(100_000));
        for encoding in [CompressionEncoding::Gzip, CompressionEncoding::Zstd] {
            client.key_value().send_compressed(encoding).put(put(value.clone())).await?;
        }
        let found = encoding_of_get(&client, CompressionEncoding::Gzip).await?;
        expect_equal("gzip", found.as_str(), gzip)?;
        let found = encoding_of_get(&client, CompressionEncoding::Zstd).await?;
        expect_equal("zstd", found.as_str(), zstd)?;
    }
    Ok(())
}

/// What is small on the network and huge when it is unpacked is not unpacked.
#[tokio::test(flavor = "multi_thread")]
async fn a_bomb() -> Outcome {
    const UNPACKED_BYTES: usize = 200 << 20;
    const GROWTH_BYTES_MAX: u64 = 64 << 20;
    let folder = Folder::new()?;
    let server = folder.start(STORE).await?;
    let client = server.client().await?;
    let before = resident_bytes(server.pid())?;
    for encoding in [CompressionEncoding::Gzip, CompressionEncoding::Zstd] {
        let bomb = put(" ".repeat(UNPACKED_BYTES));
        let answer = client.key_value().send_compressed(encoding).put(bomb).await;
        let answer = answer.map_err(|status| RpcError::of_call("Put", &status));
        refused(answer, "Put", Code::ResourceExhausted, "REQUEST_TOO_LARGE")?;
    }
    let grown = resident_bytes(server.pid())?.saturating_sub(before);
    expect(grown < GROWTH_BYTES_MAX, format!("the server grew by {grown} bytes"))?;
    let _: Bytes = client.key_value().put(put("{}".to_owned())).await.map(|_| Bytes::new())?;
    Ok(())
}
