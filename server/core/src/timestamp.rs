use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::SignedDuration;
use jiff::civil::DateTime;
use jiff::fmt::temporal::Pieces;
use jiff::tz::Offset;

/// A moment, to the microsecond: the finest that every stored form can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    micros: i64,
}

const MICROS_PER_SECOND: i64 = 1_000_000;
const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);

impl Timestamp {
    /// The last second of the year 9999: Python's `datetime` and RFC 3339 end
    /// there. A whole second, because a float of seconds is no finer then.
    pub const MAX: Self = Self { micros: 253_402_300_799_000_000 };

    /// A moment by its microseconds since the Unix epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Self { micros }
    }

    /// Microseconds since the Unix epoch.
    pub const fn as_micros(self) -> i64 {
        self.micros
    }

    /// A moment by its seconds since the Unix epoch, as Python's `time.time()`
    /// gives them.
    pub fn from_seconds_f64(seconds: f64) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "saturates, which is what is meant")]
        let micros = (seconds * 1e6).round() as i64;
        Self { micros }
    }

    /// Seconds since the Unix epoch, as Python's `time.time()` gives them.
    pub fn as_seconds_f64(self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "exact to the microsecond until 2255")]
        let micros = self.micros as f64;
        micros / 1e6
    }

    /// Whole seconds since the Unix epoch, and the nanoseconds above them.
    pub fn as_seconds_and_nanos(self) -> (i64, i32) {
        #[expect(clippy::cast_possible_truncation, reason = "less than a billion")]
        let nanos = (self.micros.rem_euclid(MICROS_PER_SECOND) * 1000) as i32;
        (self.micros.div_euclid(MICROS_PER_SECOND), nanos)
    }

    /// The moment `duration` later, or nothing if that is after [`Self::MAX`].
    /// A part of a microsecond counts as a whole one, so that no duration is
    /// rounded to nothing.
    pub fn checked_add(self, duration: Duration) -> Option<Self> {
        let micros = i64::try_from(duration.as_nanos().div_ceil(1000)).ok()?;
        let sum = Self { micros: self.micros.checked_add(micros)? };
        (sum <= Self::MAX).then_some(sum)
    }

    /// The time from `earlier` until this moment; zero if it is not later.
    pub fn saturating_since(self, earlier: Self) -> Duration {
        let micros = self.micros.saturating_sub(earlier.micros);
        Duration::from_micros(u64::try_from(micros).unwrap_or(0))
    }

    /// Reads the ISO 8601 form that py-key-value writes; one without an offset
    /// is taken as UTC.
    pub fn parse(text: &str) -> Option<Self> {
        let pieces = Pieces::parse(text).ok()?;
        let civil = pieces.date().to_datetime(pieces.time()?);
        let offset = pieces.to_numeric_offset().unwrap_or(Offset::UTC);
        let since =
            civil.duration_since(EPOCH) - SignedDuration::from_secs(offset.seconds().into());
        Some(Self { micros: i64::try_from(since.as_micros()).ok()? })
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let micros = match time.duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_micros()).unwrap_or(i64::MAX),
            Err(before) => -i64::try_from(before.duration().as_micros()).unwrap_or(i64::MAX),
        };
        Self { micros }
    }
}

/// Writes `2025-01-01T00:00:00.123456+00:00`: an offset instead of `Z`, and six
/// fractional digits, because Python 3.10 reads no other form.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let civil = EPOCH.saturating_add(SignedDuration::from_micros(self.micros));
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}+00:00",
            civil.year(),
            civil.month(),
            civil.day(),
            civil.hour(),
            civil.minute(),
            civil.second(),
            civil.subsec_nanosecond() / 1000,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_what_python_reads() {
        let moment = Timestamp::from_micros(1_735_689_600_123_456);
        assert_eq!(moment.to_string(), "2025-01-01T00:00:00.123456+00:00");
        assert_eq!(Timestamp::parse(&moment.to_string()), Some(moment));
        assert_eq!(Timestamp::MAX.to_string(), "9999-12-31T23:59:59.000000+00:00");
        assert_eq!(Timestamp::parse("9999-12-31T23:59:59.000000+00:00"), Some(Timestamp::MAX));
    }

    #[test]
    fn reads_every_form_that_python_writes() {
        for text in [
            "2025-01-01T00:00:00+00:00",
            "2025-01-01T02:00:00+02:00",
            "2025-01-01T00:00:00Z",
            "2025-01-01T00:00:00",
        ] {
            let moment = Timestamp::parse(text).expect(text);
            assert_eq!(moment.as_micros(), 1_735_689_600_000_000, "{text}");
        }
        assert_eq!(Timestamp::parse("yesterday"), None);
    }

    #[test]
    fn no_duration_is_rounded_to_nothing() {
        let moment = Timestamp::from_micros(7);
        assert_eq!(moment.checked_add(Duration::from_nanos(1)), Some(Timestamp::from_micros(8)));
        assert_eq!(Timestamp::MAX.checked_add(Duration::from_nanos(1)), None);
        assert_eq!(moment.checked_add(Duration::MAX), None);
    }

    #[test]
    fn splits_moments_before_the_epoch_too() {
        assert_eq!(Timestamp::from_micros(-1).as_seconds_and_nanos(), (-1, 999_999_000));
    }
}
