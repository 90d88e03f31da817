//! Points in time, and the one place that asks the machine what time it is.
//!
//! All else takes a [`Clock`], so that schedules are tested on a [`ManualClock`] and never by sleeping.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A point in time: milliseconds since the Unix epoch, UTC. Shown and serialized as RFC 3339 with milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From milliseconds since the Unix epoch.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the Unix epoch, rounded down.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// This much later; stops at the end of time instead of wrapping.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }

    /// This much earlier; stops at the beginning of time instead of wrapping.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }

    /// How long from `earlier` to this; zero when `earlier` is in fact later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The same point in a time zone, for people. A point outside of what a calendar can hold becomes the epoch.
    #[must_use]
    pub fn in_zone(self, zone: &jiff::tz::TimeZone) -> jiff::ZonedDateTime {
        jiff::Timestamp::from_millisecond(self.0).unwrap_or_default().to_zoned_datetime(zone.clone())
    }

    /// The midnight in a time zone that was last before this.
    #[must_use]
    pub fn start_of_day(self, zone: &jiff::tz::TimeZone) -> Self {
        self.in_zone(zone).start_of_day().map_or(self, |midnight| Self(midnight.timestamp().as_millisecond()))
    }

    /// Reads RFC 3339, or a plain date meaning its midnight in UTC.
    ///
    /// # Errors
    /// When the text is neither.
    pub fn parse(text: &str) -> Result<Self, String> {
        let date_time = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
        date_time
            .parse::<jiff::Timestamp>()
            .map(|at| Self(at.as_millisecond()))
            .map_err(|_| format!("`{text}` is no time; write 2026-05-04 or 2026-05-04T10:00:00Z"))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = jiff::Timestamp::from_millisecond(self.0).unwrap_or_default();
        write!(formatter, "{at:.3}")
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// Tells the time. Injected everywhere, so that a test can say what time it is.
pub trait Clock: Send + Sync {
    /// The present moment.
    fn now(&self) -> Timestamp;
}

/// A clock that many parts share.
pub type SharedClock = Arc<dyn Clock>;

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl SystemClock {
    /// The machine's clock, ready to be handed around.
    #[must_use]
    pub fn shared() -> SharedClock {
        Arc::new(Self)
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    fn now(&self) -> Timestamp {
        Timestamp(jiff::Timestamp::now().as_millisecond())
    }
}

/// A clock that stands still until it is told to move, forwards or backwards.
#[derive(Debug, Default)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// Stands at `start`.
    #[must_use]
    pub fn at(start: Timestamp) -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(start.0)))
    }

    /// Moves forward.
    pub fn advance(&self, duration: Duration) {
        self.set(self.now().plus(duration));
    }

    /// Jumps, backwards too: an operator may set a machine's clock.
    pub fn set(&self, to: Timestamp) {
        self.0.store(to.0, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

/// Reads a length of time as the config and the command line write it: `500ms`, `5s`, `30m`, `2h`, `3d`.
///
/// # Errors
/// When there is no number, no unit, or more than a hundred years.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    const HUNDRED_YEARS_MS: u64 = 100 * 365 * 86_400_000;
    let text = text.trim();
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let unit_ms = match unit.trim() {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(format!("`{text}` is no length of time; write for example 500ms, 5s, 30m, 2h or 3d")),
    };
    match number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit_ms)) {
        Some(millis) if millis <= HUNDRED_YEARS_MS => Ok(Duration::from_millis(millis)),
        _ => Err(format!("`{text}` is no length of time that bellboard can wait")),
    }
}

/// A length of time for people, in its two largest units at most: `84 ms`, `7 s`, `5m`, `2h 5m`, `3d 4h`.
#[must_use]
pub fn human_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 => format!("{} ms", duration.as_millis()),
        1..=59 => format!("{seconds} s"),
        60..=3_599 => two_units(seconds, 60, 'm', 1, 's'),
        3_600..=86_399 => two_units(seconds, 3_600, 'h', 60, 'm'),
        _ => two_units(seconds, 86_400, 'd', 3_600, 'h'),
    }
}

/// A length of time for customers, in its two largest units at most: `45 seconds`, `1 minute`, `2 hours 5 minutes`.
#[must_use]
pub fn spoken_duration(duration: Duration) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")];
    let seconds = duration.as_secs();
    let largest = UNITS.iter().position(|(unit, _)| seconds >= *unit).unwrap_or(UNITS.len() - 1);
    let counted = |count: u64, name: &str| if count == 1 { format!("1 {name}") } else { format!("{count} {name}s") };
    let (unit, name) = UNITS[largest];
    let whole = counted(seconds / unit, name);
    match UNITS.get(largest + 1).map(|(small, name)| (seconds % unit / small, name)) {
        Some((rest, name)) if rest > 0 => format!("{whole} {}", counted(rest, name)),
        _ => whole,
    }
}

fn two_units(seconds: u64, large_seconds: u64, large: char, small_seconds: u64, small: char) -> String {
    let rest = seconds % large_seconds / small_seconds;
    let whole = seconds / large_seconds;
    if rest == 0 { format!("{whole}{large}") } else { format!("{whole}{large} {rest}{small}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_shown() {
        let check = |text: &str, millis: u64, shown: &str| {
            let duration = parse_duration(text).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(duration, Duration::from_millis(millis), "{text}");
            assert_eq!(human_duration(duration), shown, "{text}");
        };
        check("500ms", 500, "500 ms");
        check("5s", 5_000, "5 s");
        check("5m", 300_000, "5m");
        check("90s", 90_000, "1m 30s");
        check("125m", 7_500_000, "2h 5m");
        check("3d", 259_200_000, "3d");
        for bad in ["", "5", "s", "-5s", "5 weeks", "99999999999999999999s", "9999999d"] {
            assert!(parse_duration(bad).is_err(), "`{bad}` should be refused");
        }
    }

    #[test]
    fn durations_are_spoken() {
        let check = |seconds: u64, expected: &str| {
            assert_eq!(spoken_duration(Duration::from_secs(seconds)), expected, "{seconds}");
        };
        check(0, "0 seconds");
        check(1, "1 second");
        check(59, "59 seconds");
        check(60, "1 minute");
        check(61, "1 minute 1 second");
        check(7_500, "2 hours 5 minutes");
        check(7_201, "2 hours");
        check(90_000, "1 day 1 hour");
    }

    #[test]
    fn times_are_rfc_3339_with_milliseconds() {
        assert_eq!(Timestamp::from_millis(1_700_000_000_007).to_string(), "2023-11-14T22:13:20.007Z");
        assert_eq!(Timestamp::parse("2023-11-14T22:13:20.007Z").map(Timestamp::millis), Ok(1_700_000_000_007));
        assert_eq!(Timestamp::parse("1970-01-02").map(Timestamp::millis), Ok(86_400_000));
        assert!(Timestamp::parse("yesterday").is_err());
        let utc = jiff::tz::TimeZone::UTC;
        assert_eq!(Timestamp::from_millis(86_400_001).start_of_day(&utc).millis(), 86_400_000);
        assert_eq!(Timestamp::from_millis(i64::MAX).plus(Duration::from_secs(1)).millis(), i64::MAX);
    }
}
