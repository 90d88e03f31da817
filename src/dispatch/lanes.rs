//! All lanes: which may have something to do, when the next one will, and what several share.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::time::Duration;

use crate::channels::limit::{Allowance, Limit};
use crate::dispatch::holds::Holds;
use crate::dispatch::lane::Lane;
use crate::dispatch::limit::Bucket;
use crate::dispatch::pace;
use crate::dispatch::want::Want;
use crate::domain::id::{DeliveryId, DestinationId};
use crate::domain::time::Timestamp;
use crate::store::lanes::Changed;

/// Lanes that are remembered although they have nothing to do, for their set-up's sake.
const IDLE_MAX: usize = 4096;

/// Lanes that are known, beyond which no more are read of those that wait: memory must not grow with the backlog.
const KNOWN_MAX: usize = 2 * IDLE_MAX;

/// The lanes by destination.
#[derive(Debug, Default)]
pub struct Lanes {
    by_id: HashMap<DestinationId, Lane>,
    /// Whoever asked to be left alone, also where the lane is forgotten.
    pub holds: Holds,
    active: VecDeque<DestinationId>,
    queued: HashSet<DestinationId>,
    /// One for each lane at most: a lane that is looked at says anew what it waits for.
    timers: BTreeSet<(Timestamp, DestinationId)>,
    /// The timer of each lane that has one.
    earliest: HashMap<DestinationId, Timestamp>,
    /// When something was last claimed as it was stored.
    fresh_at: Timestamp,
    /// What is left of services' limits. They outlive a set-up that is read again, or each change would fill them.
    buckets: HashMap<Limit, Bucket>,
}

impl Lanes {
    /// The lane of a destination, new when it was not known. It is looked at in the next round.
    pub fn touch(&mut self, id: DestinationId) -> &mut Lane {
        self.activate(id);
        self.by_id.entry(id).or_default()
    }

    /// Something waits in a lane, the first of it until that time. One in which nothing is due yet costs a timer and no more.
    pub fn waits(&mut self, id: DestinationId, due_at: Timestamp, now: Timestamp) {
        if due_at > now && !self.by_id.contains_key(&id) {
            self.set_timer(id, due_at);
        } else {
            self.touch(id).head_is_stale();
        }
    }

