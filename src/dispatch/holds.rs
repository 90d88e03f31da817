//! Who asked to be left alone, and until when: destinations by their lanes, and what several destinations share by its gate.
//!
//! A service that says "too many" or "not now" speaks of all that is sent to it and not of one message. So what it asks for holds
//! the whole lane, whichever delivery met it, and a limit that several destinations use up together holds all of them.
//!
//! One that takes nothing in between and asks again is left alone for twice as long each time, up to five minutes, or for as long as
//! it asks, if that is more: `Retry-After: 0` or `1` for ever would otherwise be knocked at once a second for days. What it takes
//! ends that.
//!
//! The holds are kept in the store ([`crate::store::holds`]), in the commit of the result that brought them, and the next process
//! begins with them. A hold belongs to a destination as it was when it was said: whoever edits one, or disables it and enables it
//! again, wants to see it tried, and what it leads to may be another service now. Pausing and resuming says nothing about the receiver, so
//! the hold stays. What is held at a gate stays held: that word was not for this destination alone.

use std::collections::HashMap;
use std::time::Duration;

use crate::domain::id::DestinationId;
use crate::domain::time::Timestamp;
use crate::store::holds::{Hold, Kept};

/// The longest that a service is left alone beyond what it asks for.
const AGAIN_MAX: Duration = Duration::from_mins(5);

/// What is over is looked for and forgotten whenever twice as many are known as were left, and at least so many: memory must not grow
/// with the destinations.
const KNOWN_MAX: usize = 4096;

/// For which settings of a destination, and of whom beside it, a service's answer speaks: as they were when the send began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Whom {
    /// How many times the destination had been edited; nothing when it could not be read.
    pub revision: Option<i64>,
    /// What it shares with others.
    pub gate: Option<String>,
}

/// A destination that asked.
#[derive(Clone, Copy, Debug)]
struct Held {
    until: Timestamp,
    revision: Option<i64>,
    /// Since when it has taken nothing, and how many times it has asked in that time.
    since: Timestamp,
    times: u32,
}

/// All of them.
#[derive(Debug, Default)]
pub struct Holds {
    lanes: HashMap<DestinationId, Held>,
    gates: HashMap<String, Timestamp>,
    /// How many are known when what is over is forgotten next.
    sweep_at: usize,
}

impl Holds {
    /// Begins with what is known from before.
    pub fn begin(&mut self, kept: Vec<Kept>) {
        for kept in kept {
            match kept {
                Kept::Lane { id, revision, since, until } => {
                    self.lanes.insert(id, Held { until, revision: Some(revision), since, times: 1 });
                }
                Kept::Gate { gate, until } => {
                    self.gates.insert(gate, until);
                }
            }
        }
    }

    /// Until when nothing is sent there.
    #[must_use]
    pub fn until(&self, id: DestinationId, revision: Option<i64>, gate: Option<&String>) -> Timestamp {
        let lane = self.lanes.get(&id).filter(|held| held.revision == revision).map(|held| held.until);
        let gate = gate.and_then(|gate| self.gates.get(gate)).copied();
        lane.max(gate).unwrap_or_default()
    }

    /// Since when it has answered nothing but that it be left alone.
    #[must_use]
    pub fn since(&self, id: DestinationId, revision: Option<i64>) -> Option<Timestamp> {
        self.lanes.get(&id).filter(|held| held.revision == revision).map(|held| held.since)
    }

    /// It asks to be left alone until then, with all of its gate if `shared`. Returns what is to be kept of that.
    pub fn ask(&mut self, id: DestinationId, whom: Whom, shared: bool, until: Timestamp, now: Timestamp) -> Hold {
        self.forget_over(now);
        let new = Held { until, revision: whom.revision, since: now, times: 0 };
        let held = self.lanes.entry(id).or_insert(new);
        if held.revision != whom.revision {
            *held = new;
        }
        // Those that were under way together are asked once.
        if held.times == 0 || held.until <= now {
            let again = Duration::from_secs(1 << held.times.min(16)).min(AGAIN_MAX);
            held.until = if held.times == 0 { until } else { until.max(now.plus(again)) };
            held.times += 1;
        }
        held.until = held.until.max(until);
        let (since, held_until) = (held.since, held.until);
        let gate = whom.gate.filter(|_| shared).map(|gate| {
            let at_gate = self.gates.entry(gate.clone()).or_default();
            *at_gate = until.max(*at_gate);
            (gate, until)
        });
        Hold { revision: whom.revision.unwrap_or_default(), since, until: held_until, gate }
    }

