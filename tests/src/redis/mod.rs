//! Real servers of Redis and Valkey: one, a cluster, or a primary that a Sentinel
//! watches.

mod cluster;
mod sentinel;
mod server;
mod single;

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;

pub use cluster::Cluster;
pub use sentinel::Sentinel;
pub use single::{Options, Single};

use crate::failure::{Failure, Outcome};

/// Whose servers and programs are used. Both take the same arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Product {
    /// Redis.
    Redis,
    /// Valkey.
    Valkey,
}

impl Product {
    /// The store's type in kvgate, and what the programs' names begin with.
    pub fn word(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::Valkey => "valkey",
        }
    }
}

/// What every server of the tests keeps: all that it was told.
const KEEP_ALL: &str = "save \"\"\nappendonly yes\n";

fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// What a program says; its end must be a good one.
fn run(command: &mut Command) -> Outcome<String> {
    let output = command.output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(said);
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    Err(Failure::new(format!("{command:?}: {}: {said}{complaint}", output.status)))
}
