//! Who may send while many want to: the sends that may be under way at once, shared so that nobody takes them all.
//!
//! - A channel gets three quarters at most, so a dead mail server holds up no webhooks.
//! - Destinations that take long get a quarter of all at most, in each channel: thousands that hang hold up nobody who answers.
//! - A send that has lasted long gives its share back and goes on as a late one, of which there may be half as many again: when
//!   thousands begin to hang at once, the others wait for a second and not for a time limit.
//! - A destination that has not answered yet sends one at a time once a quarter is taken: it may be one that hangs.
//! - While more than half are taken, an account gets a quarter at most.
//!
//! Who does not get one waits in a line for its kind, and the first of each line may try again whenever a send has ended.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use crate::domain::channel::Channel;
use crate::domain::id::{AccountId, DestinationId};

/// A destination whose sends take that long is a slow one.
pub const SLOW: Duration = Duration::from_secs(1);

/// On whose behalf a send is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// By which channel.
    pub channel: Channel,
    /// For which account; nothing when the destination is no more.
    pub account: Option<AccountId>,
    /// How the destination has answered of late.
    pub speed: Speed,
    /// Sends to the same destination that are under way.
    pub sending: usize,
}

/// How a destination answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Speed {
    /// In less than [`SLOW`].
    Fast,
    /// It has not been asked since it is known.
    Unknown,
    /// It takes longer, or does not answer.
    Slow,
    /// Not the destination but a send: it began otherwise, and has lasted for [`SLOW`].
    Late,
}

/// The lines of those who wait are one for each of these.
type Line = (Channel, bool);

/// What is taken.
#[derive(Debug)]
pub struct Shares {
    max: usize,
    total: usize,
    channels: HashMap<Channel, usize>,
    /// With those that are late.
    slow: HashMap<Channel, usize>,
    /// These are not in the total.
    late: usize,
    accounts: HashMap<Option<AccountId>, usize>,
    lines: HashMap<Line, VecDeque<DestinationId>>,
    waiting: HashSet<DestinationId>,
}

impl Shares {
    /// At most that many sends at once.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self {
            max: max.max(1),
            total: 0,
            channels: HashMap::new(),
            slow: HashMap::new(),
            late: 0,
            accounts: HashMap::new(),
            lines: HashMap::new(),
            waiting: HashSet::new(),
        }
    }

    /// Takes one, when there is one for it.
    pub fn take(&mut self, share: Share) -> bool {
        let of = |taken: &HashMap<Channel, usize>| taken.get(&share.channel).copied().unwrap_or(0);
        let quarter = (self.max / 4).max(1);
        let of_account = self.accounts.get(&share.account).copied().unwrap_or(0);
        let may = self.total < self.max
            && of(&self.channels) < (self.max - self.max / 4).max(1)
            && (share.speed != Speed::Slow || of(&self.slow) < quarter)
            && (share.speed != Speed::Unknown || share.sending == 0 || self.total < quarter)
            && (of_account < quarter || self.total < self.max / 2);
        if may {
            self.total += 1;
            *self.channels.entry(share.channel).or_default() += 1;
            *self.accounts.entry(share.account).or_default() += 1;
            if share.speed == Speed::Slow {
                *self.slow.entry(share.channel).or_default() += 1;
            }
        }
        may
    }

    /// Gives back one that was taken with these words.
    pub fn give_back(&mut self, share: Share) {
        if matches!(share.speed, Speed::Slow | Speed::Late) {
            less(self.slow.get_mut(&share.channel));
        }
        if share.speed == Speed::Late {
            self.late = self.late.saturating_sub(1);
            return;
        }
        self.total = self.total.saturating_sub(1);
        less(self.channels.get_mut(&share.channel));
        less(self.accounts.get_mut(&share.account));
        if self.accounts.get(&share.account) == Some(&0) {
            self.accounts.remove(&share.account);
        }
    }

    /// A send has lasted so long that others may go on without it, unless there are too many of that kind.
    pub fn turn_late(&mut self, share: &mut Share) {
        if share.speed != Speed::Late && self.late < self.max / 2 {
            self.give_back(*share);
            share.speed = Speed::Late;
            self.late += 1;
            *self.slow.entry(share.channel).or_default() += 1;
        }
    }

    /// A destination waits for one.
    pub fn wait(&mut self, share: Share, destination: DestinationId) {
        if self.waiting.insert(destination) {
            self.lines.entry((share.channel, share.speed == Speed::Slow)).or_default().push_back(destination);
        }
    }

    /// Who may try again, now that a send has ended: the first of each line.
    pub fn next_in_line(&mut self) -> impl Iterator<Item = DestinationId> {
        let waiting = &mut self.waiting;
        self.lines.values_mut().filter_map(|line| {
            line.pop_front().inspect(|id| {
                waiting.remove(id);
            })
        })
    }
}

