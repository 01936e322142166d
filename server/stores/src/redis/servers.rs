//! The servers that hold the entries, as one thing that carries out commands.

use std::iter::{repeat_n, zip};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};

use kvgate_core::Result;
use redis::{Cmd, Pipeline, Value};

use super::cluster::Cluster;
use super::connection::{Access, Address, Connection, Dialer, Link};
use super::listing::{self, Keys};
use super::settings::Place;
use super::{fault, sentinel};

/// The most commands, or keys of one command, that are sent at once: a server holds
/// the answers to all of them until they are taken.
const TOGETHER_MAX: usize = 10_000;

/// The answers to many commands, in their order. An error in them is that of one
/// command.
pub(super) type Answers = Vec<Result<Value>>;

/// The servers.
pub(super) enum Servers {
    /// One that has all keys.
    One(Links),
    /// Many, each with some of them.
    Cluster(Cluster),
}

impl Servers {
    /// Makes ready what is needed to connect; it does not connect.
    pub(super) fn open(place: Place, dialer: Dialer, connections: NonZeroUsize) -> Result<Self> {
        dialer.check_certificates()?;
        Ok(match place {
            Place::Single(address) => {
                Self::One(Links::new(connections, || fixed(&dialer, &address)))
            }
            Place::Sentinel(sentinels) => Self::One(Links::new(connections, || {
                let (sentinels, dialer) = (sentinels.clone(), dialer.clone());
                Link::new(move || {
                    let (sentinels, dialer) = (sentinels.clone(), dialer.clone());
                    async move { sentinel::connect(&sentinels, &dialer).await }
                })
            })),
            Place::Cluster(seeds) => Self::Cluster(Cluster::new(seeds, dialer, connections)),
        })
    }

    /// Carries out commands, each on the key that is its first argument; those on the
    /// same key in their order.
    pub(super) async fn run(&self, commands: Vec<Cmd>, access: Access) -> Result<Answers> {
        let mut answers = Vec::with_capacity(commands.len());
        let mut commands = commands.into_iter();
        while commands.len() > 0 {
            let together: Vec<Cmd> = commands.by_ref().take(TOGETHER_MAX).collect();
            let count = together.len();
            let outcome = match self {
                Self::One(links) => links.run(together, access).await,
                Self::Cluster(cluster) => cluster.run(together, access).await,
            };
            match outcome {
                Ok(more) => answers.extend(more),
                Err(error) if answers.is_empty() => return Err(error),
                // what is known of those before must be told
                Err(error) => answers.extend(repeat_n(Err(error), count)),
            }
        }
        Ok(answers)
    }

    /// Reads what is under keys.
    pub(super) async fn read(&self, keys: &[String]) -> Result<Answers> {
        let links = match self {
            Self::One(links) if keys.len() > 1 => links,
            // a node of a cluster takes one MGET for each slot, but any GETs at once
            _ => return self.run(keys.iter().map(get).collect(), Access::Read).await,
        };
        let mut found = Vec::with_capacity(keys.len());
        for together in keys.chunks(TOGETHER_MAX) {
            found.extend(links.read(together).await?);
        }
        Ok(found)
    }

    /// All keys that match a pattern.
    pub(super) async fn keys(&self, pattern: &str) -> Result<Keys> {
        match self {
            Self::One(links) => Ok(listing::keys(links.connection().await?, pattern)),
            Self::Cluster(cluster) => cluster.keys(pattern).await,
        }
    }

    /// Whether all of them answer.
    pub(super) async fn check(&self) -> Result<()> {
        match self {
            Self::One(links) => links.check().await,
            Self::Cluster(cluster) => cluster.check().await,
        }
    }
}

/// A connection to a server whose address is known.
pub(super) fn fixed(dialer: &Dialer, address: &Address) -> Link {
    let (dialer, address) = (dialer.clone(), address.clone());
    Link::new(move || {
        let (dialer, address) = (dialer.clone(), address.clone());
        async move { dialer.connect(&address).await }
    })
}

/// The connections to one server.
pub(super) struct Links {
    links: Vec<Link>,
    next: AtomicUsize,
}

impl Links {
    pub(super) fn new(count: NonZeroUsize, link: impl Fn() -> Link) -> Self {
        let links = (0..count.get()).map(|_| link()).collect();
        Self { links, next: AtomicUsize::new(0) }
    }

    /// One of them, in turns.
    pub(super) async fn connection(&self) -> Result<Connection> {
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        self.links[next % self.links.len()].get().await
    }

    /// Sends commands on one of them.
    pub(super) async fn send(&self, commands: &Pipeline, access: Access) -> Result<Vec<Value>> {
        self.connection().await?.send(commands, access).await
    }

    async fn run(&self, commands: Vec<Cmd>, access: Access) -> Result<Answers> {
        let mut together = Pipeline::with_capacity(commands.len());
        for command in commands {
            together.add_command(command);
        }
        Ok(self.send(&together, access).await?.into_iter().map(unless_refused).collect())
    }

    pub(super) async fn check(&self) -> Result<()> {
        self.connection().await?.ask(redis::cmd("PING")).await.map(drop)
    }

    /// Reads what is under keys, in one round trip.
    ///
    /// `MGET` is the fewest commands, but says of a key under which is no string the same
    /// as of one that is not there. So the server also counts the keys that exist; if
    /// those are more than were read, the missing ones are asked for one by one.
    async fn read(&self, keys: &[String]) -> Result<Answers> {
        let commands = ["MGET", "EXISTS"].map(|name| {
            let mut command = redis::cmd(name);
            command.arg(keys);
            command
        });
        let answers = self.run(commands.into(), Access::Read).await?;
        let [found, existing] =
            <[_; 2]>::try_from(answers).map_err(|_| fault::unexpected("MGET"))?;
        let found = match found? {
            Value::Array(found) if found.len() == keys.len() => found,
            _ => return Err(fault::unexpected("MGET")),
        };
        let missing: Vec<usize> =
            (0..keys.len()).filter(|index| found[*index] == Value::Nil).collect();
        let mut found: Answers = found.into_iter().map(Ok).collect();
        let all_gone = matches!(existing, Ok(Value::Int(existing))
            if usize::try_from(existing) == Ok(keys.len() - missing.len()));
        if !all_gone {
            let again = missing.iter().map(|index| get(&keys[*index])).collect();
            for (index, answer) in zip(missing, self.run(again, Access::Read).await?) {
                found[index] = answer;
            }
        }
        Ok(found)
    }
}

pub(super) fn get(key: impl AsRef<[u8]>) -> Cmd {
    let mut command = redis::cmd("GET");
    command.arg(key.as_ref());
    command
}

pub(super) fn unless_refused(answer: Value) -> Result<Value> {
    match answer {
        Value::ServerError(refusal) => Err(fault::refused(&refusal)),
        answer => Ok(answer),
    }
}
