//! The keyring store on a gnome-keyring.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use async_trait::async_trait;
use kvgate_proto::v1::Stability;
use serde_json::{Value, json};

use super::{Backend, Facts, GetManyCost, RealBackend, Setup};
use crate::failure::Outcome;
use crate::secret_service::Keyring;

pub(super) const SETUP: Setup = Setup {
    name: "keyring",
    settings: |place| {
        let backend = place.backend.map(Backend::settings).unwrap_or_default();
        format!("type = \"keyring\"\n{backend}")
    },
    backend: Some(RealBackend {
        about: "gnome-keyring 42 on a private D-Bus; it writes its whole file for each put, so the \
                cases put less; it fails calls now and then, or ends, as others connect, which \
                Python does for each call: the test's Python asks again, and three of them at \
                once (`both_open::many_processes`) are left out",
        start: |directory| Box::pin(start(directory)),
        keeps_entries: true,
        // a search and a read for each key: the Secret Service has no more for names
        get_many: GetManyCost { round_trips: None, commands: Some(2000) },
    }),
    python: Some("keyring"),
    facts: Facts {
        shares_server: false,
        // one thread of gnome-keyring reads the name of the default keyring while another frees
        // it for a caller that connects: it looks for a keyring named by rubbish, or aborts, in
        // about one of ten rounds in which three processes replace the same items
        rewritten_at_once: false,
        entries_many: 40,
        value_bytes_large: 20_000,
        ..Facts::of("keyring", Stability::Stable)
    },
};

/// The service that the store has by default, as Python's has.
const SERVICE_NAME: &str = "py-key-value";

struct GnomeKeyring(Keyring);

async fn start(directory: PathBuf) -> Outcome<Box<dyn Backend>> {
    Ok(Box::new(GnomeKeyring(Keyring::start(directory).await?)))
}

#[async_trait]
impl Backend for GnomeKeyring {
    fn settings(&self) -> String {
        // long enough for values of some MiB, for which a keyring takes seconds
        format!("dbus_address = '{}'\ntimeout = \"20s\"\n", self.0.bus().address())
    }

    fn behind(&self, _: SocketAddr) -> Option<String> {
        None
    }

    fn address(&self) -> SocketAddr {
        // nowhere: the bus is a socket in a folder
        (Ipv4Addr::LOCALHOST, 0).into()
    }

    fn with_wrong_password(&self) -> Option<(String, &'static str)> {
        None
    }

    fn python(&self) -> Value {
        json!({ "dbus_address": self.0.bus().address() })
    }

    async fn stop(&self) -> Outcome {
        self.0.daemon().stop().await
    }

    async fn start(&self) -> Outcome {
        self.0.daemon().restart().await
    }

    fn freeze(&self) -> Outcome {
        self.0.daemon().freeze()
    }

    fn thaw(&self) -> Outcome {
        self.0.daemon().thaw()
    }

    async fn put_foreign(&self, collection: &str, key: &str) -> Outcome {
        self.0.put_item(SERVICE_NAME, &format!("{collection}::{key}"), "not an entry").await
    }

    async fn contents(&self) -> Outcome<String> {
        Ok(self.0.items(SERVICE_NAME).await?.join("\n") + "\n")
    }

    async fn commands(&self) -> Outcome<Option<u64>> {
        self.0.commands().await.map(Some)
    }
}
