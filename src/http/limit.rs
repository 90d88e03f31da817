//! How fast anybody may ask: a token bucket for each token, and for each address that shows none or a wrong one.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::channels::Rate;
use crate::dispatch::limit::Bucket;
use crate::domain::id::TokenId;
use crate::domain::time::Timestamp;
use crate::http::counts::network;
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
    /// Addresses of one network are one.
    fn of_a_network(self) -> Self {
        match self {
            Self::Token(_) => self,
            Self::Stranger(address) => Self::Stranger(network(address)),
            Self::Visitor(address) => Self::Visitor(network(address)),
        }
    }

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

/// As many are left when there are too many: those that have the least in them.
const BUCKETS_KEPT: usize = 15_000;

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
        let who = who.of_a_network();
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= BUCKETS_MAX && !buckets.contains_key(&who) {
            make_room(&mut buckets, now);
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
        if let Some(bucket) = buckets.get_mut(&who.of_a_network()) {
            bucket.take(count, now);
        }
    }
}

/// Forgets full buckets first, for which that changes nothing, and then those that have the most in them: whoever is being held
/// back stays so, however many others come.
fn make_room(buckets: &mut HashMap<Who, Bucket>, now: Timestamp) {
    buckets.retain(|_, bucket| !bucket.is_full(now));
    if buckets.len() > BUCKETS_KEPT {
        let mut shares: Vec<f64> = buckets.values().map(|bucket| bucket.share(now)).collect();
        let (_, most, _) = shares.select_nth_unstable_by(BUCKETS_KEPT, f64::total_cmp);
        buckets.retain(|_, bucket| bucket.share(now) < *most);
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

    #[test]
    fn who_is_held_back_stays_so_however_many_others_come() {
        let limits = Limits::default();
        let now = Timestamp::from_millis(1_000_000);
        let held_back = Who::Stranger(IpAddr::from([192, 0, 2, 1]));
        while limits.take(held_back, now).is_ok() {}
        for number in 0..3 * u32::try_from(BUCKETS_MAX).unwrap() {
            let other = Who::Stranger(IpAddr::from((0x0a00_0000 + number).to_be_bytes()));
            assert!(limits.take(other, now).is_ok(), "number {number}");
            assert!(limits.buckets.lock().unwrap().len() <= BUCKETS_MAX);
        }
        assert!(limits.take(held_back, now).is_err());
        let later = now.plus(Duration::from_mins(2));
        assert!(limits.take(held_back, later).is_ok(), "until its time has come");
    }

    #[test]
    fn addresses_of_one_network_share_a_limit() {
        let limits = Limits::default();
        let now = Timestamp::from_millis(1_000_000);
        let stranger = |last: u16| Who::Stranger(IpAddr::from([0x2001, 0xdb8, 0, 1, 0, 0, 0, last]));
        assert_eq!((0..100).filter(|last| limits.take(stranger(*last), now).is_ok()).count(), 30);
        let elsewhere = Who::Stranger(IpAddr::from([0x2001, 0xdb8, 0, 2, 0, 0, 0, 1]));
        assert!(limits.take(elsewhere, now).is_ok());
    }
}
