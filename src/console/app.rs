//! The state of the console: a stack of screens, a question perhaps in front of them, a line that speaks.
//!
//! Keys go in, a picture comes out; there is no terminal here, so tests drive it as the loop does. Whatever a key asked for is
//! done before the next key is looked at, so an action belongs to what was under the cursor when it was pressed.

mod editing;

mod following;

mod refusing;

mod speaking;

mod pointing;

mod undoing;

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use tokio::sync::mpsc;

use crate::console::app::refusing::means_nothing;
use crate::console::keymap::{self, Action, Key, Place};
use crate::console::memory::{self, Kept};
use crate::console::screen::{JobDone, Message, Outcome, Screen, Shared, Tone};
use crate::console::screens::dead::Dead;
use crate::console::screens::failures::Failures;
use crate::console::screens::help::Help;
use crate::console::screens::palette::{self, Palette};
use crate::console::theme::{Theme, ThemeName};
use crate::console::widgets::dialog::Question;
use crate::console::widgets::frame::{self, Head};
use crate::console::widgets::text_box::Edit;
use crate::dispatch::Status;
use crate::domain::account::AccountKey;
use crate::domain::id::ChangeId;
use crate::store::Store;
use crate::store::accounts::Pulse;
use crate::store::error::StoreError;

/// What a key leads to outside of the app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Nothing; go on.
    On,
    /// The end.
    Quit,
    /// Back to the shell for a while.
    Suspend,
    /// A whole new frame.
    Redraw,
}

/// The console without its terminal.
pub struct App {
    store: Store,
    services: Shared,
    theme: Theme,
    stack: Vec<Box<dyn Screen>>,
    question: Option<Question>,
    message: Option<Message>,
    /// Why the store could not be read the last time.
    unread: Option<Message>,
    /// An undo that was announced and waits for a second press.
    announced: Option<ChangeId>,
    /// What the last key changed, wherever that was: the next one may take just that back, or do it again.
    just_changed: Option<ChangeId>,
    /// The account whose set-up was copied last.
    yanked: Option<AccountKey>,
    clipboard: Option<String>,
    mouse: bool,
    editing: Option<(&'static str, String)>,
    deliverer: Option<Status>,
    pulse: Pulse,
    jobs: mpsc::UnboundedSender<JobDone>,
    /// Jobs beside the loop for which a screen waits.
    beside: u32,
    area: Rect,
}

impl App {
    /// Opens the first screen.
    pub async fn new(
        store: Store,
        services: Shared,
        first: Box<dyn Screen>,
        jobs: mpsc::UnboundedSender<JobDone>,
    ) -> Self {
        let options = &services.options;
        let theme = match options.own_theme.filter(|_| options.color) {
            Some(theme) => theme,
            None => Theme::new(if options.color { options.theme } else { ThemeName::Mono }),
        };
        let theme = theme.limited_to(options.depth).with_marks(options.marks);
        let mut app = Self {
            store,
            services,
            theme,
            stack: vec![first],
            question: None,
            message: None,
            unread: None,
            announced: None,
            just_changed: None,
            yanked: None,
            clipboard: None,
            mouse: false,
            editing: None,
            deliverer: None,
            pulse: Pulse::default(),
            jobs,
            beside: 0,
            area: Rect::default(),
        };
        app.load().await;
        app
    }

    /// Reads anew what the screen on top shows, and how the deliveries go. A screen whose subject is gone closes.
    pub async fn load(&mut self) {
        self.load_screen().await;
        let account = self.stack.last().and_then(|screen| screen.account()).cloned();
        if let Ok(pulse) = self.store.pulse(account.as_ref()).await {
            self.pulse = pulse;
        }
        if let Some(screen) = self.stack.last_mut() {
            screen.on_pulse(&self.pulse);
        }
        self.arrange();
    }

    /// Reads anew what the screen on top shows. That is enough after a change: its commit has the rest read in a moment.
    pub(crate) async fn load_screen(&mut self) {
        self.unread = None;
        while let Some(screen) = self.stack.last_mut() {
            match screen.load(&self.store).await {
                Ok(()) => break,
                Err(StoreError::NotFound(what)) if self.stack.len() > 1 => {
                    self.stack.pop();
                    self.message = Some(Message::warn(what));
                }
                Err(error) => {
                    self.unread = Some(Message::bad(format!("{error}; what is shown may be old")));
                    break;
                }
            }
        }
        self.work_beside().await;
    }

    /// Opens again what was open at the last end.
    pub async fn open_again(&mut self, kept: &[Kept]) {
        if !kept.is_empty() {
            self.stack = memory::open(&self.services, kept);
            self.load().await;
        }
    }

    /// The screens that are kept for the next start: from the first one up to one that is not opened again.
    #[must_use]
    pub fn kept(&self) -> Vec<Kept> {
        self.stack.iter().map_while(|screen| screen.kept()).collect()
    }

    /// Whether what is shown grows old by itself: a rate that sinks while nothing comes.
    #[must_use]
    pub const fn ages(&self) -> bool {
        self.pulse.per_minute > 0
    }

    /// Learns the size of the screen.
    pub fn resize(&mut self, area: Rect) {
        self.area = area;
        self.arrange();
    }

    /// Learns who delivers.
    pub fn set_deliverer(&mut self, status: Status) {
        self.deliverer = Some(status);
    }

