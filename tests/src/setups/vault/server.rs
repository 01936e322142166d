//! A Vault server of a test's own.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::api::{Api, escaped};
use crate::daemon::{Daemon, Ready};
use crate::failure::{Failure, Outcome, expect};
use crate::ports;
use crate::setups::Backend;
use crate::wait::until;

/// A token that never ends and may do everything.
const ROOT_TOKEN: &str = "kvgate-tests-root-token";

/// The role of kvgate, and its secret.
const ROLE_ID: &str = "kvgate-tests-role";
const SECRET_ID: &str = "kvgate-tests-secret-id";

/// What the role may do: no more than the store needs.
const POLICY: &str = "path \"secret/*\" \
     { capabilities = [\"create\", \"read\", \"update\", \"delete\", \"list\"] }";

/// How a server is set up.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// In memory, TLS, a token.
    Memory,
    /// On disk, no TLS, an `AppRole`.
    Raft,
}

/// Starts a server whose files are in the directory.
pub async fn start(directory: PathBuf, kind: Kind) -> Outcome<Server> {
    std::fs::create_dir_all(directory.join("raft"))?;
    let port = ports::free()?;
    let certificate = match kind {
        Kind::Memory => Some(make_certificate(&directory)?),
        Kind::Raft => None,
    };
    configure(&directory, kind, port)?;
    let url = url(kind, SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    let api = Api::new(url, certificate.as_deref())?;
    let ready: Ready = {
        let api = api.clone();
        Box::new(move || {
            let api = api.clone();
            Box::pin(async move { api.is_ready("sys/seal-status").await })
        })
    };
    let (program, home, plain) = (program()?, directory.clone(), ports::free()?);
    let command = move || {
        let mut command = Command::new(&program);
        command.args(["server", "-config=vault.hcl"]).current_dir(&home).env("HOME", &home);
        if kind == Kind::Memory {
            // it opens its own listener too, without TLS
            command.args(["-dev", "-dev-no-store-token"]);
            command.arg(format!("-dev-root-token-id={ROOT_TOKEN}"));
            command.arg(format!("-dev-listen-address=127.0.0.1:{plain}"));
        }
        for name in ["VAULT_ADDR", "VAULT_TOKEN", "VAULT_CACERT", "VAULT_NAMESPACE"] {
            command.env_remove(name);
        }
        command
    };
    let daemon = Daemon::start(command, &directory.join("log"), ready).await?;
    let server = Server { daemon, api, kind, port, directory };
    server.make_fit().await?;
    Ok(server)
}

/// A running server.
pub struct Server {
    daemon: Daemon,
    api: Api,
    kind: Kind,
    port: u16,
    directory: PathBuf,
}

impl Server {
    /// Where the server is, as a line of TOML.
    pub fn url_setting(&self) -> String {
        format!("url = '{}'\n", url(self.kind, self.address()))
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
        until("the engine is ready", async || {
            Ok(self.api.is_ready("secret/config").await.then_some(()))
        })
        .await
    }

    /// Unseals it, which it needs after each start.
    async fn unseal(&self) -> Outcome {
        let known = self.directory.join("unseal-key");
        let is_new = !known.exists();
        if is_new {
            let shares = json!({ "secret_shares": 1, "secret_threshold": 1 });
            let made = self.api.post("sys/init", &shares).await?;
            std::fs::write(&known, text(&made["keys"][0]))?;
            self.api.use_token(text(&made["root_token"]));
        }
        let key = std::fs::read_to_string(&known)?;
        self.api.post("sys/unseal", &json!({ "key": key })).await?;
        until("Vault is active", async || Ok(self.api.is_ready("sys/health").await.then_some(())))
            .await?;
        if is_new {
            self.prepare().await?;
        }
        Ok(())
    }

    /// Mounts the engine and makes the ways in.
    async fn prepare(&self) -> Outcome {
        let post = async |path: &str, body: Value| self.api.post(path, &body).await;
        let token = json!({ "id": ROOT_TOKEN, "policies": ["root"], "no_parent": true });
        post("auth/token/create", token).await?;
        self.api.use_token(ROOT_TOKEN);
        post("sys/mounts/secret", json!({ "type": "kv", "options": { "version": "2" } })).await?;
        post("sys/policies/acl/kvgate", json!({ "policy": POLICY })).await?;
        post("sys/auth/approle", json!({ "type": "approle" })).await?;
        let role = json!({
            "token_policies": ["kvgate"], "token_ttl": "6s", "token_max_ttl": "20s",
        });
        post("auth/approle/role/kvgate", role).await?;
        post("auth/approle/role/kvgate/role-id", json!({ "role_id": ROLE_ID })).await?;
        let secret = json!({ "secret_id": SECRET_ID });
        post("auth/approle/role/kvgate/custom-secret-id", secret).await.map(|_| ())
    }

    fn settings_with(&self, address: SocketAddr, token: &str, secret_id: &str) -> String {
        let url = url(self.kind, address);
        match self.kind {
            Kind::Memory => {
                let ca_file = self.directory.join(CERTIFICATE);
                let ca_file = ca_file.display();
                format!("url = '{url}'\ntoken = '{token}'\ntls = {{ ca_file = '{ca_file}' }}\n")
            }
            Kind::Raft => format!(
                "url = '{url}'\nlogin = {{ method = 'approle', role_id = '{ROLE_ID}', \
                 secret_id = '{secret_id}' }}\n"
            ),
        }
    }

    /// The paths of everything that is stored, in order.
    async fn paths(&self) -> Outcome<Vec<String>> {
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
        self.settings_with(self.address(), ROOT_TOKEN, SECRET_ID)
    }

    fn behind(&self, proxy: SocketAddr) -> Option<String> {
        Some(self.settings_with(proxy, ROOT_TOKEN, SECRET_ID))
    }

    fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    fn with_wrong_password(&self) -> Option<(String, &'static str)> {
        let wrong = "a-token-that-is-wrong";
        Some((self.settings_with(self.address(), wrong, wrong), wrong))
    }

    fn python(&self) -> Value {
        let ca_file = match self.kind {
            Kind::Memory => json!(self.directory.join(CERTIFICATE)),
            Kind::Raft => json!(true),
        };
        json!({ "url": url(self.kind, self.address()), "token": ROOT_TOKEN, "verify": ca_file })
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
            contents += &format!("{path} version {version} {fields}\n");
        }
        Ok(contents)
    }

    async fn commands(&self) -> Outcome<Option<u64>> {
        Ok(None)
    }
}

