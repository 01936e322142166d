//! One GET of a small document, for the keys of issuers.
//!
//! The server has no HTTP client of its own otherwise, and this needs little of one: no
//! redirects (they could lead anywhere), no proxies, no connections that are kept.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use kvgate_core::{Error, Kind, Result};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::reload::misconfigured;
use crate::tls::certificates;

/// How long it may take in all.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The largest document.
const BYTES_MAX: usize = 1024 * 1024;

/// Fetches the document at `url`. Its server's certificate must be from an authority in
/// `ca_file`, or from one of the system's.
pub(super) async fn fetch(url: &str, ca_file: Option<&Path>) -> Result<Bytes> {
    let uri: Uri = url.parse().map_err(|_| misconfigured(format!("{url} is not a URL")))?;
    let got = tokio::time::timeout(TIMEOUT, get(&uri, ca_file)).await;
    let got = got.map_err(|_| unavailable(format!("no answer within {TIMEOUT:?}")));
    let failed = |error: Error| Error::new(error.kind(), format!("fetching {url}: {error}"));
    got.and_then(|got| got).map_err(failed)
}

async fn get(uri: &Uri, ca_file: Option<&Path>) -> Result<Bytes> {
    let host = uri.host().ok_or_else(|| misconfigured("the URL has no host"))?;
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let encrypted = uri.scheme_str() == Some("https");
    let port = uri.port_u16().unwrap_or(if encrypted { 443 } else { 80 });
    let stream = TcpStream::connect((bare, port)).await;
    let stream = stream.map_err(|error| unavailable("connecting").with_source(error))?;
    if !encrypted {
        return ask(uri, stream).await;
    }
    let ca_file = ca_file.map(Path::to_owned);
    let config = tokio::task::spawn_blocking(move || config(ca_file)).await;
    let config =
        config.map_err(|error| unavailable("reading certificates").with_source(error))??;
    let name = ServerName::try_from(bare.to_owned());
    let name = name.map_err(|_| misconfigured("the URL's host is not a name"))?;
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
    ask(uri, stream.map_err(|error| unavailable("TLS").with_source(error))?).await
}

/// Reads the authorities each time: they are replaced, too.
fn config(ca_file: Option<PathBuf>) -> Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    match ca_file {
        Some(file) => {
            let pem = std::fs::read(&file);
            let pem = pem.map_err(|e| misconfigured(format!("{}: {e}", file.display())))?;
            for certificate in certificates("jwks_ca_file", &pem)? {
                let added = roots.add(certificate);
                added.map_err(|error| misconfigured(format!("jwks_ca_file: {error}")))?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12]);
    let builder = builder.map_err(|error| misconfigured(error.to_string()))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

async fn ask(
    uri: &Uri,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> Result<Bytes> {
    let broken = |error: hyper::Error| unavailable("asking").with_source(error);
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let request = Request::get(uri.path_and_query().map_or("/", |path| path.as_str()))
        .header(header::HOST, uri.authority().map_or("", |authority| authority.as_str()))
        .header(header::ACCEPT, "application/json")
        .body(Empty::<Bytes>::new())
        .map_err(|error| misconfigured(error.to_string()))?;
    let answering = async {
        let response = sender.send_request(request).await.map_err(broken)?;
        if response.status() != StatusCode::OK {
            return Err(unavailable(format!("the answer is {}", response.status())));
        }
        let body = Limited::new(response.into_body(), BYTES_MAX).collect().await;
        body.map(http_body_util::Collected::to_bytes)
            .map_err(|error| unavailable(format!("reading the answer: {error}")))
    };
    // the connection moves what the request waits for, and ends with it
    tokio::pin!(answering);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        answer = &mut answering => answer,
        _ = &mut connection => answering.await,
    }
}

fn unavailable(message: impl Into<String>) -> Error {
    Error::new(Kind::Unavailable, message)
}
