//! A DynamoDB that has little capacity: of each batch it does a part, and sometimes none.
//!
//! DynamoDB Local has no end of capacity, so a server before it holds back parts of the
//! batches and answers that they are not processed. It also sees how it is asked: all
//! reads of DynamoDB Local are consistent, also those that need not be.

use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use kvgate_tests::client::{Collection, entry, found};
use kvgate_tests::dynamodb::{DynamoDb, TABLE};
use kvgate_tests::failure::{Failure, Outcome, expect, expect_equal};
use kvgate_tests::folder::Folder;
use kvgate_tests::rpc_error::refused;
use kvgate_tests::server::Server;
use kvgate_tests::setups::Backend as _;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tonic::Code;

/// The most that is done of a batch.
const DONE_MAX: usize = 10;

/// Of so many batches nothing is done of the first.
const IDLE_EVERY: usize = 4;

struct Scarce {
    backend: SocketAddr,
    http: Client<HttpConnector, Full<Bytes>>,
    /// How many items it will still read or write in batches.
    capacity: AtomicUsize,
    batches: AtomicUsize,
    held_back: AtomicUsize,
    /// What the next writes are answered once they were passed on, or before.
    refusals: Mutex<VecDeque<Refusal>>,
    /// The reads that it was asked for, and whether they were to be consistent.
    reads: Mutex<BTreeSet<(String, bool)>>,
}

/// How a write is refused.
#[derive(Clone, Copy)]
enum Refusal {
    /// It is carried out, and fails all the same.
    Done,
    /// Nothing is done for want of capacity.
    Throttled,
}

impl Refusal {
    fn answer(self) -> Response<Full<Bytes>> {
        let (status, kind) = match self {
            Self::Done => (StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError"),
            Self::Throttled => (StatusCode::BAD_REQUEST, "ThrottlingException"),
        };
        let body = json!({ "__type": format!("com.amazonaws.dynamodb.v20120810#{kind}") });
        let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
        *response.status_mut() = status;
        response
    }
}

impl Scarce {
    async fn start(backend: SocketAddr, capacity: usize) -> Outcome<(Arc<Self>, SocketAddr)> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let scarce = Arc::new(Self {
            backend,
            http: Client::builder(TokioExecutor::new()).build_http(),
            capacity: AtomicUsize::new(capacity),
            batches: AtomicUsize::default(),
            held_back: AtomicUsize::default(),
            refusals: Mutex::default(),
            reads: Mutex::default(),
        });
        let shared = Arc::clone(&scarce);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let scarce = Arc::clone(&shared);
                let service = service_fn(move |request| {
                    let scarce = Arc::clone(&scarce);
                    async move {
                        scarce
                            .answer(request)
                            .await
                            .map_err(|failure| std::io::Error::other(failure.to_string()))
                    }
                });
                let connection = http1::Builder::new();
                tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
            }
        });
        Ok((scarce, address))
    }

    async fn answer(&self, request: Request<Incoming>) -> Outcome<Response<Full<Bytes>>> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let target = parts.headers.get("x-amz-target").and_then(|it| it.to_str().ok());
        let operation = target.and_then(|it| it.rsplit('.').next()).unwrap_or_default();
        let mut request: Value = serde_json::from_slice(&body)?;
        self.note_read(operation, &request).await;
        let undone = match operation {
            "BatchWriteItem" => "UnprocessedItems",
            "BatchGetItem" => "UnprocessedKeys",
            _ => return self.pass_on(&parts.headers, body).await,
        };
        if operation == "BatchWriteItem" {
            let refusal = self.refusals.lock().await.pop_front();
            if let Some(Refusal::Done) = refusal {
                self.pass_on(&parts.headers, body.clone()).await?;
            }
            if let Some(refusal) = refusal {
                return Ok(refusal.answer());
            }
        }
        let held_back = self.hold_back(&mut request["RequestItems"])?;
        let (headers, mut answer) = if is_empty(&request["RequestItems"]) {
            (HeaderMap::new(), json!({ "Responses": {} }))
        } else {
            let request = Bytes::from(request.to_string());
            let (parts, body) = self.pass_on(&parts.headers, request).await?.into_parts();
            (parts.headers, serde_json::from_slice(&body.collect().await?.to_bytes())?)
        };
        if !is_empty(&held_back) {
            answer[undone] = held_back;
        }
        let mut response = Response::new(Full::new(Bytes::from(answer.to_string())));
        if let Some(kind) = headers.get(header::CONTENT_TYPE) {
            response.headers_mut().insert(header::CONTENT_TYPE, kind.clone());
        }
        Ok(response)
    }

    async fn note_read(&self, operation: &str, request: &Value) {
        let asked = match operation {
            "GetItem" | "Query" | "Scan" => request,
            "BatchGetItem" => &request["RequestItems"][TABLE],
            _ => return,
        };
        let is_consistent = asked["ConsistentRead"].as_bool().unwrap_or_default();
        self.reads.lock().await.insert((operation.to_owned(), is_consistent));
    }

    /// Takes from a batch what is not to be done of it.
    fn hold_back(&self, tables: &mut Value) -> Outcome<Value> {
        let mut held_back = tables.clone();
        let number = self.batches.fetch_add(1, Ordering::SeqCst);
        let wanted = if number.is_multiple_of(IDLE_EVERY) { 0 } else { DONE_MAX };
        for (kept, held) in items(tables)?.into_iter().zip(items(&mut held_back)?) {
            let wanted = wanted.min(kept.len());
            let take = |capacity: usize| Some(capacity - wanted.min(capacity));
            let before = self.capacity.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take);
            let done = wanted.min(before.unwrap_or_default());
            kept.truncate(done);
            held.drain(..done);
            self.held_back.fetch_add(held.len(), Ordering::SeqCst);
        }
        Ok(held_back)
    }

    async fn pass_on(&self, headers: &HeaderMap, body: Bytes) -> Outcome<Response<Full<Bytes>>> {
        let mut request = Request::post(format!("http://{}/", self.backend));
        for (name, value) in headers {
            if !matches!(*name, header::CONTENT_LENGTH | header::HOST) {
                request = request.header(name, value);
            }
        }
        let response = self.http.request(request.body(Full::new(body))?).await?;
        let (parts, body) = response.into_parts();
        Ok(Response::from_parts(parts, Full::new(body.collect().await?.to_bytes())))
    }
}

