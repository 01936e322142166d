//! Durations in settings, as people write them: `"30s"`, `"1m 30s"`, `"250ms"`, or a
//! number of seconds.

use std::fmt;
use std::time::Duration;

use jiff::SignedDuration;
use schemars::{Schema, SchemaGenerator, json_schema};
use serde::Deserializer;
use serde::de::{Error, Visitor};

/// The longest that is taken. Clocks overflow somewhere far behind it.
const MAX: Duration = Duration::from_hours(365 * 24);

const EXPECTED: &str = "a duration such as \"1m 30s\" or a number of seconds, up to a year";

/// Reads a duration, for `deserialize_with`.
pub fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    deserializer.deserialize_any(DurationVisitor)
}

/// The schema of a duration, for `schema_with`.
pub fn schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "title": "duration",
        "type": ["string", "number"],
        "minimum": 0,
        "maximum": MAX.as_secs(),
    })
}

struct DurationVisitor;

impl DurationVisitor {
    fn check<E: Error>(duration: Option<Duration>) -> Result<Duration, E> {
        duration
            .filter(|duration| *duration <= MAX)
            .ok_or_else(|| E::custom(format!("wrong value, expected {EXPECTED}")))
    }
}

impl Visitor<'_> for DurationVisitor {
    type Value = Duration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(EXPECTED)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Duration, E> {
        let signed = text.trim().parse::<SignedDuration>().ok();
        Self::check(signed.and_then(|signed| Duration::try_from(signed).ok()))
    }

    fn visit_u64<E: Error>(self, seconds: u64) -> Result<Duration, E> {
        Self::check(Some(Duration::from_secs(seconds)))
    }

    fn visit_i64<E: Error>(self, seconds: i64) -> Result<Duration, E> {
        Self::check(u64::try_from(seconds).ok().map(Duration::from_secs))
    }

    fn visit_f64<E: Error>(self, seconds: f64) -> Result<Duration, E> {
        Self::check(Duration::try_from_secs_f64(seconds).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn durations() {
        for (written, millis) in [
            (json!("30s"), 30_000),
            (json!("1m 30s"), 90_000),
            (json!(" 250ms "), 250),
            (json!("2h"), 7_200_000),
            (json!("PT1M"), 60_000),
            (json!(0), 0),
            (json!(15), 15_000),
            (json!(0.25), 250),
        ] {
            let duration = read(&written).expect("a duration");
            assert_eq!(duration, Duration::from_millis(millis), "{written}");
        }
        let bad = ["-1s", "30s ago", "", "soon", "30", "1 month", "9000h", "nan"];
        let bad = bad.into_iter().map(Value::from);
        for written in bad.chain([json!(-1), json!(-0.5), json!(1e300), json!(u64::MAX)]) {
            let message = read(&written).expect_err("no duration").to_string();
            assert!(message.contains(EXPECTED), "{written}: {message}");
        }
    }
}
