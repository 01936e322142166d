//! Vault with an `AppRole`, whose tokens end so soon that tests see them renewed and
//! replaced.

use std::path::PathBuf;

use super::vault::{FACTS, settings_of};
use super::{Backend, Facts, GetManyCost, RealBackend, Setup, Variant};
use crate::failure::Outcome;
use crate::vault::{Kind, Server};

pub(super) const SETUP: Setup = Setup {
    name: "vault_raft",
    settings: settings_of,
    backend: Some(RealBackend {
        about: "the same on disk with integrated storage (raft), sealed after each start until \
                it is unsealed; AppRole logins whose tokens live for 6 s, renewed for 20 s at most",
        start: |directory| Box::pin(start(directory)),
        keeps_entries: true,
        get_many: GetManyCost { round_trips: Some(1000), commands: None },
    }),
    python: None,
    facts: Facts { variant: Some(VARIANT), ..FACTS },
};

/// Vault answers the same; it keeps entries, under names and up to sizes that its storage
/// takes, and lets in for a while only.
const VARIANT: Variant = Variant {
    of: "vault",
    themes: &["admin", "names", "restart", "values"],
    faults: &[
        "down_at_start",
        "goes_down",
        "restarted_under_load",
        "wrong_password",
        "get_many_cost",
    ],
};

async fn start(directory: PathBuf) -> Outcome<Box<dyn Backend>> {
    Ok(Box::new(Server::start(&directory, Kind::Raft).await?))
}
