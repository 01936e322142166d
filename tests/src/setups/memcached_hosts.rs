//! Three memcached that share the items.

use super::memcached::{FACTS, Memcached, Server};
use super::{GetManyCost, RealBackend, Setup};

pub(super) const SETUP: Setup = Setup {
    name: "memcached_hosts",
    settings: |place| format!("type = \"memcached\"\n{}", place.backend_settings()),
    backend: Some(RealBackend {
        about: "three of them, the keys spread by ketama",
        start: |directory| {
            Box::pin(async move {
                let mut servers = Vec::new();
                for name in ["one", "two", "three"] {
                    servers.push(Server::start(&directory, name, &[]).await?);
                }
                Ok(Memcached::open(servers))
            })
        },
        keeps_entries: false,
        // to each its part, at the same time
        get_many: GetManyCost { round_trips: None, commands: Some(3) },
    }),
    // its store knows one host
    python: None,
    facts: FACTS,
};
