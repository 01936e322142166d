//! A Redis cluster of six nodes.

use std::path::PathBuf;

use kvgate_proto::v1::Stability;

use super::{Backend, Facts, GetManyCost, RealBackend, Setup};
use crate::failure::Outcome;
use crate::redis::{Cluster, Product};

pub(super) const SETUP: Setup = Setup {
    name: "redis_cluster",
    settings: |place| format!("type = \"redis\"\n{}", place.backend_settings()),
    backend: Some(RealBackend {
        about: "Redis 7.0, a cluster of three primaries with a replica each",
        start: |directory| Box::pin(start(directory)),
        keeps_entries: true,
        get_many: GetManyCost { round_trips: None, commands: Some(1000) },
    }),
    python: None,
    facts: Facts::of("redis", Stability::Stable),
};

async fn start(directory: PathBuf) -> Outcome<Box<dyn Backend>> {
    Ok(Box::new(Cluster::start(Product::Redis, &directory, Cluster::PATIENT_MS).await?))
}