    /// It took a message; says whether that ends what was kept. One that was under way when it asked ends nothing.
    pub fn took(&mut self, id: DestinationId, now: Timestamp) -> bool {
        let Some(held) = self.lanes.get_mut(&id) else { return false };
        if held.until > now {
            (held.since, held.times) = (now, 1);
            return false;
        }
        self.lanes.remove(&id);
        true
    }

    /// It starts with a clean slate.
    pub fn forget(&mut self, id: DestinationId) {
        self.lanes.remove(&id);
    }

    /// The clock was set back by this much: nobody is left alone for longer because of that.
    pub fn clock_went_back(&mut self, by: Duration) {
        for held in self.lanes.values_mut() {
            (held.until, held.since) = (held.until.minus(by), held.since.minus(by));
        }
        for until in self.gates.values_mut() {
            *until = until.minus(by);
        }
    }

    fn forget_over(&mut self, now: Timestamp) {
        if self.lanes.len() + self.gates.len() >= self.sweep_at.max(KNOWN_MAX) {
            self.lanes.retain(|_, held| held.until > now);
            self.gates.retain(|_, until| *until > now);
            self.sweep_at = 2 * (self.lanes.len() + self.gates.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000_000);
    const ID: DestinationId = DestinationId::new(1);

    fn at(seconds: u64) -> Timestamp {
        NOW.plus(Duration::from_secs(seconds))
    }

    fn whom(revision: i64, gate: &str) -> Whom {
        Whom { revision: Some(revision), gate: Some(gate.to_owned()) }
    }

    fn until(holds: &Holds, id: DestinationId) -> Timestamp {
        holds.until(id, Some(0), None)
    }

    #[test]
    fn who_takes_nothing_and_asks_again_is_left_alone_for_longer_each_time() {
        let mut holds = Holds::default();
        let (mut now, mut waits) = (NOW, Vec::new());
        for _ in 0..10 {
            for _ in 0..8 {
                holds.ask(ID, whom(0, ""), false, now.plus(Duration::from_secs(1)), now);
            }
            let next = until(&holds, ID);
            waits.push(next.since(now).as_secs());
            now = next;
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300], "those that were under way together count once");
        assert_eq!(holds.since(ID, Some(0)), Some(NOW));
        assert!(holds.took(ID, now) && holds.since(ID, Some(0)).is_none());
        holds.ask(ID, whom(0, ""), false, now.plus(Duration::from_secs(1)), now);
        assert_eq!(until(&holds, ID).since(now).as_secs(), 1, "it begins anew");
    }

    #[test]
    fn what_was_under_way_ends_no_hold() {
        let mut holds = Holds::default();
        holds.ask(ID, whom(0, ""), false, at(60), NOW);
        assert!(!holds.took(ID, at(1)));
        assert_eq!((until(&holds, ID), holds.since(ID, Some(0))), (at(60), Some(at(1))));
        assert!(!holds.took(DestinationId::new(2), at(1)), "nor was anything known of this one");
    }

    #[test]
    fn a_wish_is_not_shortened_by_another_one_and_ends_with_an_edit() {
        let mut holds = Holds::default();
        holds.ask(ID, whom(0, ""), false, at(60), NOW);
        holds.ask(ID, whom(0, ""), false, at(5), NOW);
        assert_eq!(until(&holds, ID), at(60));
        assert_eq!(holds.until(ID, Some(1), None), Timestamp::default(), "it was said for what was there before");
        holds.ask(ID, whom(1, ""), false, at(7), NOW);
        assert_eq!(holds.until(ID, Some(1), None), at(7));
    }

    #[test]
    fn a_gate_holds_all_that_share_it_and_outlives_who_met_it() {
        let mut holds = Holds::default();
        let (two, gate) = (DestinationId::new(2), "gate".to_owned());
        assert_eq!(holds.ask(ID, whom(0, "gate"), false, at(60), NOW).gate, None, "its own trouble");
        assert_eq!(holds.until(two, Some(0), Some(&gate)), Timestamp::default());
        assert_eq!(holds.ask(ID, whom(0, "gate"), true, at(60), NOW).gate, Some((gate.clone(), at(60))));
        holds.forget(ID);
        assert_eq!(holds.until(two, Some(0), Some(&gate)), at(60));
        assert_eq!(until(&holds, ID), Timestamp::default());
    }

    #[test]
    fn what_is_over_is_forgotten_when_there_are_many() {
        let mut holds = Holds::default();
        for number in 0..20_000 {
            let (now, then) = (at(number), at(number + 100));
            holds.ask(
                DestinationId::new(i64::try_from(number).unwrap()),
                whom(0, &number.to_string()),
                true,
                then,
                now,
            );
        }
        let known = holds.lanes.len() + holds.gates.len();
        assert!(known <= KNOWN_MAX + 2, "{known} are known");
    }
}
