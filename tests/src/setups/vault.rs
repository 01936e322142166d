//! The Vault store with a token, over TLS.

mod api;
mod server;

use std::path::PathBuf;

use kvgate_proto::v1::Stability;

use super::{Backend, Facts, GetManyCost, Place, RealBackend, Setup};
use crate::failure::Outcome;
pub use server::{Kind, Server, start};

pub(super) const SETUP: Setup = Setup {
    name: "vault",
    settings,
    backend: Some(RealBackend {
        about: "Vault 1.21.2 built from its Go modules, in development mode (in memory), TLS with \
                an authority of its own, a token that never ends",
        start: |directory| Box::pin(start_boxed(directory, Kind::Memory)),
        keeps_entries: false,
        get_many: GetManyCost { round_trips: Some(1000), commands: None },
    }),
    python: Some("vault"),
    facts: FACTS,
};

pub(super) const FACTS: Facts = Facts::of("vault", Stability::Unstable);

pub(super) fn settings(place: &Place) -> String {
    let backend = place.backend.map_or_else(String::new, |backend| backend.settings());
    format!("type = \"vault\"\n{backend}")
}

pub(super) async fn start_boxed(directory: PathBuf, kind: Kind) -> Outcome<Box<dyn Backend>> {
    Ok(Box::new(start(directory, kind).await?))
}
