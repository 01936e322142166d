//! A primary with a replica, and a Sentinel that watches them.

use std::net::SocketAddr;
use std::path::Path;

use async_trait::async_trait;
use futures::future::try_join_all;
use serde_json::{Value, json};

use super::server::{Server, Start};
use super::{KEEP_ALL, Product, local};
use crate::failure::{Failure, Outcome};
use crate::ports;
use crate::setups::Backend;
use crate::wait::until_boxed;

/// The name by which the Sentinel knows the primary.
const SERVICE: &str = "entries";

/// After how many milliseconds of silence the Sentinel takes a server for dead: long,
/// because a machine may be busy.
const SILENCE_MS: u32 = 20_000;

/// A primary, its replica, and their Sentinel.
pub struct Sentinel {
    servers: [Server; 2],
    sentinel: Server,
}

impl Sentinel {
    /// Starts them.
    pub async fn start(product: Product, directory: &Path) -> Outcome<Self> {
        let (primary, replica, port) = (ports::free()?, ports::free()?, ports::free()?);
        let start = async |name: &str, port: u16, config: String, is_sentinel: bool| {
            let (directory, config) = (directory.join(name), config.as_str());
            let (directory, login) = (directory.as_path(), None);
            Server::start(Start { product, directory, port, config, login, is_sentinel }).await
        };
        let servers = [
            start("one", primary, format!("port {primary}\n{KEEP_ALL}"), false).await?,
            start(
                "two",
                replica,
                format!("port {replica}\n{KEEP_ALL}replicaof 127.0.0.1 {primary}\n"),
                false,
            )
            .await?,
        ];
        let config = format!(
            "port {port}\nsentinel monitor {SERVICE} 127.0.0.1 {primary} 1\n\
             sentinel down-after-milliseconds {SERVICE} {SILENCE_MS}\n"
        );
        let sentinel = start("sentinel", port, config, true).await?;
        let started = Self { servers, sentinel };
        started.until_ready().await?;
        Ok(started)
    }

    /// Has the replica take over from the primary, which becomes its replica.
    pub async fn fail_over(&self) -> Outcome {
        let before = self.primary()?;
        self.sentinel.ask(&["SENTINEL", "FAILOVER", SERVICE])?;
        until_boxed("the servers have changed places", || {
            Box::pin(async move {
                let changed = self.primary()?.port != before.port;
                Ok((changed && before.ask(&["ROLE"])?.starts_with("slave")).then_some(()))
            })
        })
        .await
    }

    /// Stops the server that is not the primary.
    pub async fn stop_replica(&self) -> Outcome {
        let primary = self.primary()?.port;
        for server in self.servers.iter().filter(|server| server.port != primary) {
            server.daemon.stop().await?;
        }
        Ok(())
    }

    /// The primary, as the Sentinel says.
    fn primary(&self) -> Outcome<&Server> {
        let said = self.sentinel.ask(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE])?;
        let port = said.lines().nth(1).unwrap_or_default().parse::<u16>()?;
        let server = self.servers.iter().find(|server| server.port == port);
        server.ok_or_else(|| Failure::new(format!("the Sentinel names {said}")))
    }

    /// Waits until the Sentinel knows both servers and the replica follows.
    async fn until_ready(&self) -> Outcome {
        until_boxed("the Sentinel knows the servers", || {
            Box::pin(async {
                let known = self.sentinel.ask(&["SENTINEL", "REPLICAS", SERVICE])?;
                let followed = self.primary()?.ask(&["INFO", "replication"])?;
                let ready =
                    known.contains("master-link-status\nok") && followed.contains("state=online");
                Ok(ready.then_some(()))
            })
        })
        .await
    }

    fn all(&self) -> impl Iterator<Item = &Server> {
        self.servers.iter().chain([&self.sentinel])
    }
}

#[async_trait]
impl Backend for Sentinel {
    fn settings(&self) -> String {
        let url = local(self.sentinel.port);
        format!(
            "mode = \"sentinel\"\nurls = [\"redis://{url}\"]\nsentinel_service = \"{SERVICE}\"\n"
        )
    }

    fn behind(&self, _: SocketAddr) -> Option<String> {
        None
    }

    fn address(&self) -> SocketAddr {
        local(self.servers[0].port)
    }

    fn with_wrong_password(&self) -> Option<(String, &'static str)> {
        None
    }

    fn python(&self) -> Value {
        json!({ "host": "127.0.0.1", "port": self.servers[0].port })
    }

    async fn stop(&self) -> Outcome {
        try_join_all(self.all().map(|server| server.daemon.stop())).await.map(drop)
    }

    async fn start(&self) -> Outcome {
        try_join_all(self.all().map(|server| server.daemon.restart())).await?;
        self.until_ready().await
    }

    fn freeze(&self) -> Outcome {
        self.all().try_for_each(|server| server.daemon.freeze())
    }

    fn thaw(&self) -> Outcome {
        self.all().try_for_each(|server| server.daemon.thaw())
    }

    async fn put_foreign(&self, collection: &str, key: &str) -> Outcome {
        let stored = format!("{collection}::{key}");
        let primary = self.primary()?;
        primary.ask(&["DEL", &stored])?;
        primary.ask(&["RPUSH", &stored, "foreign"]).map(drop)
    }

    async fn contents(&self) -> Outcome<String> {
        self.primary()?.contents()
    }

    async fn commands(&self) -> Outcome<Option<u64>> {
        self.primary()?.commands().map(Some)
    }
}
