//! A bucket of S3: made or not, what is in it, and what becomes of entries that expire.

use std::time::Duration;

use aws_sdk_s3::Client;
use futures::future::{join_all, try_join_all};
use kvgate_tests::client::{Collection, entry};
use kvgate_tests::failure::{Failure, Outcome, expect, expect_equal};
use kvgate_tests::folder::Folder;
use kvgate_tests::rpc_error::refused;
use kvgate_tests::s3::{
    ACCESS_KEY_ID, BUCKET, Run, S3, SECRET_ACCESS_KEY, minio, settings, versitygw,
};
use kvgate_tests::server::Server;
use kvgate_tests::wait::until;
use tonic::Code;

/// A server of S3 without any bucket.
struct Scene {
    // Fields are dropped in this order.
    s3: S3,
    folder: Folder,
}

impl Scene {
    async fn set(run: Run) -> Outcome<Self> {
        let folder = Folder::new()?;
        Ok(Self { s3: S3::start(&folder.path("backend"), run).await?, folder })
    }

    async fn start(&self, more: &str) -> Outcome<Server> {
        let found = settings(self.s3.address, SECRET_ACCESS_KEY);
        self.folder.start(&format!("[stores.main]\ntype = \"s3\"\n{more}{found}")).await
    }

    fn client(&self) -> &Client {
        &self.s3.client
    }

    /// What the objects are called.
    async fn names(&self) -> Outcome<Vec<String>> {
        let listed = self.client().list_objects_v2().bucket(BUCKET).send().await?;
        Ok(listed.contents().iter().filter_map(|it| it.key()).map(str::to_owned).collect())
    }
}

async fn here(server: &Server) -> Outcome<Collection> {
    Ok(server.client().await?.collection("", "c"))
}

#[tokio::test(flavor = "multi_thread")]
async fn is_not_made_unasked() -> Outcome {
    let scene = Scene::set(versitygw).await?;
    let server = scene.start("auto_create = false\n").await?;
    let Err(error) = here(&server).await?.put("key", "{}").await else {
        return Err(Failure::new("Put succeeded without a bucket"));
    };
    let said = format!("there is no bucket {BUCKET}: make it, or set auto_create = true");
    expect(error.message.contains(&said), error.to_string())?;
    let file = scene.folder.configuration();
    let checked = scene.folder.run(&["check", "--connect", &file.display().to_string()]).await?;
    expect(checked.output.contains(&said) && checked.code != Some(0), checked.output)?;
    let buckets = scene.client().list_buckets().send().await?;
    expect_equal("buckets", buckets.buckets().len(), 0)
}

