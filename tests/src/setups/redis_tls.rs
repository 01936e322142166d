//! One Redis server with TLS.

use std::path::PathBuf;

use kvgate_proto::v1::Stability;

use super::{Backend, Facts, GetManyCost, RealBackend, Setup};
use crate::failure::Outcome;
use crate::redis::{Options, Product, Single};

pub(super) const SETUP: Setup = Setup {
    name: "redis_tls",
    settings: |place| format!("type = \"redis\"\n{}", place.backend_settings()),
    backend: Some(RealBackend {
        about: "Redis 7.0, one server with TLS",
        start: |directory| Box::pin(start(directory)),
        keeps_entries: true,
        get_many: GetManyCost { round_trips: Some(1), commands: Some(2) },
    }),
    python: None,
    facts: Facts::of("redis", Stability::Stable),
};

async fn start(directory: PathBuf) -> Outcome<Box<dyn Backend>> {
    let options = Options { tls: true, ..Options::default() };
    Ok(Box::new(Single::start(Product::Redis, &directory, options).await?))
}
