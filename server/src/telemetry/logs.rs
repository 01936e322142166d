//! Where logs go.

use std::io;

use anyhow::Context;
use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat};

/// Clients of backends that log as errors what they also return, so that every missing
/// entry would be one. A level of their own in the settings wins.
const QUIET: &str = "rustify=off,vaultrs=off";

/// Writes logs to standard error; standard output is for what was asked for.
pub(crate) fn start(log: &Log) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(format!("{QUIET},{}", log.level))
        .with_context(|| format!("server.log.level is not a filter: {:?}", log.level))?;
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    match log.format {
        LogFormat::Text => logs.with_ansi(io::IsTerminal::is_terminal(&io::stderr())).init(),
        LogFormat::Json => logs.json().init(),
    }
    Ok(())
}
