//! What a case works with.

use std::sync::Arc;

use bytes::Bytes;
use kvgate_proto::v1::{Capabilities, Limits};

use crate::client::{Client, Collection};
use crate::failure::{Failure, Outcome, expect_equal};
use crate::running::{Running, Stop};
use crate::setups::Setup;

/// What a case works with.
pub struct Context {
    /// The setup.
    pub setup: &'static Setup,
    /// The server that runs it: shared with other cases, unless the case has
    /// asked for one of its own.
    pub running: Arc<Running>,
    /// A connection to the server.
    pub client: Client,
    /// What the store can do.
    pub capabilities: Capabilities,
    /// What the store takes.
    pub limits: Limits,
    /// A collection that no other case uses.
    pub here: Collection,
}

impl Context {
    /// Asks the server about the store.
    pub async fn new(
        setup: &'static Setup,
        running: Arc<Running>,
        collection: &str,
    ) -> Outcome<Self> {
        let client = running.server.client().await?;
        let store = client.get_store(setup.name).await?;
        let capabilities = store.capabilities.unwrap_or_default();
        let limits = store.limits.unwrap_or_default();
        let here = client.collection(setup.name, collection);
        Ok(Self { setup, running, client, capabilities, limits, here })
    }

    /// Stops the server and starts it again over what it left. Only for a case
    /// with a server of its own.
    pub async fn restart(self, how: Stop) -> Outcome<Self> {
        let running = Arc::into_inner(self.running)
            .ok_or_else(|| Failure::new("a shared server is not restarted"))?;
        let running = Arc::new(running.stop(how).await?.start().await?);
        Self::new(self.setup, running, &self.here.collection).await
    }

    /// The store's name.
    pub fn store(&self) -> &'static str {
        self.setup.name
    }

    /// How many entries to work with in place of `wanted`.
    pub fn many(&self, wanted: usize) -> usize {
        self.setup.facts.many(wanted)
    }

    /// How large to make a value in place of `wanted` bytes.
    pub fn large(&self, wanted: usize) -> usize {
        self.setup.facts.large(wanted)
    }

    /// Whether the setup takes a key or collection of this name, and never takes
    /// another for it.
    pub fn takes(&self, name: &str) -> bool {
        let facts = self.setup.facts;
        let refused = facts.refused_name_starts.iter().any(|start| name.starts_with(start));
        let cut = facts.kept_name_characters.is_some_and(|most| name.chars().count() > most);
        !refused && !cut
    }

    /// Whether the setup takes this value, which every store without limits takes.
    pub fn takes_value(&self, text: &str) -> bool {
        !self.setup.facts.refused_values.iter().any(|part| text.contains(part))
    }

    /// Puts a value and checks that it comes back: letter for letter, or as an
    /// equal object where that is all the store promises.
    pub async fn round_trip(&self, key: &str, value: impl Into<Bytes>) -> Outcome {
        let value = value.into();
        self.here.put(key, value.clone()).await?;
        let found = self.here.value(key).await?;
        self.expect_value(self.here.describe("Get", &key), found, &value)
    }

    /// Checks what was found under a key after a restart: the value if the store
    /// is persistent, else nothing.
    pub fn expect_kept(&self, call: String, found: Option<Bytes>, put: &Bytes) -> Outcome {
        if self.capabilities.persistent {
            self.expect_value(call, found, put)
        } else {
            expect_equal(call, found, None)
        }
    }

    /// Checks what was found under a key.
    pub fn expect_value(&self, call: String, found: Option<Bytes>, put: &Bytes) -> Outcome {
        let Some(found) = found else {
            return Err(Failure::new(format!("{call}: found nothing")));
        };
        if self.capabilities.exact_values {
            return expect_equal(call, found, put.clone());
        }
        let found: serde_json::Value = serde_json::from_slice(&found)?;
        expect_equal(call, found, serde_json::from_slice::<serde_json::Value>(put)?)
    }
}
