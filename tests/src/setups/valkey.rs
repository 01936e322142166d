//! One Valkey server.

use std::path::PathBuf;

use kvgate_proto::v1::Stability;

use super::{Backend, Facts, GetManyCost, RealBackend, Setup};
use crate::failure::Outcome;
use crate::redis::{Options, Product, Single};

pub(super) const SETUP: Setup = Setup {
    name: "valkey",
    settings: |place| format!("type = \"valkey\"\n{}", place.backend_settings()),
    backend: Some(RealBackend {
        about: "Valkey 8.0, one server",
        start: |directory| Box::pin(start(directory)),
        keeps_entries: true,
        get_many: GetManyCost { round_trips: Some(1), commands: Some(2) },
    }),
    python: Some("valkey"),
    facts: Facts::of("valkey", Stability::Stable),
};

async fn start(directory: PathBuf) -> Outcome<Box<dyn Backend>> {
    Ok(Box::new(Single::start(Product::Valkey, &directory, Options::default()).await?))
}
