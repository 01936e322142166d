//! One node, with its process.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use elasticsearch_reqwest::{Certificate, Client, Method, RequestBuilder};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::installed::{self, Login, Place};
use super::{Distribution, PREFIX};
use crate::certificates::Certificates;
use crate::daemon::{Daemon, Ready};
use crate::failure::{Failure, Outcome};
use crate::folder::Folder;
use crate::ports;

/// The one user of a node that asks who we are.
pub(super) const USER: &str = "kvgate";
pub(super) const PASSWORD: &str = "open sesame";
/// By bcrypt.
const PASSWORD_HASH: &str = "$2b$04$kh/T5PGxHsxWjl1nmoqRb.NW/aVMvCJgBO9OZ/.ov1KvDJbZRcNU6";

/// How long the tests wait for one answer.
const ANSWER_PATIENCE: Duration = Duration::from_secs(30);

/// A running node.
pub struct Node {
    // Fields are dropped in this order: the node ends before its folder.
    daemon: Daemon,
    folder: Folder,
    pub(super) port: u16,
    /// What it encrypts with, if it asks who we are.
    pub(super) certificates: Option<Certificates>,
    client: Client,
}

impl Node {
    /// Starts one.
    pub async fn start(distribution: Distribution) -> Outcome<Self> {
        let folder = Folder::new()?;
        let place = Place { folder: &folder, port: ports::free()?, transport_port: ports::free()? };
        let port = place.port;
        let certificates = distribution
            .secured
            .then(|| Certificates::make(&folder.path("config/certificates")))
            .transpose()?;
        let login = certificates.as_ref().map(|certificates| Login {
            user: USER,
            password_hash: PASSWORD_HASH,
            certificates,
        });
        let command: Box<dyn Fn() -> Command + Send + Sync> = match distribution.elasticsearch {
            Some(version) => Box::new(installed::elasticsearch(
                version,
                &distribution.java,
                &place,
                login.as_ref(),
            )?),
            None => Box::new(installed::opensearch(&distribution.java, &place)?),
        };
        let client = client(certificates.as_ref())?;
        let asking = (client.clone(), url(port, certificates.is_some(), "_cluster/health"));
        let ready: Ready = Box::new(move || {
            let (client, url) = &asking;
            let request = signed(client.get(url)).query(&[("wait_for_status", "yellow")]).send();
            Box::pin(async move { request.await.is_ok_and(|answer| answer.status().is_success()) })
        });
        let daemon = Daemon::start(command, &folder.path("log"), ready).await?;
        let node = Self { daemon, folder, port, certificates, client };
        // it can't have any, and looks again for a place for all of them with each index
        let without_replicas = json!({
            "index_patterns": [format!("{PREFIX}*")],
            "template": { "settings": { "number_of_replicas": 0 } },
        });
        let path = "_index_template/without_replicas";
        node.ask(Method::PUT, path, Some(without_replicas)).await?;
        Ok(node)
    }

    /// Has it run if a test that failed has left it stopped, held or starting.
    pub async fn resume(&self) -> Outcome {
        if !self.daemon.is_started() {
            return self.restart().await;
        }
        // there is no process to tell of until it has begun to start
        drop(self.signal(Signal::CONT));
        self.daemon.until_ready().await
    }

    pub(super) async fn stop(&self) -> Outcome {
        self.daemon.stop().await
    }

    pub(super) async fn restart(&self) -> Outcome {
        self.daemon.restart().await
    }

    pub(super) fn signal(&self, signal: Signal) -> Outcome {
        let server = self.server().ok_or_else(|| Failure::new("no process"))?;
        Ok(kill_process(server, signal)?)
    }

    /// The process that serves: some versions have another one that watches it.
    fn server(&self) -> Option<Pid> {
        let Ok(pid) = std::fs::read_to_string(self.folder.path(installed::PID_FILE)) else {
            return self.daemon.process();
        };
        Pid::from_raw(pid.trim().parse().ok()?)
    }

    /// How its address begins.
    pub(super) fn scheme(&self) -> &'static str {
        if self.certificates.is_some() { "https" } else { "http" }
    }

    /// Asks it something, which must succeed.
    pub(super) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Outcome<String> {
        let url = url(self.port, self.certificates.is_some(), path);
        let mut request = signed(self.client.request(method, url));
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let answer = request.send().await?;
        let (status, text) = (answer.status(), answer.text().await?);
        if !status.is_success() {
            return Err(Failure::new(format!("{path}: {status} {text}")));
        }
        Ok(text)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // the daemon may be only its watcher; it fails for one that has ended
        drop(self.signal(Signal::KILL));
    }
}

fn client(certificates: Option<&Certificates>) -> Outcome<Client> {
    let mut builder = Client::builder().no_proxy().timeout(ANSWER_PATIENCE);
    if let Some(Certificates { authority, .. }) = certificates {
        let authority: PathBuf = authority.clone();
        builder = builder.add_root_certificate(Certificate::from_pem(&std::fs::read(authority)?)?);
    }
    Ok(builder.build()?)
}

fn url(port: u16, secured: bool, path: &str) -> String {
    format!("{}://127.0.0.1:{port}/{path}", if secured { "https" } else { "http" })
}

/// Who has no users ignores them.
fn signed(request: RequestBuilder) -> RequestBuilder {
    request.basic_auth(USER, Some(PASSWORD))
}
