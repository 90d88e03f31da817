//! The one task that writes.
//!
//! It takes all requests that wait, up to a limit, puts them into one `BEGIN IMMEDIATE` transaction, commits once, and then
//! answers all (group commit): with `synchronous=FULL` a commit costs a sync, and a statement costs some 43 microseconds of
//! processor whatever it does, so both are shared. The hot kinds (accept, claim, finish) become a handful of bulk statements
//! over all their rows; the rare ones run one by one, each in a savepoint of its own. Nothing is answered before the commit.
//!
//! Transactions live here and nowhere else, under no `select!` and no time-out: a future that is dropped in the middle of
//! one would leave its connection unusable.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, Row, SqliteConnection};
use tokio::sync::{mpsc, oneshot, watch};

use crate::domain::account::AccountKey;
use crate::domain::command::{Actor, Command, Done};
use crate::domain::event::{Accepted, NewEvent};
use crate::domain::id::{AccountId, DeliveryId};
use crate::domain::time::{SharedClock, Timestamp};
use crate::store::Revision;
use crate::store::access::Chore;
use crate::store::batch::{Answers, Batch};
use crate::store::commands::Trail;
use crate::store::error::{AcceptError, CommandError, StoreError};
use crate::store::failpoint;
use crate::store::matrix::KnownSetup;
use crate::store::outbox::Outbox;
use crate::store::queue::{Claimed, Deliverer, Finished, NewWork};
use crate::store::seal::Sealer;
use crate::store::slots::Slots;
use crate::store::storms::Storms;
use crate::store::turns::Turns;
use crate::store::upkeep::Upkeep;

/// Requests that may wait before callers do.
pub const WAITING_MAX: usize = 1024;

/// Requests in one transaction.
const BATCH_REQUESTS_MAX: usize = 512;

/// Rows of hot kinds in one transaction, so that no caller waits long for another's.
const BATCH_ROWS_MAX: usize = 4096;

/// Bytes of payloads in one transaction, beyond which no more requests are put into it.
const BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;

/// For how long a destination may only fail, unless the dispatcher says otherwise.
pub const FAILING_MAX: Duration = Duration::from_hours(5 * 24);

/// Accounts whose set-up is kept between batches.
const SETUPS_MAX: usize = 10_000;

/// An answer, sent after the commit.
pub type Reply<T, E = StoreError> = oneshot::Sender<Result<T, E>>;

/// Events of one caller, and where their answers go.
pub(crate) type Incoming = (Vec<NewEvent>, Reply<Vec<Result<Accepted, AcceptError>>>);

