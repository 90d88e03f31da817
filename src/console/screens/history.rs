//! The history of an account, a cell or a destination: who changed what, when, from where, before and after; and the way back.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::console::keymap::{Action, Place};
use crate::console::memory::Kept;
use crate::console::screen::{Load, Message, Outcome, Screen, Shared};
use crate::console::screens::history_words::{Difference, differences};
use crate::console::speech::Speech;
use crate::console::theme::Theme;
use crate::console::widgets::finder::Finder;
use crate::console::widgets::list::ListCursor;
use crate::console::widgets::paint::{Column, below, cursor_at, line, put, put_all, put_columns, wrap};
use crate::console::widgets::text_box::Edit;
use crate::console::words::{full_time, moment};
use crate::domain::account::AccountKey;
use crate::domain::command::Command;
use crate::domain::id::ChangeId;
use crate::domain::text::pad;
use crate::store::Store;
use crate::store::history::{HistoryRow, Subject};

/// Changes that are shown at most; the command line has all.
const ROWS_MAX: u32 = 500;

/// The screen.
pub struct History {
    services: Shared,
    subject: Subject,
    /// What people call the subject.
    name: String,
    all: Vec<HistoryRow>,
    rows: Vec<HistoryRow>,
    cursor: ListCursor<ChangeId>,
    finder: Finder,
}

impl History {
    /// Of that subject.
    #[must_use]
    pub fn new(services: Shared, subject: Subject, name: String) -> Self {
        let (cursor, finder) = (ListCursor::default(), Finder::default());
        Self { services, subject, name, all: Vec::new(), rows: Vec::new(), cursor, finder }
    }

    /// As it was left; nothing where that cannot be read.
    #[must_use]
    pub fn again(services: Shared, kept: &Kept) -> Option<Self> {
        let Kept::History { account, event_type, channel, destination, name, find } = kept else { return None };
        let account = account.parse().ok()?;
        let subject = match (event_type, channel, destination) {
            (Some(event_type), Some(channel), _) => {
                Subject::Cell { account, event_type: event_type.clone(), channel: channel.parse().ok()? }
            }
            (_, _, Some(id)) => Subject::Destination { account, id: id.parse().ok()? },
            _ => Subject::Account(account),
        };
        Some(Self { finder: Finder::with(find), ..Self::new(services, subject, name.clone()) })
    }

    fn row(&self) -> Option<&HistoryRow> {
        self.rows.get(self.cursor.index())
    }

    fn narrow(&mut self) {
        let query = self.finder.query(self.services.clock.now(), &self.services.options.zone);
        let fits = |row: &&HistoryRow| {
            let change = &row.change;
            let text = format!("{} {} {} {}", change.actor.login, change.actor.origin, change.says, change.before);
            query.words_in(&format!("{text} {} {}", change.after, change.id))
                && query.since.is_none_or(|since| change.at >= since)
        };
        self.rows = self.all.iter().filter(fits).cloned().collect();
        self.cursor.set(self.rows.iter().map(|row| row.change.id).collect());
    }

    /// What is wrong with taking the change under the cursor back; nothing when it can be.
    fn obstacle(&self, row: &HistoryRow) -> Option<String> {
        let by = || row.undone_by.and_then(|by| self.all.iter().find(|other| other.change.id == by));
        match row.undone_by {
            Some(id) => Some(by().map_or_else(
                || format!("taken back by {id}"),
                |by| format!("taken back by {} ({id}); u on that one does it again", by.change.actor.login),
            )),
            None if !row.can_undo => Some("this cannot be taken back".to_owned()),
            None => None,
        }
    }

    fn take_back(&self) -> Outcome {
        let Some(row) = self.row() else { return Outcome::Say(Message::plain("nothing was changed here yet")) };
        match self.obstacle(row) {
            Some(obstacle) => Outcome::Say(Message::warn(obstacle)),
            None => Outcome::Run(Command::Undo { change: row.change.id }),
        }
    }

    /// Lines of the list; the change under the cursor has the others.
    fn list_height(&self, area: Rect) -> u16 {
        let wanted = u16::try_from(self.rows.len()).unwrap_or(u16::MAX).max(1);
        wanted.min((area.height / 2).max(2)).min(area.height)
    }

    fn draw_detail(&self, buffer: &mut Buffer, area: Rect, theme: &Theme, row: &HistoryRow) {
        let change = &row.change;
        let at = full_time(change.at, &self.services.options.zone);
        let by = format!("{} by {} on {}, {}", change.id, change.actor.login, change.actor.origin, at);
        put(buffer, area, 1, 0, &by, theme.head);
        let mut y = 1;
        for text in wrap(&change.says, usize::from(area.width.saturating_sub(2)).max(8)) {
            put(buffer, area, 1, y, &text, theme.text);
            y = y.saturating_add(1);
        }
        let differences = differences(change);
        let name = differences.iter().map(|one| one.name.len()).max().unwrap_or(0).min(usize::from(area.width) / 2);
        for Difference { name: what, before, after } in &differences {
            let shown = |value: &str| if value.is_empty() { "(nothing)".to_owned() } else { value.to_owned() };
            let spans = [
                (format!("{}  ", pad(&crate::domain::text::safe_line(what), name)), theme.dim),
                (shown(before), theme.warn),
                (" -> ".to_owned(), theme.dim),
                (shown(after), theme.good),
            ];
            put_all(buffer, area, 3, y, &spans);
            y = y.saturating_add(1);
        }
    }
}

