//! A table of DynamoDB that is not there, or not any more.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use kvgate_tests::failure::{Failure, Outcome, expect, expect_equal};
use kvgate_tests::folder::Folder;
use kvgate_tests::server::Server;
use kvgate_tests::setups::{ALL, Backend};

const TABLE: &str = "kvgate-tests";

/// A DynamoDB without any table.
struct Scene {
    backend: Box<dyn Backend>,
    folder: Folder,
}

impl Scene {
    async fn set() -> Outcome<Self> {
        let folder = Folder::new()?;
        let setup = ALL.iter().find(|setup| setup.name == "dynamodb");
        let backend = setup.and_then(|setup| setup.backend.as_ref());
        let backend = backend.ok_or_else(|| Failure::new("no such setup"))?;
        let backend = (backend.start)(folder.path("backend")).await?;
        Ok(Self { backend, folder })
    }

    async fn start(&self, settings: &str) -> Outcome<Server> {
        let found = self.backend.settings();
        self.folder.start(&format!("[stores.main]\ntype = \"dynamodb\"\n{settings}{found}")).await
    }

    fn client(&self) -> Client {
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new("eu-central-1"))
            .endpoint_url(format!("http://{}", self.backend.address()))
            .credentials_provider(Credentials::new("kvgatetests", "s", None, None, "tests"))
            .build();
        Client::from_conf(config)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn is_not_made_unasked() -> Outcome {
    let scene = Scene::set().await?;
    let server = scene.start("auto_create = false\n").await?;
    let here = server.client().await?.collection("", "c");
    let Err(error) = here.put("key", "{}").await else {
        return Err(Failure::new("Put succeeded without a table"));
    };
    let said = "there is no table kvgate-tests: make it, or set auto_create = true";
    expect(error.message.contains(said), error.to_string())?;
    let file = scene.folder.configuration();
    let checked = scene.folder.run(&["check", "--connect", &file.display().to_string()]).await?;
    expect(checked.output.contains(said) && checked.code != Some(0), checked.output)?;
    let tables = scene.client().list_tables().send().await?;
    expect_equal("tables", tables.table_names(), &[] as &[String])
}

#[tokio::test(flavor = "multi_thread")]
async fn is_made_again() -> Outcome {
    let scene = Scene::set().await?;
    let server = scene.start("").await?;
    let here = server.client().await?.collection("", "c");
    here.put("key", "{}").await?;
    scene.client().delete_table().table_name(TABLE).send().await?;
    expect_equal("Get after the table is gone", here.get("key").await?, None)?;
    here.put("key", "{}").await?;
    scene.client().delete_table().table_name(TABLE).send().await?;
    here.put("key", r#"{"n":1}"#).await?;
    let found = here.value("key").await?;
    expect_equal("Get", found.as_deref(), Some(br#"{"n":1}"#.as_slice()))
}

/// Two servers that come to an empty place at once.
#[tokio::test(flavor = "multi_thread")]
async fn is_made_once() -> Outcome {
    let scene = Scene::set().await?;
    let servers = [scene.start("").await?, scene.start("").await?];
    let mut places = Vec::new();
    for server in &servers {
        let client = server.client().await?;
        places.extend((0..4).map(|n| client.collection("", &format!("c{n}"))));
    }
    let puts = places.iter().map(|place| place.put("key", "{}"));
    futures::future::try_join_all(puts).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn of_others_is_refused() -> Outcome {
    let scene = Scene::set().await?;
    let definition = AttributeDefinition::builder().attribute_name("id");
    let element = KeySchemaElement::builder().attribute_name("id").key_type(KeyType::Hash);
    let request = scene.client().create_table().table_name(TABLE);
    request
        .attribute_definitions(definition.attribute_type(ScalarAttributeType::S).build()?)
        .key_schema(element.build()?)
        .billing_mode(BillingMode::PayPerRequest)
        .send()
        .await?;
    let server = scene.start("").await?;
    let Err(error) = server.client().await?.collection("", "c").put("key", "{}").await else {
        return Err(Failure::new("Put succeeded in a table of others"));
    };
    expect(error.message.contains("its keys are not collection and key"), error.to_string())
}
