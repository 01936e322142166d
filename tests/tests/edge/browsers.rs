//! Calls as browsers make them: gRPC-Web, and the question before it.

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::rt::TokioExecutor;
use kvgate_proto::v1::{GetRequest, GetResponse};
use kvgate_tests::failure::{Failure, Outcome, expect, expect_equal};
use kvgate_tests::folder::Folder;
use kvgate_tests::server::Server;
use prost::Message;

use crate::secure::STORE;

const PAGE: &str = "https://app.example.com";
const WEB: &str = "[server.web]\norigins = [\"https://app.example.com\"]\n";

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

async fn ask(server: &Server, method: Method, origin: &str, body: Bytes) -> Outcome<Answer> {
    let http = HttpClient::builder(TokioExecutor::new()).http2_only(true).build_http();
    let uri = format!("http://{}/keyvalue.v1.KeyValueService/Get", server.address());
    let request = Request::builder()
        .method(method)
        .uri(uri)
        .header("content-type", "application/grpc-web+proto")
        .header("access-control-request-method", "POST")
        .header("origin", origin)
        .body(Full::new(body))?;
    let (parts, body) = http.request(request).await?.into_parts();
    let body = body.collect().await?.to_bytes();
    Ok(Answer { status: parts.status, headers: parts.headers, body })
}

fn get() -> Bytes {
    let request =
        GetRequest { collection: "c".to_owned(), key: "key".to_owned(), ..<_>::default() };
    let mut framed = BytesMut::new();
    framed.put_u8(0);
    framed.put_u32(u32::try_from(request.encoded_len()).unwrap_or_default());
    framed.put_slice(&request.encode_to_vec());
    framed.freeze()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_may_call() -> Outcome {
    let folder = Folder::new()?;
    let server = folder.start(&format!("{WEB}{STORE}")).await?;
    let here = server.client().await?.collection("", "c");
    here.put("key", "{\"a\":1}").await?;
    let asked = ask(&server, Method::OPTIONS, PAGE, Bytes::new()).await?;
    expect_equal("the question", asked.status, StatusCode::NO_CONTENT)?;
    expect_equal("origin", asked.header("access-control-allow-origin"), Some(PAGE))?;
    let headers = asked.header("access-control-allow-headers").unwrap_or_default();
    expect(headers.contains("authorization"), format!("a page may send {headers}"))?;
    let called = ask(&server, Method::POST, PAGE, get()).await?;
    expect_equal("the call", called.status, StatusCode::OK)?;
    expect_equal("origin", called.header("access-control-allow-origin"), Some(PAGE))?;
    let length = called.body.get(1..5).and_then(|length| <[u8; 4]>::try_from(length).ok());
    let length = length.map(u32::from_be_bytes).ok_or_else(|| Failure::new("no message"))?;
    let mut message = called.body.slice(5..);
    expect(message.len() >= length as usize, "half a message")?;
    let trailers = message.split_off(length as usize);
    let entry = GetResponse::decode(message)?.entry.unwrap_or_default();
    expect_equal("the value", entry.value, Bytes::from("{\"a\":1}"))?;
    let trailers = String::from_utf8_lossy(&trailers).into_owned();
    expect(trailers.contains("grpc-status:0"), format!("the trailers are {trailers:?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn another_page() -> Outcome {
    let folder = Folder::new()?;
    let server = folder.start(&format!("{WEB}{STORE}")).await?;
    for method in [Method::OPTIONS, Method::POST] {
        let answer = ask(&server, method.clone(), "https://evil.example.com", get()).await?;
        expect_equal(&method, answer.status, StatusCode::FORBIDDEN)?;
        expect_equal("origin", answer.header("access-control-allow-origin"), None)?;
    }
    // callers that are no browsers are served as ever
    server.client().await?.collection("", "c").put("key", "{}").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn off_by_default() -> Outcome {
    let folder = Folder::new()?;
    let server = folder.start(STORE).await?;
    for method in [Method::OPTIONS, Method::POST] {
        let answer = ask(&server, method.clone(), PAGE, get()).await?;
        expect_equal(&method, answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE)?;
    }
    Ok(())
}
