//! A table of DynamoDB: one that is not there, or not any more, and one that others made.

use aws_sdk_dynamodb::types::{KeyType, TimeToLiveStatus};
use kvgate_tests::client::{entry, found};
use kvgate_tests::dynamodb::{DynamoDb, TABLE};
use kvgate_tests::failure::{Failure, Outcome, expect, expect_equal};
use kvgate_tests::folder::Folder;
use kvgate_tests::proxy::Proxy;
use kvgate_tests::rpc_error::refused;
use kvgate_tests::server::Server;
use kvgate_tests::setups::Backend as _;
use tonic::Code;

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
        // a server that has just started is slow
        let patience = "timeout = \"20s\"\n";
        let store = format!("[stores.main]\ntype = \"dynamodb\"\n{patience}{settings}{found}");
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
    let keys: Vec<String> = (0..45).map(|number| format!("key-{number}")).collect();
    here.put_many(keys.iter().map(|key| entry(key, value.clone())).collect()).await?;
    for (key, found) in found(here.get_many(&keys).await?)? {
        let is_same = found.as_deref() == Some(value.as_bytes());
        expect(is_same, format!("{key} came back as something else"))?;
    }
    // they are more than an answer of a query has room for
    expect_equal("ScanEntries", here.scan("").await?.len(), keys.len())?;
    expect_equal("DeleteCollection", here.delete_collection().await?, true)?;
    expect_equal("ListKeys", here.keys("", 0).await?, Vec::<String>::new())
}

/// What DynamoDB would refuse is not even sent to it.
#[tokio::test(flavor = "multi_thread")]
async fn is_not_asked_for_what_it_does_not_take() -> Outcome {
    let scene = Scene::set().await?;
    let server = scene.start("").await?;
    let client = server.client().await?;
    let here = client.collection("", "c");
    let name = |bytes: usize| "n".repeat(bytes);
    let value = |bytes: usize| format!("{{\"\":\"{}\"}}", "v".repeat(bytes));
    // names stand in the item too: there is room for this one beside short names only
    let large = value(400 * 1024 - 3000);
    let there = client.collection("", &name(2048));
    there.put(&name(1024), "{}").await?;
    here.put("key", large.clone()).await?;
    scene.backend.stop().await?;
    let key = name(1025);
    let nowhere = client.collection("", &name(2049));
    for (call, answer, reason, limit) in [
        ("Get", here.get(&key).await.map(drop), "INVALID_KEY", "key_bytes_max"),
        ("Put", here.put(&key, "{}").await, "INVALID_KEY", "key_bytes_max"),
        ("Delete", here.delete(&key).await.map(drop), "INVALID_KEY", "key_bytes_max"),
        ("Get", nowhere.get("k").await.map(drop), "INVALID_COLLECTION", "collection_bytes_max"),
        ("Put", nowhere.put("k", "{}").await, "INVALID_COLLECTION", "collection_bytes_max"),
        ("Put", here.put("key", value(400 * 1024)).await, "VALUE_TOO_LARGE", "value_bytes_max"),
        ("Put", there.put(&name(1024), large).await, "VALUE_TOO_LARGE", "item_bytes_max"),
    ] {
        let error = refused(answer, call, Code::InvalidArgument, reason)?;
        error.expect_metadata("limit_name", limit)?;
    }
    Ok(())
}

/// Batches are as large as DynamoDB takes them; a delete, which is to tell what was there,
/// can't be in one.
#[tokio::test(flavor = "multi_thread")]
async fn is_asked_as_seldom_as_can_be() -> Outcome {
    let scene = Scene::set().await?;
    let proxy = Proxy::start(scene.backend.address()).await?;
    let settings = scene.backend.behind(proxy.address()).unwrap_or_default();
    // nobody else asks in between
    let quiet = "health_interval = \"1h\"\n";
    let store = format!("[stores.main]\ntype = \"dynamodb\"\ntimeout = \"20s\"\n{settings}");
    let server = scene.folder.start(&format!("{quiet}{store}")).await?;
    let here = server.client().await?.collection("", "c");
    here.put("key", "{}").await?;
    let keys: Vec<String> = (0..1000).map(|number| format!("key-{number}")).collect();
    let twice: Vec<&String> = keys.iter().chain(&keys).collect();
    let mut asked = proxy.round_trips();
    let mut cost = || {
        let before = std::mem::replace(&mut asked, proxy.round_trips());
        asked - before
    };
    here.put_many(twice.iter().map(|key| entry(*key, "{}")).collect()).await?;
    expect_equal("round trips of PutMany", cost(), 1000 / 25)?;
    here.get_many(&twice).await?;
    expect_equal("round trips of GetMany", cost(), 1000 / 100)?;
    expect_equal("keys", here.list_keys("", 1000, "").await?.keys.len(), 1000)?;
    expect_equal("round trips of ListKeys", cost(), 1)?;
    here.delete_many(&keys[..100]).await?;
    expect_equal("round trips of DeleteMany of 100", cost(), 100)
}

/// Credentials and region are found where the tools of AWS look for them.
#[tokio::test(flavor = "multi_thread")]
async fn is_reached_as_the_machine_is_set_up() -> Outcome {
    let scene = Scene::set().await?;
    let settings = scene.backend.settings();
    let settings: Vec<_> = settings.lines().filter(|line| !line.starts_with("aws_")).collect();
    let store = settings.join("\n");
    scene.folder.configure(&format!("[stores.main]\ntype = \"dynamodb\"\n{store}"))?;
    let profiles = scene.folder.path("profiles").display().to_string();
    std::fs::write(&profiles, "[kv]\naws_access_key_id = kv\naws_secret_access_key = secret\n")?;
    let file = scene.folder.configuration().display().to_string();
    // no machine of AWS is asked
    let nothing = ("AWS_EC2_METADATA_DISABLED", "true");
    let environment = [nothing, ("AWS_ACCESS_KEY_ID", "kv"), ("AWS_SECRET_ACCESS_KEY", "secret")];
    let profile =
        [nothing, ("AWS_SHARED_CREDENTIALS_FILE", profiles.as_str()), ("AWS_PROFILE", "kv")];
    for variables in [environment, profile] {
        let checked = scene.folder.run_with(&["check", "--connect", &file], &variables).await?;
        expect_equal(checked.output, checked.code, Some(0))?;
    }
    let none = [nothing, ("AWS_SHARED_CREDENTIALS_FILE", "none"), ("AWS_CONFIG_FILE", "none")];
    let checked = scene.folder.run_with(&["check", "--connect", &file], &none).await?;
    let said = "there are no credentials for DynamoDB to be had";
    expect(checked.output.contains(said) && checked.code != Some(0), checked.output)
}
