//! Copies an account's set-up to others: pick them, see what would change in each, then do it.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::console::keymap::{Action, Place};
use crate::console::screen::{Load, Message, Outcome, Screen};
use crate::console::speech::Speech;
use crate::console::theme::Theme;
use crate::console::widgets::finder::Finder;
use crate::console::widgets::list::ListCursor;
use crate::console::widgets::paint::{Column, below, cursor_at, line, put, put_columns};
use crate::console::widgets::text_box::Edit;
use crate::domain::account::{Account, AccountKey};
use crate::domain::command::{Command, Done};
use crate::domain::matrix::CellSetting;
use crate::store::Store;
use crate::store::accounts::AccountFilter;
use crate::store::setup::{SetupDifference, summary};

/// Accounts that are listed at most; typing finds the others.
const ROWS_MAX: u32 = 200;

/// Marked accounts whose changes are counted in advance at most.
const COUNTED_MAX: usize = 50;

/// The screen.
pub struct CopySetup {
    from: AccountKey,
    rows: Vec<Account>,
    cursor: ListCursor<AccountKey>,
    marked: Vec<AccountKey>,
    finder: Finder,
    difference: Option<SetupDifference>,
    /// What would change in all that it is copied to: cells, event types, destinations.
    total: [usize; 3],
}

/// Opens the copy of an account's set-up to these, or to those that are chosen then.
#[must_use]
pub fn from(from: &AccountKey, to: &[AccountKey]) -> Outcome {
    Outcome::Yank(from.clone()).then(Outcome::Open(Box::new(CopySetup::new(from.clone()).to(to))))
}

/// Opens the copy of the set-up of the account that was picked, onto these.
#[must_use]
pub fn onto(picked: &str, to: &[AccountKey]) -> Outcome {
    match picked.parse::<AccountKey>() {
        Ok(from) if to == [from.clone()] => {
            Outcome::Say(Message::plain("that is its own set-up; choose another account's"))
        }
        Ok(key) => from(&key, to),
        Err(_) => Outcome::Ignored,
    }
}

impl CopySetup {
    /// Of that account; one begins with typing to whom.
    #[must_use]
    pub fn new(from: AccountKey) -> Self {
        let mut finder = Finder::default();
        finder.open();
        Self {
            from,
            rows: Vec::new(),
            cursor: ListCursor::default(),
            marked: Vec::new(),
            finder,
            difference: None,
            total: [0; 3],
        }
    }

    /// To these, marked from the start.
    #[must_use]
    pub fn to(mut self, to: &[AccountKey]) -> Self {
        self.marked = to.iter().filter(|key| **key != self.from).cloned().collect();
        if let Some(first) = self.marked.first() {
            self.finder.keep();
            self.cursor.wish(first.clone());
        }
        self
    }

    fn targets(&self) -> Vec<AccountKey> {
        if self.marked.is_empty() { self.cursor.id().cloned().into_iter().collect() } else { self.marked.clone() }
    }

    fn mark(&mut self) -> Outcome {
        let Some(key) = self.cursor.id().cloned() else { return Outcome::Handled };
        match self.marked.iter().position(|other| *other == key) {
            Some(index) => {
                self.marked.remove(index);
            }
            None => self.marked.push(key),
        }
        self.cursor.step(1);
        Outcome::Reload
    }

    /// Copies: what would change stands on the screen, and can be taken back as one.
    fn copy(&self) -> Outcome {
        let targets = self.targets();
        let copy = |to| Command::CopySetup { from: self.from.clone(), to };
        match targets.as_slice() {
            [] => Outcome::Say(Message::plain("no account is like that")),
            [one] => Outcome::Run(copy(one.clone())),
            many => {
                let says = format!("{} accounts have the set-up of {}", many.len(), self.from);
                let changes = targets.iter().cloned().map(copy).collect();
                Outcome::Run(Command::Together { account: None, says, changes })
            }
        }
    }

    fn draw_difference(buffer: &mut Buffer, area: Rect, theme: &Theme, difference: &SetupDifference) {
        let head = format!("{} would change: {}", difference.account.profile.name, difference.summary());
        put(buffer, area, 1, 0, &head, theme.head);
        let lines = Self::difference_lines(difference);
        let room = usize::from(area.height.saturating_sub(1));
        for (y, text) in (1u16..).zip(lines.iter().take(room)) {
            let left = lines.len() - room.min(lines.len());
            let is_last = usize::from(y) == room && left > 0;
            let text = if is_last { format!("... and {} more", left + 1) } else { text.clone() };
            put(buffer, area, 3, y, &text, if is_last { theme.dim } else { theme.text });
        }
    }

    fn difference_lines(difference: &SetupDifference) -> Vec<String> {
        let word = |setting: &CellSetting| match setting {
            CellSetting::On => "on",
            CellSetting::Off => "off",
            CellSetting::Default => "default",
        };
        let cells = difference.cells.iter().map(|(kind, channel, before, after)| {
            format!("{} for {kind}: {} -> {}", channel.title(), word(before), word(after))
        });
        let destinations =
            difference.destinations.iter().map(|(channel, label)| format!("+ {} {label}", channel.title()));
        let types = difference.types.iter().map(|name| format!("+ event type {name}"));
        destinations.chain(types).chain(cells).collect()
    }
}

