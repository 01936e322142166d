//! Amazon's DynamoDB Local.

use std::collections::{BTreeMap, HashMap};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType,
    ScalarAttributeType,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::built::built;
use crate::daemon::{Daemon, Ready};
use crate::failure::{Failure, Outcome};
use crate::ports;
use crate::setups::Backend;

/// The table of the tests.
pub const TABLE: &str = "kvgate-tests";

const REGION: &str = "eu-central-1";
const ACCESS_KEY_ID: &str = "kvgatetests";
const SECRET_ACCESS_KEY: &str = "kvgate-tests-secret";

/// A running DynamoDB Local. It checks no signatures.
pub struct DynamoDb {
    // Fields are dropped in this order: it ends before its data.
    daemon: Daemon,
    _data: TempDir,
    address: SocketAddr,
    /// A client of it.
    pub client: Client,
}

impl DynamoDb {
    /// Starts one that keeps its log in the directory.
    pub async fn start(directory: &Path) -> Outcome<Self> {
        std::fs::create_dir_all(directory)?;
        let data = data()?;
        let home = data.path().to_owned();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, ports::free()?));
        let built = built("dynamodb", "classes/Main.class")?;
        let command = move || command(&built, address.port(), &home);
        let client = client(address);
        let asked = client.clone();
        let ready: Ready = Box::new(move || {
            let request = asked.list_tables();
            Box::pin(async move { request.send().await.is_ok() })
        });
        let daemon = Daemon::start(command, &directory.join("log"), ready).await?;
        Ok(Self { daemon, _data: data, address, client })
    }

    /// Makes a table with these keys, as others do it: without TTL.
    pub async fn make_table(&self, keys: &[(&str, KeyType)]) -> Outcome {
        let mut request = self.client.create_table().table_name(TABLE);
        for (name, key_type) in keys {
            let definition = AttributeDefinition::builder()
                .attribute_name(*name)
                .attribute_type(ScalarAttributeType::S);
            let element =
                KeySchemaElement::builder().attribute_name(*name).key_type(key_type.clone());
            request =
                request.attribute_definitions(definition.build()?).key_schema(element.build()?);
        }
        request.billing_mode(BillingMode::PayPerRequest).send().await?;
        Ok(())
    }
}

/// Where it keeps its data. It waits for the disk after each item, so this
/// is no disk where the system has such a folder; the data outlives the process there too.
fn data() -> Outcome<TempDir> {
    let memory = Path::new("/dev/shm");
    let mut builder = tempfile::Builder::new();
    builder.prefix("kvgate-tests-");
    Ok(if memory.is_dir() { builder.tempdir_in(memory)? } else { builder.tempdir()? })
}

fn command(built: &Path, port: u16, home: &Path) -> Command {
    let (classes, lib) = (built.join("classes"), built.join("lib"));
    let mut command = Command::new("java");
    // a server of a test lives for seconds: it must start quickly
    command.args(["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"]);
    // SQLite, which is no jar
    command.arg(format!("-Dsqlite4java.library.path={}", lib.display()));
    command.arg("-cp").arg(format!("{}:{}/*", classes.display(), lib.display()));
    command.args(["Main", "-sharedDb", "-disableTelemetry", "-dbPath"]).arg(home);
    command.args(["-port", &port.to_string()]).current_dir(home);
    command
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
