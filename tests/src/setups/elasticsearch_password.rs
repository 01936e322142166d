//! Elasticsearch 9 with TLS that asks who we are: a user with a password, or behind a
//! proxy an API key.

use super::{RealBackend, Setup};
use crate::elasticsearch::{Distribution, FACTS, GET_MANY, Node, start};
use crate::shared::Shared;

pub(super) const SETUP: Setup = Setup {
    name: "elasticsearch_password",
    settings: |place| format!("type = \"elasticsearch\"\n{}", place.backend_settings()),
    backend: Some(RealBackend {
        about: "Elasticsearch 9.5.3 with TLS, and a user and a password or an API key",
        start: |_| {
            static NODE: Shared<Node> = Shared::new();
            Box::pin(start(&NODE, DISTRIBUTION))
        },
        keeps_entries: true,
        get_many: GET_MANY,
    }),
    // it stores what it stores without a password
    python: None,
    facts: FACTS,
};

const DISTRIBUTION: Distribution = Distribution::elasticsearch("9.5.3", 21..=25).secured();
