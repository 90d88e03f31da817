//! What a service allows: how many sends in what time, for whom it counts them, and what it says is left of that.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::channels::Rate;
use crate::channels::http::header;
use crate::domain::delivery::Answer;
use crate::domain::time::Timestamp;

/// Longest that a time of reset is believed.
const RESET_MAX: Duration = Duration::from_mins(10);

/// A limit of a service. All destinations for which it is the same use it up together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Limit {
    /// How many in what time.
    pub rate: Rate,
    /// For whom the service counts: a digest, since that may be a secret.
    pub key: String,
}

impl Limit {
    /// A limit that the service counts by these, a token and its server for one.
    #[must_use]
    pub fn by(rate: Rate, counted: &[&str]) -> Self {
        Self { rate, key: key(counted) }
    }
}

/// A digest of what a service counts by, which may be a secret.
#[must_use]
pub fn key(counted: &[&str]) -> String {
    URL_SAFE_NO_PAD.encode(&digest(&SHA256, counted.join("\n").as_bytes()).as_ref()[..16])
}

/// What a service says is left until it counts anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// Calls that it still takes.
    pub left: u32,
    /// When it counts anew.
    pub until: Timestamp,
}

/// Reads `X-RateLimit-Remaining` and `X-RateLimit-Reset` (Unix seconds).
#[must_use]
pub fn allowance(answer: &Answer, now: Timestamp) -> Option<Allowance> {
    let left = header(answer, "x-ratelimit-remaining")?.trim().parse().ok()?;
    Some(Allowance { left, until: now.plus(reset(answer, now)?) })
}

/// How long until the service counts anew: a second at least, ten minutes at most.
#[must_use]
pub fn reset(answer: &Answer, now: Timestamp) -> Option<Duration> {
    let seconds: i64 = header(answer, "x-ratelimit-reset")?.trim().parse().ok()?;
    Some(Timestamp::from_millis(seconds.saturating_mul(1000)).since(now).clamp(Duration::from_secs(1), RESET_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    #[test]
    fn what_is_left_is_read_and_nonsense_is_not_believed() {
        let check = |remaining: &str, reset: &str, expected: Option<(u32, u64)>| {
            let headers = [("x-ratelimit-remaining", remaining), ("x-ratelimit-reset", reset)];
            let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
            let found = allowance(&Answer { status: 200, headers, body: String::new() }, NOW);
            assert_eq!(
                found.map(|found| (found.left, found.until.since(NOW).as_secs())),
                expected,
                "{remaining} {reset}"
            );
        };
        check("12", "1090", Some((12, 90)));
        check("0", "7", Some((0, 1)));
        check("0", "99999999999999999999", None);
        check("0", "9999999999999", Some((0, 600)));
        check("-1", "1090", None);
        check("", "", None);
    }

    #[test]
    fn a_key_is_the_same_for_the_same_and_tells_no_secret() {
        let rate = Rate { count: 1, per: Duration::from_secs(1) };
        let limit = |parts: &[&str]| Limit::by(rate, parts);
        assert_eq!(limit(&["https://a.test", "s3cret"]), limit(&["https://a.test", "s3cret"]));
        assert_ne!(limit(&["https://a.test", "s3cret"]), limit(&["https://b.test", "s3cret"]));
        assert!(!format!("{:?}", limit(&["https://a.test", "s3cret"])).contains("s3cret"));
    }
}
