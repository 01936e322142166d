//! A server and a Python process over the same entries.

use bytes::Bytes;
use kvgate_proto::v1::Capabilities;
use kvgate_tests::client::{Client, Collection};
use kvgate_tests::failure::{Outcome, expect_equal};
use kvgate_tests::python::Python;
use kvgate_tests::running::Running;
use kvgate_tests::setups::Setup;
use serde_json::Value;

/// A server and a Python process over the same entries.
pub(crate) struct Pair {
    /// Python, with its store open.
    pub(crate) python: Python,
    /// A connection to the server, which serves the same.
    pub(crate) client: Client,
    setup: &'static Setup,
    /// What the store can do.
    pub(crate) capabilities: Capabilities,
    /// The server.
    pub(crate) running: Running,
}

impl Pair {
    /// Starts both, the server first.
    pub(crate) async fn open(setup: &'static Setup) -> Outcome<Self> {
        Self::beside(setup, Running::start(setup).await?).await
    }

    /// Starts Python beside a server.
    pub(crate) async fn beside(setup: &'static Setup, running: Running) -> Outcome<Self> {
        let python = Python::open(setup, &running.python())?;
        let client = running.server.client().await?;
        let store = client.get_store(setup.name).await?;
        let capabilities = store.capabilities.unwrap_or_default();
        Ok(Self { python, client, setup, capabilities, running })
    }

    /// The server's view of a collection.
    pub(crate) fn server(&self, collection: &str) -> Collection {
        self.client.collection(self.setup.name, collection)
    }

    /// Lets the server make the collection: what Python makes may take less
    /// (`python_text_bytes_max`).
    pub(crate) async fn server_makes(&self, collection: &str) -> Outcome {
        let here = self.server(collection);
        here.put("made", "{}").await?;
        expect_equal(here.describe("Delete", &"made"), here.delete("made").await?, true)
    }

    /// Checks that the server has exactly this text.
    pub(crate) async fn expect_server(&self, collection: &str, key: &str, text: &str) -> Outcome {
        let here = self.server(collection);
        let found = here.value(key).await?;
        self.expect_text(here.describe("Get", &key), found, text)
    }

    /// Checks that what the server has found is this text, or its equal if that is all
    /// that the store promises, or that Python's client makes of it.
    pub(crate) fn expect_text(&self, call: String, found: Option<Bytes>, text: &str) -> Outcome {
        match found {
            Some(found) if self.is_same(&found, text) => Ok(()),
            found => expect_equal(call, found, Some(Bytes::from(text.to_owned()))),
        }
    }

    /// Whether a text is this one, or its equal if that is all that there can be.
    pub(crate) fn is_same(&self, found: &[u8], text: &str) -> bool {
        let value = |text: &[u8]| serde_json::from_slice::<Value>(text).ok();
        found == text.as_bytes()
            || (!self.capabilities.exact_values || self.setup.facts.python_client_writes)
                && value(found).is_some_and(|it| Some(it) == value(text.as_bytes()))
    }

    /// Checks that Python has exactly this, as it writes it.
    pub(crate) fn expect_python(&mut self, collection: &str, key: &str, text: &str) -> Outcome {
        let found = self.python.get(collection, key)?;
        let call = format!("Python get collection {collection:?} {key:?}");
        expect_equal(call, found.as_deref(), Some(text))
    }
}