    /// Answers a key.
    pub async fn key(&mut self, event: &KeyEvent) -> Turn {
        let Some(screen) = self.stack.last_mut() else { return Turn::Quit };
        let place = if self.question.is_some() { Place::Question } else { screen.place() };
        let action = keymap::action(place, event);
        let outcome = match action {
            Some(action @ (Action::Quit | Action::Suspend | Action::Redraw)) => return self.perform(action).await,
            _ if self.question.is_some() => return self.answer(action, event).await,
            Some(action) => return self.perform(action).await,
            None if place.takes_text() => Edit::from_key(event).map_or(Outcome::Ignored, |edit| screen.on_edit(&edit)),
            None => means_nothing(place, event),
        };
        (self.announced, self.just_changed) = (None, None);
        if !matches!(outcome, Outcome::Ignored) {
            self.message = None;
        }
        self.follow(outcome).await
    }

    fn suspend(&mut self) -> Turn {
        if self.services.options.restricted {
            self.message = Some(Message::plain("there is no shell to go back to; q leads out"));
            return Turn::On;
        }
        Turn::Suspend
    }

    /// Takes pasted text. Outside of a field it does nothing.
    pub async fn paste(&mut self, text: String) -> Turn {
        let Some(screen) = self.stack.last_mut() else { return Turn::Quit };
        if self.question.is_some() || !screen.place().takes_text() {
            self.message = Some(Message::plain("pasted text goes into a field only; nothing was done"));
            return Turn::On;
        }
        self.message = None;
        let outcome = screen.on_edit(&Edit::Paste(text));
        self.follow(outcome).await
    }

    /// Takes what came of a job.
    pub async fn job(&mut self, job: &JobDone) -> Turn {
        if matches!(job, JobDone::Counted { .. }) {
            self.beside = self.beside.saturating_sub(1);
        }
        if let JobDone::Said(message) = job {
            self.message = Some(message.clone());
            return Turn::On;
        }
        let outcomes: Vec<_> = self.stack.iter_mut().map(|screen| screen.on_job(job)).collect();
        for outcome in outcomes {
            if self.follow(outcome).await == Turn::Quit {
                return Turn::Quit;
            }
        }
        self.load().await;
        Turn::On
    }

    /// Draws the whole screen.
    pub fn draw(&self, buffer: &mut Buffer) {
        let area = buffer.area;
        let Some(screen) = self.stack.last() else { return };
        let path: Vec<String> = self.stack.iter().map(|screen| screen.title()).collect();
        let head = Head {
            path: &path,
            deliverer: self.deliverer.as_ref(),
            pulse: &self.pulse,
            read_only: self.services.read_only,
            demo: self.services.demo,
        };
        frame::draw_head(buffer, area, &self.theme, &head);
        screen.draw(buffer, frame::body(area), &self.theme);
        let told = self.message.clone().or_else(|| self.unread.clone());
        let is_told = told.is_some();
        let speaks = told.or_else(|| screen.status());
        frame::draw_message(buffer, area, &self.theme, speaks.as_ref(), is_told);
        let place = if self.question.is_some() { Place::Question } else { screen.place() };
        frame::draw_foot(buffer, area, &self.theme, place, self.services.role);
        if let Some(question) = &self.question {
            question.draw(buffer, frame::body(area), &self.theme);
        }
    }

    /// What an action asks for: of the program everywhere, else of the screen on top.
    fn act(&mut self, action: Action) -> Outcome {
        let Some(screen) = self.stack.last_mut() else { return Outcome::Ignored };
        let place = screen.place();
        match action {
            Action::Help => Outcome::Open(Box::new(Help::new(place, self.theme.marks, self.services.role))),
            Action::Palette => Outcome::Open(Box::new(Palette::new(place, self.services.role))),
            Action::Mouse => self.switch_mouse(),
            Action::Go => Outcome::Ask(palette::go()),
            Action::GoAccounts => self.go(None),
            Action::GoFailures => self.go(Some(Box::new(Failures::new(self.services.clone())))),
            Action::GoDead => self.go(Some(Box::new(Dead::new(self.services.clone())))),
            _ => match (screen.on_action(action), action) {
                (Outcome::Ignored, Action::Undo) => Outcome::Undo(screen.account().cloned()),
                (Outcome::Ignored, Action::Redo) => Outcome::Act(Action::Redo),
                (outcome, _) => outcome,
            },
        }
    }

    /// Leaves all screens but the first, and opens another on it.
    fn go(&mut self, screen: Option<Box<dyn Screen>>) -> Outcome {
        self.stack.truncate(1);
        screen.map_or(Outcome::Reload, Outcome::Open)
    }

    /// Whether the terminal is to tell of the mouse.
    #[must_use]
    pub const fn mouse(&self) -> bool {
        self.mouse
    }

    /// Takes what is to go to the clipboard of the person's terminal.
    pub const fn take_clipboard(&mut self) -> Option<String> {
        self.clipboard.take()
    }

    async fn answer(&mut self, action: Option<Action>, event: &KeyEvent) -> Turn {
        let Some(mut question) = self.question.take() else { return Turn::On };
        let picked = match keymap::key(event) {
            Some(Key::Char(c)) => question.pick(c),
            _ => false,
        };
        match action {
            _ if picked => return self.follow(question.choose()).await,
            Some(Action::Open) => return self.follow(question.choose()).await,
            Some(Action::Back) => return Turn::On,
            Some(Action::Up) => question.step(-1),
            Some(Action::Down) => question.step(1),
            _ => {}
        }
        self.question = Some(question);
        Turn::On
    }

    fn arrange(&mut self) {
        let area = frame::body(self.area);
        if let Some(screen) = self.stack.last_mut() {
            screen.arrange(area);
        }
    }

    /// Says something that no key asked for.
    pub fn say(&mut self, text: impl Into<String>, tone: Tone) {
        self.message = Some(Message { text: text.into(), tone });
    }
}

/// Whether a key was pressed or repeats; its release is nothing.
#[must_use]
pub const fn is_press(event: &KeyEvent) -> bool {
    !matches!(event.kind, crossterm::event::KeyEventKind::Release) && !matches!(event.code, KeyCode::Null)
}
