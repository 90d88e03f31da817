//! What the writer can be asked for, and how it answers.

use std::collections::HashSet;
use std::sync::Arc;

use tokio::sync::{oneshot, watch};

use crate::domain::command::{Actor, Command, Done};
use crate::domain::event::{Accepted, NewEvent};
use crate::domain::id::DeliveryId;
use crate::domain::time::Timestamp;
use crate::store::access::Chore;
use crate::store::error::{AcceptError, CommandError, StoreError};
use crate::store::queue::{Claimed, Deliverer, Finished};
use crate::store::upkeep::Upkeep;

/// An answer, sent after the commit.
pub type Reply<T, E = StoreError> = oneshot::Sender<Result<T, E>>;

/// Events of one caller, and where their answers go. They are answered together, when the last of them is durable.
pub(crate) struct Incoming {
    events: Vec<NewEvent>,
    /// Whether they leave room for those of others, who send little.
    pub(crate) yields: bool,
    /// Of the first events, which are durable.
    answers: Vec<Answer>,
    reply: Reply<Vec<Answer>>,
}

/// What became of an event.
pub(crate) type Answer = Result<Accepted, AcceptError>;

impl Incoming {
    pub(crate) const fn new(events: Vec<NewEvent>, yields: bool, reply: Reply<Vec<Answer>>) -> Self {
        Self { events, yields, answers: Vec::new(), reply }
    }

    /// Whether both bring events of the same account.
    pub(crate) fn shares_account(&self, other: &Self) -> bool {
        let accounts: HashSet<_> = self.rest().iter().map(|event| &event.account).collect();
        other.rest().iter().any(|event| accounts.contains(&event.account))
    }

    /// The events that have not been stored yet.
    pub(crate) fn rest(&self) -> &[NewEvent] {
        &self.events[self.answers.len()..]
    }

    /// Takes the answers for the next of its events, which are durable now. Answers the caller if they were the last; else gives
    /// itself back.
    pub(crate) fn answer(mut self, answers: Vec<Answer>) -> Option<Self> {
        self.answers.extend(answers);
        if !self.rest().is_empty() {
            return Some(self);
        }
        let _ = self.reply.send(Ok(self.answers));
        None
    }

    /// Says that the rest cannot be stored.
    pub(crate) fn refuse(self, error: StoreError) {
        let _ = self.reply.send(Err(error));
    }
}

/// Results of one caller, who is answered when the last of them is durable. If that fails, the caller writes all of them again, and
/// those that are written already change nothing.
pub(crate) struct Writing {
    results: Arc<[Finished]>,
    written: usize,
    reply: Reply<()>,
}

impl Writing {
    pub(crate) const fn new(results: Arc<[Finished]>, reply: Reply<()>) -> Self {
        Self { results, written: 0, reply }
    }

    /// Those that have not been written yet.
    pub(crate) fn rest(&self) -> &[Finished] {
        &self.results[self.written..]
    }

    /// The next ones are written, at most so many; returns how many those are.
    pub(crate) fn wrote(&mut self, most: usize) -> usize {
        let written = most.min(self.rest().len());
        self.written += written;
        written
    }

    /// Answers the caller if all are durable; else gives itself back.
    pub(crate) fn answer(self) -> Option<Self> {
        if !self.rest().is_empty() {
            return Some(self);
        }
        let _ = self.reply.send(Ok(()));
        None
    }

    /// Says that the rest cannot be written.
    pub(crate) fn refuse(self, error: StoreError) {
        let _ = self.reply.send(Err(error));
    }
}

/// Something to write.
pub enum Request {
    /// Events that came in.
    Accept {
        /// Which.
        events: Vec<NewEvent>,
        /// Whether they leave room for those of others, who send little.
        yields: bool,
        /// One answer for each.
        reply: Reply<Vec<Result<Accepted, AcceptError>>>,
    },
    /// Deliveries that are about to be sent.
    Claim {
        /// Which; those that are no longer pending are left out of the answer.
        deliveries: Vec<DeliveryId>,
        /// Until when they are this process's.
        lease_ends: Timestamp,
        /// What to send.
        reply: Reply<Vec<Claimed>>,
    },
    /// What became of sends.
    Finish {
        /// Which.
        results: Arc<[Finished]>,
        /// Answered when they are durable.
        reply: Reply<()>,
    },
    /// A person's change.
    Run {
        /// Who.
        actor: Actor,
        /// What.
        command: Command,
        /// What came of it.
        reply: Reply<Done, CommandError>,
    },
    /// This process delivers from now on: what the last one was sending is pending again.
    Reclaim {
        /// This process.
        deliverer: Deliverer,
        /// How many deliveries were reclaimed.
        reply: Reply<u64>,
    },
    /// A small write of the program's own.
    Chore {
        /// What.
        chore: Chore,
        /// Answered when it is durable.
        reply: Reply<()>,
    },
    /// A small step of something that goes on beside the deliveries. When it cannot be done, nothing else suffers.
    Upkeep {
        /// What.
        task: Upkeep,
        /// How many rows it moved.
        reply: Reply<u64>,
    },
    /// Begin no transaction for a while: the log of commits is to begin anew.
    Rest {
        /// Told when none is open.
        resting: oneshot::Sender<()>,
        /// When this is told, or dropped, the rest is over.
        until: oneshot::Receiver<()>,
    },
    /// From now on wait for as long as another program holds the database locked.
    Patience {
        /// Told when that begins and when it is over.
        waits: watch::Sender<bool>,
    },
    /// Another process may have committed.
    Look,
    /// Write what waits, then end.
    Close {
        /// Answered at the end.
        reply: oneshot::Sender<()>,
    },
}

impl Request {
    /// How many rows of hot kinds it writes, about.
    pub(crate) fn rows(&self) -> usize {
        match self {
            Self::Accept { events, .. } => events.len(),
            Self::Claim { deliveries, .. } => deliveries.len(),
            Self::Finish { results, .. } => results.len(),
            Self::Run { .. } | Self::Reclaim { .. } => 64,
            Self::Upkeep { .. } => 256,
            Self::Chore { .. } => 1,
            Self::Look | Self::Patience { .. } | Self::Rest { .. } | Self::Close { .. } => 0,
        }
    }

    /// The bytes of payloads in it.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Accept { events, .. } => events.iter().map(|event| event.data.as_str().len()).sum(),
            _ => 0,
        }
    }
}
