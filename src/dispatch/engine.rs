//! The dispatcher's one task.
//!
//! In each round it looks at the lanes that may have something to do and collects what they want: set-ups and heads to read,
//! deliveries to claim. One claim and one batch of results are with the writer at a time; what comes meanwhile goes along
//! with the next, so that under load every commit carries much, and without load nothing waits. Then it waits for whatever
//! happens first.

use std::collections::HashSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::channels::Senders;
use crate::dispatch::jobs::{self, Done, Job, Kind};
use crate::dispatch::lanes::Lanes;
use crate::dispatch::pace::{self, AHEAD_MAX};
use crate::dispatch::send::{lease, release, send};
use crate::dispatch::shares::Shares;
use crate::dispatch::underway::Underway;
use crate::dispatch::want::Want;
use crate::dispatch::{Options, Status, Word};
use crate::domain::id::{DeliveryId, DestinationId};
use crate::domain::time::{SharedClock, Timestamp};
use crate::metrics::Metrics;
use crate::store::outbox::Inbox;
use crate::store::queue::Finished;
use crate::store::{Revision, Store};

/// After a write or read that failed, how long to wait before the next.
pub(crate) const STALL: Duration = Duration::from_secs(1);

/// Longest sleep, so that a clock that was set is noticed.
const SLEEP_MAX: Duration = Duration::from_secs(5);

/// Lanes whose heads are read at once: a frame that takes a few milliseconds.
const HEADS_MAX: usize = 32;

/// The dispatcher.
pub struct Engine {
    pub(crate) store: Store,
    pub(crate) senders: Arc<Senders>,
    pub(crate) options: Options,
    pub(crate) clock: SharedClock,
    pub(crate) metrics: Arc<Metrics>,
    status: watch::Sender<Status>,
    pub(crate) inbox: Inbox,
    revision: watch::Receiver<Revision>,
    pub(crate) lanes_seen: u64,
    /// As many changes are known as the last answer said.
    pub(crate) lanes_known: u64,
    pub(crate) last_change: i64,
    /// The changes of people up to which set-ups were known when the scan under way was asked for, and at the last one that ended.
    pub(crate) setups_asked: u64,
    pub(crate) setups_known: u64,
    /// Where the scan under way goes on.
    pub(crate) scan_from: Option<DestinationId>,
    pub(crate) lanes: Lanes,
    heads: Vec<(DestinationId, bool)>,
    claims: Vec<(DeliveryId, DestinationId)>,
    pub(crate) results: Vec<Finished>,
    /// When the writer was last asked to claim.
    claimed_at: Instant,
    pub(crate) shares: Shares,
    sends: Underway,
    jobs: FuturesUnordered<Job>,
    pub(crate) asked: HashSet<Kind>,
    /// By a clock that nobody sets.
    pub(crate) stalled_until: Option<Instant>,
    /// The latest time seen: one before it means that the clock was set back.
    clock_seen: Timestamp,
    pub(crate) paused: bool,
}

impl Engine {
    /// A dispatcher of this store. There must be no other.
    #[must_use]
    pub fn new(store: Store, senders: Arc<Senders>, options: Options, status: watch::Sender<Status>) -> Self {
        Self {
            senders,
            clock: store.clock().clone(),
            metrics: store.metrics().clone(),
            status,
            inbox: store.take_inbox().unwrap_or_else(Inbox::silent),
            revision: store.revision(),
            lanes_seen: u64::MAX,
            lanes_known: 0,
            last_change: -1,
            setups_asked: 0,
            setups_known: 0,
            scan_from: None,
            store,
            lanes: Lanes::default(),
            heads: Vec::new(),
            claims: Vec::new(),
            results: Vec::new(),
            claimed_at: Instant::now(),
            shares: Shares::new(options.sending_max),
            options,
            sends: Underway::default(),
            jobs: FuturesUnordered::new(),
            asked: HashSet::new(),
            stalled_until: None,
            clock_seen: Timestamp::default(),
            paused: false,
        }
    }

    /// Delivers until it is told to stop.
    pub(crate) async fn run(mut self, mut words: mpsc::UnboundedReceiver<Word>) {
        while let Err(error) = self.begin().await {
            tracing::error!(%error, "cannot begin to deliver");
            let _ = self.status.send(Status::Failed(error.to_string()));
            match tokio::time::timeout(STALL, words.recv()).await {
                Ok(None | Some(Word::Stop)) => return,
                Ok(Some(Word::Answer(reply))) => {
                    let _ = reply.send(());
                }
                Ok(Some(word)) => self.paused = matches!(word, Word::Pause),
                Err(_) => {}
            }
        }
        loop {
            self.advance();
            tokio::select! {
                word = words.recv() => match word {
                    Some(Word::Pause) => self.pause(),
                    Some(Word::Resume) => {
                        self.paused = false;
                        self.lanes.activate_all();
                    }
                    Some(Word::Answer(reply)) => {
                        let _ = reply.send(());
                    }
                    Some(Word::Stop) | None => break,
                },
                () = self.something() => {}
            }
        }
        self.shut_down().await;
    }

