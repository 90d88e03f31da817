//! How many files this process may have open: each send needs one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files for all else: the store, the log, the terminal, the HTTP side's connections.
const OTHERS: u64 = 256;

/// Sends that may be under way in any case.
const SENDS_MIN: u64 = 64;

/// Raises the limit as far as the system lets us, and says how many of `wanted` sends at once fit into it.
#[must_use]
pub fn room_for(wanted: usize) -> usize {
    let limit = getrlimit(Resource::Nofile);
    if limit.current < limit.maximum {
        let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            tracing::debug!(%error, "the limit of open files stays as it is");
        }
    }
    let fits = within(wanted, getrlimit(Resource::Nofile).current);
    if fits < wanted {
        tracing::warn!(wanted, fits, "the limit of open files allows fewer sends at once; raise it (ulimit -n)");
    }
    fits
}

/// How many sends a limit leaves room for; no limit is none.
fn within(wanted: usize, limit: Option<u64>) -> usize {
    let Some(limit) = limit else { return wanted };
    let room = limit.saturating_sub(OTHERS).max(SENDS_MIN);
    wanted.min(usize::try_from(room).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sends_fit_into_the_limit() {
        let check = |wanted, limit, expected| assert_eq!(within(wanted, limit), expected, "{wanted} in {limit:?}");
        check(1024, None, 1024);
        check(1024, Some(1_048_576), 1024);
        check(1024, Some(1024), 768);
        check(1024, Some(100), 64);
        check(8, Some(100), 8);
    }
}
