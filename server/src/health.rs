//! What `grpc.health.v1` says.
//!
//! The server as a whole (the empty name) and its services are `SERVING` until it
//! stops. Each store has a name of its own, `stores/NAME`, which is `SERVING` while
//! its backend answers: a backend that is down must not take the others out of
//! service.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt};
use kvgate_proto::v1::key_value_service_server::SERVICE_NAME as KEY_VALUE;
use kvgate_proto::v1::store_service_server::SERVICE_NAME as STORE;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::topology::{ServedStore, Topology};

/// Watches the stores and tells `grpc.health.v1`.
pub(crate) struct Health {
    topology: Arc<Topology>,
    reporter: HealthReporter,
    interval: Duration,
    /// Whether each store answered last time; for readiness.
    answering: HashMap<String, AtomicBool>,
}

impl Health {
    pub(crate) fn new(topology: Arc<Topology>, interval: Duration) -> Self {
        let answering =
            topology.stores().map(|served| (served.name.clone(), AtomicBool::new(false))).collect();
        Self { topology, reporter: HealthReporter::new(), interval, answering }
    }

    pub(crate) fn reporter(&self) -> HealthReporter {
        self.reporter.clone()
    }

    /// Tries every store once, then says that the server serves.
    pub(crate) async fn begin(&self) {
        let tries: FuturesUnordered<_> =
            self.topology.stores().map(|served| self.try_store(served)).collect();
        tries.collect::<Vec<_>>().await;
        for name in ["", KEY_VALUE, STORE] {
            self.reporter.set_service_status(name, ServingStatus::Serving).await;
        }
    }

    /// Tries every store again and again, each by itself: one that hangs holds up
    /// no other.
    pub(crate) async fn watch(&self) {
        let watches: FuturesUnordered<_> =
            self.topology.stores().map(|served| self.watch_store(served)).collect();
        watches.collect::<Vec<()>>().await;
    }

    /// Says that nothing is served any more.
    pub(crate) async fn end(&self) {
        for name in ["", KEY_VALUE, STORE] {
            self.reporter.set_service_status(name, ServingStatus::NotServing).await;
        }
        for served in self.topology.stores() {
            self.report(served, ServingStatus::NotServing).await;
        }
    }

    /// The stores whose backend did not answer last time.
    pub(crate) fn silent(&self) -> Vec<&str> {
        let silent = self.stores().filter(|(_, answered)| !answered);
        let mut silent: Vec<&str> = silent.map(|(name, _)| name).collect();
        silent.sort_unstable();
        silent
    }

    /// Every store, and whether its backend answered last time.
    pub(crate) fn stores(&self) -> impl Iterator<Item = (&str, bool)> {
        let stores = self.answering.iter();
        stores.map(|(name, answering)| (name.as_str(), answering.load(Ordering::Relaxed)))
    }

    async fn watch_store(&self, served: &ServedStore) {
        loop {
            tokio::time::sleep(self.interval).await;
            self.try_store(served).await;
        }
    }

    async fn try_store(&self, served: &ServedStore) {
        // a check that takes longer than the time between two is no answer
        let checked = tokio::time::timeout(self.interval, served.store.check()).await;
        let failure = match checked {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some(format!("no answer within {:?}", self.interval)),
        };
        let answers = failure.is_none();
        let Some(answering) = self.answering.get(&served.name) else {
            return;
        };
        let answered = answering.swap(answers, Ordering::Relaxed);
        match failure {
            None if !answered => tracing::info!(store = served.name, "store answers"),
            Some(failure) => {
                tracing::warn!(store = served.name, "store does not answer: {failure}");
            }
            None => {}
        }
        let status = if answers { ServingStatus::Serving } else { ServingStatus::NotServing };
        self.report(served, status).await;
    }

    async fn report(&self, served: &ServedStore, status: ServingStatus) {
        self.reporter.set_service_status(format!("stores/{}", served.name), status).await;
    }
}
