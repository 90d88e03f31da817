//! `serve`: delivers without a screen. For a service manager.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use tokio::sync::watch;

use crate::cli::failure::{EXIT_REFUSED, EXIT_STORE, Failure};
use crate::cli::logging::{self, Level};
use crate::cli::session::Session;
use crate::cli::signals::EndSignals;
use crate::dispatch::Status;

/// Deliver without a screen, until SIGTERM, SIGINT or SIGHUP
///
/// Also takes events and serves browsers and devices over HTTP, where `[http] listen` of the config says. One process delivers
/// from a database; started beside another, this one waits and takes over when that one ends.
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
        let mut signals = EndSignals::listen()?;
        let store = session.open().await?;
        let handle = session.deliver(&store).await?;
        let http = match session.config.http() {
            Some(options) => Some(session.serve_http(&store, options, &handle).await?),
            None => None,
        };
        tracing::info!(database = %store.path().display(), "started");
        let mut status = handle.status();
        let ended = tokio::select! {
            signal = signals.first() => {
                tracing::info!(signal, "stopping");
                Ok(())
            }
            () = follow(&mut status) => {
                Err(Failure::new(EXIT_STORE, "the dispatcher has ended by itself; see the log, and start again"))
            }
        };
        if let Some(http) = http {
            http.stop().await;
        }
        handle.stop().await;
        store.close().await;
        tracing::info!("stopped");
        ended
    }
}

/// How long taking the lock may last before it is said that another process has it.
const LOCK_SOON: Duration = Duration::from_secs(1);

/// Follows the dispatcher until it ends. What it does it logs itself.
async fn follow(status: &mut watch::Receiver<Status>) {
    if tokio::time::timeout(LOCK_SOON, status.changed()).await.is_err() && *status.borrow() == Status::Standby {
        tracing::info!("another process delivers from this database; this one takes over when that one ends");
    }
    while status.changed().await.is_ok() {}
}
