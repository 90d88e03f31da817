//! The in-process dispatcher: takes what is due out of the store, sends it, writes what became of it.
//!
//! One task owns all of its state and never waits for anything but "something happened": new work from the writer, a lane's
//! head read, a claim or a result committed, a send ended, a time reached, a word from the handle. Each destination has a
//! lane of its own ([`lane`]), so that one which hangs, or has a backlog of a million, changes nothing for the others. A
//! claim is committed before its send begins, and no transaction is open while anything is sent.
//!
//! Exactly one process delivers from a database: the one that holds a lock on a file beside it ([`lock`]). Others wait for
//! that lock, and the kernel hands it on at once when its holder ends, however it ends.
//!
//! It must not know how a channel speaks, nor any SQL. To add a rule of when a lane may send: [`lane`]; of what follows a
//! result: [`crate::domain::delivery::after_try`].

pub mod lock;

pub mod limit;

pub mod head;

pub mod lane;

pub mod pace;

pub mod setup;

pub mod want;

pub mod shares;
pub mod underway;

pub mod files;

pub mod lanes;

pub mod holds;

mod begin;

pub mod send;

pub mod engine;

mod jobs;

pub mod upkeep;

mod answers;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use crate::channels::Senders;
use crate::dispatch::engine::{Engine, STALL};
use crate::dispatch::lock::DeliveryLock;
use crate::domain::retry::RetryPolicy;
use crate::domain::storm::StormPolicy;
use crate::store::Store;

/// What a person may set.
#[derive(Clone, Debug)]
pub struct Options {
    /// When a failed try is made again.
    pub retry: RetryPolicy,
    /// Sends under way at once, over all lanes; half as many again may be ones that have lasted for a second or more.
    pub sending_max: usize,
    /// For how long a destination may only fail before it is disabled.
    pub failing_max: Duration,
    /// When messages of one kind to one person are folded.
    pub storm: StormPolicy,
    /// How long what has ended stays readable.
    pub keep: Duration,
    /// How long secrets that a change replaced are kept, for taking it back.
    pub keep_secrets: Duration,
    /// How long a shutdown waits for sends that are under way.
    pub shutdown_max: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            retry: RetryPolicy::default(),
            sending_max: 1024,
            failing_max: Duration::from_hours(5 * 24),
            storm: StormPolicy::default(),
            keep: Duration::from_hours(90 * 24),
            keep_secrets: Duration::from_hours(90 * 24),
            shutdown_max: Duration::from_secs(10),
        }
    }
}

/// What the dispatcher of this process is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// Another process delivers; this one takes over when that ends.
    Standby,
    /// It delivers; so many sends are under way.
    Delivering {
        /// How many.
        sending: usize,
    },
    /// A person holds it; what comes waits.
    Paused,
    /// It lets running sends end.
    Stopping,
    /// It cannot deliver, and why; it tries again by itself.
    Failed(String),
}

/// A word to the dispatcher.
#[derive(Debug)]
pub(crate) enum Word {
    Pause,
    Resume,
    Stop,
    /// Answer, when it comes to that.
    Answer(oneshot::Sender<()>),
}

/// A hold on the dispatcher of this process. When it is dropped, the dispatcher stops.
#[derive(Debug)]
pub struct Handle {
    words: mpsc::UnboundedSender<Word>,
    status: watch::Receiver<Status>,
    task: JoinHandle<()>,
}

impl Handle {
    /// What it is doing.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    /// Sends nothing more until [`Handle::resume`]; what is under way ends.
    pub fn pause(&self) {
        let _ = self.words.send(Word::Pause);
    }

    /// Goes on after [`Handle::pause`].
    pub fn resume(&self) {
        let _ = self.words.send(Word::Resume);
    }

    /// Returns when the dispatcher has come round: it moves. Also while it waits for another process to end.
    ///
    /// # Errors
    /// When it has ended.
    pub async fn comes_round(&self) -> Result<(), oneshot::error::RecvError> {
        let (reply, answer) = oneshot::channel();
        let _ = self.words.send(Word::Answer(reply));
        answer.await
    }

    /// Claims nothing more, lets running sends end within [`Options::shutdown_max`], and writes what happened.
    pub async fn stop(self) {
        let _ = self.words.send(Word::Stop);
        let _ = self.task.await;
    }
}

/// Starts delivering from this store as soon as no other process does.
#[must_use]
pub fn start(store: Store, senders: impl Into<Arc<Senders>>, options: Options) -> Handle {
    let senders = senders.into();
    let (words, mut word_receiver) = mpsc::unbounded_channel();
    let (status_sender, status) = watch::channel(Status::Standby);
    let task = tokio::spawn(async move {
        let mut paused = false;
        let Some(lock) = take_lock(&store, &mut word_receiver, &mut paused, &status_sender).await else { return };
        let upkeep =
            tokio::spawn(upkeep::run(store.clone(), options.keep, options.keep_secrets, status_sender.subscribe()));
        let sending_max = files::room_for(options.sending_max * 3 / 2) * 2 / 3;
        let options = Options { sending_max, ..options };
        let mut engine = Engine::new(store, senders, options, status_sender);
        engine.paused = paused;
        engine.run(word_receiver).await;
        upkeep.abort();
        drop(lock);
    });
    Handle { words, status, task }
}

/// Waits for the lock, and tries again while it cannot be waited for; nothing when it is told to stop before. A pause that comes
/// in the meantime holds afterwards.
async fn take_lock(
    store: &Store,
    words: &mut mpsc::UnboundedReceiver<Word>,
    paused: &mut bool,
    status: &watch::Sender<Status>,
) -> Option<DeliveryLock> {
    loop {
        let waiting = async {
            match lock::wait(store.path()).await {
                Ok(lock) => Some(lock),
                Err(error) => {
                    let failed = Status::Failed(error.to_string());
                    if status.send_if_modified(|old| std::mem::replace(old, failed.clone()) != failed) {
                        tracing::error!(%error, "cannot deliver; trying again every second");
                    }
                    tokio::time::sleep(STALL).await;
                    None
                }
            }
        };
        tokio::pin!(waiting);
        loop {
            tokio::select! {
                biased;
                word = words.recv() => match word {
                    Some(Word::Pause) => *paused = true,
                    Some(Word::Resume) => *paused = false,
                    Some(Word::Answer(reply)) => {
                        let _ = reply.send(());
                    }
                    Some(Word::Stop) | None => return None,
                },
                lock = &mut waiting => match lock {
                    Some(lock) => return Some(lock),
                    None => break,
                },
            }
        }
    }
}
