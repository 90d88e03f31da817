//! `deliveries`: what was sent, what waits, what failed; and sending again.

use std::fmt::Write;

use clap::{Args, Subcommand};

use crate::cli::confirm::{DECLINED, confirm};
use crate::cli::failure::Failure;
use crate::cli::query::DeliveryQuery;
use crate::cli::replays::{Again, Missed, Replays};
use crate::cli::session::Session;
use crate::cli::show::{self, DoneObject, counted};
use crate::domain::command::{Command, Done};
use crate::domain::id::DeliveryId;
use crate::domain::text::safe_lines;
use crate::store::Store;
use crate::store::deliveries::{Attempt, DeliveryRow};

/// What to do with deliveries.
#[derive(Debug, Subcommand)]
pub enum Deliveries {
    /// List deliveries, the newest first
    List(List),
    /// Show one delivery with every attempt's request and answer
    Show {
        /// Which, as `dlv_17`
        delivery: DeliveryId,
    },
    /// Send again: one delivery, or all that match: those that failed, unless --state says otherwise
    Replay(Again),
    /// Send what was never tried and would go somewhere now: its channel was off, had no destination, was disabled or muted
    SendMissed(Missed),
    /// Bulk replays: how far they are, and how to end one
    Replays {
        /// What to do with them; lists them when nothing is said.
        #[command(subcommand)]
        command: Option<Replays>,
    },
    /// Do not try further: one delivery, or all that match; those that have ended are passed over
    Cancel(Bulk),
}

/// Which deliveries to list.
#[derive(Debug, Args)]
pub struct List {
    #[command(flatten)]
    query: DeliveryQuery,
    /// Only those before this delivery: the next page
    #[arg(long, value_name = "ID")]
    before: Option<DeliveryId>,
    /// How many at most
    #[arg(long, default_value_t = 50)]
    limit: u32,
}

/// One delivery, or all that match.
#[derive(Debug, Args)]
pub struct Bulk {
    /// Which, as `dlv_17`; or leave it out and say which with the options below
    delivery: Option<DeliveryId>,
    #[command(flatten)]
    query: DeliveryQuery,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

/// Most deliveries that one command moves; what is beyond is left for the next, and that is said.
const BULK_MAX: usize = 100_000;

/// How many are read, and handed to the store, at a time.
const PAGE: usize = 1000;

/// How many are shown before the question.
const SAMPLE: usize = 5;

impl Deliveries {
    /// Does it.
    ///
    /// # Errors
    /// When it cannot be done.
    pub async fn run(self, session: &Session) -> Result<(), Failure> {
        let store = session.open().await?;
        match self {
            Self::List(which) => list(session, &store, which).await,
            Self::Show { delivery } => show_one(session, &store, delivery).await,
            Self::Replay(which) => which.run(session, &store).await,
            Self::SendMissed(which) => which.run(session, &store).await,
            Self::Replays { command } => command.unwrap_or(Replays::List).run(session, &store).await,
            Self::Cancel(which) => which.run(session, &store).await,
        }
    }
}

async fn list(session: &Session, store: &Store, which: List) -> Result<(), Failure> {
    if let Some(account) = &which.query.account {
        store.account(account).await?;
    }
    let now = session.clock.now();
    let account = which.query.account.is_none();
    let mut filter = which.query.filter(now, which.limit);
    filter.before = which.before;
    let rows = store.deliveries(&filter).await?;
    let when_empty = if which.query.is_empty() {
        "nothing was to be delivered yet; `bellboard emit ACCOUNT EVENT_TYPE --dry-run` says who would get an event"
    } else {
        "no delivery matches; take an option away, or see `bellboard why EVENT` for what was not sent"
    };
    Ok(session.out.list(&rows, |rows| show::deliveries(rows, account, now), when_empty)?)
}

async fn show_one(session: &Session, store: &Store, id: DeliveryId) -> Result<(), Failure> {
    let detail = store.delivery(id).await?;
    if session.out.json {
        return Ok(session.out.document(&detail)?);
    }
    let out = session.out;
    let row = &detail.delivery;
    out.line(format!(
        "{}: {} of {} over {} to {}",
        row.id,
        show::event_type(row),
        row.account,
        row.channel,
        row.label
    ))?;
    out.line(format!("{}; event {}, destination {}", row.explanation(), row.event_id, row.destination))?;
    for attempt in &detail.attempts {
        out.raw(describe(attempt).as_bytes())?;
    }
    Ok(())
}

/// Most lines of a body that are shown; `--json` has it whole.
const BODY_LINES_MAX: usize = 40;

/// An attempt with its request and answer, as safe lines.
fn describe(attempt: &Attempt) -> String {
    let mut lines = Vec::new();
    let status = attempt.status.map(|status| format!(" {status}")).unwrap_or_default();
    let reason = attempt.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
    let at = show::time(attempt.started_at);
    lines.push(format!(
        "\ntry {}, {at}, {} ms: {}{status}{reason}",
        attempt.number, attempt.duration_ms, attempt.outcome
    ));
    if let Some(request) = &attempt.request {
        lines.push(format!("  > {} {}", request.method, request.url));
        lines.extend(request.headers.iter().map(|(name, value)| format!("  > {name}: {value}")));
        lines.extend(safe_lines(&request.body, BODY_LINES_MAX).iter().map(|line| format!("  >   {line}")));
    }
    if let Some(answer) = &attempt.answer {
        lines.push(format!("  < {}", answer.status));
        lines.extend(answer.headers.iter().map(|(name, value)| format!("  < {name}: {value}")));
        lines.extend(safe_lines(&answer.body, BODY_LINES_MAX).iter().map(|line| format!("  <   {line}")));
    }
    let mut text = String::new();
    for line in lines {
        let line = line.strip_prefix('\n').map_or(line.as_str(), |rest| {
            text.push('\n');
            rest
        });
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}", crate::domain::text::safe_line(line));
    }
    text
}

