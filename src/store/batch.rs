//! The requests of one transaction, sorted by kind, and their answers until its commit. What came of it is counted here.
//!
//! Events that come while the transaction is open join it, and what of the rest would make them wait too long is left to the next one
//! ([`crate::store::steps`]).

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{mpsc, oneshot, watch};

use crate::domain::command::{Actor, Command, Done};
use crate::domain::event::Accepted;
use crate::domain::id::DeliveryId;
use crate::domain::time::Timestamp;
use crate::metrics::{Intake, Metrics};
use crate::store::access::Chore;
use crate::store::error::{CommandError, StoreError};
use crate::store::queue::{Claimed, Deliverer, Finished};
use crate::store::request::{Answer, Incoming, Reply, Request, Writing};
use crate::store::upkeep::Upkeep;

/// Requests in one transaction.
const BATCH_REQUESTS_MAX: usize = 512;

/// Rows of hot kinds in one transaction, so that no caller waits long for another's.
const BATCH_ROWS_MAX: usize = 4096;

/// Rows of results that may be left although few others have been written.
const LEFT_ROWS: usize = 128;

/// Bytes of payloads in one transaction, beyond which no more requests are put into it.
const BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;

/// One transaction's requests, by kind.
pub(crate) struct Batch {
    metrics: Arc<Metrics>,
    began: Instant,
    pub(crate) accepts: Vec<Incoming>,
    /// Events of who leaves room for others.
    pub(crate) yielding: Vec<Incoming>,
    pub(crate) claims: Vec<(Vec<DeliveryId>, Timestamp, Reply<Vec<Claimed>>)>,
    pub(crate) finishes: Vec<Writing>,
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
    /// What came too late for this transaction.
    late: Option<Request>,
    taken: Taken,
}

/// What a transaction leaves for the next.
#[derive(Default)]
pub(crate) struct Left {
    accepts: Vec<Incoming>,
    yielding: Vec<Incoming>,
    claims: Vec<(Vec<DeliveryId>, Timestamp, Reply<Vec<Claimed>>)>,
    finishes: Vec<Writing>,
    late: Option<Request>,
}

