//! What a run found, for people.

use crate::report::{Comparison, Machine, Report, Settings, Side};
use crate::statistics::Spread;

/// Above this the figures are those of a busy machine.
const QUIET_LOAD_MAX: f64 = 0.5;

/// Where the run takes place and what is compared.
pub(crate) fn heading(machine: &Machine, settings: &Settings) -> String {
    let mut lines = vec![
        format!("{} CPUs: {}", machine.cpu_count, machine.cpu),
        machine.placement.clone(),
        format!(
            "{} entries of {} bytes; {} rounds of {} s a side, medians over the rounds",
            settings.entry_count, settings.value_bytes, settings.rounds, settings.seconds
        ),
    ];
    if let Some(load) = machine.load_average.filter(|&load| load > QUIET_LOAD_MAX) {
        lines.push(format!("warning: the machine was busy before the run (load average {load})"));
    }
    if cfg!(debug_assertions) {
        lines.push("warning: a debug build: the figures mean nothing, use --release".to_owned());
    }
    lines.join("\n")
}

/// One comparison as a table.
pub(crate) fn comparison(comparison: &Comparison) -> String {
    let title = format!("{} {}", comparison.operation, comparison.shape);
    let (rate, cpu) = match comparison.unit {
        "call" => ("calls/s", "CPU/call"),
        _ => ("entries/s", "CPU/entry"),
    };
    let mut lines = vec![format!(
        "{title:<28}{rate:>11}{:>10}{:>10}{cpu:>11}{:>13}{:>10}{:>17}",
        "p50", "p99", "server busy", "of best", "of best by CPU"
    )];
    lines.extend(comparison.sides.iter().map(row));
    lines.join("\n")
}

fn row(side: &Side) -> String {
    format!(
        "  {:<26}{:>11}{:>10}{:>10}{:>11}{:>13}{:>10}{:>17}",
        side.name,
        rate(side.median(|figures| figures.units_per_second)),
        microseconds(side.median(|figures| figures.p50_us)),
        microseconds(side.median(|figures| figures.p99_us)),
        microseconds(side.median(|figures| figures.server_cpu_us_per_unit)),
        percent(side.median(|figures| figures.server_busy)),
        side.rate_of_best.map_or_else(String::new, |spread| percent(spread.median)),
        side.work_per_cpu_of_best.map_or_else(String::new, |spread| percent(spread.median)),
    )
}

/// The ratios alone, with the targets: what to quote.
pub(crate) fn summary(report: &Report) -> String {
    let mut lines =
        vec!["Rates against the best bare server (lowest to highest round):".to_owned()];
    for comparison in &report.comparisons {
        for side in &comparison.sides {
            if let Some(ratio) = side.rate_of_best.filter(|_| side.name != comparison.best_bare) {
                lines.push(summary_line(comparison, side, ratio));
            }
        }
    }
    lines.join("\n")
}

fn summary_line(comparison: &Comparison, side: &Side, ratio: Spread) -> String {
    let what = format!("{} {}", comparison.operation, comparison.shape);
    let verdict = match comparison.target.filter(|_| side.name == "kvgate") {
        Some(target) if ratio.median >= target => format!(", target {}: met", percent(target)),
        Some(target) => format!(", target {}: missed", percent(target)),
        None => String::new(),
    };
    format!(
        "  {what:<20}{:<28}{:>6} ({} to {}){verdict}",
        side.name,
        percent(ratio.median),
        percent(ratio.lowest),
        percent(ratio.highest),
    )
}

fn rate(per_second: f64) -> String {
    match per_second {
        small if small < 10_000.0 => format!("{small:.0}"),
        middle if middle < 1e6 => format!("{:.1} k", middle / 1e3),
        large => format!("{:.2} M", large / 1e6),
    }
}

fn microseconds(figure: f64) -> String {
    match figure {
        small if small < 1.0 => format!("{small:.3} µs"),
        middle if middle < 1000.0 => format!("{middle:.1} µs"),
        large => format!("{:.1} ms", large / 1e3),
    }
}

fn percent(part: f64) -> String {
    format!("{:.0} %", part * 100.0)
}
