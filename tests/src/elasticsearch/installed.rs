//! What `tests/backends/install` has installed, and how it is started.

use std::ops::RangeInclusive;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::built::built;
use crate::certificates::Certificates;
use crate::failure::{Failure, Outcome};
use crate::folder::Folder;

/// Where in a node's folder its process says which one it is.
pub(super) const PID_FILE: &str = "data/pid";

/// A node of a test is small, and must start quickly.
const JVM_OPTIONS: [&str; 5] =
    ["-Xms256m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-AlwaysPreTouch"];

/// Where a node is.
pub(super) struct Place<'a> {
    pub(super) folder: &'a Folder,
    pub(super) port: u16,
    pub(super) transport_port: u16,
}

/// Whom a node lets in.
pub(super) struct Login<'a> {
    pub(super) user: &'a str,
    pub(super) password_hash: &'a str,
    pub(super) certificates: &'a Certificates,
}

/// Makes the folders of an Elasticsearch node; answers how to start it. It refuses to be
/// root, so another user must own them and be able to read everything.
pub(super) fn elasticsearch(
    version: &str,
    java: &RangeInclusive<u32>,
    place: &Place<'_>,
    login: Option<&Login<'_>>,
) -> Outcome<impl Fn() -> Command + Send + Sync + use<>> {
    let home = built("elasticsearch", &format!("{version}/.installed"))?.join(version);
    let folder = place.folder;
    let (config, data) = (folder.path("config"), folder.path("data"));
    std::fs::create_dir_all(&config)?;
    std::fs::create_dir_all(data.join("tmp"))?;
    for file in ["log4j2.properties", "role_mapping.yml", "roles.yml"] {
        std::fs::copy(home.join("config").join(file), config.join(file))?;
    }
    let options = [&JVM_OPTIONS[..], &["-Djava.io.tmpdir=${ES_TMPDIR}"]].concat();
    std::fs::write(config.join("jvm.options"), options.join("\n"))?;
    if let Some(Login { user, password_hash, .. }) = login {
        std::fs::write(config.join("users"), format!("{user}:{password_hash}\n"))?;
        std::fs::write(config.join("users_roles"), format!("superuser:{user}\n"))?;
    }
    std::fs::write(config.join("elasticsearch.yml"), settings(place, login))?;
    let is_root = rustix::process::geteuid().is_root();
    let home = if is_root { for_nobody(&home, folder)? } else { home };
    let (java, pid) = (java_home(java)?, folder.path(PID_FILE));
    Ok(move || {
        let program = home.join("bin/elasticsearch");
        let mut command = if is_root {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.arg("-p").arg(&pid).current_dir(&data);
        command.env("ES_JAVA_HOME", &java).env("ES_PATH_CONF", &config);
        command.env("ES_TMPDIR", data.join("tmp"));
        command
    })
}

fn settings(place: &Place<'_>, login: Option<&Login<'_>>) -> String {
    let Place { folder, port, transport_port } = place;
    let data = folder.path("data");
    let mut settings = format!(
        "path.data: {0}/data\npath.logs: {0}/logs\n\
         http.host: 127.0.0.1\nhttp.port: {port}\n\
         transport.host: 127.0.0.1\ntransport.port: {transport_port}\n\
         discovery.type: single-node\ncluster.routing.allocation.disk.threshold_enabled: false\n\
         cluster.max_shards_per_node: 10000\nxpack.security.enabled: {1}\n",
        data.display(),
        login.is_some(),
    );
    if let Some(Login { certificates, .. }) = login {
        let lines = format!(
            "xpack.security.http.ssl.enabled: true\n\
             xpack.security.http.ssl.certificate: {}\nxpack.security.http.ssl.key: {}\n",
            certificates.server.certificate.display(),
            certificates.server.key.display(),
        );
        settings.push_str(&lines);
    }
    settings
}

/// How to start OpenSearch, put together from its libraries.
pub(super) fn opensearch(
    java: &RangeInclusive<u32>,
    place: &Place<'_>,
) -> Outcome<impl Fn() -> Command + Send + Sync + use<>> {
    let (home, java) = (built("opensearch", "pom.xml")?, java_home(java)?.join("bin/java"));
    let (data, ports) = (place.folder.path("data"), [place.port, place.transport_port]);
    Ok(move || {
        let mut command = Command::new(&java);
        let class_path = format!("{0}/classes:{0}/lib/*", home.display());
        command.args(JVM_OPTIONS).args(["--enable-native-access=ALL-UNNAMED", "-cp", &class_path]);
        command.arg("OsNode").arg(&data).args(ports.map(|port| port.to_string()));
        command
    })
}

/// The distribution where another user can read it: what is installed is below a home.
fn for_nobody(home: &Path, folder: &Folder) -> Outcome<PathBuf> {
    let copy = folder.path("home");
    // links take no room; they can't be made from one file system to another
    if run("cp", &["-r", "--link"], &[home, &copy]).is_err() {
        run("cp", &["-r"], &[home, &copy])?;
    }
    run("chown", &["-R", "nobody:nogroup"], &[&folder.path("config"), &folder.path("data")])?;
    std::fs::set_permissions(folder.directory(), std::fs::Permissions::from_mode(0o755))?;
    Ok(copy)
}

fn run(program: &str, options: &[&str], paths: &[&Path]) -> Outcome {
    let status = Command::new(program).args(options).args(paths).status()?;
    if status.success() { Ok(()) } else { Err(Failure::new(format!("{program}: {status}"))) }
}

/// A Java of one of these versions.
fn java_home(versions: &RangeInclusive<u32>) -> Outcome<PathBuf> {
    let given = std::env::var_os("JAVA_HOME").map(PathBuf::from);
    let mut homes: Vec<PathBuf> = given.into_iter().collect();
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
