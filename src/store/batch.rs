//! The requests of one transaction, sorted by kind, and their answers until its commit. What came of it is counted here.

use std::sync::Arc;
use std::time::Instant;

use crate::domain::command::{Actor, Command, Done};
use crate::domain::event::Accepted;
use crate::domain::id::DeliveryId;
use crate::domain::time::Timestamp;
use crate::metrics::{Intake, Metrics};
use crate::store::access::Chore;
use crate::store::error::{AcceptError, CommandError, StoreError};
use crate::store::queue::{Claimed, Deliverer, Finished};
use crate::store::upkeep::Upkeep;
use crate::store::writer::{Incoming, Reply, Request};

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
}

impl Batch {
    /// Empty, for a transaction that begins now.
    pub(crate) fn new(metrics: Arc<Metrics>) -> Self {
        Self {
            metrics,
            began: Instant::now(),
            accepts: Vec::new(),
            claims: Vec::new(),
            finishes: Vec::new(),
            commands: Vec::new(),
            reclaims: Vec::new(),
            chores: Vec::new(),
            upkeep: Vec::new(),
            look: false,
        }
    }

    pub(crate) fn put(&mut self, request: Request) {
        match request {
            Request::Accept { events, reply } => self.accepts.push((events, reply)),
            Request::Claim { deliveries, lease_ends, reply } => self.claims.push((deliveries, lease_ends, reply)),
            Request::Finish { results, reply } => self.finishes.push((results, reply)),
            Request::Run { actor, command, reply } => self.commands.push((actor, command, reply)),
            Request::Reclaim { deliverer, reply } => self.reclaims.push((deliverer, reply)),
            Request::Chore { chore, reply } => self.chores.push((chore, reply)),
            Request::Upkeep { task, reply } => self.upkeep.push((task, reply)),
            Request::Look => self.look = true,
            Request::Rest { .. } | Request::Close { .. } => {}
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
        for (_, reply) in self.accepts {
            let _ = reply.send(Err(error.again()));
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
    pub(crate) accepted: Vec<Vec<Result<Accepted, AcceptError>>>,
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

    pub(crate) fn send(self, batch: Batch) {
        self.count(&batch);
        for ((_, reply), accepted) in batch.accepts.into_iter().zip(self.accepted) {
            let _ = reply.send(Ok(accepted));
        }
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
    }
}
