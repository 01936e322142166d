//! Vault with a token, over TLS.

use std::path::PathBuf;

use kvgate_proto::v1::Stability;

use super::{Backend, Facts, GetManyCost, Place, RealBackend, Setup};
use crate::failure::Outcome;
use crate::vault::{Kind, Server};

pub(super) const SETUP: Setup = Setup {
    name: "vault",
    settings: settings_of,
    backend: Some(RealBackend {
        about: "Vault 1.21.2 built from its Go modules, in development mode (in memory), with TLS \
                and a token that never ends",
        start: |directory| Box::pin(start(directory)),
        keeps_entries: false,
        get_many: GetManyCost { round_trips: Some(1000), commands: None },
    }),
    python: Some("vault"),
    facts: FACTS,
};

/// The suite asks much of it at once.
pub(super) fn settings_of(place: &Place) -> String {
    format!("type = \"vault\"\ntimeout = \"20s\"\n{}", place.backend_settings())
}

pub(super) const FACTS: Facts = Facts {
    // a request or two for each entry: more of them are in `end_to_end/vault_listing.rs`
    entries_many: 150,
    // Vault takes 1 MiB
    value_bytes_large: 1_000_000,
    ..Facts::of("vault", Stability::Unstable)
};

async fn start(directory: PathBuf) -> Outcome<Box<dyn Backend>> {
    Ok(Box::new(Server::start(&directory, Kind::Memory).await?))
}
