//! Elasticsearch 9 with TLS that asks for a user and a password. It gives out no API keys:
//! what it needs for them is in a module that Elastic's minimal distribution lacks.

use super::{Facts, RealBackend, Setup, Variant};
use crate::elasticsearch::{Distribution, FACTS, GET_MANY, Node, start};
use crate::shared::Shared;

pub(super) const SETUP: Setup = Setup {
    name: "elasticsearch_password",
    settings: |place| format!("type = \"elasticsearch\"\n{}", place.backend_settings()),
    backend: Some(RealBackend {
        about: "Elasticsearch 9.5.3 with TLS and a password; its minimal distribution can't make API keys",
        start: |_| {
            static NODE: Shared<Node> = Shared::new();
            Box::pin(start(&NODE, DISTRIBUTION))
        },
        keeps_entries: true,
        get_many: GET_MANY,
    }),
    // it stores what it stores without a password
    python: None,
    facts: Facts { variant: Some(VARIANT), ..FACTS },
};

const DISTRIBUTION: Distribution = Distribution::elasticsearch("9.5.3", 21..=25).secured();

/// Only connections differ.
const VARIANT: Variant = Variant {
    of: "elasticsearch",
    themes: &["admin", "missing"],
    faults: &["down_at_start", "wrong_password", "get_many_cost"],
};
