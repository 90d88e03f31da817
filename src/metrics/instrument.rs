//! A counter, and a histogram: atomics that anybody may add to at any time.
//!
//! They are read one by one while others count on, so what is read may be off by what happened in between; each number alone
//! only ever grows.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds to it.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// Its value.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Upper ends of buckets, and as Prometheus writes them.
type Bounds = &'static [(u64, &'static str)];

/// For times: microseconds, and seconds as they are written.
const TIMES: Bounds = &[
    (500, "0.0005"),
    (1_000, "0.001"),
    (2_500, "0.0025"),
    (5_000, "0.005"),
    (10_000, "0.01"),
    (25_000, "0.025"),
    (50_000, "0.05"),
    (100_000, "0.1"),
    (250_000, "0.25"),
    (500_000, "0.5"),
    (1_000_000, "1"),
    (2_500_000, "2.5"),
    (5_000_000, "5"),
    (15_000_000, "15"),
    (60_000_000, "60"),
    (300_000_000, "300"),
    (3_600_000_000, "3600"),
    (86_400_000_000, "86400"),
];

/// For how many things came together.
const NUMBERS: Bounds = &[
    (1, "1"),
    (2, "2"),
    (4, "4"),
    (8, "8"),
    (16, "16"),
    (32, "32"),
    (64, "64"),
    (128, "128"),
    (256, "256"),
    (512, "512"),
];

/// How often something was how large.
#[derive(Debug)]
pub struct Histogram {
    bounds: Bounds,
    is_time: bool,
    /// One for each bound, and one for what lies beyond all of them.
    buckets: Vec<AtomicU64>,
    sum: AtomicU64,
}

/// What a histogram held when it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Upper end, as it is written, and how many lay at or below it.
    pub buckets: Vec<(&'static str, u64)>,
    /// The sum of all, as it is written: in seconds for times.
    pub sum: String,
}

impl Reading {
    /// How many there were in all.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.last().map_or(0, |(_, count)| *count)
    }
}

impl Histogram {
    /// Of times, from half a millisecond to a day.
    #[must_use]
    pub fn of_times() -> Self {
        Self::new(TIMES, true)
    }

    /// Of numbers, from 1 to 512.
    #[must_use]
    pub fn of_numbers() -> Self {
        Self::new(NUMBERS, false)
    }

    fn new(bounds: Bounds, is_time: bool) -> Self {
        let buckets = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, is_time, buckets, sum: AtomicU64::new(0) }
    }

    /// Notes a time.
    pub fn time(&self, time: Duration) {
        self.number(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }

    /// Notes a number; of a histogram of times, microseconds.
    pub fn number(&self, number: u64) {
        let place = self.bounds.partition_point(|(bound, _)| *bound < number);
        self.buckets[place].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(number, Ordering::Relaxed);
    }

    /// What it holds.
    #[must_use]
    pub fn read(&self) -> Reading {
        let ends = self.bounds.iter().map(|(_, written)| *written).chain(["+Inf"]);
        let mut below = 0;
        let buckets = ends.zip(&self.buckets).map(|(end, bucket)| {
            below += bucket.load(Ordering::Relaxed);
            (end, below)
        });
        let buckets = buckets.collect();
        let sum = self.sum.load(Ordering::Relaxed);
        let sum = if self.is_time { Duration::from_micros(sum).as_secs_f64().to_string() } else { sum.to_string() };
        Reading { buckets, sum }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_at_a_bound_lies_below_it() {
        let times = Histogram::of_times();
        for micros in [0, 500, 501, 1_000_000, 200_000_000_000] {
            times.time(Duration::from_micros(micros));
        }
        let read = times.read();
        let at = |end: &str| read.buckets.iter().find(|(other, _)| *other == end).map(|(_, count)| *count);
        assert_eq!([at("0.0005"), at("0.001"), at("0.5"), at("1"), at("86400")], [2, 3, 3, 4, 4].map(Some));
        assert_eq!((read.count(), read.sum.as_str()), (5, "200001.001001"));
        let numbers = Histogram::of_numbers();
        for number in [1, 3, 513] {
            numbers.number(number);
        }
        assert_eq!((numbers.read().count(), numbers.read().sum.as_str()), (3, "517"));
    }
}
