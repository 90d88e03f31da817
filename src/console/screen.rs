//! What a screen is, and what it can ask for.
//!
//! A screen keeps what it shows, answers keys, and draws. Drawing changes nothing; wider effects (changes of the store, other
//! screens, questions, work beside the loop) are returned as an [`Outcome`] and done by the app. To add a screen: one file
//! in `screens/`, its keys in the keymap table, and one snapshot test.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::channels::Senders;
use crate::channels::templates::Templates;
use crate::console::Options;
use crate::console::keymap::{Action, Place};
use crate::console::memory::Kept;
use crate::console::speech::Speech;
use crate::console::theme::Theme;
use crate::console::widgets::dialog::Question;
use crate::console::widgets::text_box::Edit;
use crate::domain::account::AccountKey;
use crate::domain::command::{Actor, Command, Done};
use crate::domain::role::Role;
use crate::domain::time::SharedClock;
use crate::store::Store;
use crate::store::accounts::Pulse;
use crate::store::error::{CommandError, StoreError};
use crate::store::replays::Plan;

/// A read of the store on its way.
pub type Load<'a> = Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send + 'a>>;

/// Work beside the loop.
pub type Job = Pin<Box<dyn Future<Output = JobDone> + Send>>;

/// Fills sample accounts into the store; says what it did, or what went wrong.
pub type FillSamples = Box<dyn Fn() -> Pin<Box<dyn Future<Output = Result<String, String>> + Send>> + Send + Sync>;

/// What screens are given when they are made.
pub struct Services {
    /// Who acts.
    pub actor: Actor,
    /// What a person may set.
    pub options: Options,
    /// What time it is.
    pub clock: SharedClock,
    /// Whether changes are refused.
    pub read_only: bool,
    /// What whoever sits there may have done.
    pub role: Role,
    /// Fills sample accounts, where that can be done.
    pub fill_samples: Option<FillSamples>,
    /// Lists a HipChat token's rooms.
    pub senders: Option<Arc<Senders>>,
    /// The folder for what is written to files.
    pub exports: PathBuf,
    /// Whether this is the demo.
    pub demo: bool,
}

impl Services {
    /// What messages say.
    #[must_use]
    pub fn templates(&self) -> Arc<Templates> {
        self.senders.as_ref().map_or_else(Arc::default, |senders| senders.templates().clone())
    }
}

/// Services, shared by all screens.
pub type Shared = Arc<Services>;

/// How a message is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Something to know.
    Plain,
    /// It was done.
    Good,
    /// It needs a look.
    Warn,
    /// It was not done.
    Bad,
}

/// A line for the person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What it says.
    pub text: String,
    /// How it is meant.
    pub tone: Tone,
}

impl Message {
    /// Something to know.
    #[must_use]
    pub fn plain(text: impl Into<String>) -> Self {
        Self { text: text.into(), tone: Tone::Plain }
    }

    /// It was done.
    #[must_use]
    pub fn good(text: impl Into<String>) -> Self {
        Self { text: text.into(), tone: Tone::Good }
    }

    /// It needs a look.
    #[must_use]
    pub fn warn(text: impl Into<String>) -> Self {
        Self { text: text.into(), tone: Tone::Warn }
    }

    /// It was not done.
    #[must_use]
    pub fn bad(text: impl Into<String>) -> Self {
        Self { text: text.into(), tone: Tone::Bad }
    }
}

/// What came of a job.
#[derive(Clone, Debug)]
pub enum JobDone {
    /// The rooms of a HipChat token as id and name, asked for by the form with this number.
    Rooms {
        /// Which form asked.
        form: u64,
        /// The rooms, or why there are none.
        rooms: Result<Vec<(String, String)>, String>,
    },
    /// What could be sent again was counted.
    Counted {
        /// What was asked for.
        of: String,
        /// What failed and what was never tried, or why they could not be counted.
        plans: Result<Arc<(Plan, Plan)>, String>,
    },
    /// Something to tell.
    Said(Message),
    /// Sample accounts were filled in.
    Filled(Result<String, String>),
}

