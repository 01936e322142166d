//! DynamoDB with a table that others have made, without TTL, and with reads that need not
//! be consistent.

use aws_sdk_dynamodb::types::KeyType;
use kvgate_proto::v1::Stability;

use super::dynamodb::GET_MANY;
use super::{Facts, RealBackend, Setup};
use crate::dynamodb::DynamoDb;

pub(super) const SETUP: Setup = Setup {
    name: "dynamodb_prepared",
    settings: |place| {
        format!(
            "type = \"dynamodb\"\ntimeout = \"20s\"\nauto_create = false\n\
             consistent_read = false\n{}",
            place.backend_settings()
        )
    },
    backend: Some(RealBackend {
        about: "the same with a table that was made before, and `consistent_read = false`",
        start: |directory| {
            Box::pin(async move {
                let backend = DynamoDb::start(&directory).await?;
                let keys = [("collection", KeyType::Hash), ("key", KeyType::Range)];
                backend.make_table(&keys).await?;
                Ok(Box::new(backend) as Box<_>)
            })
        },
        keeps_entries: true,
        get_many: GET_MANY,
    }),
    python: None,
    facts: Facts::of("dynamodb", Stability::Unstable),
};
