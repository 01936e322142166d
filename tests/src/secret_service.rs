//! A Secret Service of a test's own: gnome-keyring on a private D-Bus.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::StreamExt as _;
use futures::future::BoxFuture;
use secret_service::{Collection, EncryptionType, SecretService};
use zbus::message::Type;
use zbus::zvariant::OwnedObjectPath;
use zbus::{Connection, MatchRule, MessageStream};

use crate::daemon::{Daemon, Ready};
use crate::failure::{Failure, Outcome};
use crate::wait::until_boxed;

const SERVICE: &str = "org.freedesktop.secrets";

/// The keyring in which Python and kvgate keep their items.
const DEFAULT_KEYRING: &str = "/org/freedesktop/secrets/aliases/default";

/// A bus on which nothing is started on demand: the tests decide who is there.
const BUS: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>ADDRESS</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"#;

/// A private bus. Dropping it stops it.
pub struct Bus {
    daemon: Daemon,
    address: String,
}

impl Bus {
    /// Starts a bus whose socket is in a directory, which is made.
    pub async fn start(directory: &Path) -> Outcome<Self> {
        std::fs::create_dir_all(directory)?;
        let address = format!("unix:path={}", directory.join("bus").display());
        let file = directory.join("bus.conf");
        std::fs::write(&file, BUS.replace("ADDRESS", &address))?;
        let command = move || {
            let mut command = Command::new("dbus-daemon");
            command.arg("--config-file").arg(&file).args(["--nofork", "--nopidfile"]);
            command
        };
        let ready = ready(&address, |address| async move { connect(&address).await.map(drop) });
        let daemon = Daemon::start(command, &directory.join("bus.log"), ready).await?;
        Ok(Self { daemon, address })
    }

    /// Where the bus is, as D-Bus writes it.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Stops the bus and with it everything that is connected to it.
    pub async fn stop(&self) -> Outcome {
        self.daemon.stop().await
    }

    /// Starts it again at the same address.
    pub async fn restart(&self) -> Outcome {
        self.daemon.restart().await
    }
}

/// A gnome-keyring on a bus. Dropping it stops both.
pub struct Keyring {
    // Fields are dropped in this order.
    daemon: Daemon,
    bus: Bus,
    monitor: tokio::sync::OnceCell<Monitor>,
}

impl Keyring {
    /// Starts both, with an unlocked keyring that is kept below the directory.
    pub async fn start(directory: PathBuf) -> Outcome<Self> {
        let bus = Bus::start(&directory).await?;
        for folder in ["home", "runtime"] {
            std::fs::create_dir_all(directory.join(folder))?;
        }
        std::fs::write(directory.join("password"), "a password")?;
        let (log, address) = (directory.join("keyring.log"), bus.address.clone());
        let ready = ready(&address, |address| async move {
            let locked = collection(&service(&address).await?).await?.is_locked().await?;
            if locked { Err(Failure::new("the keyring is locked")) } else { Ok(()) }
        });
        let daemon = Daemon::start(move || command(&directory, &address), &log, ready).await;
        let daemon = daemon.map_err(|failure| {
            failure.within("gnome-keyring (`tests/backends/install secretservice` installs it)")
        })?;
        Ok(Self { daemon, bus, monitor: tokio::sync::OnceCell::new() })
    }

    /// The bus on which it is.
    pub fn bus(&self) -> &Bus {
        &self.bus
    }

    /// The process, to be stopped and held.
    pub fn daemon(&self) -> &Daemon {
        &self.daemon
    }

    /// Locks the keyring; it is unlocked again by a restart.
    pub async fn lock(&self) -> Outcome {
        let service = service(&self.bus.address).await?;
        Ok(collection(&service).await?.lock().await?)
    }

    /// Stores an item as a program does that is neither kvgate nor Python.
    pub async fn put_item(&self, service_name: &str, user: &str, text: &str) -> Outcome {
        let service = service(&self.bus.address).await?;
        let attributes = HashMap::from([("service", service_name), ("username", user)]);
        let collection = collection(&service).await?;
        collection.create_item("foreign", attributes, text.as_bytes(), true, "text/plain").await?;
        Ok(())
    }

