//! What the engine does with each thing that has happened: an answer of the store, a send that has ended.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tokio::time::Instant;

use crate::channels::{self, LaneRules};
use crate::dispatch::engine::{Engine, STALL};
use crate::dispatch::holds::Whom;
use crate::dispatch::jobs::{Done, Kind};
use crate::dispatch::send::{Failing, release};
use crate::dispatch::setup::Setup;
use crate::dispatch::underway::Ended;
use crate::domain::channel::Channel;
use crate::domain::delivery::{Next, hold_after};
use crate::domain::destination::DestinationState;
use crate::domain::id::{DeliveryId, DestinationId};
use crate::domain::time::Timestamp;
use crate::metrics::Outcome;
use crate::store::error::StoreError;
use crate::store::holds::Word;
use crate::store::lanes::{Lane, Lanes as DueLanes};
use crate::store::queue::{Claimed, Finished, Health, NewWork, News, Waiting};
use crate::store::seal::SealError;

impl Engine {
    pub(crate) fn take_work(&mut self, work: Vec<(DestinationId, News)>) {
        for (id, news) in work {
            self.inbox.slots.told(id);
            match news {
                News::Waits(waiting) => self.lanes.touch(id).push(waiting),
                News::Moved(first) => {
                    self.lanes.waits(id, first, self.clock.now());
                    if self.lanes.get(id).is_none() {
                        // Nobody serves it before its time.
                        let _ = self.inbox.slots.forget(id);
                    }
                }
            }
        }
    }

    /// What was claimed as it was stored.
    pub(crate) fn take_claims(&mut self, claims: Vec<Claimed>) {
        let now = self.clock.now();
        self.lanes.fresh(now);
        for claimed in claims {
            self.inbox.slots.received(claimed.destination);
            self.lanes.touch(claimed.destination).claimed.insert(claimed.message.delivery);
            self.take_claim(claimed, now);
        }
    }

    /// A claimed delivery is sent, unless all was paused while the claim was on its way, or its destination was paused or disabled, or
    /// asked to be left alone.
    fn take_claim(&mut self, claimed: Claimed, now: Timestamp) {
        let id = claimed.destination;
        if self.lanes.may_send(id, now) && !self.paused {
            self.lanes.touch(id).ready.push_back(claimed);
        } else {
            self.results.push(release(&claimed, now));
        }
    }

    pub(crate) fn take_done(&mut self, done: Done) {
        match done {
            Done::Claim(asked, claimed) => self.take_claimed(asked, claimed),
            Done::Finish(results, written) => self.take_finished(&results, written),
            Done::Setup(id, lane) => self.take_setup(id, lane),
            Done::Heads(ids, heads) => self.take_heads(&ids, heads),
            Done::Lanes(changes, lanes) => self.take_lanes(changes, lanes),
        }
    }

    fn take_claimed(&mut self, asked: Vec<(DeliveryId, DestinationId)>, claimed: Result<Vec<Claimed>, StoreError>) {
        self.asked.remove(&Kind::Claim);
        let now = self.clock.now();
        match claimed {
            Ok(claimed) => {
                let got: HashSet<_> = claimed.iter().map(|claimed| claimed.message.delivery).collect();
                for claimed in claimed {
                    self.lanes.touch(claimed.destination);
                    self.take_claim(claimed, now);
                }
                for (delivery, id) in asked.into_iter().filter(|(delivery, _)| !got.contains(delivery)) {
                    self.lanes.not_claimed(id, delivery);
                }
            }
            Err(error) => {
                self.stall(&error);
                for (delivery, id) in asked {
                    self.lanes.touch(id).unclaim(delivery);
                }
            }
        }
    }