/// The items or keys of each table in a batch.
fn items(tables: &mut Value) -> Outcome<Vec<&mut Vec<Value>>> {
    let tables = tables.as_object_mut().ok_or_else(|| Failure::new("a batch without tables"))?;
    let items = tables.values_mut().map(|table| match table {
        Value::Array(items) => Some(items),
        table => table["Keys"].as_array_mut(),
    });
    items.collect::<Option<_>>().ok_or_else(|| Failure::new("a batch without items"))
}

fn is_empty(tables: &Value) -> bool {
    let mut tables = tables.clone();
    items(&mut tables).is_ok_and(|tables| tables.iter().all(|items| items.is_empty()))
}

struct Scene {
    // Fields are dropped in this order.
    server: Server,
    scarce: Arc<Scarce>,
    _backend: DynamoDb,
    folder: Folder,
}

impl Scene {
    async fn set(capacity: usize) -> Outcome<Self> {
        Self::set_with(capacity, "").await
    }

    /// With settings of the store.
    async fn set_with(capacity: usize, settings: &str) -> Outcome<Self> {
        let folder = Folder::new()?;
        let backend = DynamoDb::start(&folder.path("backend")).await?;
        let (scarce, address) = Scarce::start(backend.address(), capacity).await?;
        let found = backend.behind(address).unwrap_or_default();
        // a server that has just started is slow
        let patience = "timeout = \"20s\"\n";
        let store = format!("[stores.main]\ntype = \"dynamodb\"\n{patience}{settings}{found}");
        let server = folder.start(&store).await?;
        Ok(Self { server, scarce, _backend: backend, folder })
    }

    async fn here(&self) -> Outcome<Collection> {
        Ok(self.server.client().await?.collection("", "c"))
    }
}

