//! Bulk replays: counted first, then started, watched, cancelled.
//!
//! Sending again what failed and sending what was never tried are two commands, since they are two things.

use std::io::{self, IsTerminal};

use clap::{Args, Subcommand};
use serde::Serialize;

use crate::cli::confirm::{DECLINED, confirm};
use crate::cli::failure::Failure;
use crate::cli::output::Table;
use crate::cli::query::DeliveryQuery;
use crate::cli::session::Session;
use crate::cli::show::{self, DoneObject, counted};
use crate::domain::command::{Command, Done};
use crate::domain::delivery::DeliveryState;
use crate::domain::id::{DeliveryId, ReplayId};
use crate::domain::replay::{Replay, ReplayState};
use crate::store::Store;
use crate::store::replays::{Plan, Sample};

/// One delivery, or all that match.
#[derive(Debug, Args)]
pub struct Again {
    /// Which, as `dlv_17`; or leave it out and say which with the options below
    delivery: Option<DeliveryId>,
    #[command(flatten)]
    query: DeliveryQuery,
    /// How.
    #[command(flatten)]
    pub go: Go,
}

/// What was never tried.
#[derive(Debug, Args)]
pub struct Missed {
    #[command(flatten)]
    query: DeliveryQuery,
    /// How.
    #[command(flatten)]
    pub go: Go,
}

/// How to go about it.
#[derive(Debug, Args)]
pub struct Go {
    /// Only count, and show some of it
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// Stay until all of it is on its way; without, a terminal shows the progress and everything else goes on at once
    #[arg(long)]
    wait: bool,
}

/// What to do with bulk replays.
#[derive(Debug, Subcommand)]
pub enum Replays {
    /// List bulk replays, the newest first
    List,
    /// End a bulk replay; what it has sent stays sent
    Cancel {
        /// Which, as `rpl_3`
        replay: ReplayId,
    },
}

#[derive(Serialize)]
struct PlanObject<'a> {
    count: usize,
    more: bool,
    sample: &'a [Sample],
}

#[derive(Serialize)]
struct StartedObject<'a> {
    #[serde(flatten)]
    done: DoneObject<'a>,
    replay: Option<Replay>,
}

/// The two things that can be sent, in words.
struct Kind {
    /// As in `3 deliveries that failed`.
    what: String,
    question: &'static str,
    nothing: &'static str,
}

impl Again {
    /// Sends again.
    ///
    /// # Errors
    /// When it cannot be done.
    pub async fn run(mut self, session: &Session, store: &Store) -> Result<(), Failure> {
        if let Some(id) = self.delivery {
            if !self.query.is_empty() {
                return Err(Failure::usage("name one delivery, or say which with the options, not both"));
            }
            let done = session.change(store, Command::Replay { deliveries: vec![id] }).await?;
            return Ok(session.out.either(&DoneObject::from(&done), &done.says)?);
        }
        check_query(session, store, &self.query).await?;
        // What was delivered is sent twice only when that is said.
        let state = *self.query.state.get_or_insert(DeliveryState::Failed);
        if !state.is_end() {
            return Err(Failure::usage(format!(
                "what is {} is on its way already; name a state that is an end",
                state.name()
            )));
        }
        let filter = self.query.filter(session.clock.now(), 0);
        let plan = store.plan_again(&filter).await?;
        let kind = Kind {
            what: format!("{} deliveries {}", state.name(), filter.words(|at| at.to_string())),
            question: "Send again",
            nothing: "no delivery matches, so nothing is sent; `bellboard deliveries send-missed` is for what was never tried",
        };
        self.go.run(session, store, &self.query, kind, plan).await
    }
}

impl Missed {
    /// Sends what was never tried.
    ///
    /// # Errors
    /// When it cannot be done.
    pub async fn run(self, session: &Session, store: &Store) -> Result<(), Failure> {
        check_query(session, store, &self.query).await?;
        if self.query.state.is_some() {
            return Err(Failure::usage(
                "what was never tried has no state; leave --state out, or use `deliveries replay`",
            ));
        }
        let filter = self.query.filter(session.clock.now(), 0);
        let plan = store.plan_missed(&filter).await?;
        let kind = Kind {
            what: format!("never sent {}", filter.words(|at| at.to_string())),
            question: "Send",
            nothing: "nothing was missed that would go somewhere now; `bellboard deliveries replay` is for what failed",
        };
        self.go.run(session, store, &self.query, kind, plan).await
    }
}

async fn check_query(session: &Session, store: &Store, query: &DeliveryQuery) -> Result<(), Failure> {
    if query.is_empty() {
        return Err(Failure::usage(
            "say which: a delivery as dlv_17, or options as --account KEY --state failed --since 2h",
        ));
    }
    if let Some(account) = &query.account {
        store.account(account).await?;
    }
    if let (Some(since), Some(until)) = (query.since, query.until) {
        let now = session.clock.now();
        if since.from(now) >= until.from(now) {
            return Err(Failure::usage("--since is not before --until, so nothing can match"));
        }
    }
    Ok(())
}