    /// Works until nothing is due and nothing is under way. For a clock that stands still: in tests, and in the demo's past.
    pub async fn until_idle(&mut self) {
        loop {
            self.take_all();
            self.advance();
            let unwritten = !self.results.is_empty() || !self.claims.is_empty() || !self.heads.is_empty();
            let busy = unwritten || !self.jobs.is_empty() || !self.sends.is_empty() || self.lanes.active() > 0;
            let due = self.lanes.next_time().is_some_and(|at| at <= self.clock.now());
            let told = self.inbox.work.is_empty() && self.inbox.claims.is_empty();
            // Nothing is claimed while nobody works.
            if !busy && !due && told && self.revision.borrow().lanes == self.lanes_seen {
                self.inbox.slots.withdraw_all();
                return;
            }
            self.something().await;
        }
    }

    /// One round: does all that can be done now, without waiting.
    fn advance(&mut self) {
        let now = self.clock.now();
        if now < self.clock_seen {
            self.lanes.clock_went_back(self.clock_seen.since(now));
            self.lanes_seen = u64::MAX;
        }
        self.clock_seen = now;
        self.stalled_until = self.stalled_until.filter(|until| Instant::now() < *until);
        self.lanes.wake(now);
        self.look_for_late();
        self.scan();
        // What was emitted after a change is sent as the change says: nothing is begun between it and the look at it.
        let changed = self.revision.borrow().setups != self.setups_known;
        if !self.paused && self.stalled_until.is_none() && !changed {
            for _ in 0..self.lanes.active() {
                let Some(id) = self.lanes.next_active() else { break };
                self.serve(id, now);
            }
        }
        self.read_heads();
        self.ask_to_claim(now);
        self.ask_to_finish();
        let status = if self.paused { Status::Paused } else { Status::Delivering { sending: self.sends.len() } };
        self.status.send_if_modified(|old| {
            let changed = *old != status;
            *old = status;
            changed
        });
    }

    /// Gives a lane what it wants.
    fn serve(&mut self, id: DestinationId, now: Timestamp) {
        match self.lanes.want(id, now) {
            Want::Setup => {
                let store = self.store.clone();
                self.jobs.push(Box::pin(async move { Done::Setup(id, store.lane(id).await) }));
            }
            Want::Head(strict) => self.heads.push((id, strict)),
            Want::Claim(deliveries) => {
                self.claims.extend(deliveries.into_iter().map(|delivery| (delivery, id)));
                self.lanes.activate(id);
            }
            Want::At(_) | Want::Nothing => {}
        }
        self.give_back_held(id, now);
        self.start_sends(id);
        // What may be folded is decided about at its claim, where what was sent lately is counted.
        let storm = self.options.storm;
        let setup = self.lanes.get(id).and_then(|lane| lane.setup());
        let may_fold = setup.is_some_and(|setup| storm.folds(setup.channel));
        let free = if self.paused || may_fold { 0 } else { self.lanes.free(id, now) };
        self.inbox.slots.offer(id, free, self.lanes_known);
        if self.lanes.get(id).is_none() {
            // What is on its way makes the lane anew.
            let _ = self.inbox.slots.forget(id);
        }
    }

    fn start_sends(&mut self, id: DestinationId) {
        while let Some(lane) = self.lanes.get(id) {
            let Some(share) = lane.next_share() else { return };
            if !self.shares.take(share) {
                self.shares.wait(share, id);
                return;
            }
            let Some(claimed) = lane.next_send() else { return };
            let Some(setup) = lane.setup() else { return };
            let (settings, whom) = (setup.settings.clone(), setup.whom());
            let (senders, clock) = (self.senders.clone(), self.clock.clone());
            self.sends.begin(id, share, send(senders, settings, whom, clock, claimed));
        }
    }

    fn look_for_late(&mut self) {
        while let Some(id) = self.sends.turn_late(&mut self.shares) {
            self.lanes.touch(id).is_late();
            for next in self.shares.next_in_line() {
                self.lanes.activate(next);
            }
        }
    }

    /// What was claimed and not begun goes back: it could not be cancelled as long as the pause lasts.
    fn pause(&mut self) {
        self.paused = true;
        self.inbox.slots.withdraw_all();
        for (delivery, id) in self.claims.drain(..) {
            self.lanes.touch(id).unclaim(delivery);
        }
        self.give_back();
    }

    fn give_back(&mut self) {
        let now = self.clock.now();
        let ready = self.lanes.all().flat_map(|(_, lane)| std::mem::take(&mut lane.ready));
        self.results.extend(ready.map(|claimed| release(&claimed, now)));
    }

