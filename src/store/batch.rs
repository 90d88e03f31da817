//! The requests of one transaction, sorted by kind, and their answers until its commit. What came of it is counted here.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{oneshot, watch};

use crate::domain::command::{Actor, Command, Done};
use crate::domain::event::Accepted;
use crate::domain::id::DeliveryId;
use crate::domain::time::Timestamp;
use crate::metrics::{Intake, Metrics};
use crate::store::access::Chore;
use crate::store::error::{CommandError, StoreError};
use crate::store::queue::{Claimed, Deliverer, Finished};
use crate::store::request::{Answer, Incoming, Reply, Request};
use crate::store::upkeep::Upkeep;

/// Requests in one transaction.
const BATCH_REQUESTS_MAX: usize = 512;

/// Rows of hot kinds in one transaction, so that no caller waits long for another's.
const BATCH_ROWS_MAX: usize = 4096;

/// Bytes of payloads in one transaction, beyond which no more requests are put into it.
const BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;

/// One transaction's requests, by kind.
pub(crate) struct Batch {
    metrics: Arc<Metrics>,
    began: Instant,
    pub(crate) accepts: Vec<Incoming>,
    pub(crate) claims: Vec<(Vec<DeliveryId>, Timestamp, Reply<Vec<Claimed>>)>,
    pub(crate) finishes: Vec<(Arc<[Finished]>, Reply<()>)>,
    pub(crate) commands: Vec<(Actor, Command, Reply<Done, CommandError>)>,
    pub(crate) reclaims: Vec<(Deliverer, Reply<u64>)>,
    pub(crate) chores: Vec<(Chore, Reply<()>)>,
    pub(crate) upkeep: Vec<(Upkeep, Reply<u64>)>,
    pub(crate) look: bool,
    /// Who is told when no transaction is open, and waits until then.
    pub(crate) rests: Vec<(oneshot::Sender<()>, oneshot::Receiver<()>)>,
    /// Who is told of a wait for another program, from now on.
    pub(crate) patience: Option<watch::Sender<bool>>,
    pub(crate) closing: Option<oneshot::Sender<()>>,
    taken: Taken,
}

/// What was put into a batch.
#[derive(Default)]
struct Taken {
    requests: usize,
    rows: usize,
    bytes: usize,
}

impl Batch {
    /// For a transaction that begins now, with what the last one left.
    pub(crate) fn new(metrics: Arc<Metrics>, carried: Vec<Incoming>) -> Self {
        Self {
            metrics,
            began: Instant::now(),
            accepts: carried,
            claims: Vec::new(),
            finishes: Vec::new(),
            commands: Vec::new(),
            reclaims: Vec::new(),
            chores: Vec::new(),
            upkeep: Vec::new(),
            look: false,
            rests: Vec::new(),
            patience: None,
            closing: None,
            taken: Taken::default(),
        }
    }

    /// Whether one more request may go along. What was left by the last transaction does not count, or nobody else's would.
    pub(crate) const fn has_room(&self) -> bool {
        let Taken { requests, rows, bytes } = self.taken;
        requests < BATCH_REQUESTS_MAX && rows < BATCH_ROWS_MAX && bytes < BATCH_BYTES_MAX
    }

