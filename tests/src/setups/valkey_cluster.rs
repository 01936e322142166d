//! A Valkey cluster of six nodes.

use std::path::PathBuf;

use kvgate_proto::v1::Stability;

use super::{Backend, Facts, GetManyCost, RealBackend, Setup};
use crate::failure::Outcome;
use crate::redis::{Cluster, Product};

pub(super) const SETUP: Setup = Setup {
    name: "valkey_cluster",
    settings: |place| format!("type = \"valkey\"\n{}", place.backend_settings()),
    backend: Some(RealBackend {
        about: "Valkey 8.0, a cluster of three primaries with a replica each",
        start: |directory| Box::pin(start(directory)),
        keeps_entries: true,
        get_many: GetManyCost { round_trips: None, commands: Some(1000) },
    }),
    python: Some("valkey_cluster"),
    facts: Facts::of("valkey", Stability::Stable),
};

async fn start(directory: PathBuf) -> Outcome<Box<dyn Backend>> {
    Ok(Box::new(Cluster::start(Product::Valkey, &directory, Cluster::PATIENT_MS).await?))
}
