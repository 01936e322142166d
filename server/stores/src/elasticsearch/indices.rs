//! The indices, which are made on demand.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use elasticsearch::http::Method;
use kvgate_core::Result;
use serde_json::{Value, json};

use super::cluster::{Cluster, Request};
use super::names::segment;

/// Which indices are known to be there; over it, all are asked about again.
const KNOWN_MAX: usize = 10_000;

/// What the cluster says when somebody else was faster.
const EXISTS_ALREADY: [&str; 2] =
    ["resource_already_exists_exception", "index_already_exists_exception"];

/// Whose indices they are. py-key-value has a store for each, with names of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Product {
    Elasticsearch,
    #[cfg_attr(
        not(feature = "opensearch"),
        expect(dead_code, reason = "the store of that name makes it")
    )]
    OpenSearch,
}

/// The indices of a store.
pub(super) struct Indices {
    product: Product,
    known: Mutex<HashSet<String>>,
}

impl Indices {
    pub(super) fn new(product: Product) -> Self {
        Self { product, known: Mutex::default() }
    }

    /// Whose they are.
    pub(super) fn product(&self) -> Product {
        self.product
    }

    /// Makes the index unless it is there. Without it the first document would make one,
    /// with a mapping that is guessed.
    pub(super) async fn ensure(&self, cluster: &Cluster, index: &str) -> Result<()> {
        if self.known().contains(index) {
            return Ok(());
        }
        // whoever may only write can still use an index that is there
        let there = Request::new(Method::Head, segment(index).to_string());
        if cluster.ask(&there).await?.found()?.is_none() {
            self.make(cluster, index).await?;
        }
        let mut known = self.known();
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        known.insert(index.to_owned());
        Ok(())
    }

    /// Asks about the index again before the next write.
    pub(super) fn forget(&self, index: &str) {
        self.known().remove(index);
    }

    async fn make(&self, cluster: &Cluster, index: &str) -> Result<()> {
        let request = Request::new(Method::Put, segment(index).to_string())
            .json(json!({ "mappings": self.product.mapping() }).to_string());
        let answer = cluster.ask(&request.writing()).await?;
        let fault = answer.fault();
        if (200..300).contains(&answer.status) || EXISTS_ALREADY.iter().any(|it| fault.is(it)) {
            return Ok(());
        }
        Err(answer.undecided(fault.of_request(answer.status)))
    }

    fn known(&self) -> MutexGuard<'_, HashSet<String>> {
        // a panic can't leave it half changed: each change of it is one call
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Product {
    /// How names of indices begin in py-key-value.
    pub(super) fn default_prefix(self) -> &'static str {
        match self {
            Self::Elasticsearch => "kv_store",
            Self::OpenSearch => "opensearch_kv_store",
        }
    }

    /// The member of a document's `value` in which the value is.
    pub(super) fn value_member(self) -> &'static str {
        match self {
            Self::Elasticsearch => "flattened",
            Self::OpenSearch => "flat",
        }
    }

    /// The mapping that py-key-value makes, but for values: as it maps them, they can't
    /// have texts over 32,766 bytes, deep nesting or NUL in names. Nobody searches them.
    fn mapping(self) -> Value {
        let value = match self {
            Self::Elasticsearch => json!({
                "type": "flattened", "index": false, "doc_values": false,
            }),
            // its flat_object has no such parameters
            Self::OpenSearch => json!({ "type": "object", "enabled": false }),
        };
        json!({ "properties": {
            "created_at": { "type": "date" },
            "expires_at": { "type": "date" },
            "collection": { "type": "keyword" },
            "key": { "type": "keyword" },
            "version": { "type": "integer" },
            "value": { "properties": { self.value_member(): value } },
        } })
    }

    /// Its name in prose.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Elasticsearch => "Elasticsearch",
            Self::OpenSearch => "OpenSearch",
        }
    }
}