    fn scan(&mut self) {
        let Revision { lanes, setups, .. } = *self.revision.borrow_and_update();
        let wanted = self.scan_from.is_some() || lanes != self.lanes_seen || setups != self.setups_known;
        let room = self.scan_from.is_none() || !self.lanes.is_full();
        if wanted && room && self.stalled_until.is_none() && self.asked.insert(Kind::Lanes) {
            if self.scan_from.is_none() {
                self.lanes_seen = lanes;
            }
            self.setups_asked = setups;
            let (store, changes, from, since) = (self.store.clone(), self.lanes_seen, self.scan_from, self.last_change);
            self.jobs.push(Box::pin(async move { Done::Lanes(changes, store.lanes(from, since).await) }));
        }
    }

    fn read_heads(&mut self) {
        if !self.heads.is_empty() && self.asked.insert(Kind::Heads) {
            let lanes: Vec<_> = self.heads.drain(..self.heads.len().min(HEADS_MAX)).collect();
            let store = self.store.clone();
            self.jobs.push(Box::pin(async move {
                let heads = store.lane_heads(&lanes).await;
                Done::Heads(lanes.into_iter().map(|(id, _)| id).collect(), heads)
            }));
        }
    }

    fn ask_to_claim(&mut self, now: Timestamp) {
        if !self.claims.is_empty() && self.stalled_until.is_none() && self.asked.insert(Kind::Claim) {
            self.claimed_at = Instant::now();
            let most = pace::claim_max(self.lanes.is_beside_fresh(now));
            let claims: Vec<_> = self.claims.drain(..self.claims.len().min(most)).collect();
            let ids = claims.iter().map(|(delivery, _)| *delivery).collect();
            let lease_ends = now.plus(lease(&self.senders, AHEAD_MAX));
            let store = self.store.clone();
            self.jobs.push(Box::pin(async move { Done::Claim(claims, store.claim(ids, lease_ends).await) }));
        }
    }

    fn ask_to_finish(&mut self) {
        if !self.results.is_empty() && self.stalled_until.is_none() && self.asked.insert(Kind::Finish) {
            let rest = pace::rest(self.lanes.is_beside_fresh(self.clock.now()), self.claimed_at.elapsed());
            self.jobs.push(jobs::finish(self.store.clone(), std::mem::take(&mut self.results), rest));
        }
    }

    /// Waits until something has happened, and takes all that has.
    async fn something(&mut self) {
        let sleep = self.sleep();
        tokio::select! {
            Some(work) = self.inbox.work.recv() => self.take_work(work),
            Some(claimed) = self.inbox.claims.recv() => self.take_claims(claimed),
            Some(done) = self.jobs.next() => self.take_done(done),
            Some(sent) = self.sends.next() => self.take_sent(sent),
            Ok(()) = self.revision.changed() => {}
            () = sleep => {}
        }
        while let Some(sent) = self.sends.try_next() {
            self.take_sent(sent);
        }
        self.take_all();
    }

    /// Takes all that the writer has told.
    fn take_all(&mut self) {
        while let Ok(work) = self.inbox.work.try_recv() {
            self.take_work(work);
        }
        while let Ok(claimed) = self.inbox.claims.try_recv() {
            self.take_claims(claimed);
        }
    }

    fn sleep(&mut self) -> impl Future<Output = ()> + use<> {
        let now = self.clock.now();
        let stall = self.stalled_until.map(|until| until.saturating_duration_since(Instant::now()));
        let timer = self.lanes.next_time().map(|at| at.since(now));
        // While the store cannot be used, a lane whose time has come can do nothing but wait as well.
        let next = if stall.is_some() { stall } else { timer };
        let late = self.sends.next_late().map(|at| at.saturating_duration_since(Instant::now()));
        let next = next.into_iter().chain(late).min();
        async move {
            match next {
                Some(time) => tokio::time::sleep(time.clamp(Duration::from_millis(1), SLEEP_MAX)).await,
                None => std::future::pending().await,
            }
        }
    }

    /// Claims nothing more; what runs may end within the limit, what was not begun goes back, and all of it is written.
    async fn shut_down(&mut self) {
        let _ = self.status.send(Status::Stopping);
        self.claims.clear();
        self.inbox.slots.close();
        let ended = tokio::time::timeout(self.options.shutdown_max, async {
            loop {
                self.give_back();
                self.ask_to_finish();
                let stall = self.stalled_until.unwrap_or_else(Instant::now);
                tokio::select! {
                    () = tokio::time::sleep_until(stall), if self.stalled_until.is_some() => self.stalled_until = None,
                    Some(done) = self.jobs.next() => self.take_done(done),
                    Some(sent) = self.sends.next() => self.take_sent(sent),
                    Some(claimed) = self.inbox.claims.recv(), if self.inbox.slots.in_flight() > 0 => self.take_claims(claimed),
                    else => if self.results.is_empty() { return },
                }
            }
        });
        if ended.await.is_err() {
            tracing::warn!(sending = self.sends.len(), "sends were still under way at the end; they are tried again");
        }
    }
}