/// Something to write.
pub enum Request {
    /// Events that came in.
    Accept {
        /// Which.
        events: Vec<NewEvent>,
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
    /// Another process may have committed.
    Look,
    /// Write what waits, then end.
    Close {
        /// Answered at the end.
        reply: oneshot::Sender<()>,
    },
}

impl Request {
    fn rows(&self) -> usize {
        match self {
            Self::Accept { events, .. } => events.len(),
            Self::Claim { deliveries, .. } => deliveries.len(),
            Self::Finish { results, .. } => results.len(),
            Self::Run { .. } | Self::Reclaim { .. } => 64,
            Self::Upkeep { .. } => 256,
            Self::Chore { .. } => 1,
            Self::Look | Self::Rest { .. } | Self::Close { .. } => 0,
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Accept { events, .. } => events.iter().map(|event| event.data.as_str().len()).sum(),
            _ => 0,
        }
    }
}

/// What all requests of one transaction share.
pub(crate) struct Session {
    pub(crate) connection: SqliteConnection,
    pub(crate) now: Timestamp,
    pub(crate) sealer: Sealer,
    /// Set-ups of accounts as this connection last saw them; emptied whenever anybody may have changed one.
    pub(crate) setups: HashMap<AccountKey, KnownSetup>,
    /// The keys of accounts by their row numbers, for the same time.
    pub(crate) keys: HashMap<AccountId, AccountKey>,
    /// The last numbers given to rows, while nobody else can have given any.
    pub(crate) numbers: Option<Numbers>,
    /// Deliveries that this transaction made pending.
    pub(crate) work: Vec<NewWork>,
    /// For how long a destination may only fail before it is disabled.
    pub(crate) failing_max: Duration,
    /// What was sent lately, where that may become too much.
    pub(crate) storms: Storms,
    /// What the rows of the audit trail that follow belong to.
    pub(crate) trail: Trail,
    /// Deliveries that this transaction stored and claimed.
    pub(crate) claimed: Vec<Claimed>,
    /// What may be claimed as it is stored.
    pub(crate) slots: Slots,
    /// Whether the dispatcher knows as much as this connection.
    pub(crate) may_claim: bool,
}

/// The last numbers given to rows of the tables that are written in bulk.
#[derive(Clone, Copy)]
pub(crate) struct Numbers {
    pub(crate) event: i64,
    pub(crate) delivery: i64,
}

impl Session {
    /// Forgets what may no longer be so.
    pub(crate) fn forget(&mut self) {
        self.setups.clear();
        self.keys.clear();
        self.numbers = None;
    }
}

/// The writer: its connection and those who listen to it.
pub(crate) struct Writer {
    session: Session,
    turns: Turns,
    options: SqliteConnectOptions,
    clock: SharedClock,
    data_version: i64,
    revision: watch::Sender<Revision>,
    outbox: Outbox,
}

impl Writer {
    pub(crate) async fn open(
        options: SqliteConnectOptions,
        clock: SharedClock,
        sealer: Sealer,
        revision: watch::Sender<Revision>,
        outbox: Outbox,
    ) -> Result<Self, StoreError> {
        let mut connection = options.connect().await?;
        // Seen before anybody reads, so that no commit after the first read goes unnoticed.
        let data_version = sqlx::query_scalar("PRAGMA data_version").fetch_one(&mut connection).await?;
        let session = Session {
            connection,
            now: clock.now(),
            sealer,
            setups: HashMap::new(),
            keys: HashMap::new(),
            numbers: None,
            work: Vec::new(),
            failing_max: FAILING_MAX,
            storms: Storms::default(),
            trail: Trail::default(),
            claimed: Vec::new(),
            slots: outbox.slots.clone(),
            may_claim: false,
        };
        Ok(Self { session, turns: Turns::on(options.get_filename()), options, clock, data_version, revision, outbox })
    }

    /// Serves requests until it is told to close or nobody can ask any more.
    pub(crate) async fn serve(mut self, mut requests: mpsc::Receiver<Request>) {
        let mut batch = Vec::new();
        while let Some(first) = requests.recv().await {
            let (mut rows, mut bytes) = (first.rows(), first.bytes());
            batch.push(first);
            while batch.len() < BATCH_REQUESTS_MAX && rows < BATCH_ROWS_MAX && bytes < BATCH_BYTES_MAX {
                let Ok(request) = requests.try_recv() else { break };
                rows += request.rows();
                bytes += request.bytes();
                batch.push(request);
            }
            let mut closing = None;
            let mut rests = Vec::new();
            let mut sorted = Batch::new(self.outbox.metrics.clone());
            for request in batch.drain(..) {
                match request {
                    Request::Close { reply } => closing = Some(reply),
                    Request::Rest { resting, until } => rests.push((resting, until)),
                    other => sorted.put(other),
                }
            }
            self.commit(sorted).await;
            for (resting, until) in rests {
                let _ = resting.send(());
                let _ = until.await;
            }
            if let Some(reply) = closing {
                let _ = self.session.connection.close().await;
                let _ = reply.send(());
                return;
            }
        }
    }

    async fn commit(&mut self, mut batch: Batch) {
        if batch.is_empty() {
            if batch.look {
                self.look().await;
            }
            return;
        }
        // Whatever breaks, the callers get an answer and the next transaction begins on a connection of its own.
        let written = AssertUnwindSafe(self.transact(&mut batch)).catch_unwind().await;
        let broken = || Err(StoreError::Io("bellboard failed at this; see its log".to_owned()));
        match written.unwrap_or_else(|_| broken()) {
            Ok(answers) => {
                let lanes = batch.touches_lanes();
                self.announce(lanes);
                answers.send(batch);
            }
            Err(error) => {
                tracing::error!(%error, "a transaction failed; nothing of it was stored");
                batch.refuse(&error);
                let claimed = std::mem::take(&mut self.session.claimed);
                self.outbox.forget(&std::mem::take(&mut self.session.work), &claimed);
                self.recover().await;
            }
        }
    }

