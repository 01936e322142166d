//! A backend that takes connections and does not answer.

use std::time::Duration;

use futures::future::join_all;
use kvgate_proto::v1::{GetRequest, GetResponse};
use kvgate_tests::failure::{Failure, Outcome, expect_equal};
use kvgate_tests::raw::plain_client;
use kvgate_tests::wait::until;
use tonic::{Code, Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;

use crate::Real;
use crate::scene::{Front, Scene, unavailable};

/// Calls that wait for it at the same time.
const CALLS: usize = 64;

/// Everything hangs: a caller's deadline is kept, a call without one ends, the other
/// store is as fast as ever.
pub(crate) async fn frozen(real: Real) -> Outcome {
    let scene = Scene::set(real).await?;
    let front = scene.start().await?;
    front.here().put("key", "{}").await?;
    scene.backend.freeze()?;
    join_all((0..CALLS).map(|_| deadline_is_kept(&front)))
        .await
        .into_iter()
        .collect::<Outcome>()?;
    front.expect_others_fine().await?;
    let here = front.here();
    let waiting = join_all((0..CALLS).map(|_| here.get("key"))).await;
    for answer in waiting {
        unavailable("Get", answer)?;
    }
    front.until_health(ServingStatus::NotServing).await?;
    scene.backend.thaw()?;
    front.until_recovered().await?;
    front.until_health(ServingStatus::Serving).await?;
    front.expect_clean_log()
}

async fn deadline_is_kept(front: &Front) -> Outcome {
    match get_in_time(front).await {
        Ok(answer) => Err(Failure::new(format!("a frozen backend answered {answer:?}"))),
        Err(status) => expect_equal("code of Get", status.code(), Code::DeadlineExceeded),
    }
}

async fn get_in_time(front: &Front) -> Result<Response<GetResponse>, Status> {
    let here = front.here();
    let mut request = Request::new(GetRequest {
        store: here.store.clone(),
        collection: here.collection.clone(),
        key: "key".to_owned(),
    });
    request.set_timeout(Duration::from_millis(300));
    // a client with a timer of its own would say it was cancelled
    plain_client(front.server.address()).get(request).await
}

/// The connections that are open hang, new ones work: the store finds out.
pub(crate) async fn stuck_connection(real: Real) -> Outcome {
    let Some(scene) = Scene::set_behind_proxy(real).await? else {
        // its servers tell their clients where they are, so they can't be behind a proxy
        return Ok(());
    };
    let front = scene.start().await?;
    let here = front.here();
    here.put("key", r#"{"n":1}"#).await?;
    if let Some(proxy) = &scene.proxy {
        proxy.hold_open_connections();
    }
    // it may have been answered over a new connection
    if let Err(status) = get_in_time(&front).await {
        expect_equal("code of Get", status.code(), Code::DeadlineExceeded)?;
    }
    front.expect_others_fine().await?;
    until("the store has a connection that works", async || match here.value("key").await {
        Ok(found) => {
            expect_equal("Get", found.as_deref(), Some(br#"{"n":1}"#.as_slice())).map(Some)
        }
        Err(error) => unavailable::<()>("Get", Err(error)).map(|()| None),
    })
    .await?;
    front.until_recovered().await?;
    front.expect_clean_log()
}
