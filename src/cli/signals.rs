//! The signals that ask a process to end.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::cli::failure::{EXIT_FAILED, Failure};

/// SIGTERM, SIGINT and SIGHUP. From the moment that this exists none of them kills the process any more.
///
/// SIGHUP says that the terminal has gone; to a process that never had one it says nothing, and that goes on.
pub struct EndSignals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    has_terminal: bool,
}

impl EndSignals {
    /// Begins to listen.
    ///
    /// # Errors
    /// When the system takes no handler.
    pub fn listen() -> Result<Self, Failure> {
        let listen = |kind| {
            signal(kind).map_err(|error| Failure::new(EXIT_FAILED, format!("this system delivers no signals: {error}")))
        };
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hang_up: listen(SignalKind::hangup())?,
            has_terminal: std::fs::File::open("/dev/tty").is_ok(),
        })
    }

    /// Returns the name of the first that comes.
    pub async fn first(&mut self) -> &'static str {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return "SIGTERM",
                _ = self.interrupt.recv() => return "SIGINT",
                _ = self.hang_up.recv() => {
                    if self.has_terminal {
                        return "SIGHUP";
                    }
                    tracing::info!("a SIGHUP changes nothing: log files are followed without it, a new config needs a restart");
                }
            }
        }
    }
}
