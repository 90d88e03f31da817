//! One destination's lane: what waits for it, what is under way, and whether it may send now.
//!
//! Pure bookkeeping: it reads no store and sends nothing. What is known of the waiting deliveries is its [`Head`].

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use crate::dispatch::head::Head;
use crate::dispatch::limit::Bucket;
use crate::dispatch::pace::Pace;
use crate::dispatch::setup::Setup;
use crate::dispatch::shares::{Share, Speed};
use crate::dispatch::want::Want;
use crate::domain::destination::DestinationState;
use crate::domain::id::DeliveryId;
use crate::domain::time::Timestamp;
use crate::store::queue::{Claimed, Waiting};

/// A lane.
#[derive(Debug, Default)]
pub struct Lane {
    setup: Option<Setup>,
    /// As the last set-up said, which is what the head was read for.
    pub strict: bool,
    /// Somebody may have changed the set-up since its read was asked for, which that read may or may not see.
    setup_missed: bool,
    head: Head,
    reading: bool,
    /// Claims asked for or in force: being claimed, claimed, being sent, being written.
    pub claimed: HashSet<DeliveryId>,
    /// Claimed and not yet being sent.
    pub ready: VecDeque<Claimed>,
    /// Being sent.
    pub sending: usize,
    /// When its failing was last noted in the store.
    pub noted_at: Option<Timestamp>,
    pace: Pace,
}

impl Lane {
    /// The set-up, when it has been read.
    #[must_use]
    pub const fn setup(&self) -> Option<&Setup> {
        self.setup.as_ref()
    }

    /// Whether its destination may be sent to, as far as is known.
    #[must_use]
    pub fn may_send(&self) -> bool {
        self.setup.as_ref().is_none_or(|setup| setup.state == DestinationState::Enabled)
    }

    /// Takes a set-up that was read, unless it may be out of date already: then it is wanted again.
    pub fn set_up(&mut self, setup: Setup) {
        self.reading = false;
        if std::mem::take(&mut self.setup_missed) {
            return;
        }
        // What is known by one order says nothing of the other.
        if std::mem::replace(&mut self.strict, setup.strict) != setup.strict {
            self.head = Head::default();
        }
        self.setup = Some(setup);
    }

    /// Forgets the set-up: somebody may have changed it.
    pub fn forget_setup(&mut self) {
        self.setup = None;
        self.setup_missed = true;
    }

    /// Sends nothing more until the set-up is read again: the destination is about to be disabled.
    pub fn disable(&mut self) {
        if let Some(setup) = &mut self.setup {
            setup.state = DestinationState::Disabled;
        }
    }

    /// A new word about how the destination is doing.
    pub fn set_failing_since(&mut self, since: Option<Timestamp>) {
        if let Some(setup) = &mut self.setup {
            setup.failing_since = since;
        }
    }

    /// There may be more waiting than is known, and before it.
    pub fn head_is_stale(&mut self) {
        self.head.is_stale();
    }

    /// Takes a head that was read.
    pub fn set_head(&mut self, waiting: impl Iterator<Item = Waiting>) {
        self.reading = false;
        self.head.read(waiting, |delivery| self.claimed.contains(&delivery));
    }

    /// Reading failed: it is wanted again.
    pub fn reading_failed(&mut self) {
        self.reading = false;
    }

    /// A delivery that is pending since just now.
    pub fn push(&mut self, waiting: Waiting) {
        if self.strict {
            self.head.is_stale();
        } else if !self.claimed.contains(&waiting.delivery) {
            self.head.push(waiting);
        }
    }