/// What a screen answers to a key.
pub enum Outcome {
    /// The key means nothing here.
    Ignored,
    /// The screen has done what was to do.
    Handled,
    /// What it shows must be read again.
    Reload,
    /// Another screen on top.
    Open(Box<dyn Screen>),
    /// Another screen in its place.
    Replace(Box<dyn Screen>),
    /// Back to the screen beneath.
    Close,
    /// Back to the screen beneath, which learns what was done.
    CloseWith(Done),
    /// A change.
    Run(Command),
    /// Take the last change back, of this account or of any.
    Undo(Option<AccountKey>),
    /// What that key's action does on the screen on top.
    Act(Action),
    /// Text for the clipboard of the person's terminal.
    Copy(String),
    /// A question first.
    Ask(Question),
    /// Work beside the loop.
    Start(Job),
    /// A word.
    Say(Message),
    /// Text for a field of the screen, picked in a question or a list.
    Fill {
        /// Which field.
        field: &'static str,
        /// What to put into it.
        text: String,
    },
    /// A text for the person's own editor; what comes of it goes to the field like what was picked.
    Edit {
        /// Which field.
        field: &'static str,
        /// What stands there now.
        text: String,
    },
    /// The set-up of this account is the one that is likely put elsewhere next.
    Yank(AccountKey),
    /// Asks whose set-up is to be put here; the answer comes by [`Screen::on_fill`].
    TakeSetup,
    /// One after the other.
    Both(Box<(Outcome, Outcome)>),
}

impl Outcome {
    /// This and then that.
    #[must_use]
    pub fn then(self, next: Self) -> Self {
        Self::Both(Box::new((self, next)))
    }
}

/// A screen.
pub trait Screen: Send {
    /// Its name in the path at the top.
    fn title(&self) -> String;

    /// Which keys mean something at present.
    fn place(&self) -> Place;

    /// Whose screen it is.
    fn account(&self) -> Option<&AccountKey> {
        None
    }

    /// Reads what it shows. Called when it is opened, when it is back on top, and after every commit. May be dropped while it
    /// waits, when a key comes: what was taken over by then stays, and it is called again.
    fn load<'a>(&'a mut self, _store: &'a Store) -> Load<'a> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Work that takes too long for [`Screen::load`], to be done beside the loop; asked for after each load. What comes of it
    /// is handed to [`Screen::on_job`], and until then the screen says that it waits.
    fn beside(&mut self, _store: &Store) -> Option<Job> {
        None
    }

    /// Learns how the deliveries go: of its account, else of all. Called after each [`Screen::load`].
    fn on_pulse(&mut self, _pulse: &Pulse) {}

    /// Makes room: called before drawing whenever the area or what it shows may have changed, to keep the cursor in view.
    fn arrange(&mut self, _area: Rect) {}

    /// Answers a key of the table.
    fn on_action(&mut self, action: Action) -> Outcome;

    /// Takes typing, where the place is one for typing.
    fn on_edit(&mut self, _edit: &Edit) -> Outcome {
        Outcome::Ignored
    }

    /// Learns what came of its change.
    fn on_done(&mut self, done: &Done) -> Outcome {
        Outcome::Say(Message::good(done.says.clone()))
    }

    /// Learns what a screen that was opened from it has done.
    fn on_child(&mut self, _done: &Done) {}

    /// Learns that its change was refused.
    fn on_refused(&mut self, error: &CommandError) -> Outcome {
        Outcome::Say(Message::bad(error.to_string()))
    }

    /// Takes text that was picked in a question or a list.
    fn on_fill(&mut self, _field: &str, _text: String) -> Outcome {
        Outcome::Ignored
    }

    /// Learns what came of a job, its own or another's.
    fn on_job(&mut self, _job: &JobDone) -> Outcome {
        Outcome::Ignored
    }

    /// What of it is kept for the next start; nothing for a screen that is not opened again.
    fn kept(&self) -> Option<Kept> {
        None
    }

    /// What the line above the footer says about what is under the cursor.
    fn status(&self) -> Option<Message> {
        None
    }

    /// The screen in words, for those who hear it.
    fn speak(&self) -> Speech {
        Speech::drawn(|buffer, area, theme| self.draw(buffer, area, theme))
    }

    /// Puts the cursor on an item of [`Screen::speak`], counted from 0.
    fn go_to(&mut self, _item: usize) -> Outcome {
        Outcome::Ignored
    }

    /// Puts the cursor where the mouse was pressed: so many columns and lines from the corner of its area.
    fn on_click(&mut self, _area: Rect, _x: u16, _y: u16) -> Outcome {
        Outcome::Ignored
    }

    /// Draws.
    fn draw(&self, buffer: &mut Buffer, area: Rect, theme: &Theme);
}
