//! Vault with a token, over TLS.

use std::path::PathBuf;

use kvgate_proto::v1::Stability;

use super::{Backend, Facts, GetManyCost, RealBackend, Setup};
use crate::failure::Outcome;
use crate::vault::{Kind, Server};

pub(super) const SETUP: Setup = Setup {
    name: "vault",
    settings: |place| format!("type = \"vault\"\n{}", place.backend_settings()),
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

pub(super) const FACTS: Facts = Facts {
    // each is a request or two
    entries_many: 1_000,
    // Vault takes 1 MiB
    value_bytes_large: 1_000_000,
    ..Facts::of("vault", Stability::Unstable)
};

async fn start(directory: PathBuf) -> Outcome<Box<dyn Backend>> {
    Ok(Box::new(Server::start(&directory, Kind::Memory).await?))
}