    /// All items of a service: all that is known of each, a line each, in order.
    pub async fn items(&self, service_name: &str) -> Outcome<Vec<String>> {
        let service = service(&self.bus.address).await?;
        let query = HashMap::from([("service", service_name)]);
        let mut items = Vec::new();
        for item in collection(&service).await?.search_items(query).await? {
            let mut attributes: Vec<_> = item.get_attributes().await?.into_iter().collect();
            // gnome-keyring gives this to the first item that it makes, and to no other
            attributes.retain(|(name, _)| name != "xdg:schema");
            attributes.sort_unstable();
            let (label, content_type) =
                (item.get_label().await?, item.get_secret_content_type().await?);
            let secret = String::from_utf8_lossy(&item.get_secret().await?).into_owned();
            items.push(format!("{attributes:?} label={label:?} {content_type} {secret}"));
        }
        items.sort_unstable();
        Ok(items)
    }

    /// How many searches, reads and writes the keyring was asked for, from the first
    /// call of this on.
    pub async fn commands(&self) -> Outcome<u64> {
        let monitor = self.monitor.get_or_try_init(|| Monitor::start(&self.bus.address)).await?;
        monitor.count().await
    }
}

fn command(directory: &Path, address: &str) -> Command {
    // the shell becomes the daemon, which reads the password from its standard input
    let mut command = Command::new("sh");
    let daemon = "exec gnome-keyring-daemon --foreground --unlock --components=secrets <\"$0\"";
    command.args(["-c", daemon]).arg(directory.join("password"));
    command.env("DBUS_SESSION_BUS_ADDRESS", address);
    command.env("HOME", directory.join("home")).env("XDG_DATA_HOME", directory.join("home"));
    command.env("XDG_CACHE_HOME", directory.join("home"));
    command.env("XDG_RUNTIME_DIR", directory.join("runtime"));
    for display in ["DISPLAY", "WAYLAND_DISPLAY", "GNOME_KEYRING_CONTROL"] {
        command.env_remove(display);
    }
    command
}

/// Ready once `ask` succeeds.
fn ready<F>(address: &str, ask: fn(String) -> F) -> Ready
where
    F: Future<Output = Outcome> + Send + 'static,
{
    let address = address.to_owned();
    Box::new(move || -> BoxFuture<'static, bool> {
        let asked = ask(address.clone());
        Box::pin(async { asked.await.is_ok() })
    })
}

async fn connect(address: &str) -> Outcome<Connection> {
    Ok(zbus::connection::Builder::address(address)?.build().await?)
}

async fn service(address: &str) -> Outcome<SecretService<'static>> {
    let bus = connect(address).await?;
    Ok(SecretService::connect_with_existing(EncryptionType::Plain, bus).await?)
}

async fn collection<'a>(service: &'a SecretService<'a>) -> Outcome<Collection<'a>> {
    let path = OwnedObjectPath::try_from(DEFAULT_KEYRING)?;
    Ok(service.get_collection_by_path(path).await?)
}

/// Listens to what the keyring is asked for.
struct Monitor {
    /// Asks for something itself, to know that all before it was counted.
    prober: Connection,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    commands: AtomicU64,
    probes: AtomicU64,
}

impl Monitor {
    async fn start(address: &str) -> Outcome<Self> {
        let bus = connect(address).await?;
        let rule = MatchRule::builder().msg_type(Type::MethodCall).build();
        let monitoring = zbus::fdo::MonitoringProxy::new(&bus).await?;
        monitoring.become_monitor(&[rule], 0).await?;
        let counts = Arc::new(Counts::default());
        let mut messages = MessageStream::from(&bus);
        let counted = Arc::clone(&counts);
        tokio::spawn(async move {
            while let Some(Ok(message)) = messages.next().await {
                let header = message.header();
                let count = match header.member().map(zbus::names::MemberName::as_str) {
                    Some("SearchItems" | "GetSecret" | "GetSecrets" | "CreateItem") => {
                        &counted.commands
                    }
                    Some("Ping") => &counted.probes,
                    _ => continue,
                };
                count.fetch_add(1, Ordering::SeqCst);
            }
        });
        Ok(Self { prober: connect(address).await?, counts })
    }

    async fn count(&self) -> Outcome<u64> {
        let before = self.counts.probes.load(Ordering::SeqCst);
        let peer = zbus::fdo::PeerProxy::new(&self.prober, SERVICE, "/org/freedesktop/secrets");
        peer.await?.ping().await?;
        until_boxed("the monitor has counted what was asked before", || {
            let counted = self.counts.probes.load(Ordering::SeqCst) > before;
            Box::pin(std::future::ready(Ok(counted.then_some(()))))
        })
        .await?;
        Ok(self.counts.commands.load(Ordering::SeqCst))
    }
}
