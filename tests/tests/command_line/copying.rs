//! `copy`.

use std::collections::BTreeSet;

use kvgate_tests::failure::{Failure, Outcome, expect, expect_equal};
use kvgate_tests::folder::Folder;
use kvgate_tests::python::Python;
use kvgate_tests::running::Prepared;
use kvgate_tests::setups::{ALL, Setup};
use serde_json::json;

use crate::files::lines;
use crate::kvgate::{Kvgate, STORES, command, finish};

#[tokio::test(flavor = "multi_thread")]
async fn between_stores_of_a_server() -> Outcome {
    let kvgate = Kvgate::start().await?;
    kvgate.run_with(&["import", "-", "--collection", "many"], &lines(5_000)).await?.expect(0)?;
    let odd = "{\n\"odd\": 1.0}";
    kvgate.run(&["put", "key", odd, "--collection", "few", "--ttl", "1h"]).await?.expect(0)?;
    let summary = kvgate.run(&["copy", "main", "other"]).await?.expect(0)?.json()?;
    let counts = (&summary["entries"], &summary["collections"], &summary["failed"]);
    expect_equal("copied", counts, (&json!(5_001), &json!(2), &json!(0)))?;
    let place = ["--store", "other", "--collection", "few"];
    let got = kvgate.run(&[&["get", "key"][..], &place].concat()).await?.expect(0)?;
    expect_equal("letter for letter", got.out, format!("{odd}\n"))?;
    let left = kvgate.run(&[&["ttl", "key"][..], &place].concat()).await?.expect(0)?.json()?;
    let left = left.as_f64();
    expect(left.is_some_and(|left| left <= 3600.0 && left > 3000.0), format!("{left:?}"))?;

    let sealed = kvgate.run(&["copy", "main", "sealed"]).await?.expect(1)?;
    expect(sealed.err.contains("writing store \"sealed\""), sealed.err)?;
    let none = kvgate.run(&["copy", "none", "other"]).await?.expect(2)?;
    expect(none.err.contains("reading store \"none\""), none.err)?;
    let some = ["copy", "main", "other", "--collection", "few"];
    expect_equal(
        "one collection",
        &kvgate.run(&some).await?.expect(0)?.json()?["entries"],
        &json!(1),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn between_servers_and_configurations() -> Outcome {
    let kvgate = Kvgate::start().await?;
    kvgate.run_with(&["import", "-", "--collection", "many"], &lines(3_000)).await?.expect(0)?;
    let folder = Folder::new()?;
    let server = folder.start(STORES).await?;
    let url = format!("http://{}", server.address());
    let copied = kvgate.run(&["copy", "main", "main", "--to-url", &url]).await?.expect(0)?;
    expect_equal("to another server", &copied.json()?["entries"], &json!(3_000))?;
    let there = server.client().await?.collection("main", "many");
    expect(there.get("key-0002999").await?.is_some(), "the last entry is not there")?;

    let files = "[stores.files]\ntype = \"disk\"\ndirectory = \"data\"\n";
    std::fs::write(kvgate.folder.path("files.toml"), files)?;
    let out = ["copy", "main", "files", "--to-config", "files.toml"];
    kvgate.run(&out).await?.expect(0)?;
    let back = ["copy", "files", "other", "--from-config", "files.toml"];
    let back = kvgate.run(&back).await?.expect(0)?.json()?;
    expect_equal("from files to the server", &back["entries"], &json!(3_000))
}

/// What the Python library has written into files moves into a Redis that it reads.
#[tokio::test(flavor = "multi_thread")]
async fn from_a_disk_of_python_into_redis() -> Outcome {
    let (disk, redis) = (setup("disk")?, setup("redis")?);
    let folder = Folder::new()?;
    let data = folder.path("data");
    let mut python = Python::open(disk, &json!({ "directory": data }))?;
    let mut expected = BTreeSet::new();
    for n in 0..300 {
        let ttl = (n % 3 == 0).then(|| 1_000.0 + f64::from(n));
        let place = (format!("collection-{}", n % 4), format!("key {n}"));
        let value = json!({ "n": n, "text": "\u{e9}".repeat(usize::try_from(n)?) });
        python.put_for(&place.0, &place.1, &value.to_string(), ttl)?;
        expected.insert(place);
    }
    let large = json!({ "large": "x".repeat(100_000) });
    python.put("collection-0", "large", &large.to_string())?;
    expected.insert(("collection-0".to_owned(), "large".to_owned()));

    let prepared = Prepared::new(redis).await?;
    let backend = prepared.backend().ok_or_else(|| Failure::new("redis has no backend"))?;
    let config = format!(
        "server.default_store = \"old\"\n[stores.old]\ntype = \"disk\"\ndirectory = '{}'\n\
         [stores.new]\ntype = \"redis\"\n{}",
        data.display(),
        backend.settings()
    );
    std::fs::write(folder.path("migration.toml"), config)?;
    let copy = command(&folder, &["copy", "old", "new", "--config", "migration.toml"])?;
    let summary = finish(copy, String::new()).await?.expect(0)?.json()?;
    let counts = (&summary["entries"], &summary["collections"], &summary["failed"]);
    expect_equal("copied", counts, (&json!(expected.len()), &json!(4), &json!(0)))?;

    let mut there = Python::open(redis, &prepared.python())?;
    for (collection, key) in &expected {
        let what = format!("collection {collection:?} key {key:?}");
        let before = python.ttl(collection, key)?;
        let after = there.ttl(collection, key)?;
        let (Some((old, old_left)), Some((new, new_left))) = (before, after) else {
            return Err(Failure::new(format!("{what} is missing")));
        };
        expect_equal(format!("the value of {what}"), new, old)?;
        match (old_left, new_left) {
            (None, None) => {}
            // they are asked one after the other, and Redis counts milliseconds
            (Some(old), Some(new)) if (old - new).abs() < 5.0 => {}
            other => return Err(Failure::new(format!("the time that {what} has left: {other:?}"))),
        }
    }
    let list = ["list", "--store", "new", "--config", "migration.toml", "--collection"];
    let mut listed = 0;
    for n in 0..4 {
        let collection = format!("collection-{n}");
        let list = command(&folder, &[&list[..], &[&collection]].concat())?;
        listed += finish(list, String::new()).await?.expect(0)?.out.lines().count();
    }
    expect_equal("keys in Redis", listed, expected.len())
}

fn setup(name: &str) -> Outcome<&'static Setup> {
    ALL.iter().find(|setup| setup.name == name).ok_or_else(|| Failure::new(name))
}
