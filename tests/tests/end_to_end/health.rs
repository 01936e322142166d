//! `grpc.health.v1`: the server, its services and its stores.

use kvgate_tests::failure::Outcome;
use kvgate_tests::failure::expect_equal;
use kvgate_tests::running::Running;
use kvgate_tests::setups::ALL;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

/// Everything whose health is told.
pub(crate) const SERVICES: &[&str] =
    &["", "keyvalue.v1.KeyValueService", "keyvalue.v1.StoreService", "stores/memory"];

#[tokio::test(flavor = "multi_thread")]
async fn everything_serves() -> Outcome {
    let running = Running::start(&ALL[0]).await?;
    let mut client = HealthClient::new(running.server.client().await?.channel());
    for service in SERVICES {
        let request = HealthCheckRequest { service: (*service).to_owned() };
        let answer = client.check(request).await?.into_inner();
        expect_equal(format!("health of {service:?}"), answer.status(), ServingStatus::Serving)?;
    }
    let request = HealthCheckRequest { service: "stores/none".to_owned() };
    let code = client.check(request).await.err().map(|status| status.code());
    expect_equal("health of a store that is not there", code, Some(Code::NotFound))
}
