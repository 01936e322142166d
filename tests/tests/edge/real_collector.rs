//! A real OpenTelemetry collector, which prints the traces and figures that it was sent.

use std::path::Path;
use std::process::Command;

use kvgate_proto::v1::GetRequest;
use kvgate_tests::built::built;
use kvgate_tests::daemon::Daemon;
use kvgate_tests::failure::{Outcome, expect};
use kvgate_tests::folder::Folder;
use kvgate_tests::ports;
use kvgate_tests::wait::until;
use tokio::net::TcpStream;
use tonic::Request;

use crate::secure::STORE;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

/// Starts one that prints into the file `log`.
async fn start(folder: &Folder, port: u16, log: &Path) -> Outcome<Daemon> {
    let settings = folder.path("otelcol.yaml");
    let text = format!(
        "receivers: {{ otlp: {{ protocols: {{ grpc: {{ endpoint: '127.0.0.1:{port}' }} }} }} }}\n\
         exporters: {{ debug: {{ verbosity: detailed }} }}\n\
         service:\n  telemetry: {{ metrics: {{ level: none }} }}\n  pipelines:\n    \
         traces: {{ receivers: [otlp], exporters: [debug] }}\n    \
         metrics: {{ receivers: [otlp], exporters: [debug] }}\n"
    );
    std::fs::write(&settings, text)?;
    let program = built("otelcol", "otelcol")?.join("otelcol");
    let command = move || {
        let mut command = Command::new(&program);
        command.arg("--config").arg(&settings);
        command
    };
    let ready = Box::new(move || {
        let connected = TcpStream::connect(("127.0.0.1", port));
        Box::pin(async move { connected.await.is_ok() }) as futures::future::BoxFuture<'_, _>
    });
    Daemon::start(command, log, ready).await
}

/// The lines of a span as the collector prints it, from its trace to its name.
fn span<'a>(printed: &'a str, name: &str) -> Option<&'a str> {
    let ends = printed.find(&format!("Name           : {name}\n"))?;
    let begins = printed[..ends].rfind("Trace ID")?;
    Some(&printed[begins..ends])
}

/// What a span has in a line of its own.
fn field<'a>(span: &'a str, name: &str) -> &'a str {
    let mut lines = span.lines().filter_map(|line| line.trim().split_once(':'));
    lines.find(|(field, _)| field.trim() == name).map_or("", |(_, value)| value.trim())
}

#[tokio::test(flavor = "multi_thread")]
async fn takes_traces_and_figures() -> Outcome {
    let folder = Folder::new()?;
    let (port, log) = (ports::free()?, folder.path("otelcol.log"));
    let collector = start(&folder, port, &log).await?;
    let endpoint = format!("endpoint = \"http://127.0.0.1:{port}\"\n");
    let settings = format!(
        "[server.tracing]\n{endpoint}[server.metrics]\n{endpoint}interval = \"1s\"\n{STORE}"
    );
    let server = folder.start(&settings).await?;
    let client = server.client().await?;
    let message = GetRequest { collection: "c".to_owned(), key: "k".to_owned(), ..<_>::default() };
    let mut request = Request::new(message);
    request.metadata_mut().insert("traceparent", format!("00-{TRACE}-{CALLER}-01").parse()?);
    client.key_value().get(request).await?;

    let printed = until("the collector has printed both", async || {
        let printed = std::fs::read_to_string(&log)?;
        let all = span(&printed, "keyvalue.v1.KeyValueService/Get").is_some()
            && span(&printed, "get main").is_some()
            && printed.contains("Name: rpc.server.call.duration");
        Ok(all.then_some(printed))
    })
    .await?;
    let served = span(&printed, "keyvalue.v1.KeyValueService/Get").unwrap_or_default();
    let asked = span(&printed, "get main").unwrap_or_default();
    let of_one_trace = field(served, "Trace ID") == TRACE && field(asked, "Trace ID") == TRACE;
    let in_a_line = field(served, "Parent ID") == CALLER
        && !field(served, "ID").is_empty()
        && field(asked, "Parent ID") == field(served, "ID");
    expect(of_one_trace && in_a_line, format!("the spans are\n{served}\n{asked}"))?;
    for line in [
        "-> service.name: Str(kvgate)",
        "-> Unit: s",
        "-> rpc.method: Str(keyvalue.v1.KeyValueService/Get)",
        "-> Name: kvgate.misses",
        "-> Name: kvgate.store.up",
    ] {
        expect(printed.contains(line), format!("no \"{line}\" in\n{printed}"))?;
    }

    // one that goes away is no reason not to serve, and gets the sums when it is back
    collector.stop().await?;
    until("the log says so", async || {
        Ok(server.log().contains("figures were not sent").then_some(()))
    })
    .await?;
    client.collection("", "c").put("k", "{}").await?;
    std::fs::remove_file(&log)?;
    collector.restart().await?;
    until("it is sent the figures again", async || {
        let printed = std::fs::read_to_string(&log)?;
        Ok(printed.contains("Name: kvgate.entries.written").then_some(()))
    })
    .await?;
    server.terminate().await
}
