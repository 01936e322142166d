//! What others have stored under our keys.

use kvgate_proto::v1::Store;
use kvgate_tests::client::{Collection, entry, outcome};
use kvgate_tests::failure::{Failure, Outcome, expect_equal};
use kvgate_tests::rpc_error::{RpcError, refused};
use tonic::Code;

use crate::Real;
use crate::scene::{Front, Scene};

/// It is `DATA_LOSS` for that key alone, until it is replaced or removed.
pub(crate) async fn foreign(real: Real) -> Outcome {
    let scene = Scene::set(real).await?;
    let front = scene.start().await?;
    let here = front.here();
    here.put_many(vec![entry("before", "{}"), entry("later", "{}")]).await?;
    scene.backend.put_foreign(&here.collection, "foreign").await?;
    check(&here).await?;
    here.put("foreign", r#"{"n":1}"#).await?;
    let found = here.value("foreign").await?;
    expect_equal("Get", found.as_deref(), Some(br#"{"n":1}"#.as_slice()))?;
    scene.backend.put_foreign(&here.collection, "foreign").await?;
    expect_equal("Delete", here.delete("foreign").await?, true)?;
    expect_equal("Get", here.get("foreign").await?, None)?;
    beside(&scene, &front).await?;
    front.expect_clean_log()
}

/// Where nobody has put an entry yet there is something foreign: listings and culls pass
/// it by.
async fn beside(scene: &Scene, front: &Front) -> Outcome {
    scene.backend.put_foreign("foreigners", "foreign").await?;
    let (store, here) = (scene.real.setup.name, front.here());
    let Store { capabilities, .. } = front.client.get_store(store).await?;
    let can = capabilities.unwrap_or_default();
    if can.list_keys {
        let keys = here.sorted_keys("").await?;
        expect_equal(here.describe("ListKeys", &""), keys, ["before", "later"])?;
    }
    if can.list_collections {
        let collections = front.client.collections(store, "faults", 0).await?;
        expect_equal("ListCollections", collections, ["faults"])?;
    }
    if can.cull {
        expect_equal("the culled_count of Cull", front.client.cull(store).await?, 0)?;
    }
    Ok(())
}

async fn check(here: &Collection) -> Outcome {
    let (code, reason) = (Code::DataLoss, "UNREADABLE_ENTRY");
    refused(here.get("foreign").await, "Get", code, reason)?;
    refused(here.ttl("foreign").await, "Ttl", code, reason)?;
    let keys = ["before", "foreign", "later"].map(str::to_owned);
    let many = here.get_many(&keys).await?;
    let streamed = here.stream_results(keys.to_vec()).await?;
    for (call, results) in [("GetMany", many), ("StreamGetMany", streamed)] {
        let [before, foreign, later] =
            <[_; 3]>::try_from(results).map_err(|_| Failure::new(call))?;
        refused(outcome(foreign), call, code, reason)?;
        for result in [before, later] {
            let found = outcome(result)?.map(|entry| entry.value);
            expect_equal(call, found.as_deref(), Some(b"{}".as_slice()))?;
        }
    }
    let results = here.ttl_many(&keys).await?;
    let there: Vec<bool> = results.iter().map(|result| result.entry.is_some()).collect();
    expect_equal("TtlMany", there, [true, false, true])?;
    let error = results.get(1).and_then(|result| result.error.as_ref());
    let error = error.ok_or_else(|| Failure::new("TtlMany has no error for the key"))?;
    RpcError::of_entry("TtlMany", error).expect(code, reason)
}