impl Go {
    async fn run(
        &self,
        session: &Session,
        store: &Store,
        query: &DeliveryQuery,
        kind: Kind,
        plan: Plan,
    ) -> Result<(), Failure> {
        let out = session.out;
        if self.dry_run && out.json {
            let object = PlanObject { count: plan.items.len(), more: plan.more, sample: &plan.sample };
            return Ok(out.document(&object)?);
        }
        if plan.items.is_empty() {
            let done = Done { says: kind.nothing.to_owned(), ..Done::default() };
            return Ok(out.either(&DoneObject::from(&done), &done.says)?);
        }
        let count = counted(plan.items.len(), "delivery", "deliveries");
        if self.dry_run {
            out.line(format!("{} {count}: {}", kind.question.to_lowercase(), kind.what))?;
            return Ok(out.table(&sample_table(&plan.sample))?);
        }
        if !self.yes {
            for line in sample_table(&plan.sample).render(None).lines() {
                out.aside(line);
            }
        }
        if plan.more {
            out.aside(format!("more match than one replay sends; these are the newest {}", plan.items.len()));
        }
        if !confirm(out, &format!("{} {count}?", kind.question), self.yes)? {
            let done = Done { says: DECLINED.to_owned(), ..Done::default() };
            return Ok(out.either(&DoneObject::from(&done), &done.says)?);
        }
        let command = Command::StartReplay { account: query.account.clone(), what: kind.what, items: plan.items };
        let done = session.change(store, command).await?;
        let mut replay = match done.replay {
            Some(id) => Some(store.replay(id).await?),
            None => None,
        };
        let watched = self.wait || !out.json && io::stderr().is_terminal();
        if let Some(started) = replay.as_mut().filter(|replay| watched && replay.state == ReplayState::Running) {
            if crate::dispatch::lock::is_held(store.path()) {
                *started = follow(session, store, started.id).await?;
            } else if !out.json {
                session.say_when_nobody_delivers(store)?;
            }
        }
        let says = replay.as_ref().map_or_else(|| done.says.clone(), sentence);
        out.either(&StartedObject { done: DoneObject::from(&done), replay }, &says)?;
        Ok(())
    }
}

fn sentence(replay: &Replay) -> String {
    let id = replay.id;
    match replay.state {
        ReplayState::Running => {
            format!("{id}: {}; `bellboard deliveries replays` shows how far it is", replay.progress())
        }
        ReplayState::Done => format!("{id} is done: {}", replay.progress()),
        ReplayState::Cancelled => format!("{id} was cancelled: {}", replay.progress()),
    }
}

/// Shows how far it is, until it has ended. It goes on when this is left.
async fn follow(session: &Session, store: &Store, id: ReplayId) -> Result<Replay, Failure> {
    let mut revision = store.revision();
    let shown = io::stderr().is_terminal();
    loop {
        revision.mark_unchanged();
        let replay = store.replay(id).await?;
        if shown {
            session.out.progress(&format!("{}; ^C leaves it running", replay.progress()));
        }
        if replay.state != ReplayState::Running {
            if shown {
                session.out.progress("");
            }
            return Ok(replay);
        }
        if revision.changed().await.is_err() {
            return Ok(replay);
        }
    }
}

fn sample_table(sample: &[Sample]) -> Table {
    let mut table = Table::new(["at", "account", "event type", "channel", "to", "so far"]);
    for one in sample {
        table.row([
            show::time(one.at),
            one.account.to_string(),
            one.event_type.clone(),
            one.channel.to_string(),
            one.destination.to_string(),
            one.why.clone(),
        ]);
    }
    table
}

impl Replays {
    /// Does it.
    ///
    /// # Errors
    /// When it cannot be done.
    pub async fn run(self, session: &Session, store: &Store) -> Result<(), Failure> {
        match self {
            Self::List => list(session, store).await,
            Self::Cancel { replay } => {
                let done = session.change(store, Command::CancelReplay { id: replay }).await?;
                Ok(session.out.either(&DoneObject::from(&done), &done.says)?)
            }
        }
    }
}

async fn list(session: &Session, store: &Store) -> Result<(), Failure> {
    let replays = store.replays().await?;
    let table = |rows: &[Replay]| {
        let mut table = Table::new(["replay", "started", "by", "state", "how far", "what"]);
        for row in rows {
            let state = row.state.name().to_owned();
            let (at, by) = (show::time(row.started_at), row.started_by.clone());
            table.row([row.id.to_string(), at, by, state, row.progress(), row.what.clone()]);
        }
        table
    };
    let when_empty = "no bulk replay yet; `bellboard deliveries replay --account KEY --since 2h --dry-run` counts one";
    Ok(session.out.list(&replays, table, when_empty)?)
}
