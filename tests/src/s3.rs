//! Servers that speak S3.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use futures::future::BoxFuture;

use crate::daemon::{Daemon, Ready};
use crate::failure::{Failure, Outcome};
use crate::ports;

/// The bucket of the tests.
pub const BUCKET: &str = "kvgate-tests";
/// The region that the servers are told.
pub const REGION: &str = "us-east-1";
/// The access key of the servers.
pub const ACCESS_KEY_ID: &str = "kvgatetests";
/// Its secret.
pub const SECRET_ACCESS_KEY: &str = "kvgate-tests-secret";

/// A running server that speaks S3.
pub struct S3 {
    /// Its process.
    pub daemon: Daemon,
    /// Where it listens.
    pub address: SocketAddr,
    /// A connection of the tests' own.
    pub client: Client,
}

/// How a server is run that listens at the address and keeps its data in the folder.
pub type Run = fn(address: SocketAddr, data: &Path) -> Outcome<Command>;

impl S3 {
    /// Starts one that keeps its data below the directory.
    pub async fn start(directory: &Path, run: Run) -> Outcome<Self> {
        let data = directory.join("data");
        std::fs::create_dir_all(&data)?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, ports::free()?));
        let client = client(address);
        // what is not installed is told once
        run(address, &data)?;
        let command = move || run(address, &data).unwrap_or_else(|_| Command::new("s3"));
        let asked = client.clone();
        let ready: Ready = Box::new(move || -> BoxFuture<'static, bool> {
            let request = asked.list_buckets();
            Box::pin(async move { request.send().await.is_ok() })
        });
        let daemon = Daemon::start(command, &directory.join("log"), ready).await?;
        Ok(Self { daemon, address, client })
    }
}

/// `MinIO` with one drive.
pub fn minio(address: SocketAddr, data: &Path) -> Outcome<Command> {
    let mut command = Command::new(installed("minio")?);
    command.args(["server", "--quiet", "--address", &address.to_string()]).arg(data);
    command.env("MINIO_ROOT_USER", ACCESS_KEY_ID).env("MINIO_ROOT_PASSWORD", SECRET_ACCESS_KEY);
    command.env("MINIO_BROWSER", "off").env("MINIO_UPDATE", "off").env("HOME", data);
    Ok(command)
}

/// versitygw, which keeps objects as files.
pub fn versitygw(address: SocketAddr, data: &Path) -> Outcome<Command> {
    let mut command = Command::new(installed("versitygw")?);
    command.args(["--quiet", "--keep-alive", "--port", &address.to_string(), "posix"]).arg(data);
    command.env("ROOT_ACCESS_KEY", ACCESS_KEY_ID).env("ROOT_SECRET_KEY", SECRET_ACCESS_KEY);
    Ok(command)
}

/// Where `tests/backends/install` has put a program.
fn installed(program: &str) -> Outcome<PathBuf> {
    let cache = match std::env::var_os("XDG_CACHE_HOME") {
        Some(cache) => PathBuf::from(cache),
        None => std::env::home_dir().ok_or_else(|| Failure::new("no home"))?.join(".cache"),
    };
    let path = cache.join("kvgate-backends").join(program).join(program);
    if path.is_file() {
        return Ok(path);
    }
    let place = path.display();
    Err(Failure::new(format!("there is no {place}: run `tests/backends/install {program}`")))
}

fn client(address: SocketAddr) -> Client {
    let credentials = Credentials::new(ACCESS_KEY_ID, SECRET_ACCESS_KEY, None, None, "tests");
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new(REGION))
        .endpoint_url(format!("http://{address}"))
        .force_path_style(true)
        .credentials_provider(credentials)
        .build();
    Client::from_conf(config)
}

/// The settings of a store on a server, as lines of TOML.
pub fn settings(address: SocketAddr, secret_access_key: &str) -> String {
    format!(
        "bucket_name = \"{BUCKET}\"\nregion_name = \"{REGION}\"\n\
         endpoint_url = \"http://{address}\"\naws_access_key_id = \"{ACCESS_KEY_ID}\"\n\
         aws_secret_access_key = \"{secret_access_key}\"\n"
    )
}