    /// Whether so many lanes are at work that others have to wait for them.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.by_id.len() > KNOWN_MAX
    }

    /// The lane of a destination, when it is known.
    pub fn get(&mut self, id: DestinationId) -> Option<&mut Lane> {
        self.by_id.get_mut(&id)
    }

    /// Every lane.
    pub fn all(&mut self) -> impl Iterator<Item = (DestinationId, &mut Lane)> {
        self.by_id.iter_mut().map(|(id, lane)| (*id, lane))
    }

    /// Reads the set-ups of these again, and of those lanes of which it is not known whose they are.
    pub fn forget_setups(&mut self, changed: &Changed) {
        for (id, lane) in &mut self.by_id {
            let account = lane.setup().and_then(|setup| setup.account);
            let same = match (changed, account) {
                (Changed::Nothing, _) => true,
                (Changed::Accounts(accounts), Some(account)) => !accounts.contains(&account),
                (Changed::Accounts(_), None) | (Changed::All, _) => false,
            };
            if !same {
                lane.forget_setup();
                if self.queued.insert(*id) {
                    self.active.push_back(*id);
                }
            }
        }
    }

    /// Looks at a lane in the next round.
    pub fn activate(&mut self, id: DestinationId) {
        if self.queued.insert(id) {
            self.active.push_back(id);
        }
    }

    /// Looks at every lane in the next round.
    pub fn activate_all(&mut self) {
        for id in self.by_id.keys() {
            if self.queued.insert(*id) {
                self.active.push_back(*id);
            }
        }
    }

    /// The next lane to look at in this round.
    pub fn next_active(&mut self) -> Option<DestinationId> {
        let id = self.active.pop_front()?;
        self.queued.remove(&id);
        Some(id)
    }

    /// How many are to be looked at.
    #[must_use]
    pub fn active(&self) -> usize {
        self.active.len()
    }

    /// Something was claimed as it was stored.
    pub const fn fresh(&mut self, now: Timestamp) {
        self.fresh_at = now;
    }

    /// Whether there has been fresh work of late, for which a backlog is to leave room.
    #[must_use]
    pub fn is_beside_fresh(&self, now: Timestamp) -> bool {
        pace::is_beside_fresh(self.fresh_at, now)
    }

    /// What a lane wants. A lane that waits for a time is looked at again then; one that has nothing to do may be forgotten until
    /// then.
    pub fn want(&mut self, id: DestinationId, now: Timestamp) -> Want {
        let many = self.by_id.len() > IDLE_MAX;
        let Some(lane) = self.by_id.get_mut(&id) else { return Want::Nothing };
        let held_until = held_until(&self.holds, id, lane);
        let limit = lane.setup().and_then(|setup| setup.rules.rate.as_ref());
        if let Some(limit) = limit.filter(|limit| !self.buckets.contains_key(limit)) {
            if self.buckets.len() >= IDLE_MAX {
                self.buckets.retain(|_, bucket| !bucket.is_full(now));
            }
            self.buckets.insert(limit.clone(), Bucket::new(limit.rate, now));
        }
        let bucket = limit.and_then(|limit| self.buckets.get_mut(limit));
        let fresh = pace::is_beside_fresh(self.fresh_at, now);
        let want = lane.want(now, held_until, fresh, bucket);
        if many && lane.is_idle() {
            self.by_id.remove(&id);
        }
        if let Want::At(at) = want {
            self.set_timer(id, at);
        }
        want
    }

    /// How many more deliveries of a lane may be claimed as they are stored: none where something waits that is due.
    pub fn free(&mut self, id: DestinationId, now: Timestamp) -> usize {
        let Some(lane) = self.by_id.get_mut(&id) else { return 0 };
        lane.free(now, held_until(&self.holds, id, lane))
    }

    /// A claim came back without this delivery, which is not sent and so takes nothing of its service's limit.
    pub fn not_claimed(&mut self, id: DestinationId, delivery: DeliveryId) {
        let lane = self.touch(id);
        lane.not_claimed(delivery);
        let limit = lane.setup().and_then(|setup| setup.rules.rate.clone());
        if let Some(bucket) = limit.and_then(|limit| self.buckets.get_mut(&limit)) {
            bucket.give_back();
        }
    }

    /// Whether what is claimed for a lane may be sent now, as far as is known.
    pub fn may_send(&mut self, id: DestinationId, now: Timestamp) -> bool {
        let Some(lane) = self.by_id.get(&id) else { return true };
        lane.may_send() && held_until(&self.holds, id, lane) <= now
    }

    /// A send of this lane has ended, and with it may have come its service's word for what is left of its limit.
    pub fn sent(&mut self, id: DestinationId, word: Option<Allowance>, now: Timestamp) {
        let limit_of = |lane: &Lane| lane.setup().and_then(|setup| setup.rules.rate.clone());
        let Some(limit) = self.by_id.get(&id).and_then(limit_of) else { return };
        let Some(bucket) = self.buckets.get_mut(&limit) else { return };
        bucket.sent(now);
        let Some(word) = word else { return };
        let sharing = self.by_id.values().filter(|lane| limit_of(lane).as_ref() == Some(&limit));
        let under_way: usize = sharing.map(|lane| lane.claimed.len()).sum();
        // The send that was answered is among them.
        let others = u32::try_from(under_way.saturating_sub(1)).unwrap_or(u32::MAX);
        bucket.tell(word, others);
    }

    /// The clock was set back by this much: no lane waits longer for that.
    pub fn clock_went_back(&mut self, by: Duration) {
        self.timers.clear();
        self.earliest.clear();
        self.holds.clock_went_back(by);
        for bucket in self.buckets.values_mut() {
            bucket.clock_went_back(by);
        }
        for lane in self.by_id.values_mut() {
            lane.head_is_stale();
        }
        self.activate_all();
    }

    /// Looks at those lanes again whose time has come.
    pub fn wake(&mut self, now: Timestamp) {
        while let Some((at, id)) = self.timers.first().copied() {
            if at > now {
                return;
            }
            self.timers.pop_first();
            self.earliest.remove(&id);
            self.touch(id);
        }
    }

    fn set_timer(&mut self, id: DestinationId, at: Timestamp) {
        let set = self.earliest.get(&id).copied();
        if set.is_none_or(|set| at < set) {
            if let Some(set) = set {
                self.timers.remove(&(set, id));
            }
            self.earliest.insert(id, at);
            self.timers.insert((at, id));
        }
    }

    /// When the next lane's time comes.
    #[must_use]
    pub fn next_time(&self) -> Option<Timestamp> {
        self.timers.first().map(|(at, _)| *at)
    }
}

