//! `watch`: the live pane as plain lines, for pipes, logs and screen readers.

use std::io;
use std::os::fd::AsFd;

use clap::Args;
use rustix::event::{PollFd, PollFlags, poll};
use serde::Serialize;

use crate::cli::failure::Failure;
use crate::cli::session::Session;
use crate::cli::show;
use crate::cli::signals::EndSignals;
use crate::domain::account::AccountKey;
use crate::domain::time::Timestamp;
use crate::store::Store;
use crate::store::deliveries::DeliveryRow;
use crate::store::live::AttemptLine;

/// Print every attempt as it happens
///
/// One line each, at once; under --json one object a line. It ends with Ctrl-C, or when nobody reads any more.
#[derive(Debug, Args)]
pub struct Watch {
    /// Only of this account
    #[arg(long, value_name = "KEY")]
    account: Option<AccountKey>,
    /// Only attempts that did not get through
    #[arg(long)]
    failures: bool,
}

/// Most attempts that are read at once.
const BATCH_MAX: u32 = 500;

impl Watch {
    /// Prints until the reader has gone or a signal comes.
    ///
    /// # Errors
    /// When there is no such account, or the store cannot be read.
    pub async fn run(self, session: &Session) -> Result<(), Failure> {
        let mut signals = EndSignals::listen()?;
        let store = session.open().await?;
        if let Some(account) = &self.account {
            store.account(account).await?;
        }
        tokio::select! {
            ended = self.follow(session, &store) => ended,
            _ = signals.first() => Ok(()),
        }
    }

    /// Everything that happens.
    #[must_use]
    pub const fn everything() -> Self {
        Self { account: None, failures: false }
    }

    /// Prints until the reader has gone.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn follow(&self, session: &Session, store: &Store) -> Result<(), Failure> {
        tokio::select! {
            ended = self.print(session, store) => ended,
            _ = tokio::task::spawn_blocking(wait_for_reader_to_leave) => Ok(()),
        }
    }

    async fn print(&self, session: &Session, store: &Store) -> Result<(), Failure> {
        let mut revision = store.revision();
        let mut cursor = store.last_attempt().await?;
        loop {
            revision.mark_unchanged();
            let lines = store.attempts_after(cursor, self.account.as_ref(), BATCH_MAX).await?;
            for line in &lines {
                cursor = line.cursor;
                if !(self.failures && line.outcome == "delivered") {
                    print_line(session, line)?;
                }
            }
            if lines.is_empty() && revision.changed().await.is_err() {
                return Ok(());
            }
        }
    }
}

/// A delivery as it stands now, and the attempt that was made.
#[derive(Serialize)]
struct LineObject<'a> {
    #[serde(flatten)]
    delivery: &'a DeliveryRow,
    attempt: AttemptObject<'a>,
}

/// One of the members of a delivery's `attempt_log`, without what went over the wire.
#[derive(Serialize)]
struct AttemptObject<'a> {
    number: u32,
    started_at: Timestamp,
    duration_ms: u32,
    outcome: &'a str,
    status: Option<u16>,
    reason: Option<&'a str>,
}

impl<'a> From<&'a AttemptLine> for LineObject<'a> {
    fn from(line: &'a AttemptLine) -> Self {
        let attempt = AttemptObject {
            number: line.number,
            started_at: line.started_at,
            duration_ms: line.duration_ms,
            outcome: &line.outcome,
            status: line.status,
            reason: line.reason.as_deref(),
        };
        Self { delivery: &line.delivery, attempt }
    }
}

fn print_line(session: &Session, line: &AttemptLine) -> Result<(), Failure> {
    if session.out.json {
        return Ok(session.out.ndjson(&LineObject::from(line))?);
    }
    let delivery = &line.delivery;
    let status = line.status.map(|status| format!(" {status}")).unwrap_or_default();
    let reason = line.reason.as_deref().map(|reason| format!(", {reason}")).unwrap_or_default();
    Ok(session.out.line(format!(
        "{} {} {} {} {} {}: {}{status} in {} ms, try {}{reason}",
        show::time(line.started_at),
        delivery.id,
        delivery.account,
        show::event_type(delivery),
        delivery.channel,
        delivery.label,
        line.outcome,
        line.duration_ms,
        line.number,
    ))?)
}

/// Returns when the other end of stdout is gone, even while there is nothing to print.
fn wait_for_reader_to_leave() {
    let stdout = io::stdout();
    loop {
        // No event is asked for: an error or a hang-up is told anyway (poll(2)).
        let mut watched = [PollFd::from_borrowed_fd(stdout.as_fd(), PollFlags::empty())];
        match poll(&mut watched, None) {
            Ok(_) if watched[0].revents().intersects(PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL) => return,
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => return,
        }
    }
}
