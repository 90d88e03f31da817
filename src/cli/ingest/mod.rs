//! `ingest`: many events, one JSON object a line, in order and with several batches on their way into the store.

pub mod lines;

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use futures_util::StreamExt;
use futures_util::stream::FuturesOrdered;
use serde_json::json;
use tokio::sync::{mpsc, watch};

use crate::cli::failure::{EXIT_FAILED, EXIT_NOT_FOUND, Failure};
use crate::cli::ingest::lines::{Batch, Lines};
use crate::cli::output::Output;
use crate::cli::session::Session;
use crate::cli::show::counted;
use crate::domain::event::Accepted;
use crate::store::Store;
use crate::store::error::{AcceptError, StoreError};

/// Store many events, one JSON object a line
///
/// A line is `{"account": "acme", "event_type": "server.stopped", "data": {...}, "id": "a name of your own"}`; data and id
/// may be left out. Bad lines are named by number, the others go in. A running console or `bellboard serve` delivers them.
#[derive(Debug, Args)]
pub struct Ingest {
    /// The file, or - for stdin
    #[arg(value_name = "FILE|-")]
    file: PathBuf,
}

/// Batches that may wait for the store at once: enough to keep its writer busy.
const BATCHES_IN_FLIGHT_MAX: usize = 8;

/// Bad lines that are named; the others are only counted.
const NAMED_MAX: u64 = 100;

/// How often the progress line changes.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);

impl Ingest {
    /// Stores what can be stored.
    ///
    /// # Errors
    /// With code 1 when a line was refused; or when the input or the store cannot be used. It says what went in.
    pub async fn run(self, session: &Session) -> Result<(), Failure> {
        let input = self.open()?;
        let store = session.open().await?;
        let (sender, batches) = mpsc::channel(1);
        tokio::task::spawn_blocking(move || read(input, &sender));
        let mut tally = Tally::new(session.out);
        // The last word of a stream may be its last for hours: what came in is not given up because somebody copies the file.
        let waiting = store.wait_for_others().await?;
        let ended = accept_all(&store, batches, waiting, &mut tally).await;
        let deliveries = tally.deliveries;
        tally.finish(ended)?;
        if deliveries == 0 { Ok(()) } else { session.say_when_nobody_delivers(&store) }
    }

    fn open(&self) -> Result<Box<dyn Read + Send>, Failure> {
        if self.file.as_os_str() == "-" {
            return Ok(Box::new(io::stdin()));
        }
        let path = self.file.display();
        let file = File::open(&self.file).map_err(|error| {
            Failure::new(EXIT_NOT_FOUND, format!("{path} cannot be read: {error}; name a file, or - for stdin"))
        })?;
        Ok(Box::new(file))
    }
}

/// Hands batches over until the input ends; a full channel makes it wait, so that memory is bounded.
fn read(input: Box<dyn Read + Send>, batches: &mpsc::Sender<io::Result<Batch>>) {
    let mut lines = Lines::new(input);
    while let Some(batch) = lines.next_batch().transpose() {
        let is_end = batch.is_err();
        if batches.blocking_send(batch).is_err() || is_end {
            return;
        }
    }
}

/// The lines of a batch and the store's answers to them.
type Answers = (Vec<u64>, Result<Vec<Result<Accepted, AcceptError>>, StoreError>);

async fn accept_all(
    store: &Store,
    mut batches: mpsc::Receiver<io::Result<Batch>>,
    mut waiting: watch::Receiver<bool>,
    tally: &mut Tally,
) -> Result<(), Failure> {
    let mut in_flight = FuturesOrdered::new();
    let mut ended = None;
    loop {
        tokio::select! {
            // Answers first: a batch that was just put in flight has then asked the store before the next one does.
            biased;
            Some(answers) = in_flight.next() => tally.take(answers)?,
            Ok(()) = waiting.changed(), if !in_flight.is_empty() => tally.wait(*waiting.borrow_and_update()),
            batch = batches.recv(), if ended.is_none() && in_flight.len() < BATCHES_IN_FLIGHT_MAX => match batch {
                Some(Ok(batch)) => {
                    tally.refuse(&batch.refused);
                    let (numbers, events): (Vec<u64>, Vec<_>) = batch.events.into_iter().unzip();
                    in_flight.push_back(async move { (numbers, store.accept(events).await) });
                }
                Some(Err(error)) => ended = Some(Err(Failure::new(EXIT_FAILED, format!("the input cannot be read further: {error}")))),
                None => ended = Some(Ok(())),
            },
            else => return ended.unwrap_or(Ok(())),
        }
    }
}

