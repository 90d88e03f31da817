//! How far a long step has come that a person or a service manager waits for: the copy of a database, and its upgrade.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

/// How often somebody is told.
const TOLD_EVERY: Duration = Duration::from_millis(250);

/// Bytes of a megabyte, and how many of a unit make one of the next.
const MEGABYTE: u64 = 1_000_000;
const UNIT: u64 = 1_000;

/// What is being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The database is copied.
    Copying {
        /// Bytes that are written.
        done: u64,
        /// Bytes that there will be, about.
        of: u64,
    },
    /// The copy is read as a whole.
    Checking,
    /// The schema is brought up to date.
    Changing,
    /// Nothing of this any more.
    Done,
}

impl fmt::Display for Step {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Copying { done, of } => {
                let percent = done.min(of).saturating_mul(100).checked_div(of).unwrap_or(100);
                write!(to, "copying the database: {percent} % of {}", size(of))
            }
            Self::Checking => to.write_str("checking the copy of the database"),
            Self::Changing => to.write_str("bringing the database's schema up to date"),
            Self::Done => to.write_str("done"),
        }
    }
}

/// A number of bytes for people.
#[must_use]
pub fn size(bytes: u64) -> String {
    match bytes.div_ceil(MEGABYTE) {
        megabytes if megabytes < UNIT => format!("{megabytes} MB"),
        megabytes => format!("{}.{} GB", megabytes / UNIT, megabytes % UNIT * 10 / UNIT),
    }
}

/// Whoever wants to know. Nobody, when nothing is said.
#[derive(Clone, Default)]
pub struct Progress(Option<Arc<dyn Fn(Step) + Send + Sync>>);

impl fmt::Debug for Progress {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(if self.0.is_some() { "Progress(somebody)" } else { "Progress(nobody)" })
    }
}

impl Progress {
    /// Tells by this function, which must not wait: several times a second while a step lasts, and once when all is done.
    #[must_use]
    pub fn to(tell: impl Fn(Step) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(tell)))
    }

    pub(crate) fn tell(&self, step: Step) {
        if let Some(tell) = &self.0 {
            tell(step);
        }
    }

    /// Does a piece of work, and tells meanwhile how far it is. The work is never dropped before its end.
    pub(crate) async fn during<T>(&self, work: impl Future<Output = T>, step: impl Fn() -> Step) -> T {
        let mut work = pin!(work);
        loop {
            // What is done before anybody could read of it is not told of.
            if let Ok(done) = timeout(TOLD_EVERY, work.as_mut()).await {
                return done;
            }
            self.tell(step());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_in_words() {
        for (step, says) in [
            (Step::Copying { done: 0, of: 0 }, "copying the database: 100 % of 0 MB"),
            (Step::Copying { done: 1, of: 200_000_001 }, "copying the database: 0 % of 201 MB"),
            (Step::Copying { done: 3_550_000_000, of: 7_100_000_000 }, "copying the database: 50 % of 7.1 GB"),
            (Step::Copying { done: 9, of: 8 }, "copying the database: 100 % of 1 MB"),
        ] {
            assert_eq!(step.to_string(), says);
        }
    }
}
