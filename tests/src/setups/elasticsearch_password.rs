//! Elasticsearch 9 that asks who we are: a user with a password, or behind a proxy an
//! API key.

use super::elasticsearch_backend::{Distribution, FACTS, GET_MANY, Node, join, start};
use super::{RealBackend, Setup};
use crate::shared::Shared;

const DISTRIBUTION: Distribution = Distribution::elasticsearch("9.5.3", 21..=25).secured();

pub(super) const SETUP: Setup = Setup {
    name: "elasticsearch_password",
    settings: |place| place.backend_settings("elasticsearch"),
    backend: Some(RealBackend {
        about: "Elasticsearch 9.5.3 with security: a user and a password, or an API key",
        start: |_| Box::pin(start(DISTRIBUTION)),
        join: Some(|_| {
            static NODE: Shared<Node> = Shared::new();
            Box::pin(join(&NODE, DISTRIBUTION))
        }),
        keeps_entries: true,
        get_many: GET_MANY,
    }),
    // it stores what it stores without a password
    python: None,
    facts: FACTS,
};
