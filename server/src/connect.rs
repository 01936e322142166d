//! How the command line connects to a server: over TLS if its URL says so, with what makes
//! the caller known.

use std::path::Path;

use anyhow::{Context, bail};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Request, Status};

use crate::cli::Credentials;

/// The variable that may hold the token itself. It is no argument: those can be seen by
/// everybody on the machine.
const TOKEN_VARIABLE: &str = "KVGATE_TOKEN";

/// A connection whose calls carry the token.
pub(crate) type Connection = InterceptedService<Channel, Bearer>;

/// Connects to the server at `url`.
pub(crate) async fn connect(url: &str, credentials: &Credentials) -> anyhow::Result<Connection> {
    let bearer = Bearer(token(credentials)?);
    let mut endpoint = Endpoint::from_shared(url.to_owned())
        .with_context(|| format!("--url {url:?} is not a URL such as http://127.0.0.1:50051"))?;
    if url.starts_with("https:") {
        endpoint =
            endpoint.tls_config(tls(credentials)?).context("the files of --tls-… options")?;
    } else if credentials.tls_ca.is_some() || credentials.tls_cert.is_some() {
        bail!("--tls-ca and --tls-cert need a --url that begins with https://");
    }
    let channel = endpoint.connect().await;
    let channel = channel
        .with_context(|| format!("can't connect to {url}: is `kvgate serve` running there?"))?;
    Ok(InterceptedService::new(channel, bearer))
}

fn tls(credentials: &Credentials) -> anyhow::Result<ClientTlsConfig> {
    let mut tls = ClientTlsConfig::new();
    tls = match &credentials.tls_ca {
        Some(ca) => tls.ca_certificate(Certificate::from_pem(read(ca)?)),
        None => tls.with_native_roots(),
    };
    if let (Some(certificate), Some(key)) = (&credentials.tls_cert, &credentials.tls_key) {
        tls = tls.identity(Identity::from_pem(read(certificate)?, read(key)?));
    }
    Ok(tls)
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(file).with_context(|| format!("reading {}", file.display()))
}

/// The token as the header that carries it.
fn token(credentials: &Credentials) -> anyhow::Result<Option<MetadataValue<Ascii>>> {
    let token = match &credentials.token_file {
        Some(file) => String::from_utf8(read(file)?)
            .with_context(|| format!("the token in {} is not text", file.display()))?,
        None => match std::env::var(TOKEN_VARIABLE) {
            Ok(token) => token,
            Err(std::env::VarError::NotPresent) => return Ok(None),
            Err(error) => return Err(error).context(TOKEN_VARIABLE),
        },
    };
    let mut value: MetadataValue<Ascii> = format!("Bearer {}", token.trim())
        .parse()
        .map_err(|_| anyhow::anyhow!("the token has characters that no token has"))?;
    value.set_sensitive(true);
    Ok(Some(value))
}

/// Adds the token to each call.
#[derive(Clone)]
pub(crate) struct Bearer(Option<MetadataValue<Ascii>>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(token) = &self.0 {
            request.metadata_mut().insert("authorization", token.clone());
        }
        Ok(request)
    }
}
