//! One Redis server with TLS that asks for a certificate.

use std::path::PathBuf;

use kvgate_proto::v1::Stability;

use super::{Backend, Facts, GetManyCost, RealBackend, Setup};
use crate::failure::Outcome;
use crate::redis::{Options, Product, Single};

pub(super) const SETUP: Setup = Setup {
    name: "redis_mtls",
    settings: |place| format!("type = \"redis\"\n{}", place.backend_settings()),
    backend: Some(RealBackend {
        about: "Redis 7.0, one server with TLS that asks for a certificate",
        start: |directory| Box::pin(start(directory)),
        keeps_entries: true,
        get_many: GetManyCost { round_trips: Some(1), commands: Some(2) },
    }),
    python: None,
    facts: Facts::of("redis", Stability::Stable),
};

async fn start(directory: PathBuf) -> Outcome<Box<dyn Backend>> {
    let options = Options { tls: true, client_certificate: true, ..Options::default() };
    Ok(Box::new(Single::start(Product::Redis, &directory, options).await?))
}
