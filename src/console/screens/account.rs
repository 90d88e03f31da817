//! An account: its matrix, and beneath it what is being delivered, live. The screen that everything turns around.

mod live_keys;

mod looking;

mod pointing;

mod speaking;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::console::keymap::{Action, Place};
use crate::console::memory::Kept;
use crate::console::screen::{Load, Message, Outcome, Screen, Shared};
use crate::console::screens::account_find::find;
use crate::console::screens::account_form::AccountForm;
use crate::console::screens::account_words as words;
use crate::console::screens::copy;
use crate::console::screens::destinations::Destinations;
use crate::console::screens::missed::Missed;
use crate::console::screens::mute;
use crate::console::screens::split::Split;
use crate::console::screens::test_watch::TestWatch;
use crate::console::speech::Speech;
use crate::console::theme::Theme;
use crate::console::widgets::dialog::{Answer, Question};
use crate::console::widgets::finder::Finder;
use crate::console::widgets::live::{LiveContext, LivePane, ROWS_STILL};
use crate::console::widgets::matrix::{self, MatrixCursor};
use crate::console::widgets::paint::{below, put};
use crate::console::widgets::text_box::Edit;
use crate::domain::account::AccountKey;
use crate::domain::channel::Channel;
use crate::domain::command::{CellChange, Command, Done};
use crate::domain::matrix::CellSetting;
use crate::store::Store;
use crate::store::accounts::Pulse;
use crate::store::matrix::MatrixView;

/// Lines of the live pane, its head included, that the matrix leaves it at least.
const LIVE_LINES_MIN: u16 = 5;

/// The screen.
pub struct AccountScreen {
    services: Shared,
    key: AccountKey,
    view: Option<MatrixView>,
    cursor: MatrixCursor,
    live: LivePane,
    in_live: bool,
    zoomed: bool,
    split: Split,
    finder: Finder,
    /// Where the cursor was before something was looked for.
    before: Option<MatrixCursor>,
    test: TestWatch,
    /// What a change of many cells is told as when it is done.
    says: Option<String>,
}

impl AccountScreen {
    /// Of that account.
    #[must_use]
    pub fn new(services: Shared, key: AccountKey) -> Self {
        Self {
            services,
            key,
            view: None,
            cursor: MatrixCursor::new(Channel::Email),
            live: LivePane::default(),
            in_live: false,
            zoomed: false,
            split: Split::default(),
            finder: Finder::default(),
            before: None,
            test: TestWatch::default(),
            says: None,
        }
    }

    /// As it was left: with the cursor on a cell, or in the heads.
    #[must_use]
    pub fn again(services: Shared, key: AccountKey, event_type: Option<&str>, channel: Channel) -> Self {
        Self { cursor: MatrixCursor::at(event_type, channel), ..Self::new(services, key) }
    }

    /// With what was looked for in the live pane, and perhaps with the keys there.
    #[must_use]
    pub fn with_live(mut self, in_live: bool, find: &str) -> Self {
        self.in_live = in_live;
        *self.live.finder() = Finder::with(find);
        self
    }

    fn live_height(&self, area: Rect) -> u16 {
        if self.zoomed {
            return area.height;
        }
        let rows = self.view.as_ref().map_or(0, |view| view.catalogue.types().len());
        let matrix = u16::try_from(rows + 1).unwrap_or(u16::MAX);
        area.height.saturating_sub(matrix).max(LIVE_LINES_MIN.min(area.height / 3))
    }

    fn live_context<'a>(&'a self, view: &'a MatrixView) -> LiveContext<'a> {
        LiveContext {
            catalogue: &view.catalogue,
            zone: &self.services.options.zone,
            now: self.services.clock.now(),
            focused: self.in_live,
        }
    }

    fn toggle(&mut self, view: &MatrixView) -> Outcome {
        let channel = self.cursor.channel();
        let Some(kind) = self.cursor.event_type(view) else { return self.toggle_column(view) };
        let to = if view.cell(kind, channel).on { CellSetting::Off } else { CellSetting::On };
        self.says = Some(String::new());
        let cells = vec![CellChange { event_type: kind.name.clone(), channel, to }];
        Outcome::Run(Command::SetCells { account: self.key.clone(), cells })
    }

    fn toggle_column(&mut self, view: &MatrixView) -> Outcome {
        let channel = self.cursor.channel();
        let types = view.catalogue.types();
        let all_on = types.iter().all(|kind| view.cell(kind, channel).on);
        let to = if all_on { CellSetting::Off } else { CellSetting::On };
        let on = if all_on { "off" } else { "on" };
        self.says = Some(format!("{} is {on} for every event type; u takes that back", channel.title()));
        let cells = types.iter().map(|kind| CellChange { event_type: kind.name.clone(), channel, to }).collect();
        Outcome::Run(Command::SetCells { account: self.key.clone(), cells })
    }

