//! How a destination did over the last day, hour by hour, as small plots: tries, failures, and how long they took.

use std::time::Duration;

use crate::console::theme::Marks;
use crate::console::widgets::plot::spark;
use crate::console::words::millis;
use crate::domain::time::Timestamp;
use crate::store::recent::RecentTry;

/// The span that is shown.
pub(crate) const SPAN: Duration = Duration::from_hours(24);

const HOURS: usize = 24;

const HOUR_MS: i64 = 3_600_000;

/// A plot with what it comes to.
pub(crate) struct Plot {
    /// What it shows.
    pub(crate) name: &'static str,
    /// A character for each hour, the present one last.
    pub(crate) line: String,
    /// It in words.
    pub(crate) words: String,
}

/// The plots of these tries; none without tries.
pub(crate) fn plots(tries: &[RecentTry], now: Timestamp, marks: Marks) -> Vec<Plot> {
    if tries.is_empty() {
        return Vec::new();
    }
    let mut hours: Vec<Vec<RecentTry>> = vec![Vec::new(); HOURS];
    for one in tries {
        let ago = usize::try_from((now.millis() - one.started_at.millis()).max(0) / HOUR_MS).unwrap_or(HOURS);
        if let Some(hour) = HOURS.checked_sub(ago + 1).and_then(|hour| hours.get_mut(hour)) {
            hour.push(*one);
        }
    }
    let count = |hour: &Vec<RecentTry>, is_meant: fn(&RecentTry) -> bool| {
        u32::try_from(hour.iter().filter(|one| is_meant(one)).count()).unwrap_or(u32::MAX)
    };
    let by_hour =
        |is_meant: fn(&RecentTry) -> bool| -> Vec<u32> { hours.iter().map(|hour| count(hour, is_meant)).collect() };
    let (all, failed) = (by_hour(|_| true), by_hour(|one| !one.went_well));
    let sum = |counts: &[u32]| counts.iter().sum::<u32>();
    let well = 100 - sum(&failed) * 100 / sum(&all).max(1);
    let took = |part: usize| percentile(tries.iter().map(|one| one.duration_ms).collect(), part);
    let medians: Vec<u32> =
        hours.iter().map(|hour| percentile(hour.iter().map(|one| one.duration_ms).collect(), 50)).collect();
    vec![
        Plot { name: "Tries, 24 h", line: spark(&all, marks), words: format!("{}, {well} % went well", sum(&all)) },
        Plot { name: "failed", line: spark(&failed, marks), words: sum(&failed).to_string() },
        Plot {
            name: "took",
            line: spark(&medians, marks),
            words: format!("half within {}, 95 % within {}", millis(took(50)), millis(took(95))),
        },
    ]
}

/// What so many per cent are not above; 0 of nothing.
fn percentile(mut values: Vec<u32>, part: usize) -> u32 {
    values.sort_unstable();
    let at = (values.len() * part).div_ceil(100).saturating_sub(1);
    values.get(at).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_are_put_into_their_hours() {
        let now = Timestamp::from_millis(100 * HOUR_MS);
        let one = |hours_ago: i64, duration_ms, went_well| RecentTry {
            started_at: Timestamp::from_millis(now.millis() - hours_ago * HOUR_MS),
            duration_ms,
            went_well,
        };
        let tries = [one(0, 100, true), one(0, 200, true), one(5, 9_000, false), one(23, 80, true), one(30, 1, false)];
        let found = plots(&tries[..4], now, Marks::Ascii);
        let shown: Vec<(String, &str)> =
            found.iter().map(|plot| (plot.line.replace(' ', "_"), plot.words.as_str())).collect();
        assert_eq!(shown[0], ("=_________________=____#".to_owned(), "4, 75 % went well"));
        assert_eq!(shown[1], ("__________________#_____".to_owned(), "1"));
        assert_eq!(shown[2].1, "half within 100 ms, 95 % within 9000 ms");
        assert!(plots(&[], now, Marks::Ascii).is_empty());
        assert_eq!(plots(&tries[4..], now, Marks::Ascii)[0].words, "0, 100 % went well", "older is not counted");
    }
}
