//! The door before the writer: nobody fills the line in which all wait.
//!
//! The writer takes requests as they come. An account that sends more than can be written would fill its line, and everybody
//! else would wait behind. So each account has so many events in the line at most, and what it sends beyond that waits outside,
//! in order. Counted are events, as a request may hold a thousand of them; one that holds few counts for some more, as the line
//! holds so many requests only. While others send little, those who send much have a smaller part still, so that each transaction
//! is short for them; among those who all send much nobody would gain by that. Requests for several accounts are one line more,
//! which they share: whoever sends such takes no place of those who don't.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::domain::account::AccountKey;
use crate::domain::event::NewEvent;
use crate::store::writer::WAITING_MAX;

/// Events of one account that may wait in the writer's line: half of what one transaction takes.
const IN_LINE_MAX: usize = 2048;

/// Requests of one account that may wait there. With 128, a flood of one account made everybody else's events take six times as
/// long (`tests/bench/isolation`), as each commit carried so many of its; with 32, four times, and its own rate is what its commits allow.
const REQUESTS_MAX: usize = WAITING_MAX / 32;

/// As how many events a request counts at least while it waits outside.
const REQUEST_WEIGHT: usize = 16;

/// The same for who sends much beside others who send little: their events then take 1.6 to 1.9 times as long as without the flood;
/// with 2 no less, with 8 twice as long.
const REQUESTS_BESIDE_OTHERS: usize = 4;

/// For how long it is counted who sends how much.
const WINDOW: Duration = Duration::from_millis(100);

/// Events of an account in that time that are little.
const LITTLE: usize = 32;

/// Events of one account that may wait, in the line and outside, before whoever can come again is sent away: some two seconds'
/// work for this class of machine.
const AT_DOOR_MAX: usize = 8 * IN_LINE_MAX;

/// Accounts that are remembered although nothing of them waits.
const IDLE_MAX: usize = 1024;

/// Whose line it is: an account's, or that of requests for several.
type Whose = Option<AccountKey>;

/// One line for each account that sends.
#[derive(Default)]
pub(crate) struct Door {
    lines: Mutex<HashMap<Whose, Weak<Line>>>,
    lately: Mutex<Lately>,
}

/// Who sent how much of late.
#[derive(Default)]
struct Lately {
    since: Option<Instant>,
    events: HashMap<Whose, usize>,
    /// Whether somebody sent little in the time before.
    little: bool,
}

impl Lately {
    /// Counts; says whether they are of somebody who sends much beside others who send little.
    fn yields(&mut self, whose: &Whose, events: usize, now: Instant) -> bool {
        let age = self.since.map(|since| now.saturating_duration_since(since));
        if age.is_none_or(|age| age >= WINDOW) {
            self.little = age.is_some_and(|age| age < 2 * WINDOW) && self.events.values().any(|count| *count <= LITTLE);
            self.events.clear();
            self.since = Some(now);
        }
        let count = self.events.entry(whose.clone()).or_default();
        *count += events;
        *count > LITTLE && self.little
    }
}

struct Line {
    places: Arc<Semaphore>,
    /// The weight of what is in the line and outside.
    waiting: AtomicUsize,
}

/// A request at the door, until it is dropped.
struct AtDoor {
    line: Arc<Line>,
    weight: usize,
}

impl Drop for AtDoor {
    fn drop(&mut self) {
        self.line.waiting.fetch_sub(self.weight, Ordering::Relaxed);
    }
}

/// The places of a request in the writer's line, until it is dropped.
pub(crate) struct Places {
    /// Whether it leaves room for those who send little.
    pub(crate) yields: bool,
    _at_door: AtDoor,
    _in_line: Option<OwnedSemaphorePermit>,
}

impl Door {
    /// Waits for its account's turn.
    pub(crate) async fn pass(&self, events: &[NewEvent]) -> Places {
        let (whose, weight) = (whose(events), events.len().max(REQUEST_WEIGHT));
        let yields = lock(&self.lately).yields(&whose, events.len(), Instant::now());
        let line = self.line(whose);
        line.waiting.fetch_add(weight, Ordering::Relaxed);
        let at_door = AtDoor { line: line.clone(), weight };
        // What is more than the whole line has it to itself.
        let requests_max = if yields { REQUESTS_BESIDE_OTHERS } else { REQUESTS_MAX };
        let places = events.len().clamp(IN_LINE_MAX / requests_max, IN_LINE_MAX);
        let places = u32::try_from(places).unwrap_or(u32::MAX);
        // It is never closed.
        let in_line = line.places.clone().acquire_many_owned(places).await.ok();
        Places { yields, _at_door: at_door, _in_line: in_line }
    }

    /// Whether so many events of theirs wait that more had better come later. Whoever comes first is never sent away.
    pub(crate) fn is_crowded(&self, events: &[NewEvent]) -> bool {
        let waiting = self.line(whose(events)).waiting.load(Ordering::Relaxed);
        waiting > 0 && waiting + events.len().max(REQUEST_WEIGHT) > AT_DOOR_MAX
    }

