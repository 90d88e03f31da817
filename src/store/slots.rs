//! Which lanes are free: lets the commit that stores a delivery claim it as well.
//!
//! The dispatcher offers, for each lane in which nothing is due, how many more deliveries it would claim at once; the writer
//! takes from that while it accepts, stores the row as being sent, and hands the message over in memory. So a delivery on a quiet
//! lane costs one commit before it leaves instead of two, and nothing of it is read back. What is not offered waits and is
//! claimed as ever, so a lane that is slow, paused, held, limited or behind never gets anything ahead of what waits in it.
//!
//! Both sides meet under one short lock. It is held for a look-up, never over a wait.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::domain::id::DestinationId;

/// A hold on the table; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Slots {
    table: Arc<Mutex<Table>>,
}

#[derive(Debug, Default)]
struct Table {
    /// How long a claim of this kind lasts; nothing while no dispatcher runs.
    lease: Option<Duration>,
    lanes: HashMap<DestinationId, Slot>,
    /// Offers that know of fewer changes than these ([`crate::store::Revision::lanes`]) are out of date.
    changes: u64,
    /// Claims handed over and not yet received.
    in_flight: usize,
}

#[derive(Debug, Default)]
struct Slot {
    /// How many may still be claimed.
    left: usize,
    /// Claimed by the writer, and not yet received by the dispatcher.
    in_flight: usize,
    /// Stored as waiting, and not yet told to the dispatcher: what comes later must not overtake it.
    untold: usize,
}

impl Slots {
    /// From now on lanes may be offered; a claim lasts that long.
    pub fn open(&self, lease: Duration) {
        self.lock().lease = Some(lease);
    }

    /// Nothing is claimed by the writer any more, until lanes are offered again. What was claimed before still arrives.
    pub fn withdraw_all(&self) {
        for slot in self.lock().lanes.values_mut() {
            slot.left = 0;
        }
    }

    /// As [`Slots::withdraw_all`], for good.
    pub fn close(&self) {
        self.withdraw_all();
        self.lock().lease = None;
    }

    /// Whoever offers must know of that many changes ([`crate::store::Revision::lanes`]): a destination may have been paused, or
    /// something may wait in its lane.
    pub(crate) fn changed(&self, changes: u64) {
        self.withdraw_all();
        self.lock().changes = changes;
    }

    /// Lets `free` deliveries of a lane be claimed by the writer, those included that are on their way to the dispatcher, which
    /// knows of that many changes.
    pub fn offer(&self, lane: DestinationId, free: usize, changes: u64) {
        let mut table = self.lock();
        if table.lease.is_none() || changes < table.changes || (free == 0 && !table.lanes.contains_key(&lane)) {
            return;
        }
        let slot = table.lanes.entry(lane).or_default();
        slot.left = if slot.untold == 0 { free.saturating_sub(slot.in_flight) } else { 0 };
    }

    /// A claim has reached the dispatcher.
    pub fn received(&self, lane: DestinationId) {
        let mut table = self.lock();
        table.in_flight = table.in_flight.saturating_sub(1);
        if let Some(slot) = table.lanes.get_mut(&lane) {
            slot.in_flight = slot.in_flight.saturating_sub(1);
        }
    }

    /// The dispatcher was told of a delivery that waits.
    pub fn told(&self, lane: DestinationId) {
        if let Some(slot) = self.lock().lanes.get_mut(&lane) {
            slot.untold = slot.untold.saturating_sub(1);
        }
    }

    /// Forgets a lane in which nothing is; says whether it could be, with nothing on its way.
    #[must_use]
    pub fn forget(&self, lane: DestinationId) -> bool {
        let mut table = self.lock();
        let quiet = table.lanes.get(&lane).is_none_or(|slot| slot.in_flight == 0 && slot.untold == 0);
        if quiet {
            table.lanes.remove(&lane);
        }
        quiet
    }

    /// Claims that are on their way to the dispatcher.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.lock().in_flight
    }

    /// Takes a slot of the lane, when there is one: how long the claim lasts.
    pub(crate) fn take(&self, lane: DestinationId) -> Option<Duration> {
        let mut table = self.lock();
        let lease = table.lease?;
        let slot = table.lanes.get_mut(&lane).filter(|slot| slot.left > 0)?;
        slot.left -= 1;
        slot.in_flight += 1;
        table.in_flight += 1;
        Some(lease)
    }

    /// A delivery of the lane waits.
    pub(crate) fn waits(&self, lane: DestinationId) {
        let mut table = self.lock();
        if table.lease.is_some() {
            let slot = table.lanes.entry(lane).or_default();
            slot.left = 0;
            slot.untold += 1;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LANE: DestinationId = DestinationId::new(1);

    fn open() -> Slots {
        let slots = Slots::default();
        slots.open(Duration::from_secs(30));
        slots
    }

    #[test]
    fn what_is_on_its_way_counts() {
        let slots = open();
        assert!(slots.take(LANE).is_none(), "nothing was offered");
        slots.offer(LANE, 2, 0);
        assert!(slots.take(LANE).is_some());
        slots.offer(LANE, 2, 0);
        assert!(slots.take(LANE).is_some());
        assert!(slots.take(LANE).is_none(), "two are on their way");
        assert_eq!(slots.in_flight(), 2);
        slots.received(LANE);
        slots.offer(LANE, 1, 0);
        assert!(slots.take(LANE).is_none(), "one is on its way still");
        assert!(!slots.forget(LANE));
        slots.received(LANE);
        assert!(slots.forget(LANE));
    }

    #[test]
    fn nothing_overtakes_what_waits() {
        let slots = open();
        slots.offer(LANE, 2, 0);
        slots.waits(LANE);
        assert!(slots.take(LANE).is_none());
        slots.offer(LANE, 2, 0);
        assert!(slots.take(LANE).is_none(), "the dispatcher has not heard of it when it offers");
        slots.told(LANE);
        slots.offer(LANE, 2, 0);
        assert!(slots.take(LANE).is_some());
    }

    #[test]
    fn an_offer_that_is_out_of_date_is_none() {
        let slots = open();
        slots.offer(LANE, 2, 0);
        slots.changed(1);
        assert!(slots.take(LANE).is_none());
        slots.offer(LANE, 2, 0);
        assert!(slots.take(LANE).is_none());
        slots.offer(LANE, 2, 1);
        assert!(slots.take(LANE).is_some());
    }

    #[test]
    fn nothing_is_claimed_for_nobody() {
        let slots = open();
        slots.offer(LANE, 2, 0);
        slots.withdraw_all();
        assert!(slots.take(LANE).is_none());
        slots.offer(LANE, 2, 0);
        slots.close();
        slots.offer(LANE, 2, 0);
        assert!(slots.take(LANE).is_none());
    }
}
