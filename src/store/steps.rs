//! What a transaction writes although nobody waits for it at a screen or a socket: results, claims, and events of who sends much
//! beside others who send little.
//!
//! Everybody's events have to wait for the transaction under way, and one that writes the results of a backlog takes milliseconds.
//! So these are written in steps of a few rows, in turn, and when somebody else's events or a person's change have come in the
//! meantime, the transaction takes the events along and comes to its end; what is left goes first into the next one. While
//! nobody came of late, a step takes all there is, as a statement costs the same for any number of rows.

use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use crate::domain::time::SharedClock;
use crate::store::batch::{Answers, Batch};
use crate::store::error::StoreError;
use crate::store::request::Request;
use crate::store::writer::Session;

/// Rows of results in one step while others come, a third of a millisecond; or a quarter of those that wait, since under full load
/// it is the number of statements that everybody waits for.
const STEP_ROWS: usize = 16;
const STEP_PART: usize = 4;

/// For how long after others' events more of them are expected.
const EXPECTED: Duration = Duration::from_millis(100);

/// How far it has come from one transaction to the next.
#[derive(Default)]
pub(crate) struct Steps {
    next: Kind,
    /// Whether the last transaction wrote any.
    stepped: bool,
    /// When others' events came last.
    others_at: Option<Instant>,
}

#[derive(Clone, Copy, Default)]
enum Kind {
    #[default]
    Results,
    Claims,
    Yielding,
}

impl Kind {
    const COUNT: usize = 3;

    const fn next(self) -> Self {
        match self {
            Self::Results => Self::Claims,
            Self::Claims => Self::Yielding,
            Self::Yielding => Self::Results,
        }
    }
}

impl Steps {
    /// Writes until all of it is written or somebody else waits; takes along what comes meanwhile, which is of a later time than what
    /// the transaction began with.
    pub(crate) async fn write(
        &mut self,
        session: &mut Session,
        clock: &SharedClock,
        batch: &mut Batch,
        answers: &mut Answers,
        requests: &mut mpsc::Receiver<Request>,
    ) -> Result<(), StoreError> {
        let stepped = std::mem::take(&mut self.stepped);
        let (mut rows, mut idle) = (0, 0);
        loop {
            batch.join(requests);
            session.now = clock.now();
            if !batch.accepts.is_empty() {
                self.others_at = Some(Instant::now());
            }
            if idle == Kind::COUNT || batch.hurries(rows, stepped) {
                return Ok(());
            }
            let written = self.step(session, batch, answers).await?;
            idle = if written == 0 { idle + 1 } else { 0 };
            rows += written;
            self.stepped = rows > 0;
            self.next = self.next.next();
        }
    }

    /// One step; how many rows it wrote.
    async fn step(&self, session: &mut Session, batch: &mut Batch, answers: &mut Answers) -> Result<usize, StoreError> {
        match self.next {
            Kind::Results => {
                let expected = self.others_at.is_some_and(|at| at.elapsed() < EXPECTED);
                let waiting = batch.results(usize::MAX).count();
                let most = if expected { STEP_ROWS.max(waiting / STEP_PART) } else { usize::MAX };
                let count = waiting.min(most);
                if count > 0 {
                    session.finish(batch.results(most)).await?;
                    batch.wrote(count);
                }
                Ok(count)
            }
            Kind::Claims => {
                let Some((deliveries, lease_ends, _)) = batch.claims.get(answers.claimed.len()) else { return Ok(0) };
                answers.claimed.push(session.claim(deliveries, *lease_ends).await?);
                Ok(deliveries.len().max(1))
            }
            Kind::Yielding if answers.yielded.is_empty() && !batch.yielding.is_empty() => {
                answers.yielded = session.accept(&batch.yielding).await?;
                Ok(answers.yielded.iter().map(Vec::len).sum())
            }
            Kind::Yielding => Ok(0),
        }
    }
}
