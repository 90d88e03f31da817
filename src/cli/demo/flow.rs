//! The demo's events: a few a minute, as people make them, and now and then a burst, as an incident does.

use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::domain::account::AccountKey;
use crate::domain::event::NewEvent;
use crate::domain::payload::Payload;
use crate::store::Store;

const EVENTS: &str = include_str!("../../../assets/demo/events.ndjson");

/// Events that are there when the console opens.
const AT_START: usize = 8;

/// Pause between two events, at least; as much again may come on top.
const PAUSE: Duration = Duration::from_secs(6);

/// After so many pauses comes a burst.
const BURST_EVERY: u64 = 9;

/// How many events a burst has, and the pause between two of them.
const BURST: (u64, Duration) = (24, Duration::from_millis(120));

#[derive(Deserialize)]
struct Line<'a> {
    event_type: String,
    #[serde(borrow)]
    data: &'a RawValue,
}

/// The sample events, in the order of their file. A line that is none would be a mistake in the asset; its test finds it.
fn samples() -> Vec<(String, Payload)> {
    EVENTS
        .lines()
        .filter_map(|line| {
            let line: Line<'_> = serde_json::from_str(line).ok()?;
            Some((line.event_type, Payload::parse(line.data.get()).ok()?))
        })
        .collect()
}

/// Sends events to the accounts until the store is closed.
pub async fn run(store: Store, mut source: Source) {
    let first = (0..AT_START).filter_map(|position| source.next_for(position)).collect();
    if store.accept(first).await.is_err() {
        return;
    }
    for round in 1_u64.. {
        let (count, pause) = if round.is_multiple_of(BURST_EVERY) { BURST } else { (1, Duration::ZERO) };
        for _ in 0..count {
            let Some(event) = source.next_for_any() else { return };
            if store.accept(vec![event]).await.is_err() {
                return;
            }
            tokio::time::sleep(pause).await;
        }
        tokio::time::sleep(PAUSE + PAUSE.mul_f64(source.random.fraction())).await;
    }
}

/// The sample events, one after the other, and the accounts that they may happen to.
pub struct Source {
    accounts: Vec<AccountKey>,
    samples: Vec<(String, Payload)>,
    random: Random,
    position: usize,
}

impl Source {
    /// From the first sample on; `seed` decides whom they happen to.
    #[must_use]
    pub fn new(accounts: Vec<AccountKey>, seed: u64) -> Self {
        Self { accounts, samples: samples(), random: Random(seed | 1), position: 0 }
    }

    /// The next sample, for any of the accounts.
    pub fn next_for_any(&mut self) -> Option<NewEvent> {
        let account = self.random.below(self.accounts.len());
        self.next_for(account)
    }

    /// The next sample, for the account at that place, counted round and round.
    pub fn next_for(&mut self, account: usize) -> Option<NewEvent> {
        let (event_type, data) = self.samples.get(self.position % self.samples.len().max(1))?.clone();
        self.position += 1;
        let account = self.accounts.get(account % self.accounts.len().max(1))?.clone();
        Some(NewEvent { account, event_type, data, idempotency_key: None })
    }
}

/// Marsaglia's xorshift64: enough for a demo that should not look the same each time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).unwrap_or(1).max(1);
        usize::try_from(self.next() % end).unwrap_or(0)
    }

    /// From 0 to 1.
    fn fraction(&mut self) -> f64 {
        f64::from(u32::try_from(self.next() % 1000).unwrap_or(0)) / 1000.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::catalogue::Catalogue;

    #[test]
    fn every_sample_event_is_one() {
        let catalogue = Catalogue::new(Vec::new());
        let samples = samples();
        assert_eq!(samples.len(), EVENTS.lines().count());
        for (event_type, _) in samples {
            assert!(catalogue.get(&event_type).is_some(), "{event_type}");
        }
    }
}
