//! The MongoDB store over mongo-java-server: it speaks the wire protocol of MongoDB 5.0,
//! and is no MongoDB. It never removes by a TTL index, knows no users and counts nothing.
//!
//! `KVGATE_TEST_MONGODB_URL` names a MongoDB that runs already, for conformance and
//! interchange: `backends/compose.yaml` has one.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};

use ::mongodb::bson::{Bson, Document, doc};
use ::mongodb::options::ClientOptions;
use ::mongodb::{Client, Database, IndexModel};
use async_trait::async_trait;
use futures::TryStreamExt as _;
use kvgate_proto::v1::Stability;
use serde_json::{Value, json};
use tokio::net::{TcpStream, lookup_host};

use super::{Backend, Facts, GetManyCost, RealBackend, Setup};
use crate::built::built;
use crate::daemon::{Daemon, Ready};
use crate::failure::{Failure, Outcome};
use crate::ports;

pub(super) const SETUP: Setup = Setup {
    name: "mongodb",
    settings: |place| {
        // it is much slower than MongoDB, and the suite asks much of it at once
        format!("type = \"mongodb\"\ntimeout = \"20s\"\n{}", place.backend_settings())
    },
    backend: Some(RealBackend {
        about: "mongo-java-server 1.47 with its data in a file (H2): the wire protocol of MongoDB \
                5.0, not MongoDB itself; it refuses every login, so a wrong password can be shown \
                and a right one can't",
        start: |directory| {
            Box::pin(async move { Ok(Box::new(Server::start(directory).await?) as Box<_>) })
        },
        keeps_entries: true,
        get_many: GetManyCost { round_trips: Some(1), commands: None },
    }),
    python: Some("mongodb"),
    facts: Facts {
        // what BSON has no form for
        refused_values: &[
            "18446744073709551616",
            "-9223372036854775809",
            "12345678901234567890",
            "1e400",
            r"\ud800",
            r"nul\u0000name",
        ],
        nesting_max: Some(98),
        // it serializes a key for each comparison in an index
        entries_many: 4_000,
        // MongoDB takes names up to 238 bytes beside this database's; longer ones are made
        refuses_collection: |name| (129..=238).contains(&name.len()),
        ..Facts::of("mongodb", Stability::Unstable)
    },
};

/// py-key-value's database, which is also kvgate's.
const DATABASE: &str = "kv-store-adapter";

/// A server: mongo-java-server of the tests' own, or one that somebody else runs.
struct Server {
    own: Option<Daemon>,
    address: SocketAddr,
    url: String,
    database: Database,
}

impl Server {
    async fn start(directory: PathBuf) -> Outcome<Self> {
        if let Ok(url) = std::env::var("KVGATE_TEST_MONGODB_URL") {
            return Self::join(url).await;
        }
        std::fs::create_dir_all(&directory)?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, ports::free()?));
        let built = built("mongodb", "classes/Main.class")?;
        let data = directory.join("data.h2");
        let command = move || command(&built, address.port(), &data);
        // it listens once it can answer
        let ready: Ready =
            Box::new(move || Box::pin(async move { TcpStream::connect(address).await.is_ok() }));
        let daemon = Daemon::start(command, &directory.join("log"), ready).await?;
        let url = format!("mongodb://{address}");
        let database = Client::with_uri_str(&url).await?.database(DATABASE);
        Ok(Self { own: Some(daemon), address, url, database })
    }

    /// A database of its own on a server that runs already.
    async fn join(url: String) -> Outcome<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("kvgate-test-{}-{number}", std::process::id());
        let options = ClientOptions::parse(&url).await?;
        let host = options.hosts.first().map(ToString::to_string).unwrap_or_default();
        let address = lookup_host(host).await?.next().ok_or_else(|| Failure::new("no address"))?;
        let database = Client::with_options(options)?.database(&name);
        database.drop().await?;
        Ok(Self { own: None, address, url, database })
    }

    fn own(&self) -> Outcome<&Daemon> {
        self.own.as_ref().ok_or_else(|| Failure::new("the server is not the tests' own"))
    }

    fn settings_of(&self, url: &str) -> String {
        format!("url = \"{url}\"\ndb_name = \"{}\"\n", self.database.name())
    }
}