impl Left {
    pub(crate) const fn is_empty(&self) -> bool {
        let Self { accepts, yielding, claims, finishes, late } = self;
        accepts.is_empty() && yielding.is_empty() && claims.is_empty() && finishes.is_empty() && late.is_none()
    }
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
    pub(crate) fn new(metrics: Arc<Metrics>, left: Left) -> Self {
        let Left { accepts, yielding, claims, finishes, late } = left;
        let mut batch = Self {
            metrics,
            began: Instant::now(),
            accepts,
            yielding,
            claims,
            finishes,
            commands: Vec::new(),
            reclaims: Vec::new(),
            chores: Vec::new(),
            upkeep: Vec::new(),
            look: false,
            rests: Vec::new(),
            patience: None,
            closing: None,
            late: None,
            taken: Taken::default(),
        };
        if let Some(request) = late {
            batch.put(request);
        }
        batch
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
            Request::Accept { events, yields, reply } => {
                let incoming = Incoming::new(events, yields, reply);
                // Nothing of an account overtakes what it sent before.
                let yields = yields || self.yielding.iter().any(|before| before.shares_account(&incoming));
                if yields { self.yielding.push(incoming) } else { self.accepts.push(incoming) }
            }
            Request::Claim { deliveries, lease_ends, reply } => self.claims.push((deliveries, lease_ends, reply)),
            Request::Finish { results, reply } => self.finishes.push(Writing::new(results, reply)),
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

    /// Takes what has come since, while it is of the kinds that may join.
    pub(crate) fn join(&mut self, requests: &mut mpsc::Receiver<Request>) {
        while self.late.is_none() && self.has_room() {
            match requests.try_recv() {
                Ok(request @ (Request::Accept { .. } | Request::Claim { .. } | Request::Finish { .. })) => {
                    self.put(request);
                }
                Ok(request) => self.late = Some(request),
                Err(_) => return,
            }
        }
    }

    /// Whether somebody waits for whom the transaction, with that many rows written in steps, should come to its end; `stepped` says
    /// whether the last one wrote some, since each second one must.
    pub(crate) fn hurries(&self, rows: usize, stepped: bool) -> bool {
        let waits = !self.accepts.is_empty() || matches!(self.late, Some(Request::Run { .. }));
        let left = self.finishes.iter().map(|results| results.rest().len()).sum::<usize>();
        waits && (rows > 0 || stepped) && left <= rows.max(LEFT_ROWS)
    }

    /// The next results to write, at most so many.
    pub(crate) fn results(&self, most: usize) -> impl Iterator<Item = &Finished> {
        self.finishes.iter().flat_map(Writing::rest).take(most)
    }

    /// So many of them are written.
    pub(crate) fn wrote(&mut self, mut count: usize) {
        for results in &mut self.finishes {
            count -= results.wrote(count);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.requests() == 0
    }

    /// The failpoints before and after the commit of what this holds.
    pub(crate) fn failpoints(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let kinds = [
            (self.accepts.is_empty() && self.yielding.is_empty(), ("accept.before", "accept.after")),
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
            + self.yielding.len()
            + self.claims.len()
            + self.finishes.len()
            + self.commands.len()
            + self.reclaims.len()
            + self.chores.len()
            + self.upkeep.len()
    }

    /// Answers all that nothing came of it; returns what came too late to be a part of it.
    pub(crate) fn refuse(self, error: &StoreError) -> Left {
        self.metrics.commit_failures.add(1);
        for incoming in self.accepts.into_iter().chain(self.yielding) {
            incoming.refuse(error.again());
        }
        for (_, _, reply) in self.claims {
            let _ = reply.send(Err(error.again()));
        }
        for results in self.finishes {
            results.refuse(error.again());
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
        Left { late: self.late, ..Left::default() }
    }
}

/// What to answer, in the order of the batch's requests, once it is committed.
#[derive(Default)]
pub(crate) struct Answers {
    /// Of each caller's first events, as many as were stored.
    pub(crate) accepted: Vec<Vec<Answer>>,
    /// The same of callers who leave room for others, as far as it came to them.
    pub(crate) yielded: Vec<Vec<Answer>>,
    /// Of the first claims, as far as it came to them.
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
        for accepted in self.accepted.iter().chain(&self.yielded).flatten() {
            metrics.event(match accepted {
                Ok(Accepted { duplicate: false, .. }) => Intake::Stored,
                Ok(Accepted { duplicate: true, .. }) => Intake::Repeated,
                Err(_) => Intake::Refused,
            });
        }
        metrics.reclaimed.add(self.reclaimed.iter().sum());
    }

    /// Answers; returns what is still to be done.
    pub(crate) fn send(self, mut batch: Batch) -> Left {
        self.count(&batch);
        let mut left = Left { late: batch.late.take(), ..Left::default() };
        left.claims = batch.claims.split_off(self.claimed.len());
        let untouched = batch.yielding.split_off(self.yielded.len());
        let answered = |(incoming, answers): (Incoming, Vec<Answer>)| incoming.answer(answers);
        left.accepts.extend(batch.accepts.into_iter().zip(self.accepted).filter_map(answered));
        left.yielding.extend(batch.yielding.into_iter().zip(self.yielded).filter_map(answered));
        left.yielding.extend(untouched);
        for ((_, _, reply), claimed) in batch.claims.into_iter().zip(self.claimed) {
            let _ = reply.send(Ok(claimed));
        }
        left.finishes.extend(batch.finishes.into_iter().filter_map(Writing::answer));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::delivery::{Exchange, Next};
    use crate::domain::event::NewEvent;
    use crate::domain::id::DestinationId;
    use crate::domain::payload::Payload;
    use crate::store::queue::Kept;

    fn batch() -> Batch {
        Batch::new(Arc::default(), Left::default())
    }

    fn accept(account: &str, yields: bool) -> Request {
        let event = NewEvent {
            account: account.parse().unwrap(),
            event_type: "job.fail".to_owned(),
            data: Payload::empty(),
            idempotency_key: None,
        };
        Request::Accept { events: vec![event], yields, reply: oneshot::channel().0 }
    }

    fn finish(count: usize) -> (Request, oneshot::Receiver<Result<(), StoreError>>) {
        let result = Finished {
            delivery: DeliveryId::new(1),
            attempt: 1,
            destination: DestinationId::new(1),
            started_at: Timestamp::default(),
            duration: std::time::Duration::ZERO,
            exchange: Kept::of(&Exchange { request: None, answer: None, result: Ok(()) }),
            next: Next::Delivered,
            decided_at: Timestamp::default(),
            health: None,
            word: None,
        };
        let (reply, answer) = oneshot::channel();
        (Request::Finish { results: vec![result; count].into(), reply }, answer)
    }

    #[test]
    fn what_comes_meanwhile_joins_up_to_what_cannot() {
        let (sender, mut requests) = mpsc::channel(8);
        let (reply, _rests) = oneshot::channel();
        let rest = Request::Rest { resting: reply, until: oneshot::channel().1 };
        for request in [accept("a", false), finish(1).0, rest, accept("b", false)] {
            sender.try_send(request).unwrap();
        }
        let mut first = batch();
        first.join(&mut requests);
        first.join(&mut requests);
        assert_eq!((first.accepts.len(), first.finishes.len(), first.rests.len()), (1, 1, 0));
        let mut second = Batch::new(Arc::default(), first.refuse(&StoreError::Closed));
        assert_eq!(second.rests.len(), 1, "what came too late is the next one's, also when this one fails");
        second.join(&mut requests);
        assert_eq!(second.accepts.len(), 1);
    }

    #[test]
    fn it_hurries_for_others_but_not_for_ever() {
        let mut batch = batch();
        batch.put(finish(100).0);
        assert!(!batch.hurries(16, true), "nobody waits");
        batch.put(accept("a", false));
        assert!(!batch.hurries(0, false), "each second transaction writes some");
        assert!(batch.hurries(0, true) && batch.hurries(16, false));
        batch.put(finish(100).0);
        assert!(!batch.hurries(16, true), "results must not grow without end");
        batch.wrote(100);
        assert!(batch.hurries(100, true));
    }

    #[test]
    fn nothing_of_an_account_overtakes_what_it_sent_before() {
        let mut batch = batch();
        for request in [accept("a", true), accept("a", false), accept("b", false)] {
            batch.put(request);
        }
        assert_eq!((batch.yielding.len(), batch.accepts.len()), (2, 1));
    }

    #[test]
    fn results_are_answered_when_the_last_of_them_is_written() {
        let (request, mut answer) = finish(20);
        let (other, mut other_answer) = finish(4);
        let mut first = batch();
        first.put(request);
        first.put(other);
        first.wrote(first.results(16).count());
        let left = Answers::default().send(first);
        assert!(answer.try_recv().is_err() && !left.is_empty());
        let mut second = Batch::new(Arc::default(), left);
        assert_eq!(second.results(usize::MAX).count(), 8);
        second.wrote(4);
        let left = Answers::default().send(second);
        assert!(answer.try_recv().unwrap().is_ok() && other_answer.try_recv().is_err());
        let third = Batch::new(Arc::default(), left);
        third.refuse(&StoreError::Closed);
        assert!(other_answer.try_recv().unwrap().is_err());
    }
}
