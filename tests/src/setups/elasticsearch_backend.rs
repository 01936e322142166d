//! Nodes of Elasticsearch and OpenSearch.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use elasticsearch_reqwest::{Client, Method, RequestBuilder};
use kvgate_proto::v1::Stability;
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{Backend, Facts, GetManyCost};
use crate::daemon::{Daemon, Ready};
use crate::failure::{Failure, Outcome};
use crate::folder::Folder;
use crate::ports;
use crate::shared::Shared;

pub(super) const GET_MANY: GetManyCost = GetManyCost { round_trips: Some(1), commands: None };

pub(super) const FACTS: Facts = Facts {
    // its parser of JSON takes no name twice
    refuses_repeated_names: true,
    ..Facts::of("elasticsearch", Stability::Unstable)
};

const USER: &str = "kvgate";
const PASSWORD: &str = "open sesame";
/// By bcrypt.
const PASSWORD_HASH: &str = "$2b$04$kh/T5PGxHsxWjl1nmoqRb.NW/aVMvCJgBO9OZ/.ov1KvDJbZRcNU6";
const WRONG_PASSWORD: &str = "close sesame";

/// What a node is made of.
#[derive(Clone)]
pub(super) struct Distribution {
    /// Nothing: OpenSearch.
    elasticsearch: Option<&'static str>,
    java: RangeInclusive<u32>,
    secured: bool,
}

impl Distribution {
    pub(super) const fn elasticsearch(version: &'static str, java: RangeInclusive<u32>) -> Self {
        Self { elasticsearch: Some(version), java, secured: false }
    }

    pub(super) const fn opensearch() -> Self {
        Self { elasticsearch: None, java: 21..=99, secured: false }
    }

    pub(super) const fn secured(self) -> Self {
        Self { secured: true, ..self }
    }
}

/// A node of one test's own.
pub(super) async fn start(distribution: Distribution) -> Outcome<Box<dyn Backend>> {
    let node = Arc::new(Node::start(distribution).await?);
    Ok(Box::new(Part { node, prefix: "kvgate".to_owned() }))
}

/// A part of a node that others use, too.
pub(super) async fn join(
    node: &Shared<Node>,
    distribution: Distribution,
) -> Outcome<Box<dyn Backend>> {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let node = node.get(async || Node::start(distribution).await).await?;
    let prefix = format!("part{}", NEXT.fetch_add(1, Ordering::Relaxed));
    Ok(Box::new(Part { node, prefix }))
}

/// A running node.
pub(super) struct Node {
    // Fields are dropped in this order: the node ends before its folder.
    daemon: Daemon,
    folder: Folder,
    port: u16,
    /// For a node that asks who we are.
    api_key: Option<String>,
    client: Client,
}

impl Node {
    async fn start(distribution: Distribution) -> Outcome<Self> {
        let folder = Folder::new()?;
        let (port, transport_port) = (ports::free()?, ports::free()?);
        let client = Client::builder().no_proxy().build()?;
        let health = format!("http://127.0.0.1:{port}/_cluster/health?wait_for_status=yellow");
        let asking = (client.clone(), distribution.secured);
        let ready: Ready = Box::new(move || {
            let (client, secured) = &asking;
            let request = signed(client.get(&health), *secured).send();
            Box::pin(async move { request.await.is_ok_and(|answer| answer.status().is_success()) })
        });
        let log = folder.path("log");
        let daemon = match distribution.elasticsearch {
            Some(version) => {
                let home = installed(&format!("elasticsearch-{version}"))?;
                let prepared = prepare(&home, &folder, [port, transport_port], &distribution)?;
                Daemon::start(prepared, &log, ready).await?
            }
            None => {
                let home = installed("opensearch")?;
                let java = java(&distribution.java)?.join("bin/java");
                let data = folder.path("data");
                let command = move || {
                    let mut command = Command::new(&java);
                    let class_path = format!("{0}/classes:{0}/lib/*", home.display());
                    command.args(["-Xms512m", "-Xmx512m"]).args(JVM_OPTIONS);
                    command.args(["--enable-native-access=ALL-UNNAMED", "-cp", &class_path]);
                    command.arg("OsNode").arg(&data);
                    command.args([port.to_string(), transport_port.to_string()]);
                    command
                };
                Daemon::start(command, &log, ready).await?
            }
        };
        let mut node = Self { daemon, folder, port, api_key: None, client };
        if distribution.secured {
            let made = node.ask(Method::POST, "_security/api_key", Some(json!({ "name": "k" })));
            let made: Value = serde_json::from_str(&made.await?)?;
            node.api_key = made["encoded"].as_str().map(str::to_owned);
        }
        Ok(node)
    }

    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Outcome<String> {
        let url = format!("http://127.0.0.1:{}/{path}", self.port);
        // whoever has no users ignores them
        let mut request = signed(self.client.request(method, url), true);
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let answer = request.send().await?;
        let (status, text) = (answer.status(), answer.text().await?);
        if !status.is_success() {
            return Err(Failure::new(format!("{path}: {status} {text}")));
        }
        Ok(text)
    }

