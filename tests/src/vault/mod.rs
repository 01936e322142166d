//! A real Vault server.

mod api;

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;

use async_trait::async_trait;
use serde_json::{Value, json};

pub use api::Api;
use api::escaped;

use crate::built::built;
use crate::certificates::{Certificates, Files};
use crate::daemon::{Daemon, Ready};
use crate::failure::Outcome;
use crate::ports;
use crate::setups::Backend;
use crate::wait::until_boxed;

/// A token that never ends and may do everything.
const ROOT_TOKEN: &str = "kvgate-tests-root-token";

/// The role of kvgate, and its secret.
const ROLE_ID: &str = "kvgate-tests-role";
const SECRET_ID: &str = "kvgate-tests-secret-id";

/// What the role may do: no more than the store needs.
const POLICY: &str = "path \"secret/*\" \
     { capabilities = [\"create\", \"read\", \"update\", \"delete\", \"list\"] }";

/// How a server is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// In memory, TLS, a token.
    Memory,
    /// On disk, no TLS, an `AppRole`.
    Raft,
}

/// A running server.
pub struct Server {
    daemon: Daemon,
    api: Api,
    kind: Kind,
    port: u16,
    certificates: Option<Certificates>,
    /// Where the key is by which it is unsealed.
    unseal_key: PathBuf,
}

impl Server {
    /// Starts a server whose files are in a directory, which is made.
    pub async fn start(directory: &Path, kind: Kind) -> Outcome<Self> {
        std::fs::create_dir_all(directory.join("raft"))?;
        let port = ports::free()?;
        let certificates = match kind {
            Kind::Memory => Some(Certificates::make(&directory.join("certificates"))?),
            Kind::Raft => None,
        };
        let server_files = certificates.as_ref().map(|certificates| &certificates.server);
        std::fs::write(directory.join("vault.hcl"), configuration(port, server_files)?)?;
        let authority = certificates.as_ref().map(|it| it.authority.as_path());
        let api = Api::new(url(kind, local(port)), authority)?;
        let ready: Ready = {
            let api = api.clone();
            Box::new(move || {
                let api = api.clone();
                Box::pin(async move { api.is_ready("sys/seal-status").await })
            })
        };
        let daemon =
            Daemon::start(command(directory, kind)?, &directory.join("log"), ready).await?;
        let unseal_key = directory.join("unseal-key");
        let server = Self { daemon, api, kind, port, certificates, unseal_key };
        server.make_fit().await?;
        Ok(server)
    }

    /// Where the server is, as lines of TOML.
    pub fn url_setting(&self) -> String {
        self.url_setting_at(self.address())
    }

    fn url_setting_at(&self, address: SocketAddr) -> String {
        let tls = self.certificates.as_ref().map(|it| it.settings(None)).unwrap_or_default();
        format!("url = '{}'\n{tls}", url(self.kind, address))
    }

    /// The server's own interface, used with a token that may do everything.
    pub fn api(&self) -> &Api {
        &self.api
    }

    /// Makes a server that was just started fit for use.
    async fn make_fit(&self) -> Outcome {
        match self.kind {
            Kind::Memory => self.api.use_token(ROOT_TOKEN),
            Kind::Raft => self.unseal().await?,
        }
        self.until_ready("secret/config").await
    }

    /// Waits until a path can be read.
    async fn until_ready(&self, path: &str) -> Outcome {
        until_boxed(format!("{path} can be read"), || {
            Box::pin(async { Ok(self.api.is_ready(path).await.then_some(())) })
        })
        .await
    }

    /// Unseals it, which it needs after each start.
    pub async fn unseal(&self) -> Outcome {
        let is_new = !self.unseal_key.exists();
        if is_new {
            let shares = json!({ "secret_shares": 1, "secret_threshold": 1 });
            let made = self.api.post("sys/init", &shares).await?;
            std::fs::write(&self.unseal_key, text(&made["keys"][0]))?;
            self.api.use_token(text(&made["root_token"]));
        }
        let key = std::fs::read_to_string(&self.unseal_key)?;
        self.api.post("sys/unseal", &json!({ "key": key })).await?;
        self.until_ready("sys/health").await?;
        if is_new {
            self.prepare().await?;
        }
        Ok(())
    }

    /// Mounts the engine and makes the ways in.
    async fn prepare(&self) -> Outcome {
        let token = json!({ "id": ROOT_TOKEN, "policies": ["root"], "no_parent": true });
        self.api.post("auth/token/create", &token).await?;
        self.api.use_token(ROOT_TOKEN);
        let role = json!({
            "token_policies": ["kvgate"], "token_ttl": "6s", "token_max_ttl": "20s",
        });
        for (path, body) in [
            ("sys/mounts/secret", json!({ "type": "kv", "options": { "version": "2" } })),
            ("sys/policies/acl/kvgate", json!({ "policy": POLICY })),
            ("sys/auth/approle", json!({ "type": "approle" })),
            ("auth/approle/role/kvgate", role),
            ("auth/approle/role/kvgate/role-id", json!({ "role_id": ROLE_ID })),
            ("auth/approle/role/kvgate/custom-secret-id", json!({ "secret_id": SECRET_ID })),
        ] {
            self.api.post(path, &body).await?;
        }
        Ok(())
    }

