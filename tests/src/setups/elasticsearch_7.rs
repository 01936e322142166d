//! Elasticsearch 7.17, the oldest that is supported.

use super::elasticsearch_backend::{Distribution, FACTS, GET_MANY, Node, join, start};
use super::{RealBackend, Setup};
use crate::shared::Shared;

const DISTRIBUTION: Distribution = Distribution::elasticsearch("7.17.29", 11..=17);

pub(super) const SETUP: Setup = Setup {
    name: "elasticsearch_7",
    settings: |place| place.backend_settings("elasticsearch"),
    backend: Some(RealBackend {
        about: "Elasticsearch 7.17.29, Elastic's minimal distribution",
        start: |_| Box::pin(start(DISTRIBUTION)),
        join: Some(|_| {
            static NODE: Shared<Node> = Shared::new();
            Box::pin(join(&NODE, DISTRIBUTION))
        }),
        keeps_entries: true,
        get_many: GET_MANY,
    }),
    // its client speaks to newer ones only
    python: None,
    facts: FACTS,
};
