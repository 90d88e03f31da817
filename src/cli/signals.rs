//! The signals that ask a process to end.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::cli::failure::{EXIT_FAILED, Failure};

/// Returns the name of the first of SIGTERM, SIGINT and SIGHUP that comes. From the first call on none of them kills the
/// process any more.
///
/// # Errors
/// When the system takes no handler.
pub async fn asked_to_end() -> Result<&'static str, Failure> {
    let mut terminate = receive(SignalKind::terminate())?;
    let mut interrupt = receive(SignalKind::interrupt())?;
    let mut hang_up = receive(SignalKind::hangup())?;
    Ok(tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
        _ = hang_up.recv() => "SIGHUP",
    })
}

fn receive(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind).map_err(|error| Failure::new(EXIT_FAILED, format!("this system delivers no signals: {error}")))
}
