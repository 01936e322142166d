//! The Vault store with an `AppRole`, whose tokens end so soon that tests see them renewed
//! and replaced.

use super::vault::{FACTS, Kind, settings, start_boxed};
use super::{GetManyCost, RealBackend, Setup};

pub(super) const SETUP: Setup = Setup {
    name: "vault_raft",
    settings,
    backend: Some(RealBackend {
        about: "the same on disk with integrated storage (raft), sealed after each start until \
                it is unsealed; AppRole logins whose tokens live for 6 s, renewed for 20 s at most",
        start: |directory| Box::pin(start_boxed(directory, Kind::Raft)),
        keeps_entries: true,
        get_many: GetManyCost { round_trips: Some(1000), commands: None },
    }),
    python: Some("vault"),
    facts: FACTS,
};
