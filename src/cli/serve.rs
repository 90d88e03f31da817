//! `serve`: delivers without a screen. For a service manager.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tokio::sync::watch;

use crate::cli::failure::{EXIT_REFUSED, EXIT_STORE, Failure};
use crate::cli::logging::{self, Format, Level};
use crate::cli::notify::Notify;
use crate::cli::progress;
use crate::cli::session::Session;
use crate::cli::signals::EndSignals;
use crate::dispatch::{self, Status};
use crate::store::Store;

/// Deliver without a screen, until SIGTERM or SIGINT
///
/// Also takes events and serves browsers and devices over HTTP, where `[http] listen` of the config says. One process delivers
/// from a database; started beside another, this one waits and takes over when that one ends.
#[derive(Debug, Args)]
pub struct Serve {
    /// Log into this file instead of stderr; it is put aside when it is large, and may be moved away at any time
    #[arg(long, value_name = "FILE")]
    log_file: Option<PathBuf>,
    /// How to write log lines
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    log_format: Format,
}

impl Serve {
    /// Delivers until a signal comes; sends that run then may end.
    ///
    /// # Errors
    /// When it cannot deliver from this database.
    pub async fn run(self, session: &Session) -> Result<(), Failure> {
        let level = session.log.unwrap_or(Level::Info);
        match &self.log_file {
            Some(path) => logging::to_file(level, self.log_format, path)?,
            None => logging::to_stderr(level, self.log_format),
        }
        if session.read_only {
            return Err(Failure::new(
                EXIT_REFUSED,
                "serve delivers, which changes the database; leave --read-only out",
            ));
        }
        let notify = Notify::new(|name| std::env::var(name).ok()).map_err(|error| {
            let sentence =
                format!("the service manager cannot be reached: {error}; unset NOTIFY_SOCKET if there is none");
            Failure::new(EXIT_REFUSED, sentence)
        })?;
        let mut signals = EndSignals::listen()?;
        let notify = Arc::new(notify);
        let store = session.open_telling(progress::of_service(notify.clone())).await?;
        let handle = session.deliver(&store).await?;
        let http = match session.config.http() {
            Some(options) => Some(session.serve_http(&store, options, &handle).await?),
            None => None,
        };
        if let Some(http) = &http {
            // Another process of the same database may have the address for as long as it lives.
            let _ = tokio::time::timeout(SOON, http.bound().wait_for(Option::is_some)).await;
        }
        notify.ready();
        tracing::info!(database = %store.path().display(), "started");
        let mut status = handle.status();
        let ended = tokio::select! {
            signal = signals.first() => {
                tracing::info!(signal, "stopping");
                Ok(())
            }
            () = tell(&notify, &store, &handle) => Ok(()),
            () = follow(&mut status) => {
                Err(Failure::new(EXIT_STORE, "the dispatcher has ended by itself; see the log, and start again"))
            }
        };
        notify.stopping();
        if let Some(http) = http {
            http.stop().await;
        }
        handle.stop().await;
        store.close().await;
        tracing::info!("stopped");
        ended
    }
}

/// How long taking the lock, or the address, may last before it is said that another process has it.
const SOON: Duration = Duration::from_secs(1);

/// How often the service manager is told what goes on when it does not watch.
const TOLD_EVERY: Duration = Duration::from_secs(15);

/// Tells the service manager what goes on, and gives it a sign of life only when the store's writer and the dispatcher have both
/// come round: one that stands still is started again. Never ends.
async fn tell(notify: &Notify, store: &Store, dispatcher: &dispatch::Handle) {
    // Three signs in the time that the manager waits for one.
    let every = notify.watchdog().map_or(TOLD_EVERY, |watchdog| watchdog / 3);
    let status = dispatcher.status();
    loop {
        let moves = async { store.comes_round().await.is_ok() && dispatcher.comes_round().await.is_ok() };
        if moves.await {
            notify.alive();
        }
        let words = match &*status.borrow() {
            Status::Delivering { sending } => format!("delivering, {sending} under way"),
            Status::Paused => "paused by a person".to_owned(),
            Status::Standby => "waiting: another process delivers".to_owned(),
            Status::Stopping => "stopping".to_owned(),
            Status::Failed(why) => format!("cannot deliver: {why}"),
        };
        notify.status(&words);
        tokio::time::sleep(every).await;
    }
}

/// Follows the dispatcher until it ends. What it does it logs itself.
async fn follow(status: &mut watch::Receiver<Status>) {
    if tokio::time::timeout(SOON, status.changed()).await.is_err() && *status.borrow() == Status::Standby {
        tracing::info!("another process delivers from this database; this one takes over when that one ends");
    }
    while status.changed().await.is_ok() {}
}