    /// The process that serves: some versions have another one that watches it.
    fn server(&self) -> Option<Pid> {
        let pid = std::fs::read_to_string(self.folder.path("data/pid")).ok()?;
        Pid::from_raw(pid.trim().parse().ok()?)
    }

    fn signal(&self, signal: Signal) -> Option<Outcome> {
        Some(kill_process(self.server()?, signal).map_err(Failure::from))
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // the daemon may be only its watcher; it fails for one that has ended
        drop(self.signal(Signal::KILL));
    }
}

fn signed(request: RequestBuilder, secured: bool) -> RequestBuilder {
    if secured { request.basic_auth(USER, Some(PASSWORD)) } else { request }
}

/// Smaller, and sooner started.
const JVM_OPTIONS: [&str; 2] = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"];

/// Makes the folders of an Elasticsearch node; answers how to start it. It refuses to be
/// root, so another user must own them and be able to read everything.
fn prepare(
    home: &Path,
    folder: &Folder,
    [port, transport_port]: [u16; 2],
    distribution: &Distribution,
) -> Outcome<impl Fn() -> Command + Send + Sync + use<>> {
    let (config, data) = (folder.path("config"), folder.path("data"));
    std::fs::create_dir_all(&config)?;
    std::fs::create_dir_all(data.join("tmp"))?;
    for file in ["log4j2.properties", "role_mapping.yml", "roles.yml"] {
        std::fs::copy(home.join("config").join(file), config.join(file))?;
    }
    let options = ["-Xms512m", "-Xmx512m", "-XX:-AlwaysPreTouch", "-Djava.io.tmpdir=${ES_TMPDIR}"];
    std::fs::write(config.join("jvm.options"), [&options[..], &JVM_OPTIONS].concat().join("\n"))?;
    std::fs::write(config.join("users"), format!("{USER}:{PASSWORD_HASH}\n"))?;
    std::fs::write(config.join("users_roles"), format!("superuser:{USER}\n"))?;
    let (secured, data_shown) = (distribution.secured, data.display());
    let mut settings = format!(
        "path.data: {data_shown}/data\npath.logs: {data_shown}/logs\n\
         http.host: 127.0.0.1\nhttp.port: {port}\n\
         transport.host: 127.0.0.1\ntransport.port: {transport_port}\n\
         discovery.type: single-node\ncluster.routing.allocation.disk.threshold_enabled: false\n\
         cluster.max_shards_per_node: 10000\nxpack.security.enabled: {secured}\n"
    );
    if secured {
        settings.push_str("xpack.security.authc.api_key.enabled: true\n");
    }
    std::fs::write(config.join("elasticsearch.yml"), settings)?;
    let is_root = rustix::process::geteuid().is_root();
    let home = if is_root { for_nobody(home, folder)? } else { home.to_owned() };
    let java = java(&distribution.java)?;
    Ok(move || {
        let program = home.join("bin/elasticsearch");
        let mut command = if is_root {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.arg("-p").arg(data.join("pid")).current_dir(&data);
        command.env("ES_JAVA_HOME", &java).env("ES_PATH_CONF", &config);
        command.env("ES_TMPDIR", data.join("tmp"));
        command
    })
}

/// The distribution where another user can read it: what is installed is below a home.
fn for_nobody(home: &Path, folder: &Folder) -> Outcome<PathBuf> {
    use std::os::unix::fs::PermissionsExt as _;

    let copy = folder.path("home");
    // links take no room; they can't be made from one file system to another
    if run("cp", &["-r", "--link"], &[home, &copy]).is_err() {
        run("cp", &["-r"], &[home, &copy])?;
    }
    run("chown", &["-R", "nobody:nogroup"], &[&folder.path("config"), &folder.path("data")])?;
    let readable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(folder.directory(), readable)?;
    Ok(copy)
}

fn run(program: &str, options: &[&str], paths: &[&Path]) -> Outcome {
    let status = Command::new(program).args(options).args(paths).status()?;
    if status.success() { Ok(()) } else { Err(Failure::new(format!("{program}: {status}"))) }
}

/// Where `tests/backends/install` has put it.
fn installed(name: &str) -> Outcome<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache"));
    let cache = cache.or_else(home).ok_or_else(|| Failure::new("no HOME"))?;
    let path = cache.join("kvgate-backends").join(name);
    if path.exists() {
        return Ok(path);
    }
    let hint = "`tests/backends/install` makes it";
    Err(Failure::new(format!("there is no {} ({hint})", path.display())))
}

