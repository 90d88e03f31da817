//! What follows from a key: screens open and close, changes run, jobs start.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::console::app::{App, Turn};
use crate::console::keymap::Action;
use crate::console::screen::{Job, JobDone, Message, Outcome};
use crate::console::screens::pick::{Choice, Pick};
use crate::domain::account::AccountKey;
use crate::domain::command::Command;
use crate::store::accounts::AccountFilter;

/// How long work beside the loop may take to be shown at once instead of when it is done.
const AT_ONCE: Duration = Duration::from_millis(25);

/// Accounts that are offered to take a set-up from at most.
const SOURCES_MAX: u32 = 500;

impl App {
    /// Does what was asked for, and what follows from that, until nothing does.
    pub(crate) async fn follow(&mut self, outcome: Outcome) -> Turn {
        let mut next = vec![outcome];
        let (mut reload, mut changed) = (false, false);
        while let Some(outcome) = next.pop() {
            match outcome {
                Outcome::Ignored | Outcome::Handled => {}
                Outcome::Reload => reload = true,
                Outcome::Open(screen) => {
                    self.stack.push(screen);
                    reload = true;
                }
                Outcome::Replace(screen) => {
                    self.stack.pop();
                    self.stack.push(screen);
                    reload = true;
                }
                Outcome::Close => {
                    self.stack.pop();
                    if self.stack.is_empty() {
                        return Turn::Quit;
                    }
                    reload = true;
                }
                Outcome::CloseWith(done) => {
                    self.stack.pop();
                    let Some(screen) = self.stack.last_mut() else { return Turn::Quit };
                    screen.on_child(&done);
                    reload = true;
                }
                Outcome::Run(command) => {
                    next.push(self.run(command).await);
                    changed = true;
                }
                Outcome::Act(Action::Quit) => return Turn::Quit,
                Outcome::Act(Action::Suspend) => return self.suspend(),
                Outcome::Act(Action::Redraw) => return Turn::Redraw,
                Outcome::Act(Action::Redo) => {
                    next.push(self.redo().await);
                    reload = true;
                }
                Outcome::Act(action) => next.push(self.act(action)),
                Outcome::Yank(account) => self.yanked = Some(account),
                Outcome::TakeSetup => next.push(self.pick_setup().await),
                Outcome::Copy(text) => self.clipboard = Some(text),
                Outcome::Undo(account) => {
                    next.push(self.undo(account.as_ref()).await);
                    reload = true;
                }
                Outcome::Edit { field, text } => next.push(self.ask_editor(field, text)),
                Outcome::Ask(question) => self.question = Some(question),
                Outcome::Start(job) => self.start(job),
                Outcome::Say(message) => self.message = Some(message),
                Outcome::Fill { field, text } => {
                    next.extend(self.stack.last_mut().map(|screen| screen.on_fill(field, text)));
                }
                Outcome::Both(both) => {
                    let (first, second) = *both;
                    next.push(second);
                    next.push(first);
                }
            }
        }
        if reload {
            self.load().await;
        } else if changed {
            self.load_screen().await;
        }
        self.arrange();
        Turn::On
    }

    /// A list of accounts to take a set-up from, with the cursor on the one whose set-up was copied last.
    async fn pick_setup(&self) -> Outcome {
        let filter = AccountFilter { limit: SOURCES_MAX, ..AccountFilter::default() };
        let rows = match self.store.accounts(&filter).await {
            Ok(rows) => rows,
            Err(error) => return Outcome::Say(Message::bad(error.to_string())),
        };
        if rows.len() < 2 {
            return Outcome::Say(Message::plain("there is no other account whose set-up could be put here"));
        }
        let about = |account: crate::domain::account::Account| Choice {
            value: account.key.to_string(),
            about: account.profile.name,
        };
        let choices = rows.into_iter().map(|row| about(row.account)).collect();
        let yanked = self.yanked.as_ref().map(AccountKey::as_str).unwrap_or_default();
        Outcome::Open(Box::new(Pick::one("take the set-up of", "from", choices, yanked)))
    }

    async fn run(&mut self, command: Command) -> Outcome {
        if self.services.read_only {
            return self.would(&command).await;
        }
        let result = self.store.run(&self.services.actor, command).await;
        let Some(screen) = self.stack.last_mut() else { return Outcome::Handled };
        match result {
            Ok(done) => {
                self.just_changed = done.change.or(self.just_changed);
                screen.on_done(&done)
            }
            Err(error) => screen.on_refused(&error),
        }
    }

    /// Begins what the screen on top wants done beside the loop. What is ready within a frame or two is shown at once.
    pub(crate) async fn work_beside(&mut self) {
        let Some(screen) = self.stack.last_mut() else { return };
        let Some(job) = screen.beside(&self.store) else { return };
        let (at_once, answer) = oneshot::channel();
        let mut answer = Answer { answer, jobs: self.jobs.clone() };
        let jobs = self.jobs.clone();
        tokio::spawn(async move {
            if let Err(late) = at_once.send(job.await) {
                let _ = jobs.send(late);
            }
        });
        self.beside += 1;
        if let Ok(Ok(done)) = tokio::time::timeout(AT_ONCE, &mut answer.answer).await {
            screen.on_job(&done);
            self.beside -= 1;
        }
    }

    /// Whether a screen waits for what is done beside the loop.
    #[must_use]
    pub const fn waits(&self) -> bool {
        self.beside > 0
    }

    fn start(&self, job: Job) {
        let jobs = self.jobs.clone();
        tokio::spawn(async move {
            let _ = jobs.send(job.await);
        });
    }
}

/// What may come at once of work beside the loop. Who stops waiting, since it takes long or a key has come, gets it as a job: even
/// when it came in that very moment.
struct Answer {
    answer: oneshot::Receiver<JobDone>,
    jobs: mpsc::UnboundedSender<JobDone>,
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.answer.close();
        if let Ok(done) = self.answer.try_recv() {
            let _ = self.jobs.send(done);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_answer_that_nobody_waits_for_any_more_becomes_a_job() {
        let (jobs, mut done) = mpsc::unbounded_channel();
        let counted = || JobDone::Counted { of: "acme".to_owned(), plans: Err("no room".to_owned()) };
        let (at_once, answer) = oneshot::channel();
        let answer = Answer { answer, jobs: jobs.clone() };
        assert!(at_once.send(counted()).is_ok());
        drop(answer);
        assert!(matches!(done.try_recv(), Ok(JobDone::Counted { .. })));
        let (at_once, answer) = oneshot::channel();
        let mut answer = Answer { answer, jobs };
        assert!(at_once.send(counted()).is_ok());
        assert!((&mut answer.answer).await.is_ok());
        drop(answer);
        assert!(done.try_recv().is_err(), "it came at once");
    }
}
