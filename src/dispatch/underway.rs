//! The sends that are under way, each with the share it holds, and which of them have lasted so long that they count as late.

use std::collections::{HashMap, VecDeque};
use std::future::Future;

use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use crate::dispatch::send::Sent;
use crate::dispatch::shares::{SLOW, Share, Shares};
use crate::domain::id::DestinationId;

/// A send that has ended, or an error when it was ended from outside, as only the end of the runtime does.
pub type Ended = Result<(DestinationId, Share, Sent), JoinError>;

/// All of them.
#[derive(Debug, Default)]
pub struct Underway {
    tasks: JoinSet<(u64, Sent)>,
    running: HashMap<u64, (DestinationId, Share)>,
    /// By a clock that nobody sets; those that have ended are taken out when their time comes.
    late_at: VecDeque<(Instant, u64)>,
    last: u64,
}

impl Underway {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Begins one.
    pub fn begin(&mut self, id: DestinationId, share: Share, send: impl Future<Output = Sent> + Send + 'static) {
        self.last += 1;
        let number = self.last;
        self.running.insert(number, (id, share));
        self.late_at.push_back((Instant::now() + SLOW, number));
        // On the heap before it is a task: what becomes one is moved several times, and a send is some kilobytes.
        self.tasks.spawn(Box::pin(async move { (number, send.await) }));
    }

    /// Waits for the next that ends; nothing when there is none.
    pub async fn next(&mut self) -> Option<Ended> {
        let ended = self.tasks.join_next().await?;
        self.ended(ended)
    }

    /// One that has ended already.
    pub fn try_next(&mut self) -> Option<Ended> {
        let ended = self.tasks.try_join_next()?;
        self.ended(ended)
    }

    fn ended(&mut self, ended: Result<(u64, Sent), JoinError>) -> Option<Ended> {
        match ended {
            Ok((number, sent)) => self.running.remove(&number).map(|(id, share)| Ok((id, share, sent))),
            Err(error) => Some(Err(error)),
        }
    }

    /// When one may become late; nothing when none is under way.
    pub fn next_late(&mut self) -> Option<Instant> {
        while let Some((at, number)) = self.late_at.front() {
            if self.running.contains_key(number) {
                return Some(*at);
            }
            self.late_at.pop_front();
        }
        None
    }

    /// The next one that has become late: it has given its share back for others to use, as far as there may be so many.
    pub fn turn_late(&mut self, shares: &mut Shares) -> Option<DestinationId> {
        let now = Instant::now();
        while self.next_late().is_some_and(|at| at <= now) {
            let (_, number) = self.late_at.pop_front()?;
            if let Some((id, share)) = self.running.get_mut(&number) {
                shares.turn_late(share);
                return Some(*id);
            }
        }
        None
    }
}
