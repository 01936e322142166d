//! A memcached that encrypts, and asks its clients for a certificate.

use super::memcached::{FACTS, Memcached, Server};
use super::{Backend, GetManyCost, RealBackend, Setup};
use crate::certificates::Certificates;

pub(super) const SETUP: Setup = Setup {
    name: "memcached_tls",
    settings: |place| format!("type = \"memcached\"\n{}", place.backend_settings()),
    backend: Some(RealBackend {
        about: "one that encrypts and asks for a client's certificate (`-Z`)",
        start: |directory| {
            Box::pin(async move {
                let files = Certificates::make(&directory)?;
                let servers = vec![Server::start_encrypted(&directory, &files).await?];
                let access = files.settings(Some(&files.client));
                Ok(Box::new(Memcached { servers, password: None, access }) as Box<dyn Backend>)
            })
        },
        keeps_entries: false,
        get_many: GetManyCost { round_trips: Some(1), commands: Some(1) },
    }),
    // its store does not encrypt
    python: None,
    facts: FACTS,
};