fn held_until(holds: &Holds, id: DestinationId, lane: &Lane) -> Timestamp {
    let setup = lane.setup();
    let revision = setup.and_then(|setup| setup.revision);
    holds.until(id, revision, setup.and_then(|setup| setup.rules.gate.as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channels::{LaneRules, Rate};
    use crate::dispatch::setup::Setup;
    use crate::domain::channel::Channel;
    use crate::domain::destination::DestinationState;
    use crate::store::queue::Waiting;

    #[test]
    fn a_lane_has_one_timer_however_often_it_is_looked_at() {
        let now = Timestamp::from_millis(1_000_000);
        let later = |seconds| now.plus(Duration::from_secs(seconds));
        let id = DestinationId::new(1);
        let mut lanes = Lanes::default();
        lanes.touch(id);
        assert_eq!(lanes.next_active(), Some(id));
        for _ in 0..1000 {
            lanes.set_timer(id, later(9));
        }
        lanes.set_timer(id, later(5));
        assert_eq!((lanes.timers.len(), lanes.next_time()), (1, Some(later(5))));
        lanes.wake(later(4));
        assert_eq!(lanes.active(), 0);
        lanes.wake(later(9));
        assert_eq!((lanes.active(), lanes.timers.len(), lanes.earliest.len()), (1, 0, 0));
    }

    /// A lane to a service with a limit, in which so many wait.
    fn limited(lanes: &mut Lanes, id: DestinationId, limit: &Limit, waiting: i64) {
        let head = (1..=waiting).map(|delivery| Waiting { delivery: DeliveryId::new(delivery), due_at: NOW });
        set_up(lanes, id, Some(limit));
        assert_eq!(lanes.want(id, NOW), Want::Head(false));
        lanes.touch(id).set_head(head);
    }

    fn set_up(lanes: &mut Lanes, id: DestinationId, limit: Option<&Limit>) {
        let rules = LaneRules { concurrency: if limit.is_some() { 1 } else { 8 }, rate: limit.cloned(), gate: None };
        let settings = Err("never sent in this test".to_owned());
        let state = DestinationState::Enabled;
        lanes.touch(id);
        assert_eq!(lanes.want(id, NOW), Want::Setup);
        let (channel, account) = (Channel::Webhook, None);
        let (held, strict, failing_since, revision) = (false, false, None, Some(0));
        lanes.touch(id).set_up(Setup {
            channel,
            account,
            revision,
            settings,
            rules,
            state,
            failing_since,
            held,
            strict,
        });
    }

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    #[test]
    fn fresh_work_is_expected_to_go_on_for_a_while() {
        let mut lanes = Lanes::default();
        assert!(!lanes.is_beside_fresh(NOW));
        lanes.fresh(NOW);
        let id = DestinationId::new(1);
        set_up(&mut lanes, id, None);
        assert_eq!(lanes.want(id, NOW), Want::Head(false));
        lanes
            .touch(id)
            .set_head((1..=256).map(|delivery| Waiting { delivery: DeliveryId::new(delivery), due_at: NOW }));
        lanes.touch(id).sent(Duration::from_millis(1));
        let Want::Claim(beside_fresh) = lanes.want(id, NOW) else { panic!("nothing is claimed") };
        let Want::Claim(more) = lanes.want(id, NOW.plus(Duration::from_millis(100))) else {
            panic!("no more is claimed")
        };
        assert_eq!((beside_fresh.len(), more.len()), (16, 240), "a backlog yields to it");
        for (after, expected) in [(0, true), (50, true), (100, false)] {
            assert_eq!(lanes.is_beside_fresh(NOW.plus(Duration::from_millis(after))), expected, "{after} ms later");
        }
    }

    #[test]
    fn lanes_with_the_same_limit_use_it_up_together_whatever_is_read_again() {
        let limit = Limit::by(Rate { count: 1, per: Duration::from_secs(1) }, &["https://chat.test", "token"]);
        let (one, two) = (DestinationId::new(1), DestinationId::new(2));
        let mut lanes = Lanes::default();
        limited(&mut lanes, one, &limit, 2);
        limited(&mut lanes, two, &limit, 2);
        assert!(matches!(lanes.want(one, NOW), Want::Claim(_)));
        let next = NOW.plus(Duration::from_secs(1));
        assert_eq!(lanes.want(two, NOW), Want::At(next));
        lanes.touch(one).forget_setup();
        set_up(&mut lanes, one, Some(&limit));
        lanes.touch(one).claimed.clear();
        assert_eq!(lanes.want(one, NOW), Want::At(next), "the rate is still the rate");
    }

    #[test]
    fn a_services_word_counts_what_is_under_way_beside_it() {
        let limit = Limit::by(Rate { count: 100, per: Duration::from_mins(5) }, &["https://chat.test", "token"]);
        let (one, two) = (DestinationId::new(1), DestinationId::new(2));
        let mut lanes = Lanes::default();
        limited(&mut lanes, one, &limit, 9);
        limited(&mut lanes, two, &limit, 9);
        assert!(matches!(lanes.want(one, NOW), Want::Claim(_)) && matches!(lanes.want(two, NOW), Want::Claim(_)));
        let until = NOW.plus(Duration::from_mins(1));
        lanes.sent(one, Some(Allowance { left: 1, until }), NOW);
        lanes.touch(one).claimed.clear();
        assert_eq!(lanes.want(one, NOW), Want::At(until), "the one that is left is under way in the other lane");
    }

    #[test]
    fn a_lane_in_which_nothing_is_due_is_a_timer_until_then() {
        let later = NOW.plus(Duration::from_hours(1));
        let mut lanes = Lanes::default();
        for number in 0..100_000 {
            lanes.waits(DestinationId::new(number), later, NOW);
        }
        assert_eq!((lanes.by_id.len(), lanes.active(), lanes.next_time()), (0, 0, Some(later)));
        lanes.waits(DestinationId::new(7), NOW, NOW);
        assert_eq!((lanes.by_id.len(), lanes.active()), (1, 1), "that one is due now");
        lanes.wake(later);
        assert_eq!(lanes.active(), 100_000);
    }

    #[test]
    fn lanes_that_wait_for_a_time_are_forgotten_until_then_when_there_are_many() {
        let mut lanes = Lanes::default();
        let limit = Limit::by(Rate { count: 1, per: Duration::from_secs(1) }, &["https://chat.test", "token"]);
        let later = NOW.plus(Duration::from_hours(1));
        let count = i64::try_from(3 * IDLE_MAX).unwrap();
        for id in (0..count).map(DestinationId::new) {
            set_up(&mut lanes, id, Some(&limit));
            assert_eq!(lanes.want(id, NOW), Want::Head(false));
            lanes.touch(id).set_head([Waiting { delivery: DeliveryId::new(1), due_at: later }].into_iter());
            assert!(matches!(lanes.want(id, NOW), Want::At(_)));
        }
        assert!(lanes.by_id.len() <= IDLE_MAX + 1, "{} lanes are kept", lanes.by_id.len());
        assert_eq!(lanes.timers.len(), 3 * IDLE_MAX);
        assert!(!lanes.is_full());
        lanes.wake(later);
        assert_eq!(lanes.by_id.len(), 3 * IDLE_MAX, "each is looked at again in its time");
        assert!(lanes.is_full());
    }

    #[test]
    fn a_busy_lane_with_a_far_retry_has_one_timer_too() {
        let now = Timestamp::from_millis(1_000_000);
        let id = DestinationId::new(1);
        let mut lanes = Lanes::default();
        for second in 0..1000 {
            lanes.set_timer(id, now.plus(Duration::from_hours(24)));
            lanes.set_timer(id, now.plus(Duration::from_secs(second)));
            lanes.wake(now.plus(Duration::from_secs(second)));
        }
        assert!(lanes.timers.len() <= 1, "{} timers of one lane", lanes.timers.len());
    }
}
