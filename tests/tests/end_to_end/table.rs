//! A table of DynamoDB: one that is not there, or not any more, and one that others made.

use aws_sdk_dynamodb::types::{KeyType, TimeToLiveStatus};
use kvgate_tests::client::{entry, found};
use kvgate_tests::dynamodb::{DynamoDb, TABLE};
use kvgate_tests::failure::{Failure, Outcome, expect, expect_equal};
use kvgate_tests::folder::Folder;
use kvgate_tests::server::Server;
use kvgate_tests::setups::Backend as _;

/// A DynamoDB without any table.
struct Scene {
    // Fields are dropped in this order.
    backend: DynamoDb,
    folder: Folder,
}

impl Scene {
    async fn set() -> Outcome<Self> {
        let folder = Folder::new()?;
        Ok(Self { backend: DynamoDb::start(&folder.path("backend")).await?, folder })
    }

    async fn start(&self, settings: &str) -> Outcome<Server> {
        self.start_with("", settings).await
    }

    /// Starts a server that has settings of its own.
    async fn start_with(&self, server: &str, settings: &str) -> Outcome<Server> {
        let found = self.backend.settings();
        let store = format!("[stores.main]\ntype = \"dynamodb\"\n{settings}{found}");
        self.folder.start(&format!("{server}{store}")).await
    }

    async fn delete_table(&self) -> Outcome {
        self.backend.client.delete_table().table_name(TABLE).send().await?;
        Ok(())
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
    let tables = scene.backend.client.list_tables().send().await?;
    expect_equal("tables", tables.table_names(), &[] as &[String])
}

#[tokio::test(flavor = "multi_thread")]
async fn is_made_again() -> Outcome {
    let scene = Scene::set().await?;
    let server = scene.start("").await?;
    let here = server.client().await?.collection("", "c");
    here.put("key", "{}").await?;
    scene.delete_table().await?;
    expect_equal("Get after the table is gone", here.get("key").await?, None)?;
    here.put("key", "{}").await?;
    scene.delete_table().await?;
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
    scene.backend.make_table(&[("id", KeyType::Hash)]).await?;
    let server = scene.start("").await?;
    let Err(error) = server.client().await?.collection("", "c").put("key", "{}").await else {
        return Err(Failure::new("Put succeeded in a table of others"));
    };
    expect(error.message.contains("its keys are not collection and key"), error.to_string())
}

/// Who makes the table says what it is like.
#[tokio::test(flavor = "multi_thread")]
async fn gets_ttl_only_if_it_may_be_made() -> Outcome {
    let scene = Scene::set().await?;
    let keys = [("collection", KeyType::Hash), ("key", KeyType::Range)];
    scene.backend.make_table(&keys).await?;
    for (settings, expected) in [
        ("auto_create = false\n", TimeToLiveStatus::Disabled),
        ("auto_create = true\n", TimeToLiveStatus::Enabled),
    ] {
        let server = scene.start(settings).await?;
        server.client().await?.collection("", "c").put("key", "{}").await?;
        let described =
            scene.backend.client.describe_time_to_live().table_name(TABLE).send().await?;
        let status = described.time_to_live_description.and_then(|it| it.time_to_live_status);
        expect_equal(settings, status, Some(expected))?;
    }
    Ok(())
}

/// The largest items are more than a batch of reads may answer, and, full of what is sent
/// escaped, more than a batch of writes may have.
#[tokio::test(flavor = "multi_thread")]
async fn takes_many_large_items_at_once() -> Outcome {
    let scene = Scene::set().await?;
    let limits = "[server.limits]\nmessage_bytes_max = 67108864\n";
    let server = scene.start_with(limits, "").await?;
    let client = server.client().await?;
    let here = client.collection("", "c");
    let limit = client.get_store("main").await?.limits.unwrap_or_default().value_bytes_max;
    let value = format!("{{\"\":[\"\"{}]}}", ",\"\"".repeat(usize::try_from(limit)? / 3 - 4));
    let keys: Vec<String> = (0..60).map(|number| format!("key-{number}")).collect();
    here.put_many(keys.iter().map(|key| entry(key, value.clone())).collect()).await?;
    for (key, found) in found(here.get_many(&keys).await?)? {
        let is_same = found.as_deref() == Some(value.as_bytes());
        expect(is_same, format!("{key} came back as something else"))?;
    }
    Ok(())
}