fn nothing(session: &Session, says: &str) -> Result<(), Failure> {
    let done = Done { says: says.to_owned(), ..Done::default() };
    Ok(session.out.either(&DoneObject::from(&done), &done.says)?)
}

impl Bulk {
    async fn run(self, session: &Session, store: &Store) -> Result<(), Failure> {
        if let Some(id) = self.delivery {
            if !self.query.is_empty() {
                return Err(Failure::usage("name one delivery, or say which with the options, not both"));
            }
            let done = session.change(store, Command::Cancel { deliveries: vec![id] }).await?;
            return Ok(session.out.either(&DoneObject::from(&done), &done.says)?);
        }
        if self.query.is_empty() {
            return Err(Failure::usage(
                "say which: a delivery as dlv_17, or options as --account KEY --state failed --since 2h",
            ));
        }
        let ids = self.matching(session, store).await?;
        if ids.is_empty() {
            return nothing(session, "no delivery matches, so nothing was changed");
        }
        let question = format!("Cancel {}?", counted(ids.len(), "delivery", "deliveries"));
        if !confirm(session.out, &question, self.yes)? {
            return nothing(session, DECLINED);
        }
        let mut all = Done::default();
        for page in ids.chunks(PAGE) {
            let done = session.change(store, Command::Cancel { deliveries: page.to_vec() }).await?;
            all.deliveries.extend(done.deliveries);
            all.change = done.change.or(all.change);
            all.says = done.says;
        }
        if ids.len() > PAGE {
            all.says = format!("{} of {} that matched were moved", all.deliveries.len(), ids.len());
        }
        Ok(session.out.either(&DoneObject::from(&all), &all.says)?)
    }

    /// The ids of all that match, the newest first. A sample goes to stderr, so that the question is about something.
    async fn matching(&self, session: &Session, store: &Store) -> Result<Vec<DeliveryId>, Failure> {
        if let Some(account) = &self.query.account {
            store.account(account).await?;
        }
        let now = session.clock.now();
        let mut filter = self.query.filter(now, u32::try_from(PAGE).unwrap_or(u32::MAX));
        let mut ids = Vec::new();
        loop {
            let rows: Vec<DeliveryRow> = store.deliveries(&filter).await?;
            if ids.is_empty() && !rows.is_empty() && !self.yes {
                for line in show::deliveries(&rows[..rows.len().min(SAMPLE)], self.query.account.is_none(), now)
                    .render(None)
                    .lines()
                {
                    session.out.aside(line);
                }
            }
            ids.extend(rows.iter().map(|row| row.id));
            filter.before = rows.last().map(|row| row.id);
            if rows.len() < PAGE {
                return Ok(ids);
            }
            if ids.len() >= BULK_MAX {
                session.out.aside(format!("more than {BULK_MAX} match; these are the newest {}", ids.len()));
                return Ok(ids);
            }
        }
    }
}
