//! The destinations of all accounts that fail or are disabled, the worst first.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::console::keymap::{Action, Place};
use crate::console::memory::Kept;
use crate::console::screen::{Load, Message, Outcome, Screen, Shared};
use crate::console::screens::destinations::{Destinations, marked};
use crate::console::screens::history::History;
use crate::console::speech::Speech;
use crate::console::theme::Theme;
use crate::console::widgets::finder::Finder;
use crate::console::widgets::list::{ListCursor, Marks};
use crate::console::widgets::paint::{Column, below, cursor_at, line, put, put_columns};
use crate::console::widgets::text_box::Edit;
use crate::console::words::{capped, health, moment};
use crate::domain::command::Done;
use crate::domain::destination::DestinationState;
use crate::domain::id::DestinationId;
use crate::store::Store;
use crate::store::failing::{COUNT_MAX, TroubleRow};
use crate::store::history::Subject;

/// The list.
pub struct Dead {
    services: Shared,
    all: Vec<TroubleRow>,
    rows: Vec<TroubleRow>,
    cursor: ListCursor<DestinationId>,
    finder: Finder,
    marked: Marks<DestinationId>,
}

impl Dead {
    /// The whole list.
    #[must_use]
    pub fn new(services: Shared) -> Self {
        let (cursor, finder) = (ListCursor::default(), Finder::default());
        Self { services, all: Vec::new(), rows: Vec::new(), cursor, finder, marked: Marks::default() }
    }

    /// As it was left.
    #[must_use]
    pub fn again(services: Shared, find: &str) -> Self {
        Self { finder: Finder::with(find), ..Self::new(services) }
    }

    fn row(&self) -> Option<&TroubleRow> {
        self.rows.get(self.cursor.index())
    }

    fn narrow(&mut self) {
        let theme = Theme::new(crate::console::theme::ThemeName::Mono);
        let query = self.finder.query(self.services.clock.now(), &self.services.options.zone);
        let fits = |row: &&TroubleRow| {
            let destination = &row.destination;
            let text = format!("{} {} {}", row.account, row.account_name, destination.label);
            let reason = destination.state_reason.as_deref().or(destination.last_failure.as_deref()).unwrap_or("");
            query.words_in(&format!("{text} {} {reason}", destination.channel.title()))
                && query.account.as_ref().is_none_or(|wanted| crate::console::query::score(wanted, &text).is_some())
                && query.channel.is_none_or(|channel| channel == destination.channel)
                && query.is_state(health(destination, &theme).0)
                && query.since.is_none_or(|since| destination.failing_since.is_none_or(|at| at >= since))
        };
        self.rows = self.all.iter().filter(fits).cloned().collect();
        self.cursor.set(self.rows.iter().map(|row| row.destination.id).collect());
    }

    /// Enables what is marked, or what is under the cursor, or disables it where not all of it is disabled.
    fn enable_or_disable(&mut self) -> Outcome {
        let is_meant = |row: &&TroubleRow| match self.marked.all() {
            [] => self.cursor.id() == Some(&row.destination.id),
            marked => marked.contains(&row.destination.id),
        };
        let rows: Vec<_> = self.rows.iter().filter(is_meant).map(|row| &row.destination).collect();
        let outcome = match rows.as_slice() {
            [] => Outcome::Say(Message::plain("nothing is in trouble, so there is nothing to enable")),
            rows => marked::set_all(rows, DestinationState::Disabled, None),
        };
        self.marked.clear();
        outcome
    }

    fn on_row(&self, action: Action) -> Outcome {
        let Some(row) = self.row() else { return Outcome::Ignored };
        let (account, id) = (row.account.clone(), row.destination.id);
        match action {
            Action::Open => {
                let screen = Destinations::at(self.services.clone(), account, row.destination.channel, id);
                Outcome::Open(Box::new(screen))
            }
            Action::History => {
                let subject = Subject::Destination { account, id };
                Outcome::Open(Box::new(History::new(self.services.clone(), subject, row.destination.label.clone())))
            }
            _ => Outcome::Ignored,
        }
    }

    fn columns(&self, width: u16, theme: &Theme, row: &TroubleRow) -> Vec<Column> {
        let [name, channel, rest, since_width] = widths(width);
        let destination = &row.destination;
        let (state, style) = health(destination, theme);
        let lost = capped(row.waiting.saturating_add(row.failed), COUNT_MAX);
        let zone = &self.services.options.zone;
        let now = self.services.clock.now();
        let since = destination.failing_since.map(|at| moment(at, now, zone)).unwrap_or_default();
        vec![
            Column::new(&row.account_name, name, theme.text),
            Column::new(destination.channel.title(), channel, theme.text),
            Column::new(&destination.label, rest, theme.text),
            Column::new(state, 8, style),
            Column::new(&lost, 5, theme.bad),
            Column::new(&since, since_width, theme.dim),
        ]
    }
}