fn command(built: &Path, port: u16, data: &Path) -> Command {
    let mut command = Command::new("java");
    // a server of a test lives for seconds: it must start quickly
    command.args(["-Xmx256m", "-XX:TieredStopAtLevel=1", "-Xshare:auto"]);
    // one command after the other: two that change one document at once make it fail
    // ("Unknown error: null"), which MongoDB does not
    command.args(["-Dio.netty.eventLoopThreads=1", "-cp"]);
    command.arg(format!("{0}/classes:{0}/lib/*", built.display()));
    command.arg("Main").arg(port.to_string()).arg(data);
    command
}

#[async_trait]
impl Backend for Server {
    fn settings(&self) -> String {
        // the default is left to the store
        match self.own {
            Some(_) => format!("url = \"{}\"\n", self.url),
            None => self.settings_of(&self.url),
        }
    }

    fn behind(&self, proxy: SocketAddr) -> Option<String> {
        Some(self.settings_of(&format!("mongodb://{proxy}/?directConnection=true")))
    }

    fn address(&self) -> SocketAddr {
        self.address
    }

    fn with_wrong_password(&self) -> Option<(String, &'static str)> {
        let password = "hunter2";
        let settings = self.settings();
        Some((format!("{settings}username = \"kvgate\"\npassword = \"{password}\"\n"), password))
    }

    fn python(&self) -> Value {
        json!({ "url": self.url, "db_name": self.database.name() })
    }

    async fn stop(&self) -> Outcome {
        self.own()?.stop().await
    }

    async fn start(&self) -> Outcome {
        self.own()?.restart().await
    }

    fn freeze(&self) -> Outcome {
        self.own()?.freeze()
    }

    fn thaw(&self) -> Outcome {
        self.own()?.thaw()
    }

    async fn put_foreign(&self, collection: &str, key: &str) -> Outcome {
        let collection = self.database.collection::<Document>(collection);
        let foreign = doc! { "key": key, "value": 7 };
        collection.replace_one(doc! { "key": key }, foreign).upsert(true).await?;
        Ok(())
    }

    /// The documents and the indexes of every collection.
    async fn contents(&self) -> Outcome<String> {
        let mut names = self.database.list_collection_names().await?;
        names.sort_unstable();
        let mut lines = String::new();
        for name in names {
            writeln!(lines, "== {name}")?;
            let collection = self.database.collection::<Document>(&name);
            let indexes: Vec<_> = collection.list_indexes().await?.try_collect().await?;
            let mut indexes: Vec<String> = indexes.into_iter().map(index).collect();
            indexes.sort_unstable();
            lines += &indexes.concat();
            let documents = collection.find(doc! {}).sort(doc! { "key": 1 }).await?;
            let documents: Vec<Document> = documents.try_collect().await?;
            for document in documents {
                writeln!(lines, "{}", written(&document.into()))?;
            }
        }
        Ok(lines)
    }

    async fn commands(&self) -> Outcome<Option<u64>> {
        Ok(None)
    }
}

/// A line about an index.
fn index(index: IndexModel) -> String {
    let options = index.options.unwrap_or_default();
    let name = options.name.unwrap_or_default();
    let unique = if options.unique == Some(true) { ", unique" } else { "" };
    let expires = options.expire_after.map_or_else(String::new, |it| format!(", after {it:?}"));
    format!("index {name} {}{unique}{expires}\n", written(&index.keys.into()))
}

/// BSON with the types that it has and without times.
fn written(value: &Bson) -> String {
    match value {
        Bson::Document(members) => {
            let member = |(name, value): (&String, &Bson)| format!("{name:?}: {}", written(value));
            format!("{{{}}}", members.iter().map(member).collect::<Vec<_>>().join(", "))
        }
        Bson::Array(items) => {
            format!("[{}]", items.iter().map(written).collect::<Vec<_>>().join(", "))
        }
        Bson::Int64(number) => format!("Int64({number})"),
        Bson::DateTime(_) => "DateTime(…)".to_owned(),
        Bson::Double(number) => format!("{number:?}"),
        Bson::String(text) => format!("{text:?}"),
        other => other.to_string(),
    }
}
