//! Amazon's DynamoDB Local; and what its other setup has in common.

use std::collections::{BTreeMap, HashMap};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_dynamodb::types::AttributeValue;
use kvgate_proto::v1::Stability;
use serde_json::{Value, json};

use super::{Backend, Facts, GetManyCost, RealBackend, Setup};
use crate::daemon::Daemon;
use crate::failure::{Failure, Outcome};
use crate::ports;

pub(super) const SETUP: Setup = Setup {
    name: "dynamodb",
    settings: |place| format!("type = \"dynamodb\"\n{}", place.backend_settings()),
    backend: Some(RealBackend {
        about: "DynamoDB Local 3.3 (Amazon's, Java 17), which checks no signatures",
        start: |directory| {
            Box::pin(
                async move { Ok(Box::new(DynamoDb::start(&directory).await?) as Box<dyn Backend>) },
            )
        },
        keeps_entries: true,
        get_many: GET_MANY,
    }),
    python: Some("dynamodb"),
    facts: Facts::of("dynamodb", Stability::Unstable),
};

/// Batches of 100, all under way at once.
pub(super) const GET_MANY: GetManyCost = GetManyCost { round_trips: Some(10), commands: None };

/// The table of the tests.
pub(super) const TABLE: &str = "kvgate-tests";

const REGION: &str = "eu-central-1";
const ACCESS_KEY_ID: &str = "kvgatetests";
const SECRET_ACCESS_KEY: &str = "kvgate-tests-secret";

/// A running DynamoDB Local.
pub(super) struct DynamoDb {
    daemon: Daemon,
    address: SocketAddr,
    pub(super) client: Client,
}

impl DynamoDb {
    /// Starts one that keeps its data below the directory.
    pub(super) async fn start(directory: &Path) -> Outcome<Self> {
        let data = directory.join("data");
        std::fs::create_dir_all(&data)?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, ports::free()?));
        let client = client(address);
        let (home, installed) = (directory.to_owned(), installed()?);
        let command = move || {
            let mut command = Command::new("java");
            command.args(["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]);
            command.arg(format!("-Djava.library.path={}", installed.join("native").display()));
            let (classes, jars) = (installed.join("classes"), installed.join("lib"));
            command.arg("-cp").arg(format!("{}:{}/*", classes.display(), jars.display()));
            command.args(["Main", "-sharedDb", "-disableTelemetry", "-dbPath"]).arg(&data);
            command.args(["-port", &address.port().to_string()]);
            command.current_dir(&home).env("DDB_LOCAL_TELEMETRY", "0");
            command
        };
        let asked = client.clone();
        let ready = Box::new(move || -> futures::future::BoxFuture<'static, bool> {
            let request = asked.list_tables();
            Box::pin(async move { request.send().await.is_ok() })
        });
        let daemon = Daemon::start(command, &directory.join("log"), ready).await?;
        Ok(Self { daemon, address, client })
    }
}

/// Where `tests/backends/install` has put it.
fn installed() -> Outcome<PathBuf> {
    let cache = match std::env::var_os("XDG_CACHE_HOME") {
        Some(cache) => PathBuf::from(cache),
        None => std::env::home_dir().ok_or_else(|| Failure::new("no home"))?.join(".cache"),
    };
    let folder = cache.join("kvgate-backends/dynamodb");
    if folder.join("Main.java").exists() {
        return Ok(folder);
    }
    let place = folder.display();
    Err(Failure::new(format!("nothing in {place}: run `tests/backends/install dynamodb`")))
}

fn client(address: SocketAddr) -> Client {
    let credentials = Credentials::new(ACCESS_KEY_ID, SECRET_ACCESS_KEY, None, None, "tests");
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new(REGION))
        .endpoint_url(format!("http://{address}"))
        .credentials_provider(credentials)
        .build();
    Client::from_conf(config)
}

fn settings(address: SocketAddr, access_key_id: &str, secret_access_key: &str) -> String {
    format!(
        "table_name = \"{TABLE}\"\nregion_name = \"{REGION}\"\n\
         endpoint_url = \"http://{address}\"\naws_access_key_id = \"{access_key_id}\"\n\
         aws_secret_access_key = \"{secret_access_key}\"\n"
    )
}

#[async_trait]
impl Backend for DynamoDb {
    fn settings(&self) -> String {
        settings(self.address, ACCESS_KEY_ID, SECRET_ACCESS_KEY)
    }

    fn behind(&self, proxy: SocketAddr) -> Option<String> {
        Some(settings(proxy, ACCESS_KEY_ID, SECRET_ACCESS_KEY))
    }

    fn address(&self) -> SocketAddr {
        self.address
    }

    fn with_wrong_password(&self) -> Option<(String, &'static str)> {
        // it knows no secrets, and refuses access keys that are none
        let wrong = "hunter2";
        Some((settings(self.address, "no-access-key", wrong), wrong))
    }

    fn python(&self) -> Value {
        json!({
            "endpoint_url": format!("http://{}", self.address),
            "table_name": TABLE,
            "region_name": REGION,
            "aws_access_key_id": ACCESS_KEY_ID,
            "aws_secret_access_key": SECRET_ACCESS_KEY,
        })
    }

    async fn stop(&self) -> Outcome {
        self.daemon.stop().await
    }

    async fn start(&self) -> Outcome {
        self.daemon.restart().await
    }

    fn freeze(&self) -> Outcome {
        self.daemon.freeze()
    }

    fn thaw(&self) -> Outcome {
        self.daemon.thaw()
    }

    async fn put_foreign(&self, collection: &str, key: &str) -> Outcome {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let item = [("collection", collection), ("key", key), ("value", "no envelope")];
        let item = item.map(|(name, value)| (name.to_owned(), text(value)));
        let request = self.client.put_item().table_name(TABLE);
        request.set_item(Some(HashMap::from(item))).send().await?;
        Ok(())
    }

    async fn contents(&self) -> Outcome<String> {
        let table = self.client.describe_table().table_name(TABLE).send().await?;
        let table = table.table.ok_or_else(|| Failure::new("no table"))?;
        let ttl = self.client.describe_time_to_live().table_name(TABLE).send().await?;
        let ttl = ttl.time_to_live_description.ok_or_else(|| Failure::new("no TTL"))?;
        let mut lines = Vec::new();
        let mut pages = self.client.scan().table_name(TABLE).into_paginator().items().send();
        while let Some(item) = pages.try_next().await? {
            let item: BTreeMap<_, _> = item.iter().collect();
            let attributes: Vec<_> =
                item.into_iter().map(|(name, value)| attribute(name, value)).collect();
            lines.push(attributes.join(" "));
        }
        lines.sort_unstable();
        for element in table.key_schema().iter().rev() {
            lines.insert(0, format!("key {} {}", element.attribute_name(), element.key_type()));
        }
        let price = table.billing_mode_summary.and_then(|it| it.billing_mode);
        lines.insert(0, format!("price {price:?}"));
        lines.insert(0, format!("ttl {:?} {:?}", ttl.time_to_live_status, ttl.attribute_name));
        Ok(lines.join("\n"))
    }

    async fn commands(&self) -> Outcome<Option<u64>> {
        Ok(None)
    }
}

/// An attribute as text; of a number, which is a time, the digits are zeros.
fn attribute(name: &str, value: &AttributeValue) -> String {
    match value {
        AttributeValue::S(text) => format!("{name}={text:?}"),
        AttributeValue::N(number) => format!("{name}={}", "0".repeat(number.len())),
        other => format!("{name}={other:?}"),
    }
}