    /// The settings with what the setup shows to Vault, right or wrong.
    fn settings_with(&self, token: &str, secret_id: &str) -> String {
        match self.kind {
            Kind::Memory => self.token_settings(self.address(), token),
            Kind::Raft => {
                let url = self.url_setting();
                format!("approle = {{ role_id = '{ROLE_ID}', secret_id = '{secret_id}' }}\n{url}")
            }
        }
    }

    fn token_settings(&self, address: SocketAddr, token: &str) -> String {
        format!("token = '{token}'\n{}", self.url_setting_at(address))
    }

    /// The paths of everything that is stored, in order.
    pub async fn paths(&self) -> Outcome<Vec<String>> {
        let (mut paths, mut directories) = (Vec::new(), vec![String::new()]);
        while let Some(directory) = directories.pop() {
            for name in self.api.list(&directory).await? {
                let path = format!("{directory}{name}");
                if path.ends_with('/') { directories.push(path) } else { paths.push(path) }
            }
        }
        paths.sort_unstable();
        Ok(paths)
    }
}

#[async_trait]
impl Backend for Server {
    fn settings(&self) -> String {
        self.settings_with(ROOT_TOKEN, SECRET_ID)
    }

    fn behind(&self, proxy: SocketAddr) -> Option<String> {
        // requests are counted there, and a login's renewals would be too
        Some(self.token_settings(proxy, ROOT_TOKEN))
    }

    fn address(&self) -> SocketAddr {
        local(self.port)
    }

    fn with_wrong_password(&self) -> Option<(String, &'static str)> {
        let wrong = "a-token-that-is-wrong";
        Some((self.settings_with(wrong, wrong), wrong))
    }

    fn python(&self) -> Value {
        let verify = match &self.certificates {
            Some(certificates) => json!(certificates.authority),
            None => json!(true),
        };
        json!({ "url": url(self.kind, self.address()), "token": ROOT_TOKEN, "verify": verify })
    }

    async fn stop(&self) -> Outcome {
        self.daemon.stop().await
    }

    async fn start(&self) -> Outcome {
        self.daemon.restart().await?;
        self.make_fit().await
    }

    fn freeze(&self) -> Outcome {
        self.daemon.freeze()
    }

    fn thaw(&self) -> Outcome {
        self.daemon.thaw()
    }

    async fn put_foreign(&self, collection: &str, key: &str) -> Outcome {
        let path = format!("secret/data/{}", escaped(&format!("{collection}::{key}")));
        let foreign = json!({ "data": { "value": "not an envelope" } });
        self.api.post(&path, &foreign).await.map(|_| ())
    }

    async fn contents(&self) -> Outcome<String> {
        let mut contents = String::new();
        for path in self.paths().await? {
            let found = self.api.get(&format!("secret/data/{}", escaped(&path))).await?;
            let found = found.unwrap_or_default();
            let (fields, version) = (&found["data"]["data"], &found["data"]["metadata"]["version"]);
            writeln!(contents, "{path} version {version} {fields}")?;
        }
        Ok(contents)
    }

    async fn commands(&self) -> Outcome<Option<u64>> {
        Ok(None)
    }
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

fn url(kind: Kind, address: SocketAddr) -> String {
    let scheme = if kind == Kind::Memory { "https" } else { "http" };
    format!("{scheme}://{address}")
}

/// A server with TLS keeps all in memory, one without on disk.
fn configuration(port: u16, tls: Option<&Files>) -> Outcome<String> {
    let (scheme, settings, listener) = if let Some(Files { certificate, key }) = tls {
        let (certificate, key) = (certificate.display(), key.display());
        let files = format!("tls_cert_file = \"{certificate}\"\n  tls_key_file = \"{key}\"");
        // else it takes the port behind each of its own, which are another test's
        ("https", "disable_clustering = true\n".to_owned(), files)
    } else {
        let cluster = local(ports::free()?);
        let settings = format!(
            "storage \"raft\" {{\n  path = \"raft\"\n  node_id = \"one\"\n}}\n\
             cluster_addr = \"http://{cluster}\"\n"
        );
        ("http", settings, format!("tls_disable = true\n  cluster_address = \"{cluster}\""))
    };
    let address = local(port);
    Ok(format!(
        "disable_mlock = true\napi_addr = \"{scheme}://{address}\"\n{settings}\
         listener \"tcp\" {{\n  address = \"{address}\"\n  {listener}\n}}\n"
    ))
}

/// How a server is started whose configuration is in the directory.
fn command(directory: &Path, kind: Kind) -> Outcome<impl Fn() -> Command + Send + Sync + use<>> {
    let program = built("vault", "vault")?.join("vault");
    let (home, plain) = (directory.to_owned(), local(ports::free()?));
    Ok(move || {
        let mut command = Command::new(&program);
        command.args(["server", "-config=vault.hcl"]).current_dir(&home).env("HOME", &home);
        if kind == Kind::Memory {
            // it opens its own listener too, without TLS
            command.args(["-dev", "-dev-no-store-token"]);
            command.arg(format!("-dev-root-token-id={ROOT_TOKEN}"));
            command.arg(format!("-dev-listen-address={plain}"));
        }
        for name in ["VAULT_ADDR", "VAULT_TOKEN", "VAULT_CACERT", "VAULT_NAMESPACE"] {
            command.env_remove(name);
        }
        command
    })
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