/// A Java of one of these versions.
fn java(versions: &RangeInclusive<u32>) -> Outcome<PathBuf> {
    let mut homes: Vec<PathBuf> =
        std::env::var_os("JAVA_HOME").map(PathBuf::from).into_iter().collect();
    for entry in std::fs::read_dir("/usr/lib/jvm")? {
        homes.push(entry?.path());
    }
    let version = |home: &PathBuf| -> Option<u32> {
        let release = std::fs::read_to_string(home.join("release")).ok()?;
        let (_, version) = release.split_once("JAVA_VERSION=\"")?;
        version.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    };
    let fits = |home: &PathBuf| version(home).is_some_and(|it| versions.contains(&it));
    homes
        .into_iter()
        .find(fits)
        .ok_or_else(|| Failure::new(format!("no Java {versions:?} in JAVA_HOME or /usr/lib/jvm")))
}

/// A node, and how the names of a test's indices begin there.
struct Part {
    node: Arc<Node>,
    prefix: String,
}

impl Part {
    fn at(&self, port: u16, login: &str) -> String {
        let prefix = &self.prefix;
        format!("url = \"http://127.0.0.1:{port}\"\nindex_prefix = \"{prefix}\"\n{login}")
    }

    fn login(&self, password: &str) -> String {
        match self.node.api_key {
            Some(_) => format!("username = \"{USER}\"\npassword = \"{password}\"\n"),
            None => String::new(),
        }
    }
}

#[async_trait]
impl Backend for Part {
    fn settings(&self) -> String {
        self.at(self.node.port, &self.login(PASSWORD))
    }

    fn behind(&self, proxy: SocketAddr) -> Option<String> {
        let key = |key: &String| format!("api_key = \"{key}\"\n");
        Some(self.at(proxy.port(), &self.node.api_key.as_ref().map_or_else(String::new, key)))
    }

    fn address(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.node.port).into()
    }

    fn with_wrong_password(&self) -> Option<(String, &'static str)> {
        self.node.api_key.as_ref()?;
        Some((self.at(self.node.port, &self.login(WRONG_PASSWORD)), WRONG_PASSWORD))
    }

    fn python(&self) -> Value {
        json!({ "url": format!("http://127.0.0.1:{}", self.node.port), "index_prefix": self.prefix })
    }

    async fn stop(&self) -> Outcome {
        self.node.daemon.stop().await
    }

    async fn start(&self) -> Outcome {
        self.node.daemon.restart().await
    }

    fn freeze(&self) -> Outcome {
        self.node.signal(Signal::STOP).unwrap_or_else(|| self.node.daemon.freeze())
    }

    fn thaw(&self) -> Outcome {
        self.node.signal(Signal::CONT).unwrap_or_else(|| self.node.daemon.thaw())
    }

    async fn put_foreign(&self, collection: &str, key: &str) -> Outcome {
        let path = format!("{}-{collection}/_doc/{key}", self.prefix);
        self.node.ask(Method::PUT, &path, Some(json!({ "foreign": true }))).await.map(drop)
    }

    /// The mapping of each index, and what is in it.
    async fn contents(&self) -> Outcome<String> {
        let prefix = format!("{}-", self.prefix);
        self.node.ask(Method::POST, &format!("{prefix}*/_refresh"), None).await?;
        let mappings = self.node.ask(Method::GET, &format!("{prefix}*/_mapping"), None).await?;
        let mappings: serde_json::Map<String, Value> = serde_json::from_str(&mappings)?;
        let search = json!({ "size": 1000, "sort": [{ "collection": "asc" }, { "key": "asc" }] });
        let found =
            self.node.ask(Method::POST, &format!("{prefix}*/_search"), Some(search)).await?;
        let found: Search = serde_json::from_str(&found)?;
        let mut text = String::new();
        for (index, mapping) in &mappings {
            let name = index.strip_prefix(&prefix).unwrap_or_default();
            writeln!(text, "index {name}: {mapping}")?;
            for hit in found.hits.hits.iter().filter(|hit| hit.index == *index) {
                writeln!(text, "  {}: {}", hit.id, hit.source)?;
            }
        }
        Ok(text)
    }

    async fn commands(&self) -> Outcome<Option<u64>> {
        Ok(None)
    }
}

#[derive(Deserialize)]
struct Search {
    hits: Hits,
}

#[derive(Deserialize)]
struct Hits {
    hits: Vec<Hit>,
}

#[derive(Deserialize)]
struct Hit {
    #[serde(rename = "_index")]
    index: String,
    #[serde(rename = "_id")]
    id: String,
    #[serde(rename = "_source")]
    source: Box<RawValue>,
}