    pub(crate) fn take_sent(&mut self, sent: Ended) {
        let (id, share, sent) = match sent {
            Ok(sent) => sent,
            Err(error) => {
                // Only the end of the runtime ends a send from outside; its claim is taken up at the next start.
                tracing::error!(%error, "a send was ended from outside");
                return;
            }
        };
        let now = self.clock.now();
        let delivery = sent.claimed.message.delivery;
        self.shares.give_back(share);
        let lane = self.lanes.touch(id);
        lane.sent(sent.duration);
        let since = lane.setup().and_then(|setup| setup.failing_since);
        let (noted_at, whom) = (lane.noted_at, sent.whom.clone());
        let held_since = self.lanes.holds.since(id, whom.revision);
        let failing = Failing { since, noted_at, held_since };
        let lane = self.lanes.touch(id);
        let settings = lane.setup().and_then(|setup| setup.settings.as_ref().ok());
        let answered = settings.zip(sent.exchange.answer.as_ref());
        let word = answered.and_then(|(settings, answer)| channels::allowance(settings, answer, now));
        let channel = lane.setup().map(|setup| setup.channel);
        let (took, accepted) = (sent.duration, now.since(sent.claimed.message.received_at));
        let hold = hold_after(now, &sent.exchange.result, sent.chance());
        let mut finished = sent.finish(&self.options, failing, now);
        if let Some(channel) = channel {
            self.metrics.sent(channel, outcome(&finished.next), took, accepted);
        }
        tracing::debug!(%delivery, destination = %id, next = ?finished.next, "a send ended");
        match &finished.health {
            Some(Health::Recovered) => lane.set_failing_since(None),
            Some(Health::Failing { .. }) => {
                lane.set_failing_since(Some(since.unwrap_or(now)));
                lane.noted_at = Some(now);
            }
            // Read again when this is written: a read before that would find it enabled.
            Some(Health::Disable { .. }) => lane.disable(),
            None => {}
        }
        finished.word = self.heed(id, whom, hold, &finished.next, now).map(Box::new);
        self.lanes.sent(id, word, now);
        self.results.push(finished);
        for id in self.shares.next_in_line() {
            self.lanes.activate(id);
        }
    }

    /// Leaves a destination alone for as long as it asks, and all that goes to the same gate when that was for a limit.
    fn heed(
        &mut self,
        id: DestinationId,
        whom: Whom,
        hold: Option<Timestamp>,
        next: &Next,
        now: Timestamp,
    ) -> Option<Word> {
        let Some(until) = hold else {
            let is_over = *next == Next::Delivered && self.lanes.holds.took(id, now);
            return is_over.then_some(Word::Over);
        };
        let shared = matches!(next, Next::Retry { counted: false, .. });
        Some(Word::Hold(self.lanes.holds.ask(id, whom, shared, until, now)))
    }

    /// What was claimed and not begun goes back, where it may not be sent now: its destination, or one that shares a limit with it,
    /// has asked to be left alone since.
    pub(crate) fn give_back_held(&mut self, id: DestinationId, now: Timestamp) {
        if !self.lanes.may_send(id, now) {
            let ready = self.lanes.get(id).map(|lane| std::mem::take(&mut lane.ready)).unwrap_or_default();
            self.results.extend(ready.iter().map(|claimed| release(claimed, now)));
        }
    }

    fn take_finished(&mut self, results: &[Finished], written: Result<(), StoreError>) {
        self.asked.remove(&Kind::Finish);
        if let Err(error) = written {
            self.stall(&error);
            self.results.extend_from_slice(results);
            return;
        }
        let now = self.clock.now();
        for result in results {
            let lane = self.lanes.touch(result.destination);
            lane.ended(result.delivery);
            if let Some(due_at) = result.due_at(now) {
                lane.push(Waiting { delivery: result.delivery, due_at });
            }
            // The store may have disabled it for having failed for so long.
            if matches!(result.health, Some(Health::Disable { .. } | Health::Failing { .. })) {
                lane.forget_setup();
                lane.head_is_stale();
            }
        }
    }

    fn take_setup(&mut self, id: DestinationId, read: Result<Option<Lane>, StoreError>) {
        let now = self.clock.now();
        let setup = match read {
            Ok(Some(lane)) => Some(self.setup(&lane)),
            Ok(None) => None,
            // Its key is not at hand, and may be again: what goes there waits.
            Err(error @ StoreError::Seal(SealError::Other { .. } | SealError::Lost { .. })) => {
                tracing::error!(destination = %id, %error, "a destination's secrets cannot be opened; what goes there waits");
                Some(Setup { held: true, ..unusable(Channel::Webhook, &error.to_string()) })
            }
            Err(error @ (StoreError::Seal(_) | StoreError::Damaged(_))) => {
                Some(unusable(Channel::Webhook, &error.to_string()))
            }
            Err(error) => {
                self.stall(&error);
                self.lanes.touch(id).reading_failed();
                return;
            }
        };
        // A destination that is no more wants nothing; its lane stays until the last send to it has ended.
        let removed = || Setup { state: DestinationState::Disabled, ..unusable(Channel::Webhook, "it was removed") };
        let setup = setup.unwrap_or_else(removed);
        if setup.state == DestinationState::Disabled {
            self.lanes.holds.forget(id);
        }
        let lane = self.lanes.touch(id);
        lane.set_up(setup);
        if !lane.may_send() || (lane.strict && lane.claimed.len() > 1) {
            // What was claimed and not begun goes back; the writer ends it if the destination is no more.
            for claimed in std::mem::take(&mut lane.ready) {
                self.results.push(release(&claimed, now));
            }
        }
    }

