//! A token bucket: how fast a lane may send.

use std::time::Duration;

use crate::channels::Rate;
use crate::channels::limit::Allowance;
use crate::domain::time::Timestamp;

/// Sends that may be made now, and when there will be more.
///
/// A service that allows 100 calls in 5 minutes counts them in any 5 minutes. So the bucket holds half of them and is
/// refilled with the other half: a burst and the refill after it stay within the limit together.
#[derive(Clone, Debug, PartialEq)]
pub struct Bucket {
    capacity: f64,
    per_milli: f64,
    tokens: f64,
    filled_at: Timestamp,
    told: Option<Allowance>,
}

impl Bucket {
    /// A full bucket for that rate.
    #[must_use]
    pub fn new(rate: Rate, now: Timestamp) -> Self {
        let count = f64::from(rate.count.max(1));
        let capacity = (count / 2.0).floor().max(1.0);
        let refill = (count - capacity).max(1.0);
        let per_milli = refill / rate.per.max(Duration::from_millis(1)).as_secs_f64() / 1000.0;
        Self { capacity, per_milli, tokens: capacity, filled_at: now, told: None }
    }

    /// How many sends may be made now.
    #[must_use]
    pub fn available(&mut self, now: Timestamp) -> usize {
        // A clock that was set back must not keep it empty until that time comes again.
        self.filled_at = self.filled_at.min(now);
        // A whole number within the capacity of a u32.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to capacity, rounded down")]
        let whole = (self.tokens_at(now) + 1e-9) as usize;
        whole.min(self.left(now))
    }

    /// Takes tokens for sends that are made now.
    pub fn take(&mut self, count: usize, now: Timestamp) {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.tokens = (self.tokens_at(now) - f64::from(count)).max(0.0);
        self.filled_at = now;
        if let Some(told) = &mut self.told {
            told.left = told.left.saturating_sub(count);
        }
    }

    /// A send has ended. Where one is allowed at a time, the next follows that long after its end: how long it was on its way is
    /// not known, and the service counts when it arrives.
    pub fn sent(&mut self, now: Timestamp) {
        if self.capacity <= 1.0 {
            self.tokens = 0.0;
            self.filled_at = now;
        }
    }

    /// Takes the service's word for what is left, while `in_flight` other sends are under way that it may not have counted
    /// yet. Answers may overtake each other: of two words about the same time the lower one counts, and one about a time before
    /// counts no more.
    pub fn tell(&mut self, word: Allowance, in_flight: u32) {
        let left = word.left.saturating_sub(in_flight);
        let left = match self.told {
            Some(told) if told.until > word.until => return,
            Some(told) if told.until == word.until => left.min(told.left),
            _ => left,
        };
        self.told = Some(Allowance { left, until: word.until });
    }

    /// The clock was set back by this much: no word holds longer for that.
    pub fn clock_went_back(&mut self, by: Duration) {
        if let Some(told) = &mut self.told {
            told.until = told.until.minus(by);
        }
    }

    /// Whether it is as good as new.
    #[must_use]
    pub fn is_full(&self, now: Timestamp) -> bool {
        self.tokens_at(now) >= self.capacity && self.left(now) == usize::MAX
    }

    /// How full it is, from 0 to 1.
    #[must_use]
    pub fn share(&self, now: Timestamp) -> f64 {
        self.tokens_at(now) / self.capacity
    }

    fn tokens_at(&self, now: Timestamp) -> f64 {
        let millis = now.since(self.filled_at).as_secs_f64() * 1000.0;
        (self.tokens + millis * self.per_milli).min(self.capacity)
    }

    fn left(&self, now: Timestamp) -> usize {
        self.told.filter(|told| told.until > now).map_or(usize::MAX, |told| told.left as usize)
    }

    /// Gives back a token that was taken for a send that was not made.
    pub fn give_back(&mut self) {
        self.tokens = (self.tokens + 1.0).min(self.capacity);
    }

    /// When the next send may be made, if none may be made now.
    #[must_use]
    pub fn next(&self, now: Timestamp) -> Timestamp {
        let missing = (1.0 - self.tokens_at(now)).max(0.0);
        let refilled = now.plus(Duration::from_secs_f64((missing / self.per_milli).ceil() / 1000.0));
        self.told.filter(|told| told.left == 0).map_or(refilled, |told| refilled.max(told.until))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_set_back_stops_no_lane() {
        let now = Timestamp::from_millis(1_000_000_000);
        let mut bucket = Bucket::new(Rate { count: 1, per: Duration::from_secs(1) }, now);
        bucket.take(1, now);
        let before = now.minus(Duration::from_hours(24));
        let _ = bucket.available(before);
        assert_eq!(bucket.available(before.plus(Duration::from_secs(1))), 1);
    }

    #[test]
    fn one_a_second_is_counted_from_the_end_of_the_one_before() {
        let now = Timestamp::from_millis(1_000_000);
        let mut bucket = Bucket::new(Rate { count: 1, per: Duration::from_secs(1) }, now);
        bucket.take(1, now);
        bucket.sent(now.plus(Duration::from_millis(700)));
        assert_eq!(bucket.available(now.plus(Duration::from_millis(1699))), 0);
        assert_eq!(bucket.available(now.plus(Duration::from_millis(1700))), 1);
    }

    #[test]
    fn the_services_word_is_obeyed_until_it_counts_anew() {
        let now = Timestamp::from_millis(1_000_000);
        let until = now.plus(Duration::from_secs(90));
        let mut bucket = Bucket::new(Rate { count: 100, per: Duration::from_mins(5) }, now);
        let word = |left| Allowance { left, until };
        bucket.tell(word(3), 1);
        assert_eq!(bucket.available(now), 2, "one is under way already");
        bucket.tell(word(9), 0);
        assert_eq!(bucket.available(now), 2, "an answer that was overtaken");
        bucket.tell(Allowance { left: 40, until: until.minus(Duration::from_secs(9)) }, 0);
        assert_eq!(bucket.available(now), 2, "a word about the time before");
        bucket.take(2, now);
        assert_eq!((bucket.available(now), bucket.next(now)), (0, until));
        assert_eq!(bucket.available(until), 50);
        bucket.clock_went_back(Duration::from_mins(1));
        assert_eq!(bucket.available(now.plus(Duration::from_secs(30))), 50);
    }

    #[test]
    fn no_window_holds_more_sends_than_the_rate_allows() {
        let check = |count: u32, per_seconds: u64| {
            let per = Duration::from_secs(per_seconds);
            let mut now = Timestamp::from_millis(1_000_000);
            let mut bucket = Bucket::new(Rate { count, per }, now);
            let mut sent: Vec<Timestamp> = Vec::new();
            for _ in 0..3 * count {
                if bucket.available(now) == 0 {
                    let next = bucket.next(now);
                    assert!(next > now, "{count} in {per_seconds} s: time goes on");
                    now = next;
                }
                assert!(bucket.available(now) > 0, "{count} in {per_seconds} s: what was promised is there");
                bucket.take(1, now);
                sent.push(now);
                let within = sent.iter().filter(|at| now.since(**at) < per).count();
                assert!(within <= count as usize, "{count} in {per_seconds} s: {within} in a window");
            }
        };
        check(1, 1);
        check(2, 1);
        check(100, 300);
    }
}
