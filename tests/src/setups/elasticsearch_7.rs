//! Elasticsearch 7.17, the oldest that is supported.

use super::{Facts, RealBackend, Setup, Variant};
use crate::elasticsearch::{Distribution, FACTS, GET_MANY, Node, start};
use crate::shared::Shared;

pub(super) const SETUP: Setup = Setup {
    name: "elasticsearch_7",
    settings: |place| format!("type = \"elasticsearch\"\n{}", place.backend_settings()),
    backend: Some(RealBackend {
        about: "Elasticsearch 7.17.29, Elastic's minimal distribution",
        start: |_| {
            static NODE: Shared<Node> = Shared::new();
            Box::pin(start(&NODE, DISTRIBUTION))
        },
        keeps_entries: true,
        get_many: GET_MANY,
    }),
    // its client speaks to newer ones only
    python: None,
    facts: Facts { variant: Some(VARIANT), ..FACTS },
};

const DISTRIBUTION: Distribution = Distribution::elasticsearch("7.17.29", 11..=17);

/// What it is asked for, its client and its answers are the same; it searches and parses
/// by older code.
const VARIANT: Variant = Variant {
    of: "elasticsearch",
    themes: &["admin", "listing", "missing", "values"],
    faults: &["foreign_content", "get_many_cost"],
};
