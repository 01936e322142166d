//! A table of DynamoDB Local that kvgate makes.

use kvgate_proto::v1::Stability;

use super::{Facts, GetManyCost, RealBackend, Setup};
use crate::dynamodb::DynamoDb;

pub(super) const SETUP: Setup = Setup {
    name: "dynamodb",
    settings: |place| {
        // it does one thing at a time, and the suite asks much of it at once
        format!("type = \"dynamodb\"\ntimeout = \"20s\"\n{}", place.backend_settings())
    },
    backend: Some(RealBackend {
        about: "DynamoDB Local 3.3, which is Amazon's and checks no signatures, with its data in a \
                file (SQLite)",
        start: |directory| {
            Box::pin(async move { Ok(Box::new(DynamoDb::start(&directory).await?) as Box<_>) })
        },
        keeps_entries: true,
        get_many: GET_MANY,
    }),
    python: Some("dynamodb"),
    facts: Facts::of("dynamodb", Stability::Unstable),
};

/// Batches of 100, all under way at once.
pub(super) const GET_MANY: GetManyCost = GetManyCost { round_trips: Some(10), commands: None };
