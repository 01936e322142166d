//! Elasticsearch 9, without a password.

use super::{RealBackend, Setup};
use crate::elasticsearch::{Distribution, FACTS, GET_MANY, Node, start};
use crate::shared::Shared;

pub(super) const SETUP: Setup = Setup {
    name: "elasticsearch",
    settings: |place| format!("type = \"elasticsearch\"\n{}", place.backend_settings()),
    backend: Some(RealBackend {
        about: "Elasticsearch 9.5.3, Elastic's minimal distribution",
        start: |_| {
            static NODE: Shared<Node> = Shared::new();
            Box::pin(start(&NODE, DISTRIBUTION))
        },
        keeps_entries: true,
        get_many: GET_MANY,
    }),
    python: Some("elasticsearch"),
    facts: FACTS,
};

const DISTRIBUTION: Distribution = Distribution::elasticsearch("9.5.3", 21..=25);
