//! A cluster of three primaries, each with a replica.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use async_trait::async_trait;
use futures::future::try_join_all;
use serde_json::{Value, json};

use super::server::{Server, Start};
use super::{KEEP_ALL, Product, local, run};
use crate::failure::{Failure, Outcome};
use crate::ports;
use crate::setups::Backend;
use crate::wait::until_boxed;

const NODES: usize = 6;

/// A cluster.
pub struct Cluster {
    product: Product,
    nodes: Vec<Server>,
}

impl Cluster {
    /// A node may be silent so long that none is replaced on a busy machine.
    pub const PATIENT_MS: u32 = 20_000;

    /// Starts the nodes and makes a cluster of them. A node that says nothing for so
    /// many milliseconds is replaced.
    pub async fn start(product: Product, directory: &Path, timeout_ms: u32) -> Outcome<Self> {
        let starting = (0..NODES).map(async |number| {
            let (directory, port) = (directory.join(format!("node-{number}")), ports::free()?);
            let config = format!(
                "port {port}\n{KEEP_ALL}cluster-enabled yes\ncluster-node-timeout {timeout_ms}\n\
                 cluster-port {}\n",
                ports::free()?,
            );
            let (directory, config) = (directory.as_path(), config.as_str());
            let (login, is_sentinel) = (None, false);
            Server::start(Start { product, directory, port, config, login, is_sentinel }).await
        });
        let cluster = Self { product, nodes: try_join_all(starting).await? };
        let mut create = cluster.cli();
        create.args(["--cluster", "create"]);
        create.args(cluster.nodes.iter().map(|node| local(node.port).to_string()));
        create.args(["--cluster-replicas", "1", "--cluster-yes"]);
        let created = tokio::task::spawn_blocking(move || run(&mut create)).await?;
        created.map_err(|failure| failure.within("making the cluster"))?;
        cluster.until_ready().await?;
        Ok(cluster)
    }

    /// What the node that has this key answers to a command on it.
    pub fn ask(&self, command: &[&str]) -> Outcome<String> {
        let port = self.nodes[0].port.to_string();
        run(self.cli().args(["-e", "-c", "-p", &port]).args(command))
    }

    /// The nodes that are primaries now.
    pub fn primaries(&self) -> Outcome<Vec<usize>> {
        self.primaries_among(|_| true)
    }

    /// The primaries without one node, which may be gone.
    pub fn primaries_but(&self, number: usize) -> Outcome<Vec<usize>> {
        self.primaries_among(|other| other != number)
    }

    fn primaries_among(&self, is_asked: impl Fn(usize) -> bool) -> Outcome<Vec<usize>> {
        let mut primaries = Vec::new();
        for (number, node) in self.nodes.iter().enumerate() {
            if is_asked(number) && node.ask(&["ROLE"])?.starts_with("master") {
                primaries.push(number);
            }
        }
        Ok(primaries)
    }

    /// Kills a node for good.
    pub async fn stop_node(&self, number: usize) -> Outcome {
        self.nodes[number].daemon.stop().await
    }

    /// Moves slots from one primary to another.
    pub async fn move_slots(&self, from: usize, to: usize, count: usize) -> Outcome {
        let id = |number: usize| self.nodes[number].ask(&["CLUSTER", "MYID"]);
        let (from, to) = (id(from)?, id(to)?);
        let mut reshard = self.cli();
        reshard.args(["--cluster", "reshard", &local(self.nodes[0].port).to_string()]);
        reshard.args(["--cluster-from", from.trim(), "--cluster-to", to.trim()]);
        reshard.args(["--cluster-slots", &count.to_string(), "--cluster-yes"]);
        tokio::task::spawn_blocking(move || run(&mut reshard)).await?.map(drop)
    }

    fn cli(&self) -> Command {
        Command::new(format!("{}-cli", self.product.word()))
    }

    /// Waits until every node takes writes and every primary has its replica.
    async fn until_ready(&self) -> Outcome {
        let is_ready = |node: &Server| {
            let info = node.ask(&["CLUSTER", "INFO"])?;
            let fine = ["cluster_state:ok", "cluster_slots_ok:16384", "cluster_known_nodes:6"];
            let linked = node.ask(&["INFO", "replication"])?;
            let linked = ["connected_slaves:1", "master_link_status:up"]
                .iter()
                .any(|it| linked.contains(it));
            Ok::<_, Failure>(linked && fine.iter().all(|it| info.contains(it)))
        };
        let all_ready = || {
            let ready = self.nodes.iter().try_fold(true, |all, node| Ok(all && is_ready(node)?));
            ready.map(|ready| ready.then_some(()))
        };
        until_boxed("the cluster is ready", || Box::pin(async { all_ready() })).await
    }
}

#[async_trait]
impl Backend for Cluster {
    fn settings(&self) -> String {
        // two of the nodes: kvgate finds the others
        let urls = [0, 1].map(|number| format!("\"redis://{}\"", local(self.nodes[number].port)));
        format!("mode = \"cluster\"\nurls = [{}]\n", urls.join(", "))
    }

    fn behind(&self, _: SocketAddr) -> Option<String> {
        None
    }

    fn address(&self) -> SocketAddr {
        local(self.nodes[0].port)
    }

    fn with_wrong_password(&self) -> Option<(String, &'static str)> {
        None
    }

    fn python(&self) -> Value {
        json!({ "host": "127.0.0.1", "port": self.nodes[0].port })
    }

    async fn stop(&self) -> Outcome {
        try_join_all(self.nodes.iter().map(|node| node.daemon.stop())).await.map(drop)
    }

    async fn start(&self) -> Outcome {
        try_join_all(self.nodes.iter().map(|node| node.daemon.restart())).await?;
        self.until_ready().await
    }

    fn freeze(&self) -> Outcome {
        self.nodes.iter().try_for_each(|node| node.daemon.freeze())
    }

    fn thaw(&self) -> Outcome {
        self.nodes.iter().try_for_each(|node| node.daemon.thaw())
    }

    async fn put_foreign(&self, collection: &str, key: &str) -> Outcome {
        let stored = format!("{collection}::{key}");
        self.ask(&["DEL", &stored])?;
        self.ask(&["RPUSH", &stored, "foreign"]).map(drop)
    }

    async fn contents(&self) -> Outcome<String> {
        let primaries = self.primaries()?;
        primaries.into_iter().map(|number| self.nodes[number].contents()).collect()
    }

    async fn commands(&self) -> Outcome<Option<u64>> {
        self.nodes.iter().map(Server::commands).sum::<Outcome<u64>>().map(Some)
    }
}