impl Screen for History {
    fn title(&self) -> String {
        format!("history of {}", self.name)
    }

    fn place(&self) -> Place {
        if self.finder.is_active() { Place::Filter } else { Place::History }
    }

    fn account(&self) -> Option<&AccountKey> {
        Some(self.subject.account())
    }

    fn load<'a>(&'a mut self, store: &'a Store) -> Load<'a> {
        Box::pin(async move {
            self.all = store.history(&self.subject, ROWS_MAX).await?;
            self.narrow();
            Ok(())
        })
    }

    fn on_click(&mut self, _area: Rect, _x: u16, y: u16) -> Outcome {
        self.cursor.click(y.checked_sub(1));
        Outcome::Handled
    }

    fn arrange(&mut self, area: Rect) {
        self.cursor.arrange(usize::from(self.list_height(below(area, 1))));
    }

    fn on_action(&mut self, action: Action) -> Outcome {
        match action {
            _ if self.cursor.on_action(action) => Outcome::Handled,
            Action::Filter => {
                self.finder.open();
                Outcome::Handled
            }
            Action::SwitchPane | Action::Open => {
                self.finder.keep();
                Outcome::Handled
            }
            Action::Back if self.finder.drop_all() => {
                self.narrow();
                Outcome::Handled
            }
            Action::Back => Outcome::Close,
            Action::Undo => self.take_back(),
            _ => Outcome::Ignored,
        }
    }

    fn on_edit(&mut self, edit: &Edit) -> Outcome {
        if self.finder.edit(edit) {
            self.cursor.go(0);
            self.narrow();
        }
        Outcome::Handled
    }

    fn kept(&self) -> Option<Kept> {
        let (event_type, channel, destination) = match &self.subject {
            Subject::Account(_) => (None, None, None),
            Subject::Cell { event_type, channel, .. } => (Some(event_type.clone()), Some(*channel), None),
            Subject::Destination { id, .. } => (None, None, Some(id.to_string())),
        };
        Some(Kept::History {
            account: self.subject.account().to_string(),
            event_type,
            channel: channel.map(|channel| channel.name().to_owned()),
            destination,
            name: self.name.clone(),
            find: self.finder.text().to_owned(),
        })
    }

    fn status(&self) -> Option<Message> {
        let row = self.row()?;
        Some(match self.obstacle(row) {
            Some(obstacle) => Message::plain(obstacle),
            None => Message::plain(format!("u takes back: {}", row.change.says)),
        })
    }

    fn speak(&self) -> Speech {
        let now = self.services.clock.now();
        let words = |row: &HistoryRow| {
            let undone = if row.undone_by.is_some() { ", undone" } else { "" };
            let at = moment(row.change.at, now, &self.services.options.zone);
            format!("{at}, {}: {}{undone}", row.change.actor.login, row.change.says)
        };
        let mut speech = Speech::of(self.rows.iter().map(words).collect(), self.cursor.index());
        if let Some(row) = self.row() {
            let change = &row.change;
            let at = full_time(change.at, &self.services.options.zone);
            speech.after.push(format!("{} by {} on {}, {at}", change.id, change.actor.login, change.actor.origin));
            let lines = differences(change).into_iter().map(|one| {
                let shown = |value: String| if value.is_empty() { "nothing".to_owned() } else { value };
                format!("{}: from {} to {}", one.name, shown(one.before), shown(one.after))
            });
            speech.after.extend(lines);
        }
        speech.when_empty("nothing was changed here yet")
    }

    fn go_to(&mut self, item: usize) -> Outcome {
        self.cursor.go(item);
        Outcome::Handled
    }

    fn draw(&self, buffer: &mut Buffer, area: Rect, theme: &Theme) {
        let hint = match self.all.len() {
            1 => "1 change; / finds".to_owned(),
            count => format!("{count} changes, the newest first; / finds"),
        };
        self.finder.draw(buffer, line(area, 0), theme, "find:", &hint);
        let below_finder = below(area, 1);
        let height = self.list_height(below_finder);
        let list = Rect { height, ..below_finder };
        if self.rows.is_empty() {
            let text = if self.all.is_empty() { "nothing was changed here yet" } else { "none is like that" };
            put(buffer, list, 1, 0, text, theme.dim);
        }
        let now = self.services.clock.now();
        let rows = self.rows.iter().enumerate().skip(self.cursor.offset()).take(usize::from(height));
        for (y, (index, row)) in (0u16..).zip(rows) {
            let change = &row.change;
            let at = moment(change.at, now, &self.services.options.zone);
            let gone = if row.undone_by.is_some() { "undone" } else { "" };
            let style = if row.undone_by.is_some() { theme.dim } else { theme.text };
            let says = usize::from(area.width).saturating_sub(9 + 11 + 8 + 1);
            let columns = [
                Column::new(&at, 8, theme.dim),
                Column::new(&change.actor.login, 10, theme.text),
                Column::new(&change.says, says, style),
                Column::new(gone, 6, theme.dim),
            ];
            put_columns(buffer, line(list, y), 1, &columns);
            if index == self.cursor.index() {
                cursor_at(buffer, list, y, theme);
            }
        }
        if let Some(row) = self.row() {
            self.draw_detail(buffer, below(below_finder, height.saturating_add(1)), theme, row);
        }
    }
}