fn keys(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("key-{number}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_undone_is_asked_again() -> Outcome {
    let scene = Scene::set(usize::MAX).await?;
    let (here, keys) = (scene.here().await?, keys(130));
    let value = |key: &String| Bytes::from(format!(r#"{{"key":"{key}"}}"#));
    here.put_many(keys.iter().map(|key| entry(key, value(key))).collect()).await?;
    let written = scene.scarce.held_back.load(Ordering::SeqCst);
    expect(written > 0, "no write was held back")?;
    let read = found(here.get_many(&keys).await?)?;
    let expected: Vec<_> = keys.iter().map(|key| (key.clone(), Some(value(key)))).collect();
    expect_equal("GetMany", read, expected)?;
    let held_back = scene.scarce.held_back.load(Ordering::SeqCst);
    expect(held_back > written, "no read was held back")
}

/// A put that fails for want of capacity says what was stored, and that is stored.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_never_done_is_told() -> Outcome {
    const STORED: usize = 33;
    let scene = Scene::set(STORED).await?;
    let (here, keys) = (scene.here().await?, keys(60));
    let put = here.put_many(keys.iter().map(|key| entry(key, "{}")).collect()).await;
    let error = refused(put, "PutMany", Code::Unavailable, "STORE_UNAVAILABLE")?;
    expect(error.message.contains("no capacity left"), error.to_string())?;
    let failure = error.put_many_failure.ok_or_else(|| Failure::new("no PutManyFailure"))?;
    expect_equal("what is stored", failure.stored_count, i64::try_from(STORED)?)?;
    let read = here.get_many(&keys).await;
    let error = refused(read, "GetMany", Code::Unavailable, "STORE_UNAVAILABLE")?;
    expect(error.message.contains("no capacity left"), error.to_string())?;
    scene.scarce.capacity.store(usize::MAX, Ordering::SeqCst);
    for (index, (key, value)) in found(here.get_many(&keys).await?)?.into_iter().enumerate() {
        let said = failure.stored_bitmap[index / 8] & (1 << (index % 8)) != 0;
        expect_equal(format!("{key} is stored"), value.is_some(), said)?;
    }
    Ok(())
}

/// The client of DynamoDB tries again by itself. What it hears at last is not all that was
/// done: a put that was throttled may have happened the time before.
#[tokio::test(flavor = "multi_thread")]
async fn what_may_have_been_done_is_told() -> Outcome {
    let scene = Scene::set(usize::MAX).await?;
    let here = scene.here().await?;
    here.put("other", "{}").await?;
    let (done, throttled) = (Refusal::Done, Refusal::Throttled);
    for (key, refusals, outcome) in [
        ("done", [done, throttled, throttled], Some("may_have_happened")),
        ("not-done", [throttled; 3], None),
    ] {
        scene.scarce.refusals.lock().await.extend(refusals);
        let put = here.put(key, "{}").await;
        let error = refused(put, key, Code::Unavailable, "STORE_UNAVAILABLE")?;
        expect(error.message.contains("ThrottlingException"), error.to_string())?;
        let said = error.metadata.get("outcome").map(String::as_str);
        expect_equal(format!("the outcome of {error}"), said, outcome)?;
        let is_there = here.get(key).await?.is_some();
        expect_equal(format!("whether {key} is there"), is_there, outcome.is_some())?;
    }
    expect(scene.scarce.refusals.lock().await.is_empty(), "it was not tried three times")
}

/// What only reads may be a moment late if the settings say so, and is never else. What
/// removes sees all.
#[tokio::test(flavor = "multi_thread")]
async fn reads_are_as_consistent_as_they_are_set() -> Outcome {
    for (settings, consistent) in [("", true), ("consistent_read = false\n", false)] {
        let scene = Scene::set_with(usize::MAX, settings).await?;
        let here = scene.here().await?;
        here.put("key", "{}").await?;
        here.get("key").await?;
        here.get_many(&["key", "other"]).await?;
        here.keys("", 0).await?;
        here.scan("").await?;
        here.client.collections("", "", 0).await?;
        let checked = scene.folder.configuration().display().to_string();
        let checked = scene.folder.run(&["check", "--connect", &checked]).await?;
        expect_equal(checked.output, checked.code, Some(0))?;
        let reads = std::mem::take(&mut *scene.scarce.reads.lock().await);
        let all = ["BatchGetItem", "GetItem", "Query", "Scan"];
        let expected = all.map(|operation| (operation.to_owned(), consistent));
        expect_equal(format!("reads with {settings:?}"), reads, BTreeSet::from(expected))?;

        here.delete_collection().await?;
        here.client.cull("").await?;
        let mut reads = std::mem::take(&mut *scene.scarce.reads.lock().await);
        // health may have been looked at in between
        reads.retain(|(operation, _)| operation != "GetItem");
        let expected = ["Query", "Scan"].map(|operation| (operation.to_owned(), true));
        expect_equal("reads of what removes", reads, BTreeSet::from(expected))?;
    }
    Ok(())
}
