//! Figures, sent to a collector by OTLP: those that `/metrics` has, by their other names.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::metrics::v1::{ResourceMetrics, ScopeMetrics};
use opentelemetry_proto::tonic::resource::v1::Resource;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tonic::Request;
use tonic::metadata::MetadataMap;
use tonic::transport::Channel;

use super::collector::{self, COLLECTOR_TIMEOUT};
use super::otlp_figures::{Span, attribute, metric};
use crate::config::Metrics;
use crate::figures::Figures;

/// Sends the figures of a server.
pub(crate) struct FigureSender {
    client: MetricsServiceClient<Channel>,
    headers: MetadataMap,
    interval: Duration,
    resource: Resource,
    begun: u64,
    figures: Arc<Figures>,
}

impl FigureSender {
    /// Made on the runtime that sends.
    pub(crate) fn open(settings: &Metrics, figures: Arc<Figures>) -> anyhow::Result<Self> {
        let to = settings.collector();
        let attributes = vec![
            attribute("service.name", to.service_name),
            attribute("service.version", env!("CARGO_PKG_VERSION")),
        ];
        Ok(Self {
            client: MetricsServiceClient::new(collector::channel(&to)?),
            headers: collector::headers(&to)?,
            interval: settings.interval,
            resource: Resource { attributes, ..Resource::default() },
            begun: now(),
            figures,
        })
    }

    /// Sends them again and again. A collector that is down is said once, and once that it
    /// is back: what it missed is in the next figures, which are sums.
    pub(crate) async fn run(&self) {
        let mut ticks = interval(self.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // the first one comes at once, when there is nothing to tell
        ticks.tick().await;
        let mut reached = true;
        loop {
            ticks.tick().await;
            let sent = self.send().await;
            match &sent {
                Ok(()) if !reached => tracing::info!("the collector takes figures again"),
                Err(error) if reached => tracing::warn!("figures were not sent: {error:#}"),
                Ok(()) | Err(_) => {}
            }
            reached = sent.is_ok();
        }
    }

    /// Sends what was counted since the last time, when the server stops.
    pub(crate) async fn finish(&self) {
        if let Err(error) = self.send().await {
            tracing::warn!("the last figures were not sent: {error:#}");
        }
    }

    async fn send(&self) -> anyhow::Result<()> {
        let span = Span { begun: self.begun, now: now() };
        let metrics = self.figures.gather();
        let metrics = metrics.iter().filter_map(|family| metric(family, span)).collect();
        let scope = InstrumentationScope { name: "kvgate".to_owned(), ..<_>::default() };
        let scope = ScopeMetrics { scope: Some(scope), metrics, schema_url: String::new() };
        let message = ExportMetricsServiceRequest {
            resource_metrics: vec![ResourceMetrics {
                resource: Some(self.resource.clone()),
                scope_metrics: vec![scope],
                schema_url: String::new(),
            }],
        };
        let mut request = Request::new(message);
        *request.metadata_mut() = self.headers.clone();
        let mut client = self.client.clone();
        let answer = timeout(COLLECTOR_TIMEOUT, client.export(request));
        let answer = answer.await.map_err(|_| {
            anyhow::anyhow!("the collector did not answer within {COLLECTOR_TIMEOUT:?}")
        })??;
        let refused = answer.into_inner().partial_success.filter(|part| {
            // with none refused it is a warning, which is not ours to act on
            part.rejected_data_points > 0
        });
        refused.map_or(Ok(()), |part| {
            let (refused, why) = (part.rejected_data_points, part.error_message);
            Err(anyhow::anyhow!("the collector refused {refused} figures: {why}"))
        })
    }
}

/// Nanoseconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
