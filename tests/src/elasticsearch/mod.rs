//! Real nodes of Elasticsearch and OpenSearch. One takes long to start, so the tests of
//! one process share it, and each has indices of its own.

mod installed;
mod node;
mod part;

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

pub use node::Node;
use part::Part;

use crate::failure::Outcome;
use crate::setups::{Backend, Facts, GetManyCost};
use crate::shared::Shared;
use kvgate_proto::v1::Stability;

/// What a `GetMany` of 1,000 keys costs on any of them.
pub const GET_MANY: GetManyCost = GetManyCost { round_trips: Some(1), commands: None };

/// What is special about all of them.
pub const FACTS: Facts = Facts {
    // their parser of JSON takes no name twice
    refused_values: &[r#""same":1,"same":2"#, r#""a":1,"a":"#, r#"616,"a":"#],
    shares_backend: true,
    // each is an index
    collections_many: 24,
    python_client_writes: true,
    // as it maps values
    python_text_bytes_max: 30_000,
    ..Facts::of("elasticsearch", Stability::Unstable)
};

/// How the names of all indices begin.
const PREFIX: &str = "part";

/// What a node is made of.
#[derive(Clone, Debug)]
pub struct Distribution {
    /// The version of Elasticsearch; nothing: OpenSearch.
    elasticsearch: Option<&'static str>,
    java: RangeInclusive<u32>,
    secured: bool,
}

impl Distribution {
    /// Elasticsearch of this version, which runs on these versions of Java.
    pub const fn elasticsearch(version: &'static str, java: RangeInclusive<u32>) -> Self {
        Self { elasticsearch: Some(version), java, secured: false }
    }

    /// OpenSearch.
    pub const fn opensearch() -> Self {
        Self { elasticsearch: None, java: 21..=25, secured: false }
    }

    /// The same with TLS and a user.
    #[must_use]
    pub const fn secured(self) -> Self {
        Self { secured: true, ..self }
    }
}

/// A part of the node, which is started unless it runs.
pub async fn start(node: &Shared<Node>, distribution: Distribution) -> Outcome<Box<dyn Backend>> {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let node: Arc<Node> = node.get(async || Node::start(distribution).await).await?;
    node.resume().await?;
    let prefix = format!("{PREFIX}{}", NEXT.fetch_add(1, Ordering::Relaxed));
    Ok(Box::new(Part { node, prefix }))
}