    /// Whether nothing is known of it that could not be read again: nothing is under way, nor about to be.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.claimed.is_empty() && !self.reading
    }

    /// A claim is at an end: what follows is written.
    pub fn ended(&mut self, delivery: DeliveryId) {
        if self.claimed.remove(&delivery) && self.strict {
            self.head.is_stale();
        }
    }

    /// Takes back a claim that was asked for and did not come about.
    pub fn unclaim(&mut self, delivery: DeliveryId) {
        self.claimed.remove(&delivery);
        self.head.is_stale();
    }

    /// How its destination answers. One that has failed so far may well be one that hangs.
    fn speed(&self) -> Speed {
        let fails = self.setup.as_ref().is_some_and(|setup| setup.failing_since.is_some());
        if fails && self.pace.speed() == Speed::Unknown { Speed::Slow } else { self.pace.speed() }
    }

    /// On whose behalf the next claimed delivery is sent, if one more may be under way.
    #[must_use]
    pub fn next_share(&self) -> Option<Share> {
        let setup = self.setup.as_ref()?;
        let free = !self.ready.is_empty() && self.sending < setup.rules.concurrency.max(1) as usize;
        let (channel, account) = (setup.channel, setup.account);
        free.then(|| Share { channel, account, speed: self.speed(), sending: self.sending })
    }

    /// A claim came back without this delivery: it ended or was folded, and perhaps others with it.
    pub fn not_claimed(&mut self, delivery: DeliveryId) {
        self.claimed.remove(&delivery);
        self.head.forget();
    }

    /// The next claimed delivery to send, if one more may be under way.
    pub fn next_send(&mut self) -> Option<Claimed> {
        let concurrency = self.setup.as_ref()?.rules.concurrency.max(1) as usize;
        if self.sending < concurrency { self.ready.pop_front().inspect(|_| self.sending += 1) } else { None }
    }

    /// A send has ended, after that time.
    pub fn sent(&mut self, took: Duration) {
        self.sending = self.sending.saturating_sub(1);
        self.pace.took(took);
    }

    /// A send has lasted for long and goes on.
    pub fn is_late(&mut self) {
        self.pace.late();
    }

    /// How many deliveries that come in now may be claimed as they are stored: what waits and is due goes first, and where order
    /// matters, all that waits. None where several lanes share a limit, which only the engine can share out.
    pub fn free(&mut self, now: Timestamp, held_until: Timestamp) -> usize {
        let Some(setup) = self.setup.as_ref().filter(|_| !self.reading && !self.head.must_be_read()) else { return 0 };
        let concurrency = setup.rules.concurrency.max(1);
        let in_turn = if self.strict {
            false
        } else if concurrency == 1 {
            self.head.is_empty()
        } else {
            self.head.next().is_none_or(|at| at > now)
        };
        if !in_turn || !self.may_send() || setup.held || setup.rules.rate.is_some() || held_until > now {
            return 0;
        }
        self.pace.claims_max(concurrency, false).saturating_sub(self.claimed.len())
    }

    /// Says what the lane wants, and notes a claim or read that it asks for. `held_until` is the time before which its destination
    /// must be left alone, `fresh` whether there is fresh work, `bucket` what is left of its service's limit.
    pub fn want(
        &mut self,
        now: Timestamp,
        held_until: Timestamp,
        fresh: bool,
        mut bucket: Option<&mut Bucket>,
    ) -> Want {
        if self.reading {
            return Want::Nothing;
        }
        let Some(setup) = &self.setup else {
            self.reading = true;
            self.setup_missed = false;
            return Want::Setup;
        };
        if setup.state != DestinationState::Enabled || setup.held {
            return Want::Nothing;
        }
        if held_until > now {
            return Want::At(held_until);
        }
        let yields = fresh && self.head.is_long();
        let mut free = self.pace.claims_now(setup.rules.concurrency.max(1), yields, self.claimed.len());
        if let Some(bucket) = &mut bucket {
            let available = bucket.available(now);
            if available == 0 && free > 0 {
                return Want::At(bucket.next(now));
            }
            free = free.min(available);
        }
        let due = self.head.take_due(now, free);
        if due.is_empty() {
            if free > 0 && self.head.must_be_read() {
                self.reading = true;
                self.head.asked();
                return Want::Head(self.strict);
            }
            return self.head.next().filter(|_| free > 0).map_or(Want::Nothing, Want::At);
        }
        self.claimed.extend(&due);
        if let Some(bucket) = bucket {
            bucket.take(due.len(), now);
        }
        Want::Claim(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channels::{LaneRules, Rate};
    use crate::domain::channel::Channel;
    use crate::store::queue::HEAD_MAX;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    fn wants(lane: &mut Lane) -> Want {
        lane.want(NOW, NOW, false, None)
    }

    fn lane(concurrency: u32, waiting: i64) -> Lane {
        let mut lane = Lane::default();
        assert_eq!(wants(&mut lane), Want::Setup);
        let rules = LaneRules { concurrency, rate: None, gate: None };
        let (settings, state) = (Err("never sent in this test".to_owned()), DestinationState::Enabled);
        let (channel, account, strict) = (Channel::Webhook, None, false);
        let revision = Some(0);
        lane.set_up(Setup {
            channel,
            account,
            revision,
            settings,
            rules,
            state,
            failing_since: None,
            held: false,
            strict,
        });
        assert_eq!(wants(&mut lane), Want::Head(false));
        let head = (1..=waiting).map(|id| Waiting { delivery: DeliveryId::new(id), due_at: NOW });
        lane.set_head(head.take(HEAD_MAX));
        lane
    }

    fn claims(want: &Want) -> usize {
        let Want::Claim(claims) = want else { panic!("{want:?} is no claim") };
        claims.len()
    }

    #[test]
    fn what_fails_or_hangs_is_slow_until_it_answers() {
        let mut lane = lane(8, 1);
        lane.set_failing_since(Some(NOW));
        assert_eq!(lane.speed(), Speed::Slow);
        lane.sent(Duration::from_millis(1));
        assert_eq!(lane.speed(), Speed::Fast, "it answers");
        lane.is_late();
        assert_eq!(lane.speed(), Speed::Slow);
    }

    #[test]
    fn it_claims_what_is_likely_to_be_sent_soon() {
        let check = |concurrency: u32, took: Option<Duration>, expected: usize| {
            let mut lane = lane(concurrency, 256);
            if let Some(took) = took {
                lane.sent(took);
            }
            assert_eq!(claims(&wants(&mut lane)), expected, "{concurrency} at once, {took:?} each");
            assert_eq!(wants(&mut lane), Want::Nothing, "all slots are taken");
        };
        check(1, Some(Duration::from_millis(1)), 1);
        check(8, None, 16);
        check(8, Some(Duration::from_millis(1)), 256);
        check(8, Some(Duration::ZERO), 256);
        check(8, Some(Duration::from_millis(20)), 24);
        check(8, Some(Duration::from_secs(2)), 8);
        for (waiting, expected) in [(256, 16), (255, 255)] {
            let mut lane = lane(8, waiting);
            lane.sent(Duration::from_millis(1));
            assert_eq!(claims(&lane.want(NOW, NOW, true, None)), expected, "only a long backlog yields to fresh work");
        }
    }

    #[test]
    fn a_head_that_ran_out_is_read_again() {
        let mut lane = lane(8, i64::try_from(HEAD_MAX).unwrap());
        for _ in 0..HEAD_MAX / 16 {
            assert_eq!(claims(&wants(&mut lane)), 16);
            lane.claimed.clear();
        }
        assert_eq!(wants(&mut lane), Want::Head(false), "as many as fit were read, so there may be more");
    }

    #[test]
    fn it_waits_for_times_rates_and_holds() {
        let second = Duration::from_secs(1);
        let (mut lane, mut bucket) = (lane(1, 3), Bucket::new(Rate { count: 1, per: second }, NOW));
        assert_eq!(lane.want(NOW, NOW.plus(second), false, Some(&mut bucket)), Want::At(NOW.plus(second)), "held");
        assert_eq!(claims(&lane.want(NOW, NOW, false, Some(&mut bucket))), 1);
        lane.claimed.clear();
        assert_eq!(lane.want(NOW, NOW, false, Some(&mut bucket)), Want::At(NOW.plus(second)), "the rate");
        assert_eq!(claims(&lane.want(NOW.plus(7 * second), NOW, false, Some(&mut bucket))), 1);
    }

    #[test]
    fn what_comes_in_keeps_its_place() {
        let mut lane = lane(1, 0);
        assert_eq!(wants(&mut lane), Want::Nothing);
        assert!(lane.is_idle());
        let later = NOW.plus(Duration::from_secs(5));
        lane.push(Waiting { delivery: DeliveryId::new(1), due_at: later });
        assert_eq!(wants(&mut lane), Want::At(later));
        lane.push(Waiting { delivery: DeliveryId::new(2), due_at: NOW });
        assert_eq!(wants(&mut lane), Want::Claim(vec![DeliveryId::new(2)]));
        (3..600).for_each(|id| lane.push(Waiting { delivery: DeliveryId::new(id), due_at: NOW }));
        lane.claimed.clear();
        let mut claimed = 0;
        while let Want::Claim(claims) = wants(&mut lane) {
            claimed += claims.len();
            lane.claimed.clear();
        }
        assert_eq!(claimed, HEAD_MAX, "the rest is read when these are through");
        assert_eq!(wants(&mut lane), Want::Nothing, "a read is under way");
    }

    #[test]
    fn nothing_that_came_during_a_read_is_forgotten() {
        let mut lane = lane(1, 0);
        let later = NOW.plus(Duration::from_mins(5));
        lane.push(Waiting { delivery: DeliveryId::new(1), due_at: later });
        lane.head_is_stale();
        assert_eq!(wants(&mut lane), Want::Head(false), "another process may have put something before it");
        lane.push(Waiting { delivery: DeliveryId::new(2), due_at: NOW });
        lane.set_head([Waiting { delivery: DeliveryId::new(1), due_at: later }].into_iter());
        assert_eq!(wants(&mut lane), Want::Head(false), "the read may have been too early to see number 2");
        lane.set_head([1, 2].map(|id| Waiting { delivery: DeliveryId::new(id), due_at: NOW }).into_iter());
        assert_eq!(wants(&mut lane), Want::Claim(vec![DeliveryId::new(1)]));
    }

    #[test]
    fn a_long_future_is_read_once() {
        let mut lane = lane(1, 0);
        lane.head_is_stale();
        assert_eq!(wants(&mut lane), Want::Head(false));
        let later = NOW.plus(Duration::from_mins(5));
        lane.set_head((1..=256).map(|id| Waiting { delivery: DeliveryId::new(id), due_at: later }));
        assert_eq!(wants(&mut lane), Want::At(later));
        lane.push(Waiting { delivery: DeliveryId::new(257), due_at: NOW });
        assert_eq!(wants(&mut lane), Want::Claim(vec![DeliveryId::new(257)]));
    }

    #[test]
    fn a_set_up_that_was_changed_during_its_read_is_read_again() {
        let mut lane = lane(1, 3);
        let old = lane.setup().cloned().unwrap();
        lane.forget_setup();
        assert_eq!(wants(&mut lane), Want::Setup);
        lane.forget_setup();
        lane.set_up(Setup { state: DestinationState::Paused, ..old.clone() });
        assert_eq!(wants(&mut lane), Want::Setup, "the read may have been too early to see the change");
        lane.set_up(old);
        assert_eq!(claims(&wants(&mut lane)), 1);
    }

    #[test]
    fn a_paused_or_held_lane_wants_nothing() {
        for (state, held) in [(DestinationState::Paused, false), (DestinationState::Enabled, true)] {
            let mut lane = lane(1, 3);
            lane.set_up(Setup { state, held, ..lane.setup().cloned().unwrap() });
            assert_eq!(wants(&mut lane), Want::Nothing);
        }
    }
}