    async fn transact(&mut self, batch: &mut Batch) -> Result<Answers, StoreError> {
        self.session.now = self.clock.now();
        self.session.may_claim = !batch.touches_lanes();
        let _turn = self.turns.take().await;
        // Two statements that share the way to the driver's thread.
        let begun = sqlx::query("BEGIN IMMEDIATE; PRAGMA data_version").fetch_one(&mut self.session.connection).await?;
        if self.notice_others(begun.try_get(0)?) {
            self.lanes_changed();
            self.session.may_claim = false;
        }
        if self.session.setups.len() > SETUPS_MAX {
            self.session.setups.clear();
        }
        let mut answers = Answers::default();
        for (deliverer, _) in &batch.reclaims {
            answers.reclaimed.push(self.session.reclaim(deliverer).await?);
        }
        for (actor, command, _) in &mut batch.commands {
            answers.done.push(self.session.run_in_savepoint(actor, command).await?);
        }
        for (chore, _) in &batch.chores {
            self.session.chore(chore).await?;
        }
        for (task, _) in &batch.upkeep {
            answers.kept_up.push(self.session.upkeep_in_savepoint(task).await?);
        }
        if !batch.accepts.is_empty() {
            answers.accepted = self.session.accept(&batch.accepts).await?;
        }
        if !batch.finishes.is_empty() {
            self.session.finish(batch.finishes.iter().flat_map(|(results, _)| results.iter())).await?;
        }
        for (deliveries, lease_ends, _) in &batch.claims {
            answers.claimed.push(self.session.claim(deliveries, *lease_ends).await?);
        }
        batch.failpoints().for_each(|(before, _)| failpoint::pass(before));
        sqlx::query("COMMIT").execute(&mut self.session.connection).await?;
        batch.failpoints().for_each(|(_, after)| failpoint::pass(after));
        Ok(answers)
    }

    /// Whether another process has committed since this connection last looked. If so, nothing that was remembered holds.
    fn notice_others(&mut self, data_version: i64) -> bool {
        let changed = data_version != self.data_version;
        if changed {
            self.session.forget();
            self.data_version = data_version;
        }
        changed
    }

    async fn look(&mut self) {
        match sqlx::query_scalar("PRAGMA data_version").fetch_one(&mut self.session.connection).await {
            Ok(version) if self.notice_others(version) => {
                self.lanes_changed();
                self.revision.send_modify(|revision| revision.number += 1);
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "cannot look for other processes' commits"),
        }
    }

    fn announce(&mut self, commands: bool) {
        let claimed = std::mem::take(&mut self.session.claimed);
        let told = self.outbox.tell(std::mem::take(&mut self.session.work), claimed);
        if commands || !told {
            self.lanes_changed();
        }
        self.revision.send_modify(|revision| {
            revision.number += 1;
            revision.setups += u64::from(commands);
        });
    }

    /// There may be something in the lanes, or about them, that the dispatcher has not been told.
    fn lanes_changed(&self) {
        self.revision.send_modify(|revision| {
            revision.lanes += 1;
            // Before anybody sees that number, or an offer that knows it could come first.
            self.session.slots.changed(revision.lanes);
        });
    }

    /// After an error the transaction may have ended by itself (a full disk), and the driver not know: a new connection follows.
    async fn recover(&mut self) {
        self.session.forget();
        self.session.storms.forget();
        match self.options.connect().await {
            Ok(connection) => {
                let broken = std::mem::replace(&mut self.session.connection, connection);
                // What was committed in between is not known.
                self.data_version = -1;
                let _ = broken.close_hard().await;
            }
            Err(error) => {
                tracing::error!(%error, "the database cannot be opened again; the next write tries once more");
            }
        }
    }
}
