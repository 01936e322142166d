//! A Redis primary that is found by a Sentinel.

use std::path::PathBuf;

use kvgate_proto::v1::Stability;

use super::{Backend, Facts, GetManyCost, RealBackend, Setup};
use crate::failure::Outcome;
use crate::redis::{Product, Sentinel};

pub(super) const SETUP: Setup = Setup {
    name: "redis_sentinel",
    settings: |place| format!("type = \"redis\"\n{}", place.backend_settings()),
    backend: Some(RealBackend {
        about: "Redis 7.0, a primary with a replica, found by a Sentinel",
        start: |directory| Box::pin(start(directory)),
        keeps_entries: true,
        get_many: GetManyCost { round_trips: None, commands: Some(2) },
    }),
    python: None,
    facts: Facts::of("redis", Stability::Stable),
};

async fn start(directory: PathBuf) -> Outcome<Box<dyn Backend>> {
    Ok(Box::new(Sentinel::start(Product::Redis, &directory).await?))
}
