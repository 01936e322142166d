//! A table of DynamoDB Local that kvgate makes. Tables that others made and reads that need
//! not be consistent are in `end_to_end/table.rs`.

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
        about: "DynamoDB Local 3.3, which is Amazon's and checks no signatures, with its data in \
                files (SQLite), in memory where there is `/dev/shm`",
        start: |directory| {
            Box::pin(async move { Ok(Box::new(DynamoDb::start(&directory).await?) as Box<_>) })
        },
        keeps_entries: true,
        // batches of 100, all under way at once
        get_many: GetManyCost { round_trips: Some(10), commands: None },
    }),
    python: Some("dynamodb"),
    facts: Facts {
        // it does one at a time: more of them are in `end_to_end/table.rs`
        entries_many: 600,
        // what an item has room for, with what is around it
        value_bytes_large: 400_000,
        ..Facts::of("dynamodb", Stability::Unstable)
    },
};
