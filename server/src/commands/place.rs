//! Which server, or which configuration, and which store.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use kvgate_client::{Client, Collection, Tls};

use super::in_process;
use super::output::duration;

/// The variable that may hold the token itself. It is no argument: those can be seen by
/// everybody on the machine.
const TOKEN_VARIABLE: &str = "KVGATE_TOKEN";

/// The variable by which a caller passes its trace on.
const TRACE_VARIABLE: &str = "TRACEPARENT";

/// Where the stores are.
#[derive(Clone, Debug, Args)]
pub(crate) struct Server {
    /// The server: http:// or https:// with host and port, or unix: with a path.
    #[arg(long, default_value = "http://127.0.0.1:50051", env = "KVGATE_URL")]
    pub(crate) url: String,
    /// Open the stores of this configuration in this process, instead of calling a server.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) credentials: Credentials,
    /// How long one call may take, with all its tries.
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
    pub(crate) timeout: Duration,
}

/// Which server and store.
#[derive(Clone, Debug, Args)]
pub(crate) struct Store {
    #[command(flatten)]
    pub(crate) server: Server,
    /// The store; the server's default without it.
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) store: String,
}

/// Which server, store and collection.
#[derive(Clone, Debug, Args)]
pub(crate) struct Place {
    #[command(flatten)]
    pub(crate) store: Store,
    /// The collection; the store's default without it.
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) collection: String,
}

/// How the server is known, and how it knows the caller.
#[derive(Clone, Debug, Args)]
pub(crate) struct Credentials {
    /// The authorities that the server's certificate may come from, in PEM; those of the
    /// system without it.
    #[arg(long, value_name = "FILE", env = "KVGATE_TLS_CA")]
    pub(crate) tls_ca: Option<PathBuf>,
    /// The certificate to show to the server, in PEM.
    #[arg(long, value_name = "FILE", env = "KVGATE_TLS_CERT", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The private key of that certificate, in PEM.
    #[arg(long, value_name = "FILE", env = "KVGATE_TLS_KEY", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// A file with the token to show to the server; the variable `KVGATE_TOKEN` may hold it
    /// instead.
    #[arg(long, value_name = "FILE", env = "KVGATE_TOKEN_FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Send the token even where others can read it: without TLS, beyond this machine.
    #[arg(long)]
    pub(crate) allow_insecure_token: bool,
    /// Whether `KVGATE_TOKEN` is for this server: what is meant for one is not shown to
    /// another.
    #[arg(skip = true)]
    pub(crate) takes_variable: bool,
}

impl Place {
    pub(crate) fn collection(&self) -> anyhow::Result<Collection> {
        Ok(self.store.client()?.collection(self.collection.as_str()))
    }
}

impl Store {
    /// What a person calls it, for what is saved of work that may be gone on with.
    pub(crate) fn described(&self) -> String {
        format!("{} {:?}", self.server.name(), self.store)
    }

    pub(crate) fn client(&self) -> anyhow::Result<Client> {
        Ok(self.server.client(1)?.with_store(self.store.as_str()))
    }
}

impl Server {
    /// A client with so many connections, of a server or of the stores in this process.
    pub(crate) fn client(&self, connections: usize) -> anyhow::Result<Client> {
        let client = match &self.config {
            Some(file) => {
                let stores = in_process::open(file)?;
                Client::builder("").service(stores.router).timeout(self.timeout).build()?
            }
            None => self.remote(connections)?,
        };
        match std::env::var(TRACE_VARIABLE) {
            Ok(parent) => Ok(client.with_metadata("traceparent", &parent)?),
            Err(_) => Ok(client),
        }
    }

    fn remote(&self, connections: usize) -> anyhow::Result<Client> {
        let Credentials { tls_ca, tls_cert, tls_key, token_file, .. } = &self.credentials;
        let mut client = Client::builder(self.url.as_str())
            .connections(connections)
            .timeout(self.timeout)
            .message_bytes_max(usize::MAX);
        if self.url.starts_with("https:") || tls_ca.is_some() || tls_cert.is_some() {
            let mut tls = Tls::new();
            if let Some(ca) = tls_ca {
                tls = tls.ca_file(ca);
            }
            if let (Some(certificate), Some(key)) = (tls_cert, tls_key) {
                tls = tls.identity_files(certificate, key);
            }
            client = client.tls(tls);
        }
        match (token_file, std::env::var(TOKEN_VARIABLE)) {
            (Some(file), _) => client = client.token_file(file),
            (None, _) if !self.credentials.takes_variable => {}
            (None, Ok(token)) => client = client.token(token.trim()),
            (None, Err(std::env::VarError::NotPresent)) => {}
            (None, Err(_)) => anyhow::bail!("{TOKEN_VARIABLE} is not text"),
        }
        if self.credentials.allow_insecure_token {
            client = client.allow_insecure_token();
        }
        client.build().with_context(|| format!("--url {}", self.url))
    }

    /// What a person calls it.
    pub(crate) fn name(&self) -> String {
        match &self.config {
            Some(file) => file.display().to_string(),
            None => self.url.clone(),
        }
    }
}
