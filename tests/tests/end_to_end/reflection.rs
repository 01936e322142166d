//! Reflection, by which `grpcurl` and its like find the services.

use kvgate_tests::failure::{Failure, Outcome, expect, expect_equal};
use kvgate_tests::running::Running;
use kvgate_tests::setups::ALL;
use tonic_reflection::pb::{v1, v1alpha};

const SERVICES: &[&str] =
    &["grpc.health.v1.Health", "keyvalue.v1.KeyValueService", "keyvalue.v1.StoreService"];

fn expect_services(mut names: Vec<String>) -> Outcome {
    names.retain(|name| !name.starts_with("grpc.reflection."));
    names.sort_unstable();
    expect_equal("the services that reflection lists", names, SERVICES)
}

#[tokio::test(flavor = "multi_thread")]
async fn version_1() -> Outcome {
    use v1::server_reflection_client::ServerReflectionClient;
    use v1::server_reflection_request::MessageRequest;
    use v1::server_reflection_response::MessageResponse;

    let running = Running::start(&ALL[0]).await?;
    let mut client = ServerReflectionClient::new(running.server.client().await?.channel());
    let request = |message| v1::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(message),
    };
    let requests = [
        request(MessageRequest::ListServices(String::new())),
        request(MessageRequest::FileContainingSymbol("keyvalue.v1.KeyValueService".into())),
    ];
    let answers = client.server_reflection_info(futures::stream::iter(requests)).await?;
    let mut answers = answers.into_inner();
    let listed = answers.message().await?.and_then(|answer| answer.message_response);
    let Some(MessageResponse::ListServicesResponse(list)) = listed else {
        return Err(Failure::new(format!("expected a list of services, found {listed:?}")));
    };
    expect_services(list.service.into_iter().map(|service| service.name).collect())?;
    let file = answers.message().await?.and_then(|answer| answer.message_response);
    let Some(MessageResponse::FileDescriptorResponse(files)) = file else {
        return Err(Failure::new(format!("expected a file, found {file:?}")));
    };
    expect(!files.file_descriptor_proto.is_empty(), "reflection has no file of the service")
}

#[tokio::test(flavor = "multi_thread")]
async fn version_1_alpha() -> Outcome {
    use v1alpha::server_reflection_client::ServerReflectionClient;
    use v1alpha::server_reflection_request::MessageRequest;
    use v1alpha::server_reflection_response::MessageResponse;

    let running = Running::start(&ALL[0]).await?;
    let mut client = ServerReflectionClient::new(running.server.client().await?.channel());
    let request = v1alpha::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let answers = client.server_reflection_info(futures::stream::iter([request])).await?;
    let listed = answers.into_inner().message().await?.and_then(|answer| answer.message_response);
    let Some(MessageResponse::ListServicesResponse(list)) = listed else {
        return Err(Failure::new(format!("expected a list of services, found {listed:?}")));
    };
    expect_services(list.service.into_iter().map(|service| service.name).collect())
}
