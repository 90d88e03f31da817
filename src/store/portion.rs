//! How much of what came in is stored by one transaction, so that none takes long: an event makes a delivery for each destination
//! of its account, and a batch may hold many events.
//!
//! What does not fit is stored by the next transactions, between which others' claims, results and events come in. Each account
//! has a share, so that a flood of one leaves room for the others' events. The order of an account's events is kept: where one has to
//! wait, so do all that follow it, of whatever caller.

use std::collections::{HashMap, HashSet};

use crate::domain::account::AccountKey;
use crate::domain::event::NewEvent;
use crate::store::request::Incoming;

/// Rows of events and deliveries of one transaction.
const ROWS_MAX: usize = 8192;

/// Those of one account, unless a single event makes more: some ten milliseconds.
const ACCOUNT_ROWS_MAX: usize = 2048;

/// The same for an account that sends much beside others who send little ([`crate::store::door`]): about a millisecond.
const YIELDING_ROWS_MAX: usize = 128;

/// The events of each caller that are stored now: its first ones, perhaps all, perhaps none. `deliveries` says how many an event
/// makes at most.
pub(crate) fn portions(callers: &[Incoming], deliveries: impl Fn(&NewEvent) -> usize) -> Vec<&[NewEvent]> {
    let rows = |event: &NewEvent| 1 + deliveries(event);
    let all = callers.iter().flat_map(Incoming::rest).map(rows).sum::<usize>();
    let least = if callers.iter().any(|caller| caller.yields) { YIELDING_ROWS_MAX } else { ACCOUNT_ROWS_MAX };
    if all <= least {
        return callers.iter().map(Incoming::rest).collect();
    }
    let mut waiting: HashSet<&AccountKey> = HashSet::new();
    let mut of_accounts: HashMap<&AccountKey, usize> = HashMap::new();
    let mut total = 0;
    let mut portions = Vec::with_capacity(callers.len());
    for (events, yields) in callers.iter().map(|caller| (caller.rest(), caller.yields)) {
        let share = if yields { YIELDING_ROWS_MAX } else { ACCOUNT_ROWS_MAX };
        let mut taken = 0;
        for event in events {
            let (rows, of_account) = (rows(event), of_accounts.entry(&event.account).or_default());
            let fits = (*of_account == 0 || *of_account + rows <= share) && (total == 0 || total + rows <= ROWS_MAX);
            if !fits || waiting.contains(&event.account) {
                break;
            }
            *of_account += rows;
            total += rows;
            taken += 1;
        }
        let (now, later) = events.split_at(taken);
        waiting.extend(later.iter().map(|event| &event.account));
        portions.push(now);
    }
    portions
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::payload::Payload;

    /// Callers by what they bring: an account and how many events of it, in this order. The first of them may yield.
    fn check(callers: &[&[(&str, usize)]], deliveries: usize, yields: bool, expected: &[usize]) {
        let event = |account: &str| NewEvent {
            account: account.parse().unwrap(),
            event_type: "job.fail".to_owned(),
            data: Payload::empty(),
            idempotency_key: None,
        };
        let incoming = |(index, parts): (usize, &&[(&str, usize)])| {
            let events = parts.iter().flat_map(|(account, count)| std::iter::repeat_n(event(account), *count));
            Incoming::new(events.collect(), yields && index == 0, tokio::sync::oneshot::channel().0)
        };
        let callers: Vec<Incoming> = callers.iter().enumerate().map(incoming).collect();
        let taken: Vec<usize> = portions(&callers, |_| deliveries).into_iter().map(<[_]>::len).collect();
        assert_eq!(taken, expected);
    }

    #[test]
    fn an_account_has_a_share_and_order_is_kept() {
        check(&[&[("one", 500)], &[("two", 3)]], 3, false, &[500, 3]);
        // Four rows an event: 512 events of an account, 2048 of all.
        check(&[&[("one", 1000)], &[("two", 3)]], 3, false, &[512, 3]);
        check(&[&[("one", 1000)], &[("two", 3)], &[("one", 1)]], 3, false, &[512, 3, 0]);
        check(&[&[("one", 600), ("two", 1)], &[("two", 1)], &[("four", 1)]], 3, false, &[512, 0, 1]);
        check(
            &[&[("a", 600)], &[("b", 600)], &[("c", 600)], &[("d", 600)], &[("e", 1)]],
            3,
            false,
            &[512, 512, 512, 512, 0],
        );
        // One event that makes more than a share, and even more than all may.
        check(&[&[("one", 2)], &[("two", 2)]], 3000, false, &[1, 1]);
        check(&[&[("one", 2)], &[("two", 2)]], 100_000, false, &[1, 0]);
        // One that yields to others, and gets no more by another caller who does not.
        check(&[&[("one", 60)], &[("two", 1)]], 1, true, &[60, 1]);
        check(&[&[("one", 500)], &[("two", 500)], &[("one", 1)]], 1, true, &[64, 500, 0]);
    }
}
