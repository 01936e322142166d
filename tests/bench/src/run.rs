//! One run: the sides take turns, and what they did is reported.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use crate::Result;
use crate::args::{Args, Operation, Runtime, Shape};
use crate::calls;
use crate::connection::Connection;
use crate::cpus::Cpus;
use crate::dataset::Dataset;
use crate::load::{self, Benchmark, Figures};
use crate::process::{self, Server};
use crate::report::{Comparison, Machine, Report, Settings};
use crate::table;

/// Measures all that `args` asks for and prints what came of it.
pub(crate) fn run(args: &Args) -> Result<()> {
    let cpus = Cpus::split();
    let mut report = Report {
        machine: Machine::find(&cpus),
        settings: Settings::of(args),
        comparisons: Vec::new(),
    };
    let json = args.json.as_deref().map(create).transpose()?;
    let dataset = Dataset::new();
    let servers = start_servers(args, &cpus, dataset)?;
    println!("{}", table::heading(&report.machine, &report.settings));
    for (operation, shape) in plan(args) {
        let benchmark =
            Benchmark { operation, shape, duration: Duration::from_secs(args.seconds), dataset };
        let comparison = compare(benchmark, &servers, args.rounds, &cpus)?;
        println!("\n{}", table::comparison(&comparison));
        report.comparisons.push(comparison);
    }
    println!("\n{}", table::summary(&report));
    if let Some(file) = json {
        serde_json::to_writer_pretty(file, &report)
            .map_err(|error| format!("the figures can't be written: {error}"))?;
    }
    Ok(())
}

/// Before anything is measured: minutes of work are not to be lost at the end.
fn create(path: &Path) -> Result<File> {
    File::create(path).map_err(|error| format!("{}: {error}", path.display()).into())
}

fn start_servers(args: &Args, cpus: &Cpus, dataset: Dataset) -> Result<Vec<Server>> {
    let program =
        if args.bare_only { None } else { Some(process::find_kvgate(args.server.as_ref())?) };
    let mut servers = vec![
        Server::start_bare(Runtime::MultiThread, cpus)?,
        Server::start_bare(Runtime::PerCore, cpus)?,
    ];
    if let Some(program) = program {
        let kvgate = Server::start_kvgate(&program, &process::memory(), cpus)?;
        call(&kvgate, |connection| calls::fill(connection, dataset))
            .map_err(|error| format!("filling kvgate failed: {error}"))?;
        servers.push(kvgate);
    }
    Ok(servers)
}

/// What to measure, in order.
fn plan(args: &Args) -> Vec<(Operation, Shape)> {
    let mut plan = Vec::new();
    for &operation in &args.operations {
        let shapes = match operation {
            Operation::Get | Operation::Put => &args.at,
            Operation::Stream => &args.streams_at,
        };
        plan.extend(shapes.iter().map(|&shape| (operation, shape)));
    }
    plan
}

fn compare(
    benchmark: Benchmark,
    servers: &[Server],
    rounds: u32,
    cpus: &Cpus,
) -> Result<Comparison> {
    let mut figures: Vec<Vec<Figures>> = servers.iter().map(|_| Vec::new()).collect();
    for _ in 0..rounds {
        for (server, figures) in servers.iter().zip(&mut figures) {
            figures.push(load::measure(server, benchmark, cpus)?);
            if benchmark.operation == Operation::Put && !server.bare {
                call(server, |connection| calls::check_put(connection, benchmark.dataset))
                    .map_err(|error| format!("{} lost a put: {error}", server.name))?;
            }
        }
    }
    Comparison::of(benchmark.operation, benchmark.shape, servers, figures)
        .ok_or_else(|| "there is no bare server to compare with".into())
}

/// Makes a few calls that aren't measured.
fn call<F>(server: &Server, make: impl FnOnce(Connection) -> F) -> Result<()>
where
    F: Future<Output = Result<()>>,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async { make(Connection::open(server.address).await?).await })
}
