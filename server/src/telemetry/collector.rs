//! The way to a collector that takes OTLP over gRPC.

use std::time::Duration;

use anyhow::Context as _;
use tonic::metadata::{Ascii, MetadataKey, MetadataMap, MetadataValue};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};

use crate::config::Collector;

/// How long the collector may take for one message, and to be connected to.
pub(crate) const COLLECTOR_TIMEOUT: Duration = Duration::from_secs(5);

/// Connects when something is sent, and again whenever the connection is lost.
pub(super) fn channel(to: &Collector<'_>) -> anyhow::Result<Channel> {
    let table = to.table;
    let mut endpoint = Endpoint::from_shared(to.endpoint.to_owned())
        .with_context(|| format!("{table}.endpoint"))?
        .connect_timeout(COLLECTOR_TIMEOUT)
        .timeout(COLLECTOR_TIMEOUT);
    if to.endpoint.starts_with("https:") {
        let tls = ClientTlsConfig::new();
        let tls = match to.ca_file {
            Some(file) => {
                let pem = std::fs::read(file)
                    .with_context(|| format!("{table}.ca_file: reading {}", file.display()))?;
                tls.ca_certificate(Certificate::from_pem(pem))
            }
            None => tls.with_native_roots(),
        };
        endpoint = endpoint.tls_config(tls).with_context(|| format!("{table}.ca_file"))?;
    }
    Ok(endpoint.connect_lazy())
}

/// What each message to it has in its headers.
pub(super) fn headers(to: &Collector<'_>) -> anyhow::Result<MetadataMap> {
    let mut headers = MetadataMap::new();
    for (name, value) in to.headers {
        let field = || format!("{}.headers.{name} is not a header", to.table);
        let name: MetadataKey<Ascii> = name.parse().with_context(field)?;
        // not the reason: it could show the secret
        let value = MetadataValue::try_from(value.expose()).ok().with_context(field)?;
        headers.insert(name, value);
    }
    Ok(headers)
}