    fn toggle_row(&mut self, view: &MatrixView) -> Outcome {
        let Some(kind) = self.cursor.event_type(view) else { return self.toggle_column(view) };
        let set_up = |channel: &Channel| view.destinations.iter().any(|other| other.channel == *channel);
        let mut channels: Vec<Channel> = Channel::ALL.into_iter().filter(set_up).collect();
        if channels.is_empty() {
            channels = Channel::ALL.to_vec();
        }
        let all_on = channels.iter().all(|channel| view.cell(kind, *channel).on);
        let to = if all_on { CellSetting::Off } else { CellSetting::On };
        let names: Vec<_> = channels.iter().map(|channel| channel.title()).collect();
        let on = if all_on { "off" } else { "on" };
        self.says = Some(format!("{} is {on} for {}; u takes that back", kind.short, names.join(", ")));
        let change = |channel| CellChange { event_type: kind.name.clone(), channel, to };
        Outcome::Run(Command::SetCells { account: self.key.clone(), cells: channels.into_iter().map(change).collect() })
    }

    fn send_test(&self, view: &MatrixView) -> Outcome {
        let channel = self.cursor.channel();
        let event_type = self.cursor.event_type(view).map(|kind| kind.name.clone());
        let command = |id| Outcome::Run(Command::TestDestination { id, event_type: event_type.clone() });
        let of_channel: Vec<_> = view.destinations.iter().filter(|other| other.channel == channel).collect();
        match of_channel.as_slice() {
            [] => Outcome::Say(Message::warn(format!("{} has nowhere to go yet; enter sets it up", channel.title()))),
            [one] => command(one.id),
            many => {
                let keys = "123456789abcdefghiklmoprstuvwxyz".chars();
                let answer = |(key, one): (char, &&crate::domain::destination::Destination)| Answer {
                    key,
                    label: one.label.clone(),
                    outcome: command(one.id),
                };
                let answers = keys.zip(many).map(answer).collect();
                Outcome::Ask(Question::new(format!("Send a test over {} to", channel.title()), answers))
            }
        }
    }

    fn on_matrix(&mut self, action: Action) -> Outcome {
        let Some(view) = self.view.take() else {
            return if action == Action::Back { Outcome::Close } else { Outcome::Ignored };
        };
        let mut outcome = Outcome::Handled;
        match action {
            Action::Up => self.cursor.step(&view, -1, 0),
            Action::Down => self.cursor.step(&view, 1, 0),
            Action::Left => self.cursor.step(&view, 0, -1),
            Action::Right => self.cursor.step(&view, 0, 1),
            Action::First => self.cursor.step(&view, isize::MIN, 0),
            Action::Last => self.cursor.step(&view, isize::MAX, 0),
            Action::Filter | Action::Open | Action::SwitchPane if self.finder.is_active() => self.finder.keep(),
            Action::Filter => {
                self.before = Some(self.cursor.clone());
                self.finder = Finder::default();
                self.finder.open();
            }
            Action::Back if self.finder.is_active() => {
                self.finder.keep();
                self.cursor = self.before.take().unwrap_or_else(|| self.cursor.clone());
                self.cursor.set(&view);
            }
            Action::Why => outcome = self.why(&view),
            Action::History => outcome = self.history(&view),
            Action::SetUpChannel => outcome = self.choose_channel(&view),
            Action::SendMissed => {
                outcome = Outcome::Open(Box::new(Missed::new(self.services.clone(), self.key.clone())));
            }
            Action::CopySetup => {
                outcome = copy::from(&self.key, &[]);
            }
            Action::TakeSetup => outcome = Outcome::TakeSetup,
            Action::Mark => self.cursor.mark(),
            Action::Back if self.cursor.unmark() => {}
            Action::Toggle => outcome = self.toggle_marked(&view).unwrap_or_else(|| self.toggle(&view)),
            Action::ToggleRow => outcome = self.toggle_row(&view),
            Action::ToggleColumn => outcome = self.toggle_column(&view),
            Action::Test => outcome = self.send_test(&view),
            Action::Preview => outcome = self.preview(&view),
            Action::Simulate => outcome = self.simulate(&view),
            Action::LastTest => outcome = self.last_test(),
            Action::Undo => outcome = Outcome::Undo(Some(self.key.clone())),
            Action::SwitchPane => self.in_live = true,
            Action::Mute => {
                self.says = None;
                outcome = mute::ask(&self.services, &view, self.cursor.event_type(&view), self.cursor.channel());
            }
            Action::Zoom => (self.zoomed, self.in_live) = (true, true),
            Action::Edit => {
                outcome = Outcome::Open(Box::new(AccountForm::edit(self.services.clone(), &view.account)));
            }
            Action::SetUp => {
                let screen = Destinations::new(self.services.clone(), self.key.clone(), self.cursor.channel());
                outcome = Outcome::Open(Box::new(screen));
            }
            Action::Back => outcome = Outcome::Close,
            _ => outcome = Outcome::Ignored,
        }
        self.view = Some(view);
        outcome
    }
}

impl Screen for AccountScreen {
    fn title(&self) -> String {
        self.view.as_ref().map_or_else(|| self.key.to_string(), |view| view.account.profile.name.clone())
    }

