//! Who is told how far a long step of the store is: a person at a terminal, by a line that is written over and then erased; the
//! service manager and the log, while a service starts.

use std::io::{IsTerminal, stderr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use crate::cli::notify::Notify;
use crate::cli::output::Output;
use crate::store::progress::{Progress, Step};

/// How often what is not written over is told: lines of a log, and those that a screen reader speaks.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// How much longer the service manager is asked to wait whenever it is told; several times what may pass until the next time.
const NEEDS_LONGER: Duration = Duration::from_secs(30);

/// Lets one through now and then, the first at once.
#[derive(Default)]
struct NowAndThen(Mutex<Option<Instant>>);

impl NowAndThen {
    fn is_time(&self) -> bool {
        let Ok(mut last) = self.0.lock() else { return false };
        let is_time = last.is_none_or(|last| last.elapsed() >= LINE_EVERY);
        if is_time {
            *last = Some(Instant::now());
        }
        is_time
    }
}

/// Tells a person at a terminal on stderr; nobody where that is none.
#[must_use]
pub fn on_terminal(out: Output) -> Progress {
    if !stderr().is_terminal() {
        return Progress::default();
    }
    let (is_shown, lines) = (AtomicBool::new(false), NowAndThen::default());
    Progress::to(move |step| match step {
        Step::Done if is_shown.swap(false, Ordering::Relaxed) => out.progress(""),
        Step::Done => {}
        step if out.plain => {
            if lines.is_time() {
                out.aside(step.to_string());
            }
        }
        step => {
            is_shown.store(true, Ordering::Relaxed);
            out.progress(&step.to_string());
        }
    })
}

/// Tells the service manager, which then waits longer, and the log.
#[must_use]
pub fn of_service(notify: Arc<Notify>) -> Progress {
    let lines = NowAndThen::default();
    Progress::to(move |step| {
        if step == Step::Done {
            return;
        }
        notify.status(&step.to_string());
        notify.needs(NEEDS_LONGER);
        if lines.is_time() {
            tracing::info!("{step}");
        }
    })
}
