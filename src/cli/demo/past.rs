//! The demo's past: what happened to the sample accounts in the days before somebody looked, so that the first screens have
//! something to tell. Some of it did not get through, and some is given up by now.
//!
//! Nothing is made up: the events of those days are accepted by a store whose clock is set back, and delivered by the dispatcher
//! to the demo's receivers, which take no time meanwhile. It is played while the console is open already.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::channels::Senders;
use crate::cli::demo::cannot_start;
use crate::cli::demo::flow::Source;
use crate::cli::demo::receivers::Scene;
use crate::cli::failure::Failure;
use crate::cli::session::{Session, senders};
use crate::dispatch::engine::Engine;
use crate::dispatch::lock::{self, DeliveryLock};
use crate::dispatch::{Options, Status};
use crate::domain::account::AccountKey;
use crate::domain::time::{Clock, ManualClock, Timestamp};
use crate::store::Store;
use crate::store::error::StoreError;

/// How long ago it begins: for longer than a destination may only fail before it is disabled.
const BEGINS: Duration = Duration::from_hours(6 * 24);

/// How far apart its events are: `(as long as it is so long ago or longer, so far)`.
const APART: [(Duration, Duration); 3] = [
    (Duration::from_hours(25), Duration::from_hours(8)),
    (Duration::from_hours(1), Duration::from_hours(1)),
    (Duration::ZERO, Duration::from_mins(3)),
];

/// Between these two times the flaky receiver fails.
const OUTAGE: [Duration; 2] = [Duration::from_mins(50), Duration::from_mins(25)];

/// The past goes as far as this from the present.
const ENDS: Duration = Duration::from_secs(20);

/// Whom the events happen to is the same in every demo.
const SEED: u64 = 13;

/// The store as it was when the past began, held so that nobody delivers from it in the present until the past is over.
pub struct Past {
    store: Store,
    clock: Arc<ManualClock>,
    present: Timestamp,
    senders: Senders,
    options: Options,
    lock: DeliveryLock,
}

impl Past {
    /// Opens the session's store at the time when the past begins.
    ///
    /// # Errors
    /// When the store cannot be opened.
    pub async fn open(session: &Session) -> Result<Self, Failure> {
        let present = session.clock.now();
        let clock = ManualClock::at(present.minus(BEGINS));
        let store = session.open_at(clock.clone()).await?;
        let lock = lock::wait(store.path()).await.map_err(|error| cannot_start(&error))?;
        let (senders, options) = (senders(&session.config)?, session.config.dispatch());
        Ok(Self { store, clock, present, senders, options, lock })
    }

    /// The store, whose time is that of the past.
    #[must_use]
    pub const fn store(&self) -> &Store {
        &self.store
    }

    /// Lets it all happen, up to the present, and lets go of the store.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub async fn play(self, scene: &Scene, accounts: Vec<AccountKey>) -> Result<(), StoreError> {
        let mut source = Source::new(accounts, SEED);
        let Self { store, clock, present, senders, options, lock } = self;
        let retry = options.retry.schedule.clone();
        let mut engine = Engine::new(store.clone(), Arc::new(senders), options, watch::channel(Status::Standby).0);
        engine.begin().await?;
        for (index, ago) in moments().into_iter().enumerate() {
            clock.set(present.minus(ago));
            scene.past(OUTAGE[1] <= ago && ago <= OUTAGE[0]);
            // One of them in turn, so that each has its share, and some other.
            let events = [source.next_for(index), source.next_for_any()];
            for accepted in store.accept(events.into_iter().flatten().collect()).await? {
                if let Err(error) = accepted {
                    tracing::warn!(%error, "a sample event was refused");
                }
            }
            engine.until_idle().await;
            for wait in &retry {
                let later = clock.now().plus(wait.mul_f64(1.2));
                if later < present.minus(ENDS) {
                    clock.set(later);
                    engine.until_idle().await;
                }
            }
        }
        drop(engine);
        store.close().await;
        drop(lock);
        Ok(())
    }
}

/// How long ago something happened, the oldest first.
fn moments() -> Vec<Duration> {
    let mut ago = BEGINS;
    let mut moments = Vec::new();
    while ago > ENDS {
        moments.push(ago);
        let apart = APART.iter().find(|(at_least, _)| ago > *at_least).map_or(ENDS, |(_, apart)| *apart);
        ago = ago.saturating_sub(apart);
    }
    moments
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::health::{Failing, Verdict};

    #[test]
    fn the_past_is_long_enough_and_dense_at_its_end() {
        let moments = moments();
        assert!(moments.is_sorted_by(|older, newer| older > newer), "{moments:?}");
        assert!(moments.len() < 80, "{} moments keep a newcomer waiting", moments.len());
        assert!(moments.last().is_some_and(|last| (ENDS..Duration::from_mins(4)).contains(last)), "{moments:?}");
        let within = |from: u64, to: u64| {
            let range = Duration::from_mins(from)..Duration::from_mins(to);
            moments.iter().filter(|ago| range.contains(*ago)).count()
        };
        assert!(within(0, 60) >= 15 && within(25, 51) >= 5 && within(0, 24 * 60) >= 35, "{moments:?}");
        // Whoever fails at each of them is disabled on the way, by the rule that holds everywhere.
        let failing_max = Options::default().failing_max;
        let now = Timestamp::from_millis(2_000_000_000_000);
        let mut failing = Failing::first(now.minus(moments[0]));
        let verdicts: Vec<_> = moments[1..].iter().map(|ago| failing.again(failing_max, now.minus(*ago))).collect();
        assert!(verdicts.contains(&Verdict::Disable), "{verdicts:?}");
    }
}