#[tokio::test(flavor = "multi_thread")]
async fn is_made_once_and_again() -> Outcome {
    let scene = Scene::set(minio).await?;
    // two servers that come to an empty place at once
    let servers = [scene.start("").await?, scene.start("").await?];
    let mut places = Vec::new();
    for server in &servers {
        let client = server.client().await?;
        places.extend((0..4).map(|n| client.collection("", &format!("c{n}"))));
    }
    try_join_all(places.iter().map(|place| place.put("key", "{}"))).await?;
    for place in &places {
        place.delete("key").await?;
    }
    scene.client().delete_bucket().bucket(BUCKET).send().await?;
    let here = &places[0];
    expect_equal("Get after the bucket is gone", here.get("key").await?, None)?;
    here.put("key", r#"{"n":1}"#).await?;
    let found = here.value("key").await?;
    expect_equal("Get", found.as_deref(), Some(br#"{"n":1}"#.as_slice()))
}

/// More than S3 lists and deletes with one request.
#[tokio::test(flavor = "multi_thread")]
async fn more_than_a_thousand_entries() -> Outcome {
    let scene = Scene::set(minio).await?;
    let server = scene.start("timeout = \"20s\"\n").await?;
    let here = here(&server).await?;
    let keys: Vec<String> = (0..1_100).map(|n| format!("key-{n:04}")).collect();
    here.put_many(keys.iter().map(|key| entry(key, "{}")).collect()).await?;
    expect_equal("ListKeys", here.sorted_keys("").await?, keys.clone())?;
    let deleted = here.delete_many(&keys[..1_050]).await?.deleted_count;
    expect_equal("the deleted_count of DeleteMany", deleted, 1_050)?;
    expect_equal("ListKeys", here.sorted_keys("").await?, &keys[1_050..])?;
    here.put_many(keys.iter().map(|key| entry(key, "{}")).collect()).await?;
    expect_equal("DeleteCollection", here.delete_collection().await?, true)?;
    expect_equal("objects", scene.names().await?, [""; 0])
}

/// What is no entry of ours stays, whatever is destroyed.
#[tokio::test(flavor = "multi_thread")]
async fn keeps_what_is_in_no_folder() -> Outcome {
    let scene = Scene::set(minio).await?;
    let server = scene.start("").await?;
    let here = here(&server).await?;
    here.put("key", "{}").await?;
    let put = scene.client().put_object().bucket(BUCKET).key("README");
    put.body(b"hands off".to_vec().into()).send().await?;
    expect_equal("ListCollections", here.client.collections("", "", 0).await?, ["c"])?;
    here.client.destroy_store("main").await?;
    expect_equal("objects", scene.names().await?, ["README"])
}

/// Whoever can keep `p/q` beside `p` does so as py-key-value does.
#[tokio::test(flavor = "multi_thread")]
async fn keys_with_slashes() -> Outcome {
    let scene = Scene::set(minio).await?;
    let server = scene.start("plain_slashes = true\n").await?;
    let here = here(&server).await?;
    here.put("p/q", r#"{"n":1}"#).await?;
    here.put("p/../q", r#"{"n":2}"#).await?;
    let names = scene.names().await?;
    expect_equal("objects", names.last().map(String::as_str), Some("c/p/q"))?;
    expect(names.iter().all(|name| !name.contains("..")), format!("{names:?}"))?;
    expect_equal("ListKeys", here.sorted_keys("p/").await?, ["p/../q", "p/q"])?;
    expect_equal("Delete", here.delete("p/q").await?, true)?;
    expect_equal("ListKeys", here.sorted_keys("").await?, ["p/../q"])
}

/// Nobody loads what kvgate has not put because it is too large.
#[tokio::test(flavor = "multi_thread")]
async fn large_objects_are_refused() -> Outcome {
    let scene = Scene::set(versitygw).await?;
    let server = scene.start("object_bytes_max = 65536\n").await?;
    let here = here(&server).await?;
    here.put("key", "{}").await?;
    let text = format!(r#"{{"value": {{"pad": "{}"}}, "version": 1}}"#, "x".repeat(65_536));
    let put = scene.client().put_object().bucket(BUCKET).key("c/large");
    put.body(text.clone().into_bytes().into()).send().await?;
    let error = refused(here.get("large").await, "Get", Code::DataLoss, "UNREADABLE_ENTRY")?;
    expect(error.message.contains("object_bytes_max"), error.to_string())?;
    let put = here.put("large", text).await;
    let error = refused(put, "Put", Code::InvalidArgument, "VALUE_TOO_LARGE")?;
    expect(error.message.contains("value_bytes_max"), error.to_string())
}

/// Puts for a moment, and waits until that is over without reading it.
async fn let_expire(here: &Collection, keys: &[&str]) -> Outcome {
    let ttl = Duration::from_millis(50);
    for key in keys.iter().chain(&["last"]) {
        here.put_for(key, r#"{"secret":"value"}"#, ttl).await?;
    }
    until("the last entry has ended", async || Ok(here.get("last").await?.is_none().then_some(())))
        .await
}

/// A server that keeps the condition of a delete.
#[tokio::test(flavor = "multi_thread")]
async fn an_expired_entry_is_removed_when_it_is_read() -> Outcome {
    let scene = Scene::set(versitygw).await?;
    let server = scene.start("").await?;
    let here = here(&server).await?;
    let_expire(&here, &["read", "culled"]).await?;
    expect_equal("Get", here.get("read").await?, None)?;
    expect_equal("objects", scene.names().await?, ["c/culled"])?;
    expect_equal("Cull", here.client.cull("main").await?, 1)?;
    expect_equal("objects", scene.names().await?, [""; 0])
}

/// A server that does not: nothing but the name is left of it.
#[tokio::test(flavor = "multi_thread")]
async fn an_expired_entry_is_emptied_when_it_is_read() -> Outcome {
    let scene = Scene::set(minio).await?;
    let server = scene.start("").await?;
    let here = here(&server).await?;
    let_expire(&here, &["read"]).await?;
    expect_equal("Get", here.get("read").await?, None)?;
    expect_equal("objects", scene.names().await?, ["c/last", "c/read"])?;
    let read = scene.client().get_object().bucket(BUCKET).key("c/read").send().await?;
    expect_equal("tags", read.tag_count(), Some(1))?;
    let body = read.body.collect().await?.into_bytes();
    let body = String::from_utf8_lossy(&body);
    expect(body.contains(r#""value": {}"#) && !body.contains("secret"), &*body)?;
    expect_equal("Cull", here.client.cull("main").await?, 0)?;
    expect_equal("ListKeys", here.sorted_keys("").await?, [""; 0])?;
    expect_equal("Delete", here.delete("read").await?, false)?;
    here.put("read", "{}").await?;
    expect_equal("ListKeys", here.sorted_keys("").await?, ["read"])?;
    expect_equal("DeleteCollection", here.delete_collection().await?, true)?;
    expect_equal("objects", scene.names().await?, [""; 0])
}

/// A put that comes while others read what has expired, through two servers, is not lost.
async fn replaced_while_it_is_read(run: Run) -> Outcome {
    let scene = Scene::set(run).await?;
    let servers = [scene.start("").await?, scene.start("").await?];
    let (one, other) = (here(&servers[0]).await?, here(&servers[1]).await?);
    for round in 0..30 {
        let_expire(&one, &["key"]).await?;
        let value = format!(r#"{{"round":{round}}}"#);
        let readers = join_all((0..8).map(|_| one.get("key")));
        let (put, read) = tokio::join!(other.put("key", value.clone()), readers);
        put?;
        read.into_iter().collect::<Result<Vec<_>, _>>()?;
        let found = one.value("key").await?;
        expect_equal("Get after a Put", found.as_deref(), Some(value.as_bytes()))?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_is_replaced_while_it_is_read() -> Outcome {
    replaced_while_it_is_read(minio).await
}

/// Credentials that come from the environment, as in AWS.
#[tokio::test(flavor = "multi_thread")]
async fn credentials_of_the_environment() -> Outcome {
    let scene = Scene::set(versitygw).await?;
    scene.folder.configure(&format!(
        "[stores.main]\ntype = \"s3\"\nbucket_name = \"{BUCKET}\"\nendpoint_url = \"http://{}\"\n",
        scene.s3.address
    ))?;
    let file = scene.folder.configuration().display().to_string();
    let secrets =
        [("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID), ("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY)];
    let checked = scene.folder.run_with(&["check", "--connect", &file], &secrets).await?;
    expect_equal(format!("`kvgate check` said:\n{}", checked.output), checked.code, Some(0))
}
