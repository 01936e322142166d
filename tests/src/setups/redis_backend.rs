//! One server of Redis or Valkey as the backend of a setup.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::Backend;
use crate::failure::Outcome;
use crate::ports;
use crate::redis_server::{Product, RedisServer, Start};

/// One server.
pub(super) struct RedisBackend {
    product: Product,
    server: RedisServer,
}

impl RedisBackend {
    pub(super) async fn start(product: Product, directory: &Path) -> Outcome<Self> {
        let port = ports::free()?;
        let config = format!("port {port}\nsave \"\"\nappendonly yes\n");
        let config = config.as_str();
        let start = Start { product, directory, port, config, login: None, is_sentinel: false };
        Ok(Self { product, server: RedisServer::start(start).await? })
    }
}

#[async_trait]
impl Backend for RedisBackend {
    fn settings(&self) -> String {
        format!("url = \"redis://{}\"\n", self.address())
    }

    fn behind(&self, proxy: SocketAddr) -> Option<String> {
        Some(format!("url = \"redis://{proxy}\"\n"))
    }

    fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.server.port))
    }

    fn with_wrong_password(&self) -> Option<(String, &'static str)> {
        None
    }

    fn python(&self) -> Value {
        json!({ "host": "127.0.0.1", "port": self.server.port })
    }

    async fn stop(&self) -> Outcome {
        self.server.daemon.stop().await
    }

    async fn start(&self) -> Outcome {
        self.server.daemon.restart().await
    }

    fn freeze(&self) -> Outcome {
        self.server.daemon.freeze()
    }

    fn thaw(&self) -> Outcome {
        self.server.daemon.thaw()
    }

    async fn put_foreign(&self, collection: &str, key: &str) -> Outcome {
        self.server.put_foreign(self.product, collection, key)
    }

    async fn contents(&self) -> Outcome<String> {
        Ok(self.server.contents()?.join("\n") + "\n")
    }

    async fn commands(&self) -> Outcome<Option<u64>> {
        self.server.commands().map(Some)
    }
}
