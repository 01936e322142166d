//! `kvgate check`.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use kvgate_core::SystemClock;

use crate::config;
use crate::edge::Edge;
use crate::topology::Topology;

/// How long a backend may take to answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Reads a configuration and says what it configures; with `connect` also tries
/// each store.
pub(crate) fn check(file: &Path, connect: bool) -> anyhow::Result<()> {
    let config = config::load(Some(file), config::environment())?;
    // the files of certificates, tokens and keys are part of it
    Edge::open(&config.server)?;
    let mut out = std::io::stdout().lock();
    let stores = config.stores.len();
    let plural = if stores == 1 { "" } else { "s" };
    writeln!(out, "{}: ok, {stores} store{plural}", file.display())?;
    if !connect {
        return Ok(());
    }
    let default_store = config.default_store;
    let clock = Arc::new(SystemClock);
    let topology = Topology::open(config.stores, default_store, clock, |store, _, _| store)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut failed = 0;
    for served in topology.stores() {
        let checking = async { tokio::time::timeout(CONNECT_TIMEOUT, served.store.check()).await };
        let answer = match runtime.block_on(checking) {
            Ok(Ok(())) => "answers".to_owned(),
            Ok(Err(error)) => {
                failed += 1;
                format!("FAILED: {error}")
            }
            Err(_) => {
                failed += 1;
                format!("FAILED: no answer within {CONNECT_TIMEOUT:?}")
            }
        };
        writeln!(out, "{} ({}): {answer}", served.name, served.store)?;
    }
    runtime.shutdown_background();
    if failed > 0 {
        bail!("{failed} of {stores} stores did not answer");
    }
    Ok(())
}
