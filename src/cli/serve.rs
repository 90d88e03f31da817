//! `serve`: delivers without a screen. For a service manager.

use std::path::PathBuf;

use clap::Args;
use tokio::sync::watch;

use crate::cli::failure::{EXIT_REFUSED, EXIT_STORE, Failure};
use crate::cli::logging::{self, Level};
use crate::cli::session::Session;
use crate::cli::signals;
use crate::dispatch::Status;

/// Deliver without a screen, until SIGTERM, SIGINT or SIGHUP
///
/// This version delivers only: the HTTP side (events in, devices, browsers, metrics) comes with the next one, and [http] in
/// the config has no effect yet. One process delivers from a database; started beside another, this one waits and takes over
/// when that one ends.
#[derive(Debug, Args)]
pub struct Serve {
    /// Log into this file instead of stderr
    #[arg(long, value_name = "FILE")]
    log_file: Option<PathBuf>,
}

impl Serve {
    /// Delivers until a signal comes; sends that run then may end.
    ///
    /// # Errors
    /// When it cannot deliver from this database.
    pub async fn run(self, session: &Session) -> Result<(), Failure> {
        let level = session.log.unwrap_or(Level::Info);
        match &self.log_file {
            Some(path) => logging::to_file(level, path)?,
            None => logging::to_stderr(level),
        }
        if session.read_only {
            return Err(Failure::new(
                EXIT_REFUSED,
                "serve delivers, which changes the database; leave --read-only out",
            ));
        }
        let store = session.open().await?;
        let handle = session.deliver(&store)?;
        tracing::info!(database = %store.path().display(), "started");
        let mut status = handle.status();
        let ended = tokio::select! {
            signal = signals::asked_to_end() => {
                tracing::info!(signal = signal?, "stopping");
                Ok(())
            }
            () = follow(&mut status) => {
                Err(Failure::new(EXIT_STORE, "the dispatcher has ended by itself; see the log, and start again"))
            }
        };
        handle.stop().await;
        store.close().await;
        tracing::info!("stopped");
        ended
    }
}

/// Logs what the dispatcher does until it ends. What it cannot do it logs itself, and it tries again.
async fn follow(status: &mut watch::Receiver<Status>) {
    let mut before = None;
    loop {
        let now = status.borrow_and_update().clone();
        let kind = std::mem::discriminant(&now);
        if before.replace(kind) != Some(kind) {
            match now {
                Status::Standby => tracing::info!("another process delivers; waiting to take over"),
                Status::Delivering { .. } => tracing::info!("delivering"),
                Status::Paused => tracing::info!("paused"),
                Status::Stopping | Status::Failed(_) => {}
            }
        }
        if status.changed().await.is_err() {
            return;
        }
    }
}
