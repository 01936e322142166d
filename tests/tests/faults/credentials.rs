//! A backend that does not let us in.

use kvgate_tests::failure::{Failure, Outcome, expect, expect_equal};
use kvgate_tests::rpc_error::refused;
use tonic::Code;
use tonic_health::pb::health_check_response::ServingStatus;

use crate::Real;
use crate::scene::Scene;

/// A wrong password is told as such, everywhere, and shown nowhere.
pub(crate) async fn wrong_password(real: Real) -> Outcome {
    let scene = Scene::set(real).await?;
    let Some((settings, password)) = scene.backend.with_wrong_password() else {
        // it asks for none; a setup beside it does
        return Ok(());
    };
    let store_type = real.setup.facts.store_type;
    scene.configure(&format!("type = \"{store_type}\"\n{settings}"))?;
    let file = scene.folder.configuration();
    let file = file.to_str().ok_or_else(|| Failure::new("the folder's name is not UTF-8"))?;
    let checked = scene.folder.run(&["check", "--connect", file]).await?;
    let said = format!("`kvgate check --connect` said:\n{}", checked.output);
    expect(checked.code.is_some_and(|code| code != 0), format!("it did not fail; {said}"))?;
    let named = ["password", "credentials"].iter().any(|word| checked.output.contains(word));
    expect(named, format!("it does not say what is wrong; {said}"))?;
    expect(!checked.output.contains(password), format!("it shows the password; {said}"))?;

    let front = scene.start().await?;
    let here = front.here();
    for answer in [here.get("key").await.map(|_| ()), here.put("key", "{}").await] {
        let error = refused(answer, "call", Code::PermissionDenied, "STORE_ACCESS_DENIED")?;
        expect(!error.message.contains(password), format!("it shows the password: {error}"))?;
    }
    front.until_health(ServingStatus::NotServing).await?;
    front.expect_others_fine().await?;
    let log = front.server.log();
    expect_equal("the password in the log", log.find(password), None)?;
    front.expect_clean_log()
}
