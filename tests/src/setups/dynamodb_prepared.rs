//! DynamoDB with a table that others have made, without TTL, and with reads that need not
//! be consistent.

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use kvgate_proto::v1::Stability;

use super::dynamodb::{DynamoDb, GET_MANY, TABLE};
use super::{Facts, RealBackend, Setup};
use crate::failure::Outcome;

pub(super) const SETUP: Setup = Setup {
    name: "dynamodb_prepared",
    settings: |place| {
        format!(
            "type = \"dynamodb\"\nauto_create = false\nconsistent_read = false\n{}",
            place.backend_settings()
        )
    },
    backend: Some(RealBackend {
        about: "the same with a table that was made before, and `consistent_read = false`",
        start: |directory| {
            Box::pin(async move {
                let backend = DynamoDb::start(&directory).await?;
                make_table(&backend).await?;
                Ok(Box::new(backend) as Box<_>)
            })
        },
        keeps_entries: true,
        get_many: GET_MANY,
    }),
    python: None,
    facts: Facts::of("dynamodb", Stability::Unstable),
};

async fn make_table(backend: &DynamoDb) -> Outcome {
    let mut request = backend.client.create_table().table_name(TABLE);
    for (name, key_type) in [("collection", KeyType::Hash), ("key", KeyType::Range)] {
        let definition = AttributeDefinition::builder().attribute_name(name);
        let element = KeySchemaElement::builder().attribute_name(name).key_type(key_type);
        request = request
            .attribute_definitions(definition.attribute_type(ScalarAttributeType::S).build()?)
            .key_schema(element.build()?);
    }
    request.billing_mode(BillingMode::PayPerRequest).send().await?;
    Ok(())
}
