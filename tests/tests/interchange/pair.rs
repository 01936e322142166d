//! A server and a Python process over the same entries.

use bytes::Bytes;
use kvgate_proto::v1::Capabilities;
use kvgate_tests::client::{Client, Collection};
use kvgate_tests::failure::{Outcome, expect_equal};
use kvgate_tests::python::Python;
use kvgate_tests::running::Running;
use kvgate_tests::setups::Setup;

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

    /// Checks that the server has exactly this text.
    pub(crate) async fn expect_server(&self, collection: &str, key: &str, text: &str) -> Outcome {
        let here = self.server(collection);
        let found = here.value(key).await?;
        expect_equal(here.describe("Get", &key), found, Some(Bytes::from(text.to_owned())))
    }

    /// Checks that Python has exactly this, as it writes it.
    pub(crate) fn expect_python(&mut self, collection: &str, key: &str, text: &str) -> Outcome {
        let found = self.python.get(collection, key)?;
        let call = format!("Python get collection {collection:?} {key:?}");
        expect_equal(call, found.as_deref(), Some(text))
    }
}
