//! The stores of a configuration without a server: its services, called directly.
//!
//! So every command does the same with both, and what the server checks is checked here too.

use std::path::Path;
use std::sync::Arc;

use kvgate_core::SystemClock;
use tokio_util::sync::CancellationToken;

use crate::config;
use crate::health::Health;
use crate::router::Router;
use crate::service::Service;
use crate::topology::Topology;

/// Opened stores, and what serves them.
pub(super) struct Stores {
    pub(super) router: Router,
    pub(super) health: Health,
}

/// Opens the stores of a configuration. Whoever can read it may do everything: roles are for
/// callers of a server.
pub(super) fn open(file: &Path) -> anyhow::Result<Stores> {
    let config = config::load(Some(file), config::environment())?;
    let clock = Arc::new(SystemClock);
    let topology = Topology::open(config.stores, config.default_store, clock, |store, _, _| store)?;
    let topology = Arc::new(topology);
    let limits = config.server.limits;
    let health = Health::new(Arc::clone(&topology), config.server.health_interval);
    let message_bytes_max = limits.message_bytes_max;
    let service = Service::new(topology, limits, false);
    let stopping = CancellationToken::new();
    let router = Router::new(service, health.reporter(), stopping, message_bytes_max, &[]);
    Ok(Stores { router, health })
}