    fn place(&self) -> Place {
        match (self.finder.is_active() || self.live.is_typing(), self.in_live) {
            (true, _) => Place::Filter,
            (false, true) => Place::Live,
            (false, false) => Place::Matrix,
        }
    }

    fn account(&self) -> Option<&AccountKey> {
        Some(&self.key)
    }

    fn on_pulse(&mut self, pulse: &Pulse) {
        self.live.set_rate(pulse);
    }

    fn load<'a>(&'a mut self, store: &'a Store) -> Load<'a> {
        Box::pin(async move {
            let view = store.matrix(&self.key).await?;
            self.cursor.set(&view);
            self.view = Some(view);
            let (now, zone) = (self.services.clock.now(), &self.services.options.zone);
            let rows = match self.live.filter(now, zone) {
                Some(filter) => store.live_found(&self.key, &filter, ROWS_STILL).await?,
                None => store.live(Some(&self.key), self.live.limit()).await?,
            };
            self.live.set(rows);
            let under_cursor = self.live.row().and_then(|row| row.delivery.as_ref()).map(|delivery| delivery.id);
            self.split.load(store, &self.services, under_cursor.filter(|_| self.zoomed)).await?;
            self.test.load(store).await
        })
    }

    fn arrange(&mut self, area: Rect) {
        let live = self.live_height(area);
        let pane = self.split.arrange(area);
        self.live.arrange(if self.zoomed { pane.height } else { live });
        self.cursor.arrange(area.height.saturating_sub(live));
    }

    fn on_click(&mut self, area: Rect, x: u16, y: u16) -> Outcome {
        self.clicked(area, x, y)
    }

    fn on_action(&mut self, action: Action) -> Outcome {
        self.test.forget();
        if self.in_live { self.on_live(action) } else { self.on_matrix(action) }
    }

    fn on_edit(&mut self, edit: &Edit) -> Outcome {
        if self.live.is_typing() {
            return self.edit_live(edit);
        }
        if self.finder.edit(edit)
            && let Some(view) = &self.view
        {
            let (row, channel) = find(view, self.finder.text());
            self.cursor.go(view, row, channel);
        }
        Outcome::Handled
    }

    fn on_fill(&mut self, _field: &str, text: String) -> Outcome {
        copy::onto(&text, std::slice::from_ref(&self.key))
    }

    fn on_done(&mut self, done: &Done) -> Outcome {
        let says = self.says.take();
        if self.test.begin(done) {
            return Outcome::Handled;
        }
        match says {
            // One cell: the line about what is under the cursor says it all.
            Some(says) if says.is_empty() => Outcome::Handled,
            Some(says) if done.change.is_some() => Outcome::Say(Message::good(says)),
            _ => Outcome::Say(Message::good(done.says.clone())),
        }
    }

    fn kept(&self) -> Option<Kept> {
        let kind = self.view.as_ref().and_then(|view| self.cursor.event_type(view));
        Some(Kept::Account {
            key: self.key.to_string(),
            event_type: kind.map(|kind| kind.name.clone()),
            channel: self.cursor.channel().name().to_owned(),
            in_live: self.in_live,
            find: self.live.looked_for().to_owned(),
        })
    }

    fn status(&self) -> Option<Message> {
        if let Some(message) = self.test.message() {
            return Some(message);
        }
        let view = self.view.as_ref()?;
        if self.finder.is_active() {
            let (row, channel) = find(view, self.finder.text());
            let found = self.finder.is_empty() || row.is_some() || channel.is_some();
            let text = format!("find: {}_", self.finder.text());
            return Some(if found {
                Message::plain(text)
            } else {
                Message::warn(format!("{text}  nothing is like that"))
            });
        }
        let marked = self.cursor.marked(view).len();
        if marked > 0 {
            let text = format!("{marked} cells are marked: space turns them on or off as one, v or esc lets go");
            return Some(Message::plain(text));
        }
        if self.in_live {
            let problem = self.live.problem(self.services.clock.now(), &self.services.options.zone);
            return problem.map(Message::warn).or_else(|| self.live.row().map(words::live_row));
        }
        let now = self.services.clock.now();
        Some(words::cell(view, &self.cursor, now, &self.services.options.zone))
    }

    fn speak(&self) -> Speech {
        self.words()
    }

    fn go_to(&mut self, item: usize) -> Outcome {
        self.go_to_item(item)
    }

    fn draw(&self, buffer: &mut Buffer, area: Rect, theme: &Theme) {
        let Some(view) = &self.view else {
            put(buffer, area, 1, 0, "this account could not be read", theme.bad);
            return;
        };
        let live = self.live_height(area);
        let split = area.height.saturating_sub(live);
        if split > 0 {
            let upper = Rect::new(area.x, area.y, area.width, split);
            matrix::draw(buffer, upper, theme, view, &self.cursor, !self.in_live);
        }
        let mut pane = below(area, split);
        if self.zoomed {
            self.split.draw(buffer, area, theme);
            pane = self.split.parts(area).0;
        }
        self.live.draw(buffer, pane, theme, &self.live_context(view));
    }
}
