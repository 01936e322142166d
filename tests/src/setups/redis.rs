//! One Redis server.

use std::path::PathBuf;

use kvgate_proto::v1::Stability;

use super::{Backend, Facts, GetManyCost, RealBackend, Setup};
use crate::failure::Outcome;
use crate::redis::{Options, Product, Single};

pub(super) const SETUP: Setup = Setup {
    name: "redis",
    settings: |place| format!("type = \"redis\"\n{}", place.backend_settings()),
    backend: Some(RealBackend {
        about: "Redis 7.0, one server",
        start: |directory| Box::pin(start(directory)),
        keeps_entries: true,
        get_many: GetManyCost { round_trips: Some(1), commands: Some(2) },
    }),
    python: Some("redis"),
    facts: Facts::of("redis", Stability::Stable),
};

async fn start(directory: PathBuf) -> Outcome<Box<dyn Backend>> {
    Ok(Box::new(Single::start(Product::Redis, &directory, Options::default()).await?))
}
