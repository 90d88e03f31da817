//! Receivers that ask to be left alone, of more lanes than the dispatcher keeps in mind.

use std::time::Duration;

use bellboard::channels::LaneRules;
use bellboard::dispatch::holds::Whom;
use bellboard::dispatch::lanes::Lanes;
use bellboard::dispatch::setup::Setup;
use bellboard::dispatch::want::Want;
use bellboard::domain::channel::Channel;
use bellboard::domain::destination::DestinationState;
use bellboard::domain::id::{DeliveryId, DestinationId};
use bellboard::domain::time::Timestamp;
use bellboard::store::queue::Waiting;

/// Idle lanes that are kept, three times over.
const MANY: i64 = 3 * 4096;

const NOW: Timestamp = Timestamp::from_millis(1_000_000_000);

fn at(seconds: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(seconds))
}

/// Reads a lane's set-up, and its head when it wants that: so many wait that are due. Returns what it wants then.
fn look(lanes: &mut Lanes, id: DestinationId, now: Timestamp, waiting: i64) -> Want {
    let settings = Err("never sent in this test".to_owned());
    let rules = LaneRules { concurrency: 1, rate: None, gate: None };
    let (channel, state) = (Channel::Webhook, DestinationState::Enabled);
    let (account, revision, failing_since, strict) = (None, Some(0), None, false);
    let setup = Setup { channel, account, revision, settings, rules, state, failing_since, held: false, strict };
    lanes.touch(id);
    let mut want = lanes.want(id, now);
    if want == Want::Setup {
        lanes.touch(id).set_up(setup);
        want = lanes.want(id, now);
    }
    if matches!(want, Want::Head(_)) {
        let head = (1..=waiting).map(|delivery| Waiting { delivery: DeliveryId::new(delivery), due_at: now });
        lanes.touch(id).set_head(head);
        want = lanes.want(id, now);
    }
    want
}

fn ids() -> impl Iterator<Item = DestinationId> {
    (1..=MANY).map(DestinationId::new)
}

/// Each lane is held for an hour, and then looked at.
fn held() -> Lanes {
    let mut lanes = Lanes::default();
    for id in ids() {
        lanes.holds.ask(id, Whom { revision: Some(0), gate: None }, false, at(3600), NOW);
        assert_eq!(look(&mut lanes, id, NOW, 0), Want::At(at(3600)));
    }
    let known = ids().filter(|id| lanes.get(*id).is_some()).count();
    assert!(known < 5000 && !lanes.is_full(), "{known} lanes are kept");
    lanes
}

#[test]
fn what_a_receiver_asked_for_outlives_its_lane() {
    let mut lanes = held();
    for minute in [1, 30, 59] {
        for id in ids() {
            // Something comes for it.
            let want = look(&mut lanes, id, at(60 * minute), 1);
            assert_eq!(want, Want::At(at(3600)), "{id} after {minute} minutes");
            assert_eq!(lanes.free(id, at(60 * minute)), 0, "{id} takes nothing as it is stored");
        }
    }
    lanes.wake(at(3600));
    for id in ids() {
        assert_eq!(look(&mut lanes, id, at(3600), 1), Want::Claim(vec![DeliveryId::new(1)]), "{id} at its time");
    }
}

#[test]
fn a_hold_lasts_no_longer_for_a_clock_that_is_set_back() {
    let mut lanes = held();
    let day = Duration::from_hours(24);
    lanes.clock_went_back(day);
    let early = |seconds| at(seconds).minus(day);
    assert_eq!(look(&mut lanes, DestinationId::new(1), early(3599), 1), Want::At(early(3600)));
    assert_eq!(lanes.next_time(), Some(early(3600)), "each is looked at then");
    lanes.wake(early(3600));
    for id in ids() {
        assert_eq!(look(&mut lanes, id, early(3600), 1), Want::Claim(vec![DeliveryId::new(1)]), "{id}");
    }
}
