//! A backend that is not there.

use kvgate_tests::failure::Outcome;
use tonic_health::pb::health_check_response::ServingStatus;

use crate::Real;
use crate::scene::Scene;

/// The server starts without the backend, says so, and works once it comes.
pub(crate) async fn down_at_start(real: Real) -> Outcome {
    let scene = Scene::set(real).await?;
    scene.backend.stop().await?;
    let front = scene.start().await?;
    front.expect_unavailable().await?;
    front.until_health(ServingStatus::NotServing).await?;
    front.expect_others_fine().await?;
    scene.backend.start().await?;
    front.until_recovered().await?;
    front.until_health(ServingStatus::Serving).await?;
    front.expect_clean_log()
}

/// The backend ends while the server has connections to it, and comes back.
pub(crate) async fn goes_down(real: Real) -> Outcome {
    let scene = Scene::set(real).await?;
    let front = scene.start().await?;
    front.here().put("key", "{}").await?;
    front.until_health(ServingStatus::Serving).await?;
    scene.backend.stop().await?;
    front.expect_unavailable().await?;
    front.until_health(ServingStatus::NotServing).await?;
    front.expect_others_fine().await?;
    scene.backend.start().await?;
    front.until_recovered().await?;
    front.until_health(ServingStatus::Serving).await?;
    front.expect_clean_log()
}
