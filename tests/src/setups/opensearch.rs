//! OpenSearch 3.

use super::{Facts, RealBackend, Setup};
use crate::elasticsearch::{Distribution, FACTS, GET_MANY, Node, start};
use crate::shared::Shared;

pub(super) const SETUP: Setup = Setup {
    name: "opensearch",
    settings: |place| format!("type = \"opensearch\"\n{}", place.backend_settings()),
    backend: Some(RealBackend {
        about: "OpenSearch 3.8, a node put together from its libraries",
        start: |_| {
            static NODE: Shared<Node> = Shared::new();
            Box::pin(start(&NODE, DISTRIBUTION))
        },
        keeps_entries: true,
        get_many: GET_MANY,
    }),
    python: Some("opensearch"),
    facts: Facts { store_type: "opensearch", ..FACTS },
};

const DISTRIBUTION: Distribution = Distribution::opensearch();
