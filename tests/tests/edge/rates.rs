//! How many calls a caller may make in a second.

use kvgate_tests::failure::{Outcome, expect};
use kvgate_tests::folder::Folder;
use kvgate_tests::rpc_error::refused;
use kvgate_tests::wait::until;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::tokens::{make, start};

#[tokio::test(flavor = "multi_thread")]
async fn each_caller_has_its_own() -> Outcome {
    let folder = Folder::new()?;
    let (fast, one) = make(&folder, "fast", &["all"]).await?;
    let (slow, two) = make(&folder, "slow", &["all"]).await?;
    // a call in 5 seconds would be better for a slow machine; the least is one a second
    let limits = "[server.limits]\ncalls_per_second_max = 1\ncalls_burst_max = 20\n";
    let server = start(&folder, &format!("{one}{two}"), limits).await?;
    let client = server.client().await?.with_token(&fast)?;
    let fast = client.collection("", "c");
    let slow = server.client().await?.with_token(&slow)?.collection("", "c");
    let error = until("a call too many is refused", async || Ok(fast.get("key").await.err())).await;
    let error = error.and_then(|error| {
        refused::<()>(Err(error), "Get", Code::ResourceExhausted, "TOO_MANY_CALLS_PER_SECOND")
    })?;
    error.expect_metadata("limit", "1")?;
    error.expect_metadata("limit_name", "calls_per_second_max")?;
    error.expect_retry()?;
    HealthClient::new(client.calls()).check(HealthCheckRequest::default()).await?;
    expect(slow.get("key").await.is_ok(), "another caller is refused too")?;
    until("it may call again", async || Ok(fast.get("key").await.ok())).await?;
    Ok(())
}
