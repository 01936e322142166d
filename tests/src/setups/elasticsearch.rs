//! Elasticsearch 9, without a password.

use super::elasticsearch_backend::{Distribution, FACTS, GET_MANY, Node, join, start};
use super::{RealBackend, Setup};
use crate::shared::Shared;

const DISTRIBUTION: Distribution = Distribution::elasticsearch("9.5.3", 21..=25);

pub(super) const SETUP: Setup = Setup {
    name: "elasticsearch",
    settings: |place| place.backend_settings("elasticsearch"),
    backend: Some(RealBackend {
        about: "Elasticsearch 9.5.3, Elastic's minimal distribution",
        start: |_| Box::pin(start(DISTRIBUTION)),
        join: Some(|_| {
            static NODE: Shared<Node> = Shared::new();
            Box::pin(join(&NODE, DISTRIBUTION))
        }),
        keeps_entries: true,
        get_many: GET_MANY,
    }),
    python: Some("elasticsearch"),
    facts: FACTS,
};
