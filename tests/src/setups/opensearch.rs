//! OpenSearch 3.

use super::elasticsearch_backend::{Distribution, FACTS, GET_MANY, Node, join, start};
use super::{Facts, RealBackend, Setup};
use crate::shared::Shared;

const DISTRIBUTION: Distribution = Distribution::opensearch();

pub(super) const SETUP: Setup = Setup {
    name: "opensearch",
    settings: |place| place.backend_settings("opensearch"),
    backend: Some(RealBackend {
        about: "OpenSearch 3.8, a node put together from its libraries",
        start: |_| Box::pin(start(DISTRIBUTION)),
        join: Some(|_| {
            static NODE: Shared<Node> = Shared::new();
            Box::pin(join(&NODE, DISTRIBUTION))
        }),
        keeps_entries: true,
        get_many: GET_MANY,
    }),
    // its client refuses what is not Elasticsearch
    python: None,
    facts: Facts { store_type: "opensearch", ..FACTS },
};
