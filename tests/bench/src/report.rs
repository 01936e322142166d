//! What a run found, as `--json` writes it.

use serde::Serialize;

use crate::args::{Args, Operation, Shape};
use crate::cpus::Cpus;
use crate::dataset;
use crate::load::Figures;
use crate::process::Server;
use crate::statistics::Spread;

/// A whole run.
#[derive(Serialize)]
pub(crate) struct Report {
    pub(crate) machine: Machine,
    pub(crate) settings: Settings,
    pub(crate) comparisons: Vec<Comparison>,
}

/// Where the run took place.
#[derive(Serialize)]
pub(crate) struct Machine {
    pub(crate) cpu: String,
    pub(crate) cpu_count: usize,
    pub(crate) placement: String,
    /// How busy the machine was in the minute before the run.
    pub(crate) load_average: Option<f64>,
}

#[derive(Serialize)]
pub(crate) struct Settings {
    pub(crate) seconds: u64,
    pub(crate) rounds: u32,
    pub(crate) entry_count: usize,
    pub(crate) value_bytes: usize,
}

/// All sides doing the same thing.
#[derive(Serialize)]
pub(crate) struct Comparison {
    pub(crate) operation: &'static str,
    pub(crate) shape: String,
    /// What the figures are given for: a call or an entry.
    pub(crate) unit: &'static str,
    /// The rate that kvgate shall have, as a part of the best bare server's.
    pub(crate) target: Option<f64>,
    pub(crate) best_bare: &'static str,
    pub(crate) sides: Vec<Side>,
}

#[derive(Serialize)]
pub(crate) struct Side {
    pub(crate) name: &'static str,
    pub(crate) rounds: Vec<Figures>,
    /// The rate as a part of the best bare server's, round by round.
    pub(crate) rate_of_best: Option<Spread>,
    /// The work done with the same CPU time, as a part of the best bare
    /// server's.
    pub(crate) work_per_cpu_of_best: Option<Spread>,
}

impl Machine {
    pub(crate) fn find(cpus: &Cpus) -> Self {
        let cpu_info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let models = || cpu_info.lines().filter_map(|line| line.strip_prefix("model name"));
        let cpu = models().next().map(|rest| rest.trim_start_matches([' ', '\t', ':']));
        let load_average = std::fs::read_to_string("/proc/loadavg").ok();
        Self {
            cpu: cpu.unwrap_or("unknown CPU").to_owned(),
            cpu_count: models().count(),
            placement: cpus.describe(),
            load_average: load_average
                .and_then(|text| text.split_whitespace().next()?.parse().ok()),
        }
    }
}

impl Settings {
    pub(crate) fn of(args: &Args) -> Self {
        Self {
            seconds: args.seconds,
            rounds: args.rounds,
            entry_count: dataset::ENTRY_COUNT,
            value_bytes: dataset::VALUE_BYTES,
        }
    }
}

impl Comparison {
    /// Compares each server with the bare one that has the highest median rate.
    /// `rounds` holds, for each server, its figures round by round.
    pub(crate) fn of(
        operation: Operation,
        shape: Shape,
        servers: &[Server],
        rounds: Vec<Vec<Figures>>,
    ) -> Option<Self> {
        let (best_bare, best) = servers
            .iter()
            .zip(&rounds)
            .filter(|(server, _)| server.bare)
            .max_by(|(_, left), (_, right)| median_rate(left).total_cmp(&median_rate(right)))?;
        let (best_bare, best) = (best_bare.name, best.clone());
        let sides = servers.iter().zip(rounds);
        let (operation_name, unit) = match operation {
            Operation::Get => ("Get", "call"),
            Operation::Put => ("Put", "call"),
            Operation::Stream => ("StreamGetMany", "entry"),
        };
        Some(Self {
            operation: operation_name,
            shape: shape.to_string(),
            unit,
            target: target(operation, shape),
            best_bare,
            sides: sides.map(|(server, rounds)| Side::of(server.name, rounds, &best)).collect(),
        })
    }
}

impl Side {
    fn of(name: &'static str, rounds: Vec<Figures>, best: &[Figures]) -> Self {
        Self {
            name,
            rate_of_best: Spread::of_ratios(&rates(&rounds), &rates(best)),
            // The other way round: the less CPU the more work.
            work_per_cpu_of_best: Spread::of_ratios(&cpu_times(best), &cpu_times(&rounds)),
            rounds,
        }
    }

    /// The middle of one figure over the rounds.
    pub(crate) fn median(&self, figure: impl Fn(&Figures) -> f64) -> f64 {
        Spread::of(self.rounds.iter().map(figure)).map_or(f64::NAN, |spread| spread.median)
    }
}

fn rates(rounds: &[Figures]) -> Vec<f64> {
    rounds.iter().map(|figures| figures.units_per_second).collect()
}

fn cpu_times(rounds: &[Figures]) -> Vec<f64> {
    rounds.iter().map(|figures| figures.server_cpu_us_per_unit).collect()
}

fn median_rate(rounds: &[Figures]) -> f64 {
    Spread::of(rates(rounds)).map_or(0.0, |spread| spread.median)
}

/// What kvgate is to reach now; the aim for later is 80 % of both.
fn target(operation: Operation, shape: Shape) -> Option<f64> {
    match operation {
        Operation::Get if shape == Shape::new(8, 32) => Some(0.65),
        Operation::Stream => Some(0.50),
        _ => None,
    }
}
