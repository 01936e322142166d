//! How often a store has to ask its backend.

use kvgate_tests::client::{entry, found};
use kvgate_tests::failure::{Failure, Outcome, expect, expect_equal};
use kvgate_tests::setups::GetManyCost;

use crate::Real;
use crate::scene::{Front, Scene};

/// How often it is counted: the client's own checks are counted with it, the more of them
/// the longer a call takes.
const TRIES_MAX: usize = 20;

/// A `GetMany` of 1,000 keys costs what the setup says, as the backend or a proxy
/// before it counts.
pub(crate) async fn get_many(real: Real) -> Outcome {
    let expected = real.backend.get_many;
    let counted = expected.round_trips.is_some() || expected.commands.is_some();
    expect(counted, "nobody counts what this setup's GetMany costs")?;
    let scene = match Scene::set_behind_proxy(real).await? {
        Some(scene) => scene,
        None => Scene::set(real).await?,
    };
    // where a key costs a round trip the call takes longer than health waits
    let rarely =
        scene.folder.text().replace("health_interval = \"1s\"", "health_interval = \"1h\"");
    scene.folder.configure(&rarely)?;
    let front = scene.start().await?;
    let keys: Vec<String> = (0..1000).map(|number| format!("key-{number}")).collect();
    front.here().put_many(keys.iter().map(|key| entry(key, r#"{"n":1}"#)).collect()).await?;
    // connections are made by the first call
    read_all(&front, &keys).await?;
    // the least of several is the call alone
    let mut least = GetManyCost { round_trips: None, commands: None };
    for _ in 0..TRIES_MAX {
        let before = counts(&scene).await?;
        read_all(&front, &keys).await?;
        let after = counts(&scene).await?;
        let cost = |before: Option<u64>, after: Option<u64>| Some(after? - before?);
        let fewer =
            |least: Option<u64>, cost: Option<u64>| least.map_or(cost, |it| cost.min(Some(it)));
        least.round_trips = fewer(least.round_trips, cost(before.round_trips, after.round_trips));
        least.commands = fewer(least.commands, cost(before.commands, after.commands));
        if least == expected {
            break;
        }
    }
    expect_equal("what GetMany of 1,000 keys costs", least, expected)
}

async fn counts(scene: &Scene) -> Outcome<GetManyCost> {
    Ok(GetManyCost {
        round_trips: scene.proxy.as_ref().map(kvgate_tests::proxy::Proxy::round_trips),
        commands: scene.backend.commands().await?,
    })
}

async fn read_all(front: &Front, keys: &[String]) -> Outcome {
    let results = found(front.here().get_many(keys).await?)?;
    let missing = results.iter().filter(|(_, value)| value.is_none()).count();
    if missing > 0 {
        return Err(Failure::new(format!("GetMany: {missing} entries are missing")));
    }
    Ok(())
}