    fn setup(&self, lane: &Lane) -> Setup {
        let channel = lane.destination.channel;
        let held = self.senders.waits_for(channel).is_some();
        match channels::parse(channel, &lane.fields) {
            Ok(settings) => {
                let (is_fetched, strict) = (channels::is_fetched(&settings), channels::is_ordered(&settings));
                Setup {
                    channel,
                    account: Some(lane.destination.account),
                    revision: Some(lane.destination.revision),
                    rules: channels::lane(&settings),
                    settings: Ok(Arc::new(settings)),
                    state: lane.destination.state,
                    failing_since: lane.destination.failing_since,
                    held: held || is_fetched,
                    strict,
                }
            }
            Err(errors) => {
                let problems: Vec<_> =
                    errors.iter().map(|error| format!("{}: {}", error.field, error.message)).collect();
                let (state, account) = (lane.destination.state, Some(lane.destination.account));
                let revision = Some(lane.destination.revision);
                Setup { account, revision, state, held, ..unusable(channel, &problems.join("; ")) }
            }
        }
    }

    fn take_heads(&mut self, ids: &[DestinationId], heads: Result<Vec<NewWork>, StoreError>) {
        self.asked.remove(&Kind::Heads);
        match heads {
            Ok(heads) => {
                let mut of_lanes: HashMap<DestinationId, Vec<Waiting>> = HashMap::new();
                for (id, waiting) in heads {
                    of_lanes.entry(id).or_default().push(waiting);
                }
                for id in ids {
                    self.lanes.touch(*id).set_head(of_lanes.remove(id).unwrap_or_default().into_iter());
                }
            }
            Err(error) => {
                self.stall(&error);
                for id in ids {
                    self.lanes.touch(*id).reading_failed();
                }
            }
        }
    }

    fn take_lanes(&mut self, changes: u64, lanes: Result<DueLanes, StoreError>) {
        self.asked.remove(&Kind::Lanes);
        match lanes {
            Ok(lanes) => {
                self.last_change = lanes.last_change;
                self.setups_known = self.setups_asked;
                self.lanes.forget_setups(&lanes.changed);
                let now = self.clock.now();
                for (id, due_at) in lanes.due {
                    self.lanes.waits(id, due_at, now);
                }
                self.scan_from = lanes.next;
                if self.scan_from.is_none() {
                    self.lanes_known = changes;
                }
            }
            Err(error) => {
                self.stall(&error);
                self.scan_from = None;
                self.lanes_seen = u64::MAX;
            }
        }
    }

    /// The store cannot be used at present: nothing is asked of it for a while. Said once for each time.
    fn stall(&mut self, error: &StoreError) {
        self.metrics.stalls.add(1);
        if self.stalled_until.is_none() {
            tracing::error!(%error, "the store cannot be used; trying again in a second");
        }
        self.stalled_until = Some(Instant::now() + STALL);
    }
}

const fn outcome(next: &Next) -> Outcome {
    match next {
        Next::Delivered => Outcome::Delivered,
        Next::Retry { counted: true, .. } => Outcome::Retried,
        Next::Retry { counted: false, .. } => Outcome::Held,
        Next::Failed { gone: false, .. } => Outcome::Failed,
        Next::Failed { gone: true, .. } => Outcome::Gone,
        Next::Parked { .. } => Outcome::Parked,
    }
}

fn unusable(channel: Channel, problem: &str) -> Setup {
    Setup {
        channel,
        account: None,
        revision: None,
        settings: Err(problem.to_owned()),
        rules: LaneRules { concurrency: 1, rate: None, gate: None },
        state: DestinationState::Enabled,
        failing_since: None,
        held: false,
        strict: false,
    }
}
