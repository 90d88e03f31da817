//! The one task that writes.
//!
//! It takes all requests that wait, up to a limit, puts them into one `BEGIN IMMEDIATE` transaction, commits once, and then
//! answers all (group commit): with `synchronous=FULL` a commit costs a sync, and a statement costs some 43 microseconds of
//! processor whatever it does, so both are shared. The hot kinds (accept, claim, finish) become a handful of bulk statements
//! over all their rows; the rare ones run one by one, each in a savepoint of its own. Nothing is answered before the commit.
//! What may wait for others' events is written in steps (`store/steps.rs`).
//!
//! Transactions live here and nowhere else, under no `select!` and no time-out: a future that is dropped in the middle of
//! one would leave its connection unusable.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, Row, SqliteConnection};
use tokio::sync::{mpsc, watch};

use crate::domain::account::AccountKey;
use crate::domain::id::{AccountId, DestinationId};
use crate::domain::time::{SharedClock, Timestamp};
use crate::store::Revision;
use crate::store::batch::{Answers, Batch, Left};
use crate::store::commands::Trail;
use crate::store::error::StoreError;
use crate::store::failpoint;
use crate::store::matrix::KnownSetup;
use crate::store::outbox::Outbox;
use crate::store::queue::{Claimed, News};
use crate::store::request::Request;
use crate::store::seal::Sealer;
use crate::store::slots::Slots;
use crate::store::steps::Steps;
use crate::store::storms::Storms;
use crate::store::turns::Turns;

/// Requests that may wait before callers do.
pub const WAITING_MAX: usize = 1024;

/// For how long a destination may only fail, unless the dispatcher says otherwise.
pub const FAILING_MAX: Duration = Duration::from_hours(5 * 24);

/// How long who waits for as long as it takes does so until it says so, and between two tries after that.
const PATIENCE_ROUND: Duration = Duration::from_secs(1);

/// Accounts whose set-up is kept between batches.
const SETUPS_MAX: usize = 10_000;

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
    /// Deliveries that this transaction made pending, and lanes in which it moved some.
    pub(crate) work: Vec<(DestinationId, News)>,
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
    /// Whether this transaction has left something to be done in steps ([`crate::store::ending`]).
    pub(crate) has_marked: bool,
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
    steps: Steps,
    /// Told of a wait for another program; nothing while such a wait has an end.
    patience: Option<watch::Sender<bool>>,
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
            has_marked: false,
        };
        Ok(Self {
            session,
            turns: Turns::on(options.get_filename()),
            options,
            clock,
            data_version,
            revision,
            outbox,
            steps: Steps::default(),
            patience: None,
        })
    }

    /// Serves requests until it is told to close or nobody can ask any more.
    pub(crate) async fn serve(mut self, mut requests: mpsc::Receiver<Request>) {
        let mut left = Left::default();
        let mut closing = None;
        loop {
            let first = if left.is_empty() { requests.recv().await } else { None };
            if first.is_none() && left.is_empty() {
                return;
            }
            let mut batch = Batch::new(self.outbox.metrics.clone(), left);
            if let Some(request) = first {
                batch.put(request);
            }
            while batch.has_room() {
                let Ok(request) = requests.try_recv() else { break };
                batch.put(request);
            }
            closing = batch.closing.take().or(closing);
            if let Some(waits) = batch.patience.take() {
                self.be_patient(waits).await;
            }
            let rests = std::mem::take(&mut batch.rests);
            left = self.commit(batch, &mut requests).await;
            for (resting, until) in rests {
                let _ = resting.send(());
                let _ = until.await;
            }
            if left.is_empty()
                && let Some(reply) = closing.take()
            {
                let _ = self.session.connection.close().await;
                let _ = reply.send(());
                return;
            }
        }
    }

    /// Writes all of it, or nothing; returns what is left for the next transaction.
    async fn commit(&mut self, mut batch: Batch, requests: &mut mpsc::Receiver<Request>) -> Left {
        if batch.is_empty() {
            if batch.look {
                self.look().await;
            }
            return Left::default();
        }
        // Whatever breaks, the callers get an answer and the next transaction begins on a connection of its own.
        let written = AssertUnwindSafe(self.transact(&mut batch, requests)).catch_unwind().await;
        let broken = || Err(StoreError::Io("bellboard failed at this; see its log".to_owned()));
        match written.unwrap_or_else(|_| broken()) {
            Ok(answers) => {
                let lanes = batch.touches_lanes();
                self.announce(lanes);
                answers.send(batch)
            }
            Err(error) => {
                tracing::error!(%error, "a transaction failed; nothing of it was stored");
                let left = batch.refuse(&error);
                let claimed = std::mem::take(&mut self.session.claimed);
                self.outbox.forget(&std::mem::take(&mut self.session.work), &claimed);
                self.recover().await;
                left
            }
        }
    }

    async fn transact(
        &mut self,
        batch: &mut Batch,
        requests: &mut mpsc::Receiver<Request>,
    ) -> Result<Answers, StoreError> {
        self.session.now = self.clock.now();
        self.session.may_claim = !batch.touches_lanes();
        let _turn = self.turns.take().await;
        if self.begin().await? {
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
        self.steps.write(&mut self.session, &self.clock, batch, &mut answers, requests).await?;
        if !batch.accepts.is_empty() {
            answers.accepted = self.session.accept(&batch.accepts).await?;
        }
        batch.failpoints().for_each(|(before, _)| failpoint::pass(before));
        sqlx::query("COMMIT").execute(&mut self.session.connection).await?;
        batch.failpoints().for_each(|(_, after)| failpoint::pass(after));
        Ok(answers)
    }

    /// Waits for another program for as long as it takes from now on, and says so.
    async fn be_patient(&mut self, waits: watch::Sender<bool>) {
        self.options = self.options.clone().busy_timeout(PATIENCE_ROUND);
        let statement = format!("PRAGMA busy_timeout = {}", PATIENCE_ROUND.as_millis());
        if let Err(error) = sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&mut self.session.connection).await {
            tracing::warn!(%error, "cannot change how long to wait for the database");
        }
        self.patience = Some(waits);
    }

    /// Begins a transaction; says whether another process has committed since the last one.
    async fn begin(&mut self) -> Result<bool, StoreError> {
        let mut is_new = false;
        loop {
            // Two statements that share the way to the driver's thread.
            let begun = sqlx::query("BEGIN IMMEDIATE; PRAGMA data_version").fetch_one(&mut self.session.connection);
            let begun = begun.await.map_err(StoreError::from);
            // A file that was opened while it could only be read stays so for that connection, when it can be written long since.
            if matches!(begun, Err(StoreError::NotWritable)) && !std::mem::replace(&mut is_new, true) {
                self.recover().await;
                continue;
            }
            match (begun, &self.patience) {
                // The first of them failed, so nothing has begun.
                (Err(StoreError::Busy), Some(waits)) => drop(waits.send_replace(true)),
                (begun, waits) => {
                    if let Some(waits) = waits {
                        waits.send_if_modified(std::mem::take);
                    }
                    return Ok(self.notice_others(begun?.try_get(0)?));
                }
            }
        }
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
        if commands || !told || std::mem::take(&mut self.session.has_marked) {
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
