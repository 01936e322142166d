//! Values of types, and entries with their times.

use std::time::{Duration, SystemTime};

use kvgate_client::{Client, Error, ErrorKind, RawJson, Stability, Ttl};
use kvgate_tests::failure::{Failure, Outcome, expect, expect_equal};
use kvgate_tests::folder::Folder;
use kvgate_tests::server::Server;
use serde::{Deserialize, Serialize};
use serde_json::json;

#[derive(Debug, Deserialize, PartialEq, Serialize)]
struct User {
    name: String,
    visits: u64,
}

async fn start(folder: &Folder) -> Outcome<(Server, Client)> {
    let server = folder.start("[stores.main]\ntype = \"memory\"\n").await?;
    let client = Client::new(server.place())?;
    Ok((server, client))
}

#[tokio::test]
async fn values_of_a_type() -> Outcome {
    let folder = Folder::new()?;
    let (_server, client) = start(&folder).await?;
    let users = client.collection("users");
    let ada = User { name: "Ada".to_owned(), visits: u64::MAX };
    users.put("ada", &ada).await?;
    expect_equal("ada", users.get("ada").await?, Some(ada))?;
    expect_equal("nobody", users.get::<User>("nobody").await?, None)?;

    users.put("other", &json!({ "name": "secret" })).await?;
    let error: Error = users.get::<User>("other").await.expect_err("no user");
    expect_equal("kind", error.kind(), ErrorKind::UnexpectedValue)?;
    expect(!format!("{error} {error:?}").contains("secret"), "the value is not shown")
}

#[tokio::test]
async fn an_entry_has_its_times() -> Outcome {
    let folder = Folder::new()?;
    let (_server, client) = start(&folder).await?;
    let here = client.collection("times");
    let text = r#"{ "secret": 1.0 }"#;
    let minute = Duration::from_mins(1);
    here.put("key", RawJson::from(text)).ttl(minute).await?;
    let entry = here.get_entry("key").await?.ok_or_else(|| Failure::new("no entry"))?;
    expect_equal("the text", entry.value.as_str(), text)?;
    let (Some(created), Some(expires)) = (entry.created_at, entry.expires_at) else {
        return Err(Failure::new("the entry lacks its times"));
    };
    expect_equal("its life", expires.duration_since(created)?, minute)?;
    expect(created <= SystemTime::now(), "it was created before now")?;
    expect(!format!("{entry:?}").contains("secret"), "the value is not shown")?;

    let found = here.get_with_ttl("key").await?;
    let left = found.and_then(|(_, ttl)| ttl.left());
    expect(left.is_some_and(|left| left <= minute), "the time left")?;
    here.put("key", &json!({})).await?;
    expect_equal("no ttl", here.ttl("key").await?, Some(Ttl::Forever))
}

#[tokio::test]
async fn stores_are_described() -> Outcome {
    let folder = Folder::new()?;
    let (_server, client) = start(&folder).await?;
    let stores = client.list_stores().await?;
    let [main] = stores.as_slice() else { return Err(Failure::new("not one store")) };
    expect_equal("the store", (main.name.as_str(), main.is_default), ("main", true))?;
    expect_equal("its stability", main.stability, Stability::NotApplicable)?;
    expect(main.capabilities.list_keys && !main.capabilities.persistent, "capabilities")?;
    expect_equal("the default store", &client.describe_store().await?, main)?;
    let error = client.destroy_store().await.expect_err("it must be named");
    expect_equal("kind", error.kind(), ErrorKind::InvalidArgument)?;
    client.with_store("main").destroy_store().await?;
    Ok(())
}
