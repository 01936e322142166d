//! `/metrics`, `/healthz` and `/readyz`.

use std::io::Write as _;
use std::process::{Command, Stdio};

use kvgate_tests::admin;
use kvgate_tests::client::Batches;
use kvgate_tests::failure::{Failure, Outcome, expect, expect_equal};
use kvgate_tests::folder::Folder;
use kvgate_tests::ports;
use kvgate_tests::raw;

use crate::attempts::every_call;

/// A name that a caller made up.
const MADE_UP: &str = "made-up-by-a-caller";

#[tokio::test(flavor = "multi_thread")]
async fn what_calls_leave_behind() -> Outcome {
    let folder = Folder::new()?;
    let port = ports::free()?;
    let admin_listen = format!("admin_listen = \"127.0.0.1:{port}\"\n");
    let server = folder.start(&format!("{admin_listen}{}", crate::secure::STORE)).await?;
    let client = server.client().await?;
    let here = client.collection("main", MADE_UP);
    here.put(MADE_UP, "{\"a\":1}").await?;
    here.get(MADE_UP).await?;
    here.get("another").await?;
    every_call(&client, "main", MADE_UP).await;
    every_call(&client, MADE_UP, "c").await;
    let unknown = raw::call(&client, "/made.up.Service/by-a-caller", bytes::Bytes::new()).await;
    expect(unknown.is_err(), "there is no such method")?;
    let mut open = Batches::open(&client).await?;
    open.send(client.collection("main", "c").batch(Vec::new())).await?;
    expect_equal("StreamPutMany", open.acknowledged().await?, Some(0))?;
    let (status, text) = admin::get(port, "/metrics").await?;
    expect_equal("/metrics", status, 200)?;
    expect(!text.contains("made"), format!("a caller made a label: {text}"))?;
    lint(&text)?;
    let get = "kvgate_store=\"main\",rpc_method=\"keyvalue.v1.KeyValueService/Get\",\
               rpc_response_status_code=\"OK\",rpc_system_name=\"grpc\"";
    let figures = [
        ("rpc_server_call_duration_seconds_count", get, 3),
        ("db_client_operation_duration_seconds_count", "db_operation_name=\"destroy\"", 1),
        ("kvgate_hits_total", "main", 1),
        ("kvgate_misses_total", "main", 1),
        ("kvgate_entries_written_total", "main", 4),
        ("kvgate_value_written_bytes_total", "main", 7),
        ("kvgate_store_up", "main", 1),
        ("kvgate_connections_open", "", 1),
        ("kvgate_streams_open", "StreamPutMany", 1),
        ("process_resident_memory_bytes", "", 1),
    ];
    for (name, label, least) in figures {
        let found = figure(&text, name, label)?;
        expect(found >= f64::from(least), format!("{name} {label} is {found}"))?;
    }
    expect_equal("other streams", figure(&text, "kvgate_streams_open", "ScanEntries")?, 0.0)?;
    figure(&text, "rpc_server_call_duration_seconds_bucket", "le=\"0.0001\"")?;
    figure(&text, "rpc_server_call_duration_seconds_count", "rpc_method=\"other\"")?;
    for path in ["/healthz", "/readyz"] {
        expect_equal(path, admin::get(port, path).await?, (200, "ok\n".to_owned()))?;
    }
    expect_equal("/other", admin::get(port, "/other").await?.0, 404)
}

/// A store that is down makes the server not ready, and not dead.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_down() -> Outcome {
    let folder = Folder::new()?;
    let (port, nobody) = (ports::free()?, ports::free()?);
    let stores = format!(
        "admin_listen = \"127.0.0.1:{port}\"\ndefault_store = \"main\"\n{}\n[stores.far]\n\
         type = \"redis\"\nurl = \"redis://127.0.0.1:{nobody}\"\n",
        crate::secure::STORE
    );
    let server = folder.start(&stores).await?;
    server.client().await?.collection("main", "c").put("key", "{}").await?;
    let (status, text) = admin::get(port, "/readyz").await?;
    expect_equal("/readyz", status, 503)?;
    expect(text.contains("far") && !text.contains("main"), format!("/readyz says {text}"))?;
    expect_equal("/healthz", admin::get(port, "/healthz").await?.0, 200)?;
    let (_, text) = admin::get(port, "/metrics").await?;
    expect_equal("far is up", figure(&text, "kvgate_store_up", "far")?.to_bits(), 0)?;
    let failed = "error_type=\"unavailable\"";
    let failed = figure(&text, "db_client_operation_duration_seconds_count", failed)?;
    expect(failed > 0.0, "the checks that failed are not counted")
}

/// The first figure of this name that has this in its labels.
fn figure(text: &str, name: &str, label: &str) -> Outcome<f64> {
    let of_name = |line: &&str| {
        let rest = line.strip_prefix(name);
        rest.is_some_and(|rest| rest.starts_with([' ', '{']) && rest.contains(label))
    };
    let line = text.lines().find(of_name);
    let value = line.and_then(|line| line.rsplit(' ').next()).and_then(|value| value.parse().ok());
    value.ok_or_else(|| Failure::new(format!("no {name} with {label} in\n{text}")))
}

/// Asks Prometheus' own tool, which complains of names, units and missing help.
fn lint(text: &str) -> Outcome {
    let hint = "running promtool: is it installed? `tests/backends/install promtool` does it";
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| Failure::from(error).within(hint))?;
    // dropped at once, which ends what it reads
    promtool.stdin.take().map_or(Ok(()), |mut stdin| stdin.write_all(text.as_bytes()))?;
    let answer = promtool.wait_with_output()?;
    let said = String::from_utf8_lossy(&answer.stderr);
    expect(answer.status.success() && said.is_empty(), format!("promtool says {said}"))
}