    fn line(&self, whose: Whose) -> Arc<Line> {
        let mut lines = lock(&self.lines);
        if let Some(line) = lines.get(&whose).and_then(Weak::upgrade) {
            return line;
        }
        if lines.len() >= IDLE_MAX {
            lines.retain(|_, line| line.strong_count() > 0);
        }
        let places = Arc::new(Semaphore::new(IN_LINE_MAX));
        let line = Arc::new(Line { places, waiting: AtomicUsize::new(0) });
        lines.insert(whose, Arc::downgrade(&line));
        line
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

fn whose(events: &[NewEvent]) -> Whose {
    let (first, rest) = events.split_first()?;
    rest.iter().all(|event| event.account == first.account).then(|| first.account.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::payload::Payload;
    use futures_util::FutureExt;

    fn event(account: &str) -> NewEvent {
        NewEvent {
            account: account.parse().unwrap(),
            event_type: "job.fail".to_owned(),
            data: Payload::empty(),
            idempotency_key: None,
        }
    }

    fn events(account: &str, count: usize) -> Vec<NewEvent> {
        vec![event(account); count]
    }

    #[test]
    fn a_flood_of_one_account_keeps_nobody_else_out() {
        let door = Door::default();
        let flood: Vec<_> = (0..REQUESTS_MAX).map(|_| door.pass(&[event("acme")]).now_or_never()).collect();
        assert!(flood.iter().all(Option::is_some));
        assert!(door.pass(&[event("acme")]).now_or_never().is_none(), "its part of the line is full");
        assert!(door.pass(&[event("other")]).now_or_never().is_some());
        drop(flood);
        assert!(door.pass(&[event("acme")]).now_or_never().is_some());
    }

    #[test]
    fn who_sends_much_yields_to_those_who_send_little() {
        let began = Instant::now();
        let (mut lately, acme, other) = (Lately::default(), whose(&[event("acme")]), whose(&[event("other")]));
        let mut yields = |whose: &Whose, events, window: u32| lately.yields(whose, events, began + window * WINDOW);
        assert!(!yields(&acme, 1000, 0), "nobody else has sent anything");
        assert!(!yields(&other, 1, 0));
        assert!(yields(&acme, LITTLE + 1, 1));
        assert!(!yields(&other, LITTLE, 1), "it sends little");
        assert!(yields(&other, 1, 1), "and now much");
        assert!(!yields(&acme, LITTLE + 1, 2), "all sent much");
        assert!(!yields(&other, 1, 2));
        assert!(!yields(&acme, LITTLE + 1, 4), "the other was long ago");
    }

    #[test]
    fn who_yields_has_a_smaller_part_of_the_line() {
        let door = Door::default();
        // A time that does not end while this runs, however slow the machine is.
        let since = Some(Instant::now() + Duration::from_hours(1));
        let events = HashMap::from([(whose(&[event("acme")]), LITTLE)]);
        *lock(&door.lately) = Lately { since, events, little: true };
        let flood: Vec<_> = (0..REQUESTS_BESIDE_OTHERS).map(|_| door.pass(&[event("acme")]).now_or_never()).collect();
        assert!(flood.iter().flatten().all(|places| places.yields) && flood.iter().all(Option::is_some));
        assert!(door.pass(&[event("acme")]).now_or_never().is_none());
        assert!(door.pass(&[event("other")]).now_or_never().is_some_and(|places| !places.yields));
    }

    #[test]
    fn a_batch_takes_as_many_places_as_it_has_events_and_one_for_several_accounts_takes_none_of_theirs() {
        let door = Door::default();
        let half = events("acme", IN_LINE_MAX / 2);
        let first = door.pass(&half).now_or_never();
        let second = door.pass(&half).now_or_never();
        assert!(first.is_some() && second.is_some());
        assert!(door.pass(&[event("acme")]).now_or_never().is_none());
        let mixed: Vec<_> = half.iter().cloned().chain(events("other", 2000)).collect();
        let third = door.pass(&mixed).now_or_never();
        assert!(third.is_some(), "more than a whole line has it to itself");
        assert!(door.pass(&mixed).now_or_never().is_none());
        assert!(door.pass(&[event("other")]).now_or_never().is_some());
    }

    #[test]
    fn who_sends_more_than_can_wait_is_sent_away_and_nobody_else() {
        let door = Door::default();
        assert!(!door.is_crowded(&events("acme", 2 * AT_DOOR_MAX)), "whoever comes first");
        let batch = events("acme", AT_DOOR_MAX / 16);
        let mut waiting: Vec<_> = (0..16).map(|_| Box::pin(door.pass(&batch))).collect();
        let passed: Vec<_> = waiting.iter_mut().filter_map(FutureExt::now_or_never).collect();
        assert_eq!(passed.len(), 2, "the others wait outside");
        assert!(door.is_crowded(&batch));
        assert!(door.is_crowded(&[event("acme")]));
        assert!(!door.is_crowded(&[event("other")]));
        drop((waiting, passed));
        assert!(!door.is_crowded(&batch), "who no longer waits does not count");
    }

    #[test]
    fn accounts_that_send_no_more_are_forgotten() {
        let door = Door::default();
        for number in 0..3 * IDLE_MAX {
            drop(door.pass(&[event(&format!("acme-{number}"))]).now_or_never());
        }
        assert!(door.lines.lock().unwrap().len() <= IDLE_MAX);
    }
}