impl Screen for CopySetup {
    fn title(&self) -> String {
        format!("copy set-up of {}", self.from)
    }

    fn place(&self) -> Place {
        if self.finder.is_active() { Place::Filter } else { Place::Copy }
    }

    fn load<'a>(&'a mut self, store: &'a Store) -> Load<'a> {
        let text = self.finder.text().to_owned();
        Box::pin(async move {
            let filter = AccountFilter { text, limit: ROWS_MAX, ..AccountFilter::default() };
            let rows = store.accounts(&filter).await?;
            self.rows = rows.into_iter().map(|row| row.account).filter(|account| account.key != self.from).collect();
            self.cursor.set(self.rows.iter().map(|account| account.key.clone()).collect());
            self.difference = match self.cursor.id() {
                Some(key) => Some(store.setup_difference(&self.from, key).await?),
                None => None,
            };
            self.total = [0; 3];
            for key in self.targets().iter().take(COUNTED_MAX) {
                let change = store.setup_difference(&self.from, key).await?;
                let counts = [change.cells.len(), change.types.len(), change.destinations.len()];
                self.total = std::array::from_fn(|part| self.total[part] + counts[part]);
            }
            Ok(())
        })
    }

    fn arrange(&mut self, area: Rect) {
        self.cursor.arrange(usize::from(area.height / 2).saturating_sub(1).max(1));
    }

    fn on_action(&mut self, action: Action) -> Outcome {
        match action {
            _ if self.cursor.on_action(action) => Outcome::Reload,
            _ if self.finder.on_action(action) => Outcome::Handled,
            Action::Toggle => self.mark(),
            // Who types a name and presses enter has yet to see what would change.
            Action::Open if self.finder.is_active() => {
                self.finder.keep();
                Outcome::Handled
            }
            Action::Open => self.copy(),
            Action::Back if !self.finder.is_empty() => {
                self.finder.drop_all();
                Outcome::Reload
            }
            Action::Back => Outcome::Close,
            _ => Outcome::Ignored,
        }
    }

    fn on_edit(&mut self, edit: &Edit) -> Outcome {
        if !self.finder.edit(edit) {
            return Outcome::Handled;
        }
        self.cursor.go(0);
        Outcome::Reload
    }

    fn on_done(&mut self, done: &Done) -> Outcome {
        let says = if done.change.is_some() { format!("{}; u takes that back", done.says) } else { done.says.clone() };
        Outcome::CloseWith(done.clone()).then(Outcome::Say(Message::good(says)))
    }

    fn status(&self) -> Option<Message> {
        let targets = self.targets();
        let to = match targets.as_slice() {
            [] => return Some(Message::plain("no other account is like that")),
            [one] => one.to_string(),
            many => format!("the {} marked", many.len()),
        };
        let more = if targets.len() > COUNTED_MAX { " or more" } else { "" };
        Some(Message::plain(match summary(self.total) {
            same if self.total == [0; 3] => format!("{to}: {same}; people's addresses are never copied"),
            what if self.finder.is_active() => format!("{to}: {what}{more} would change; enter, and then enter copies"),
            what => format!("enter copies to {to}: {what}{more}; u takes it back"),
        }))
    }

    fn speak(&self) -> Speech {
        let words = |account: &Account| {
            let mark = if self.marked.contains(&account.key) { ", marked" } else { "" };
            format!("{}, key {}{mark}", account.profile.name, account.key)
        };
        let mut speech = Speech::of(self.rows.iter().map(words).collect(), self.cursor.index());
        if let Some(difference) = &self.difference {
            speech.after.push(format!("{} would change: {}", difference.account.profile.name, difference.summary()));
            speech.after.extend(Self::difference_lines(difference));
        }
        speech.when_empty("no other account is like that")
    }

    fn go_to(&mut self, item: usize) -> Outcome {
        self.cursor.go(item);
        Outcome::Reload
    }

    fn draw(&self, buffer: &mut Buffer, area: Rect, theme: &Theme) {
        self.finder.draw(buffer, line(area, 0), theme, "to:", "/ finds an account; space marks several");
        let height = (area.height / 2).saturating_sub(1).max(1);
        let list = Rect { height: height.min(area.height.saturating_sub(1)), ..below(area, 1) };
        if self.rows.is_empty() {
            put(buffer, list, 1, 0, "no other account is like that", theme.dim);
        }
        let rows = self.rows.iter().enumerate().skip(self.cursor.offset()).take(usize::from(list.height));
        for (y, (index, account)) in (0u16..).zip(rows) {
            let mark = if self.marked.contains(&account.key) { "[x]" } else { "[ ]" };
            let name = usize::from(area.width).saturating_sub(4 + 20 + 1).min(50);
            let columns = [
                Column::new(mark, 3, theme.text),
                Column::new(&account.profile.name, name, theme.text),
                Column::new(account.key.as_str(), 18, theme.dim),
            ];
            put_columns(buffer, line(list, y), 1, &columns);
            if index == self.cursor.index() {
                cursor_at(buffer, list, y, theme);
            }
        }
        if let Some(difference) = &self.difference {
            Self::draw_difference(buffer, below(area, height.saturating_add(2)), theme, difference);
        }
    }
}