/// Columns of the account, the channel, the destination, and since when.
fn widths(width: u16) -> [usize; 4] {
    let free = usize::from(width).saturating_sub(1 + 9 + 6);
    if free < 48 {
        let name = free * 2 / 5;
        return [name, 0, free.saturating_sub(name + 2), 0];
    }
    let free = free - 8 - 9;
    let name = (free / 2).min(30);
    [name - 1, 7, (free - name - 1).min(48), 8]
}

impl Screen for Dead {
    fn title(&self) -> String {
        "in trouble".to_owned()
    }

    fn place(&self) -> Place {
        if self.finder.is_active() { Place::Filter } else { Place::Dead }
    }

    fn load<'a>(&'a mut self, store: &'a Store) -> Load<'a> {
        Box::pin(async move {
            self.all = store.trouble().await?;
            self.narrow();
            Ok(())
        })
    }

    fn on_click(&mut self, _area: Rect, _x: u16, y: u16) -> Outcome {
        self.cursor.click(y.checked_sub(2));
        Outcome::Handled
    }

    fn arrange(&mut self, area: Rect) {
        self.cursor.arrange(usize::from(area.height.saturating_sub(2)));
    }

    fn on_action(&mut self, action: Action) -> Outcome {
        match action {
            _ if self.cursor.on_action(action) => Outcome::Handled,
            _ if self.finder.on_action(action) => Outcome::Handled,
            Action::Mark => {
                if let Some(id) = self.cursor.id().copied() {
                    self.marked.turn(id);
                    self.cursor.on_action(Action::Down);
                }
                Outcome::Handled
            }
            Action::Disable => self.enable_or_disable(),
            Action::Back if !self.finder.is_active() && self.marked.clear() => Outcome::Handled,
            Action::Back if self.finder.drop_all() => {
                self.narrow();
                Outcome::Handled
            }
            Action::Back => Outcome::Close,
            _ => {
                self.finder.keep();
                self.on_row(action)
            }
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
        Some(Kept::Dead { find: self.finder.text().to_owned() })
    }

    fn on_done(&mut self, done: &Done) -> Outcome {
        let says = if done.change.is_some() { format!("{}; u takes that back", done.says) } else { done.says.clone() };
        Outcome::Say(Message::good(says))
    }

    fn status(&self) -> Option<Message> {
        let marked = self.marked.all().len();
        if marked > 0 {
            let text = format!("{marked} marked: x enables them, or disables them where they are not; q lets go");
            return Some(Message::plain(text));
        }
        let row = self.row()?;
        let destination = &row.destination;
        let reason = destination.state_reason.as_deref().or(destination.last_failure.as_deref());
        let reason = reason.unwrap_or("no reason was noted");
        let (waiting, failed) = (capped(row.waiting, COUNT_MAX), capped(row.failed, COUNT_MAX));
        Some(Message::bad(format!("{reason}; {waiting} wait, {failed} failed")))
    }

    fn speak(&self) -> Speech {
        let theme = Theme::new(crate::console::theme::ThemeName::Mono);
        let words = |row: &TroubleRow| {
            let lost = capped(row.waiting.saturating_add(row.failed), COUNT_MAX);
            let (state, _) = health(&row.destination, &theme);
            let channel = row.destination.channel.title();
            let mark = if self.marked.has(&row.destination.id) { ", marked" } else { "" };
            format!("{}, {channel}, {}, {state}, {lost} lost{mark}", row.account_name, row.destination.label)
        };
        Speech::of(self.rows.iter().map(words).collect(), self.cursor.index()).when_empty("nothing is in trouble")
    }

    fn go_to(&mut self, item: usize) -> Outcome {
        self.cursor.go(item);
        Outcome::Handled
    }

    fn draw(&self, buffer: &mut Buffer, area: Rect, theme: &Theme) {
        let hint = "/ finds; the worst first: what fails by itself, and cost most deliveries";
        self.finder.draw(buffer, line(area, 0), theme, "find:", hint);
        let [name, channel, rest, since] = widths(area.width);
        let titles =
            [("account", name), ("channel", channel), ("destination", rest), ("is", 8), ("lost", 5), ("since", since)];
        let titles: Vec<_> = titles.iter().map(|(title, width)| Column::new(title, *width, theme.head)).collect();
        put_columns(buffer, line(area, 1), 1, &titles);
        let body = below(area, 2);
        if self.rows.is_empty() {
            let text =
                if self.all.is_empty() { "nothing is in trouble" } else { "none is like that; esc shows all again" };
            put(buffer, body, 1, 0, text, theme.dim);
        }
        let rows = self.rows.iter().enumerate().skip(self.cursor.offset()).take(usize::from(body.height));
        for (y, (index, row)) in (0u16..).zip(rows) {
            put_columns(buffer, line(body, y), 1, &self.columns(area.width, theme, row));
            if self.marked.has(&row.destination.id) {
                put(buffer, body, 0, y, "x", theme.key);
            }
            if index == self.cursor.index() {
                cursor_at(buffer, body, y, theme);
            }
        }
    }
}