    pub(crate) fn put(&mut self, request: Request) {
        self.taken.requests += 1;
        self.taken.rows += request.rows();
        self.taken.bytes += request.bytes();
        match request {
            Request::Accept { events, yields, reply } => self.accepts.push(Incoming::new(events, yields, reply)),
            Request::Claim { deliveries, lease_ends, reply } => self.claims.push((deliveries, lease_ends, reply)),
            Request::Finish { results, reply } => self.finishes.push((results, reply)),
            Request::Run { actor, command, reply } => self.commands.push((actor, command, reply)),
            Request::Reclaim { deliverer, reply } => self.reclaims.push((deliverer, reply)),
            Request::Chore { chore, reply } => self.chores.push((chore, reply)),
            Request::Upkeep { task, reply } => self.upkeep.push((task, reply)),
            Request::Look => self.look = true,
            Request::Rest { resting, until } => self.rests.push((resting, until)),
            Request::Patience { waits } => self.patience = Some(waits),
            Request::Close { reply } => self.closing = Some(reply),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.requests() == 0
    }

    /// The failpoints before and after the commit of what this holds.
    pub(crate) fn failpoints(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let kinds = [
            (self.accepts.is_empty(), ("accept.before", "accept.after")),
            (self.commands.is_empty(), ("command.before", "command.after")),
            (self.reclaims.is_empty(), ("reclaim.before", "reclaim.after")),
            (self.claims.is_empty(), ("claim.before", "claim.after")),
            (self.finishes.is_empty(), ("result.before", "result.after")),
            (self.upkeep.is_empty(), ("upkeep.before", "upkeep.after")),
        ];
        kinds.into_iter().filter(|(absent, _)| !absent).map(|(_, points)| points)
    }

    pub(crate) fn touches_lanes(&self) -> bool {
        !self.commands.is_empty() || !self.reclaims.is_empty()
    }

    /// How many requests are answered together.
    fn requests(&self) -> usize {
        self.accepts.len()
            + self.claims.len()
            + self.finishes.len()
            + self.commands.len()
            + self.reclaims.len()
            + self.chores.len()
            + self.upkeep.len()
    }

    pub(crate) fn refuse(self, error: &StoreError) {
        self.metrics.commit_failures.add(1);
        for incoming in self.accepts {
            incoming.refuse(error.again());
        }
        for (_, _, reply) in self.claims {
            let _ = reply.send(Err(error.again()));
        }
        for (_, reply) in self.finishes {
            let _ = reply.send(Err(error.again()));
        }
        for (_, _, reply) in self.commands {
            let _ = reply.send(Err(error.again().into()));
        }
        for (_, reply) in self.reclaims {
            let _ = reply.send(Err(error.again()));
        }
        for (_, reply) in self.chores {
            let _ = reply.send(Err(error.again()));
        }
        for (_, reply) in self.upkeep {
            let _ = reply.send(Err(error.again()));
        }
    }
}

/// What to answer, in the order of the batch's requests, once it is committed.
#[derive(Default)]
pub(crate) struct Answers {
    /// Of each caller's first events, as many as were stored.
    pub(crate) accepted: Vec<Vec<Answer>>,
    pub(crate) claimed: Vec<Vec<Claimed>>,
    pub(crate) done: Vec<Result<Done, CommandError>>,
    pub(crate) reclaimed: Vec<u64>,
    pub(crate) kept_up: Vec<Result<u64, StoreError>>,
}

impl Answers {
    fn count(&self, batch: &Batch) {
        let metrics = &batch.metrics;
        metrics.commit_time.time(batch.began.elapsed());
        metrics.commit_requests.number(batch.requests() as u64);
        for accepted in self.accepted.iter().flatten() {
            metrics.event(match accepted {
                Ok(Accepted { duplicate: false, .. }) => Intake::Stored,
                Ok(Accepted { duplicate: true, .. }) => Intake::Repeated,
                Err(_) => Intake::Refused,
            });
        }
        metrics.reclaimed.add(self.reclaimed.iter().sum());
    }

    /// Answers; returns the callers of whose events some are still to be stored.
    pub(crate) fn send(self, batch: Batch) -> Vec<Incoming> {
        self.count(&batch);
        let answered = batch.accepts.into_iter().zip(self.accepted);
        let left = answered.filter_map(|(incoming, answers)| incoming.answer(answers)).collect();
        for ((_, _, reply), claimed) in batch.claims.into_iter().zip(self.claimed) {
            let _ = reply.send(Ok(claimed));
        }
        for (_, reply) in batch.finishes {
            let _ = reply.send(Ok(()));
        }
        for ((_, _, reply), done) in batch.commands.into_iter().zip(self.done) {
            let _ = reply.send(done);
        }
        for ((_, reply), reclaimed) in batch.reclaims.into_iter().zip(self.reclaimed) {
            let _ = reply.send(Ok(reclaimed));
        }
        for (_, reply) in batch.chores {
            let _ = reply.send(Ok(()));
        }
        for ((_, reply), moved) in batch.upkeep.into_iter().zip(self.kept_up) {
            let _ = reply.send(moved);
        }
        left
    }
}
