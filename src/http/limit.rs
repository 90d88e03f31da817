//! How fast anybody may ask: a token bucket for each token, and for each address that shows none or a wrong one.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::channels::Rate;
use crate::dispatch::limit::Bucket;
use crate::domain::id::TokenId;
use crate::domain::time::Timestamp;
use crate::http::problem::Problem;

/// Who asks for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Who {
    /// The holder of a token.
    Token(TokenId),
    /// Somebody who showed a token or code that is none, from that address.
    Stranger(IpAddr),
    /// A browser's page or an app, from that address.
    Visitor(IpAddr),
}

impl Who {
    const fn rate(self) -> Rate {
        match self {
            // Twice what this machine class accepts one by one; a batch is one request.
            Self::Token(_) => Rate { count: 40_000, per: Duration::from_secs(1) },
            // A code has 75 bits and a token 256: this is against noise, not against luck.
            Self::Stranger(_) => Rate { count: 60, per: Duration::from_mins(1) },
            Self::Visitor(_) => Rate { count: 600, per: Duration::from_mins(1) },
        }
    }
}

/// Buckets that are remembered; one that is forgotten is a full one.
const BUCKETS_MAX: usize = 20_000;

/// All the buckets.
#[derive(Debug, Default)]
pub struct Limits {
    buckets: Mutex<HashMap<Who, Bucket>>,
}

impl Limits {
    /// Lets one request pass, or says when to come again.
    ///
    /// # Errors
    /// When there were too many.
    pub fn take(&self, who: Who, now: Timestamp) -> Result<(), Problem> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= BUCKETS_MAX && !buckets.contains_key(&who) {
            buckets.clear();
        }
        let bucket = buckets.entry(who).or_insert_with(|| Bucket::new(who.rate(), now));
        if bucket.available(now) == 0 {
            let after = bucket.next(now).since(now);
            return Err(Problem::too_many("too many requests; wait as long as Retry-After says", after));
        }
        bucket.take(1, now);
        Ok(())
    }

    /// Counts what a request that was let pass turned out to hold beyond one: the next ones wait for it.
    pub fn take_more(&self, who: Who, count: usize, now: Timestamp) {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bucket) = buckets.get_mut(&who) {
            bucket.take(count, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_limited_alone() {
        let limits = Limits::default();
        let now = Timestamp::from_millis(1_000_000);
        let stranger = |last| Who::Stranger(IpAddr::from([192, 0, 2, last]));
        let passed = (0..100).filter(|_| limits.take(stranger(1), now).is_ok()).count();
        assert_eq!(passed, 30, "half of the rate at once");
        assert!(limits.take(stranger(2), now).is_ok(), "another address");
        let problem = limits.take(stranger(1), now).unwrap_err();
        assert_eq!((problem.status, problem.retry_after), (429, Some(2)));
        assert!(limits.take(stranger(1), now.plus(Duration::from_secs(2))).is_ok(), "after the wait");
    }
}