/// What went in and what did not.
struct Tally {
    out: Output,
    started: Instant,
    shown: Option<Instant>,
    stored: u64,
    duplicates: u64,
    refused: u64,
    deliveries: u64,
}

impl Tally {
    fn new(out: Output) -> Self {
        let shown = io::stderr().is_terminal().then(Instant::now);
        Self { out, started: Instant::now(), shown, stored: 0, duplicates: 0, refused: 0, deliveries: 0 }
    }

    fn take(&mut self, (numbers, answers): Answers) -> Result<(), Failure> {
        let mut refused = Vec::new();
        for (number, answer) in numbers.into_iter().zip(answers?) {
            match answer {
                Ok(accepted) if accepted.duplicate => self.duplicates += 1,
                Ok(accepted) => {
                    self.stored += 1;
                    self.deliveries += accepted.deliveries.len() as u64;
                }
                Err(error) => refused.push((number, error.to_string())),
            }
        }
        self.refuse(&refused);
        self.show_progress();
        Ok(())
    }

    fn wait(&self, waits: bool) {
        self.clear_progress();
        self.out.aside(if waits {
            "another program holds the database locked (`fuser` on the file names it); this waits, and goes on when it has ended"
        } else {
            "the database is free again; it goes on"
        });
    }

    fn refuse(&mut self, lines: &[(u64, String)]) {
        for (number, problem) in lines {
            self.refused += 1;
            if self.refused <= NAMED_MAX {
                self.clear_progress();
                self.out.aside(format!("line {number}: {problem}"));
            } else if self.refused == NAMED_MAX + 1 {
                self.out.aside("more lines were refused; they are only counted from here");
            }
        }
    }

    fn show_progress(&mut self) {
        if self.shown.is_some_and(|at| at.elapsed() >= PROGRESS_EVERY) {
            self.shown = Some(Instant::now());
            self.out.progress(&format!("{} stored, {} a second", self.stored, self.per_second()));
        }
    }

    fn clear_progress(&self) {
        if self.shown.is_some() {
            self.out.progress("");
        }
    }

    fn per_second(&self) -> u64 {
        let millis = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
        self.stored.saturating_mul(1000) / millis
    }

    /// The last words, and how the command ends.
    fn finish(self, ended: Result<(), Failure>) -> Result<(), Failure> {
        self.clear_progress();
        let Self { stored, duplicates, refused, deliveries, .. } = self;
        let had_been = if duplicates > 0 { format!("; {duplicates} had been stored before") } else { String::new() };
        let left_out = if refused > 0 { format!("; {refused} refused") } else { String::new() };
        let sentence = format!(
            "{} stored for {} in {:.1} s, {} a second{had_been}{left_out}",
            counted(usize::try_from(stored).unwrap_or(usize::MAX), "event", "events"),
            counted(usize::try_from(deliveries).unwrap_or(usize::MAX), "delivery", "deliveries"),
            self.started.elapsed().as_secs_f64(),
            self.per_second(),
        );
        let document = json!({
            "stored": stored, "duplicates": duplicates, "refused": refused, "deliveries": deliveries,
            "per_second": self.per_second(),
        });
        // What went in is said whatever came then, and that must not hide why it ended.
        let said = self.out.either(&document, sentence);
        ended?;
        said?;
        if refused > 0 { Err(Failure::Silent(EXIT_FAILED)) } else { Ok(()) }
    }
}
