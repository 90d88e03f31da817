//! Places at which the crash tests (`tests/real/crash`) end the process as `kill -9` would: before and after each commit and
//! each send.
//!
//! Only a debug build has them; in a release build [`pass`] is nothing at all. `BELLBOARD_FAILPOINT=claim.after:3` ends the
//! process when it passes that place for the third time. To add one: its name in [`ALL`], and a call where it is.

use sqlx::sqlite::SqliteSynchronous;

/// Every place. Around a commit they are named after what it stores; the tests read this list, and fail when one is never hit.
pub const ALL: [&str; 16] = [
    "schema.before",
    "schema.after",
    "accept.before",
    "accept.after",
    "command.before",
    "command.after",
    "reclaim.before",
    "reclaim.after",
    "claim.before",
    "claim.after",
    "send.before",
    "send.after",
    "result.before",
    "result.after",
    "upkeep.before",
    "upkeep.after",
];

/// Ends the process here when that was asked for.
#[cfg(not(debug_assertions))]
#[inline]
pub const fn pass(_name: &str) {}

/// Ends the process here when that was asked for.
#[cfg(debug_assertions)]
pub fn pass(name: &str) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};

    static WANTED: OnceLock<Option<(String, AtomicU32)>> = OnceLock::new();
    debug_assert!(ALL.contains(&name), "{name} is in the list");
    let wanted = WANTED.get_or_init(|| {
        let text = std::env::var("BELLBOARD_FAILPOINT").ok()?;
        let (name, count) = text.split_once(':')?;
        Some((name.to_owned(), AtomicU32::new(count.parse().ok()?)))
    });
    let Some((wanted, left)) = wanted else { return };
    if wanted == name && left.fetch_sub(1, Ordering::SeqCst) == 1 {
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        std::process::abort();
    }
}

/// Fails here as a fault of bellboard's own would, when a debug build was asked to do so for messages of this event type by
/// `BELLBOARD_FAILPOINT_FAULT`.
///
/// # Panics
/// When that was asked for.
#[cfg(debug_assertions)]
pub fn fail_at(event_type: &str) {
    use std::sync::OnceLock;

    static WANTED: OnceLock<Option<String>> = OnceLock::new();
    let wanted = WANTED.get_or_init(|| std::env::var("BELLBOARD_FAILPOINT_FAULT").ok());
    assert!(wanted.as_deref() != Some(event_type), "a fault was asked for at messages of type {event_type}");
}

/// Fails here when a debug build was asked to; in a release build it is nothing at all.
#[cfg(not(debug_assertions))]
#[inline]
pub const fn fail_at(_event_type: &str) {}

/// How far a commit is synced: always fully. A debug build can be told otherwise, so that the test of power cuts can be seen to
/// find a loss.
#[must_use]
pub fn synchronous() -> SqliteSynchronous {
    if cfg!(debug_assertions) && std::env::var("BELLBOARD_FAILPOINT_SYNCHRONOUS").is_ok_and(|value| value == "off") {
        return SqliteSynchronous::Off;
    }
    SqliteSynchronous::Full
}