const CERTIFICATE: &str = "certificate.pem";

fn url(kind: Kind, address: SocketAddr) -> String {
    let scheme = if kind == Kind::Memory { "https" } else { "http" };
    format!("{scheme}://{address}")
}

fn configure(directory: &Path, kind: Kind, port: u16) -> Outcome {
    let (storage, tls) = match kind {
        Kind::Memory => {
            (String::new(), "tls_cert_file = \"certificate.pem\"\n  tls_key_file = \"key.pem\"")
        }
        Kind::Raft => (
            format!(
                "storage \"raft\" {{\n  path = \"raft\"\n  node_id = \"one\"\n}}\n\
                 cluster_addr = \"http://127.0.0.1:{}\"",
                ports::free()?
            ),
            "tls_disable = true",
        ),
    };
    let url = url(kind, SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    let text = format!(
        "disable_mlock = true\napi_addr = \"{url}\"\n{storage}\n\
         listener \"tcp\" {{\n  address = \"127.0.0.1:{port}\"\n  {tls}\n}}\n"
    );
    Ok(std::fs::write(directory.join("vault.hcl"), text)?)
}

/// Makes a certificate that is its own authority, and its key.
fn make_certificate(directory: &Path) -> Outcome<PathBuf> {
    let settings = "[req]\ndistinguished_name = name\nx509_extensions = extensions\nprompt = no\n\
         [name]\nCN = kvgate tests\n[extensions]\nbasicConstraints = critical, CA:FALSE\n\
         subjectAltName = IP:127.0.0.1\n";
    std::fs::write(directory.join("certificate.cnf"), settings)?;
    let output = Command::new("openssl")
        .current_dir(directory)
        .args(["req", "-x509", "-days", "2", "-nodes", "-config", "certificate.cnf"])
        .args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
        .args(["-keyout", "key.pem", "-out", CERTIFICATE])
        .output()
        .map_err(|error| Failure::from(error).within("starting openssl"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    expect(output.status.success(), format!("openssl made no certificate: {said}"))?;
    Ok(directory.join(CERTIFICATE))
}

/// Where `tests/backends/install` has put it.
fn program() -> Outcome<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME").filter(|path| !path.is_empty());
    let cache = cache.map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")));
    let cache = cache.ok_or_else(|| Failure::new("neither XDG_CACHE_HOME nor HOME is set"))?;
    Ok(cache.join("kvgate-backends/vault/vault"))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
