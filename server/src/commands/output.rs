//! What is printed: JSON for programs, tables for people; and what they write themselves.

use std::io::{self, Write};
use std::time::{Duration, SystemTime};

use clap::ValueEnum;
use comfy_table::{ContentArrangement, Table, presets};
use jiff::{Span, SpanRelativeTo};
use kvgate_core::Timestamp;

/// How answers are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// JSON, a value a line.
    #[default]
    Json,
    /// A table for a person.
    Table,
}

/// The widest table where nobody says how wide the terminal is.
const TABLE_COLUMNS: u16 = 120;

/// The most rows of a table: they are all kept until it is printed.
pub(super) const TABLE_ROWS_MAX: usize = 10_000;

/// A table with these columns.
pub(super) fn table(columns: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    let columns_max = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok());
    table.set_width(columns_max.unwrap_or(TABLE_COLUMNS));
    table.set_header(columns.to_vec());
    table
}

/// Prints a table.
pub(super) fn print(table: &Table) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for line in table.lines() {
        // columns are padded on both sides
        writeln!(out, "{}", line.strip_prefix(' ').unwrap_or(&line).trim_end())?;
    }
    out.flush()
}

/// A moment as it is written in lines and tables.
pub(super) fn moment(at: SystemTime) -> String {
    Timestamp::from(at).to_string()
}

/// The same where there may be none.
pub(super) fn moment_or_dash(at: Option<SystemTime>) -> String {
    at.map_or_else(|| "-".to_owned(), moment)
}

/// Reads a length of time: `90s`, `1h 30m`, `7d`, `250ms`, or a number of seconds.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    const EXPECTED: &str = "not a length of time such as 90s, 1h 30m, 7d or a number of seconds";
    let expected = || EXPECTED.to_owned();
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).map_err(|_| expected());
    }
    let span: Span = text.parse().map_err(|_| expected())?;
    // a day is 24 hours; a month is no length of time
    let length = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| expected())?;
    Duration::try_from(length).map_err(|_| expected())
}

/// A count with its digits in groups of three.
pub(super) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time() {
        for (text, millis) in [
            ("90s", 90_000),
            ("1h 30m", 5_400_000),
            ("7d", 604_800_000),
            ("2w", 1_209_600_000),
            ("250ms", 250),
            ("3600", 3_600_000),
            ("0.5", 500),
            ("PT1M", 60_000),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "soon", "1 month", "-1s", "-5", "1h ago", "nan"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn counts() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_234_567), "1,234,567");
    }
}
