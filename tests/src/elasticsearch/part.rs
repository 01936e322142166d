//! What a test has of a node.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use elasticsearch_reqwest::Method;
use rustix::process::Signal;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::node::{Node, PASSWORD, USER};
use crate::failure::Outcome;
use crate::setups::Backend;

const WRONG_PASSWORD: &str = "close sesame";

/// A node that has just started and is asked much at once is slow.
const TIMEOUT: &str = "timeout = \"60s\"\n";

/// A node, and how the names of a test's indices begin there.
pub(super) struct Part {
    pub(super) node: Arc<Node>,
    pub(super) prefix: String,
}

impl Part {
    fn at(&self, address: SocketAddr, login: &str) -> String {
        let (scheme, prefix) = (self.node.scheme(), &self.prefix);
        let tls = self.node.certificates.as_ref().map(|it| it.settings(None));
        let tls = tls.unwrap_or_default();
        format!("url = \"{scheme}://{address}\"\nindex_prefix = \"{prefix}\"\n{login}{tls}")
    }

    fn login(&self, password: &str) -> String {
        match self.node.certificates {
            Some(_) => format!("username = \"{USER}\"\npassword = \"{password}\"\n"),
            None => String::new(),
        }
    }
}

#[async_trait]
impl Backend for Part {
    fn settings(&self) -> String {
        self.at(self.address(), &self.login(PASSWORD)) + TIMEOUT
    }

    fn behind(&self, proxy: SocketAddr) -> Option<String> {
        Some(self.at(proxy, &self.login(PASSWORD)))
    }

    fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.node.port))
    }

    fn with_wrong_password(&self) -> Option<(String, &'static str)> {
        self.node.certificates.as_ref()?;
        Some((self.at(self.address(), &self.login(WRONG_PASSWORD)), WRONG_PASSWORD))
    }

    fn python(&self) -> Value {
        json!({ "url": format!("http://{}", self.address()), "index_prefix": self.prefix })
    }

    async fn stop(&self) -> Outcome {
        self.node.stop().await
    }

    async fn start(&self) -> Outcome {
        self.node.restart().await
    }

    fn freeze(&self) -> Outcome {
        self.node.signal(Signal::STOP)
    }

    fn thaw(&self) -> Outcome {
        self.node.signal(Signal::CONT)
    }

    async fn put_foreign(&self, collection: &str, key: &str) -> Outcome {
        let path = format!("{}-{collection}/_doc/{key}", self.prefix);
        self.node.ask(Method::PUT, &path, Some(json!({ "foreign": true }))).await.map(drop)
    }

    /// The mapping of each index, and what is in it.
    async fn contents(&self) -> Outcome<String> {
        let prefix = format!("{}-", self.prefix);
        self.node.ask(Method::POST, &format!("{prefix}*/_refresh"), None).await?;
        let mappings = self.node.ask(Method::GET, &format!("{prefix}*/_mapping"), None).await?;
        let mappings: Map<String, Value> = serde_json::from_str(&mappings)?;
        let search = json!({ "size": 1000, "sort": [{ "collection": "asc" }, { "key": "asc" }] });
        let found =
            self.node.ask(Method::POST, &format!("{prefix}*/_search"), Some(search)).await?;
        let found: Search = serde_json::from_str(&found)?;
        let mut text = String::new();
        for (index, mapping) in &mappings {
            let name = index.strip_prefix(&prefix).unwrap_or_default();
            writeln!(text, "== {name}: {mapping}")?;
            for hit in found.hits.hits.iter().filter(|hit| hit.index == *index) {
                writeln!(text, "{}: {}", hit.id, hit.source)?;
            }
        }
        Ok(text)
    }

    async fn commands(&self) -> Outcome<Option<u64>> {
        Ok(None)
    }
}

#[derive(Deserialize)]
struct Search {
    hits: Hits,
}

#[derive(Deserialize)]
struct Hits {
    hits: Vec<Hit>,
}

#[derive(Deserialize)]
struct Hit {
    #[serde(rename = "_index")]
    index: String,
    #[serde(rename = "_id")]
    id: String,
    #[serde(rename = "_source")]
    source: Box<RawValue>,
}