fn less(taken: Option<&mut usize>) {
    if let Some(taken) = taken {
        *taken = taken.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(channel: Channel, account: i64, speed: Speed) -> Share {
        Share { channel, account: Some(AccountId::new(account)), speed, sending: 0 }
    }

    /// Takes as many as are given.
    fn taken(shares: &mut Shares, share: Share) -> usize {
        (0..1000).take_while(|_| shares.take(share)).count()
    }

    #[test]
    fn nobody_takes_all() {
        let mut shares = Shares::new(100);
        let each = |shares: &mut Shares, channel, speed| {
            (0..1000).take_while(|account| shares.take(share(channel, *account, speed))).count()
        };
        assert_eq!(each(&mut shares, Channel::Email, Speed::Slow), 25, "what hangs");
        assert_eq!(each(&mut shares, Channel::Email, Speed::Fast), 50, "the rest of the channel's part");
        assert_eq!(each(&mut shares, Channel::Webhook, Speed::Fast), 25, "what was kept for other channels");
        shares.give_back(share(Channel::Email, 0, Speed::Slow));
        assert_eq!(each(&mut shares, Channel::Slack, Speed::Fast), 1, "what became free");
    }

    #[test]
    fn an_account_gets_its_part_while_others_want_theirs() {
        let mut shares = Shares::new(100);
        assert_eq!(taken(&mut shares, share(Channel::Webhook, 1, Speed::Fast)), 50, "nobody else wants any");
        assert_eq!(taken(&mut shares, share(Channel::Webhook, 2, Speed::Fast)), 25, "up to the channel's part");
        let mut unknown = share(Channel::Slack, 3, Speed::Unknown);
        assert!(shares.take(unknown));
        unknown.sending = 1;
        assert!(!shares.take(unknown), "one at a time until it has answered");
    }

    #[test]
    fn those_who_wait_have_their_turn() {
        let mut shares = Shares::new(1);
        let fast = share(Channel::Webhook, 1, Speed::Fast);
        assert!(shares.take(fast));
        for id in [1, 2, 1] {
            shares.wait(fast, DestinationId::new(id));
        }
        shares.wait(share(Channel::Webhook, 1, Speed::Slow), DestinationId::new(3));
        shares.give_back(fast);
        let mut first: Vec<_> = shares.next_in_line().map(DestinationId::number).collect();
        first.sort_unstable();
        assert_eq!(first, [1, 3], "one of each line");
        assert_eq!(shares.next_in_line().map(DestinationId::number).collect::<Vec<_>>(), [2]);
        assert_eq!(shares.next_in_line().count(), 0);
    }

    #[test]
    fn what_lasts_long_makes_room_for_others() {
        let mut shares = Shares::new(100);
        let hangs = share(Channel::Webhook, 1, Speed::Fast);
        let mut under_way = vec![hangs; taken(&mut shares, hangs)];
        let other = share(Channel::Webhook, 2, Speed::Fast);
        let given = taken(&mut shares, other);
        assert_eq!((under_way.len(), given), (50, 25), "the channel's part is taken");
        for late in &mut under_way {
            shares.turn_late(late);
        }
        assert!(!shares.take(Share { speed: Speed::Slow, ..hangs }), "no more of what takes long");
        let others = (3..1000).take_while(|account| shares.take(share(Channel::Webhook, *account, Speed::Fast)));
        assert_eq!(others.count(), 50, "others go on");
        let mut more = other;
        shares.turn_late(&mut more);
        assert_eq!(more, other, "half as many again are late already");
        for ended in under_way.into_iter().chain([share(Channel::Webhook, 3, Speed::Fast)]) {
            shares.give_back(ended);
        }
        assert!(shares.take(Share { speed: Speed::Slow, ..hangs }));
    }
}
