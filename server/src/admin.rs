//! The admin listener: figures and probes over plain HTTP.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus::TextEncoder;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::figures::Figures;
use crate::health::Health;
use crate::server::ACCEPT_PAUSE;

/// Probes and scrapers are few: more connections than this are a mistake.
const CONNECTIONS_MAX: usize = 64;

/// How long a connection may take to send its request.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// What answers on the admin listener.
pub(crate) struct Admin {
    figures: Arc<Figures>,
    health: Arc<Health>,
}

type Answer = Response<Full<Bytes>>;

impl Admin {
    pub(crate) fn new(figures: Arc<Figures>, health: Arc<Health>) -> Self {
        Self { figures, health }
    }

    /// Answers until the process ends.
    pub(crate) async fn serve(self, listener: TcpListener) {
        let (admin, connections) = (Arc::new(self), Arc::new(Semaphore::new(CONNECTIONS_MAX)));
        loop {
            let Ok(permit) = Arc::clone(&connections).acquire_owned().await else {
                return;
            };
            let stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "accepting an admin connection failed");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let admin = Arc::clone(&admin);
            let answer = service_fn(move |request| {
                let answered = admin.answer(&request);
                std::future::ready(Ok::<_, Infallible>(answered))
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADER_TIMEOUT)
                .serve_connection(TokioIo::new(stream), answer);
            tokio::spawn(async move {
                if let Err(error) = connection.await {
                    tracing::debug!(%error, "an admin connection broke");
                }
                drop(permit);
            });
        }
    }

    fn answer(&self, request: &Request<Incoming>) -> Answer {
        if request.method() != Method::GET && request.method() != Method::HEAD {
            return text(StatusCode::METHOD_NOT_ALLOWED, "only GET is answered here\n");
        }
        match request.uri().path() {
            "/metrics" => self.metrics(),
            "/healthz" => text(StatusCode::OK, "ok\n"),
            "/readyz" => self.ready(),
            _ => text(StatusCode::NOT_FOUND, "try /metrics, /healthz or /readyz\n"),
        }
    }

    fn metrics(&self) -> Answer {
        match TextEncoder::new().encode_to_string(&self.figures.gather()) {
            Ok(metrics) => text(StatusCode::OK, metrics),
            Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
        }
    }

    fn ready(&self) -> Answer {
        let silent = self.health.silent();
        if silent.is_empty() {
            return text(StatusCode::OK, "ok\n");
        }
        let stores = silent.join(", ");
        text(StatusCode::SERVICE_UNAVAILABLE, format!("stores that do not answer: {stores}\n"))
    }
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    let plain = http::HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    answer.headers_mut().insert(header::CONTENT_TYPE, plain);
    answer
}
