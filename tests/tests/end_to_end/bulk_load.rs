//! A real data set goes in and comes back byte for byte.

use std::collections::HashMap;
use std::process::Command;

use bytes::Bytes;
use kvgate_tests::client::{entry, found};
use kvgate_tests::failure::{Failure, Outcome, expect, expect_equal};
use kvgate_tests::running::Running;
use kvgate_tests::setups::ALL;
use serde_json::value::RawValue;

/// What `cargo metadata` prints, as far as it matters here.
#[derive(serde::Deserialize)]
struct Metadata<'a> {
    #[serde(borrow)]
    packages: Vec<&'a RawValue>,
}

#[derive(serde::Deserialize)]
struct Package {
    id: String,
}

#[tokio::test(flavor = "multi_thread")]
async fn package_metadata_into_disk() -> Outcome {
    load("disk").await
}

#[tokio::test(flavor = "multi_thread")]
async fn package_metadata_into_multidisk() -> Outcome {
    load("multidisk").await
}

#[tokio::test(flavor = "multi_thread")]
async fn package_metadata_into_filetree() -> Outcome {
    load("filetree").await
}

#[tokio::test(flavor = "multi_thread")]
async fn package_metadata_into_memory() -> Outcome {
    load("memory").await
}

/// One entry a package, under its id.
async fn load(setup: &str) -> Outcome {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .output()?;
    expect(output.status.success(), String::from_utf8_lossy(&output.stderr))?;
    let metadata: Metadata = serde_json::from_slice(&output.stdout)?;
    let mut packages = Vec::new();
    for package in metadata.packages {
        let Package { id } = serde_json::from_str(package.get())?;
        packages.push((id, Bytes::from(package.get().to_owned())));
    }
    expect(packages.len() > 100, format!("there are {} packages", packages.len()))?;

    let setup = ALL.iter().find(|one| one.name == setup);
    let setup = setup.ok_or_else(|| Failure::new("no such setup"))?;
    let running = Running::start(setup).await?;
    let here = running.server.client().await?.collection("", "cargo metadata");
    let batches = packages
        .chunks(20)
        .map(|part| here.batch(part.iter().map(|(id, text)| entry(id, text.clone())).collect()));
    let batches: Vec<_> = batches.collect();
    let count = batches.len();
    let (stored, error) = here.stream_put_many(batches).await?;
    expect(error.is_none(), format!("StreamPutMany ended with {error:?}"))?;
    expect_equal("the number of acknowledged batches", stored.len(), count)?;
    let total = usize::try_from(stored.iter().sum::<i64>())?;
    expect_equal("the number of stored packages", total, packages.len())?;

    let ids = packages.iter().map(|(id, _)| id.clone()).collect();
    let results = found(here.stream_results(ids).await?)?;
    expect_equal("the number of results", results.len(), packages.len())?;
    for ((key, value), (id, text)) in results.iter().zip(&packages) {
        expect_equal("the key of a result", key, id)?;
        expect(value.as_ref() == Some(text), format!("{id} did not come back byte for byte"))?;
    }
    let mut rest: HashMap<String, Bytes> = packages.into_iter().collect();
    for entry in here.scan("").await? {
        let text = rest.remove(&entry.key);
        expect(text.as_ref() == Some(&entry.value), format!("ScanEntries: {}", entry.key))?;
    }
    expect_equal("packages that ScanEntries lacks", rest.into_keys().next(), None)
}
