//! What fails, live, in all accounts: every try that did not get through, the newest first, and how many in the last hour.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::console::keymap::{Action, Place};
use crate::console::memory::Kept;
use crate::console::query::Query;
use crate::console::screen::{Load, Message, Outcome, Screen, Shared};
use crate::console::screens::account::AccountScreen;
use crate::console::screens::delivery::DeliveryScreen;
use crate::console::screens::destinations::Destinations;
use crate::console::screens::event::EventScreen;
use crate::console::screens::export;
use crate::console::screens::split::Split;
use crate::console::speech::{Speech, columns as columns_in_words};
use crate::console::theme::Theme;
use crate::console::widgets::finder::Finder;
use crate::console::widgets::list::{FollowCursor, Marks};
use crate::console::widgets::paint::{Column, below, cursor_at, line, put, put_columns};
use crate::console::widgets::plot::{spark, squeeze};
use crate::console::widgets::text_box::Edit;
use crate::console::words::moment;
use crate::domain::command::Command;
use crate::domain::delivery::DeliveryState;
use crate::domain::id::DeliveryId;
use crate::domain::text::columns;
use crate::store::Store;
use crate::store::failing::FailureFilter;
use crate::store::live::AttemptLine;

/// Lines that are shown at most.
const ROWS_MAX: u32 = 300;

/// The histogram: the last hour, minute by minute.
const SPAN_MS: i64 = 60_000;
const SPANS: usize = 60;

/// The screen.
pub struct Failures {
    services: Shared,
    rows: Vec<AttemptLine>,
    cursor: FollowCursor<i64>,
    counts: Vec<u32>,
    finder: Finder,
    marked: Marks<DeliveryId>,
    split: Split,
}

impl Failures {
    /// Of everything.
    #[must_use]
    pub fn new(services: Shared) -> Self {
        let cursor = FollowCursor::default();
        Self {
            services,
            rows: Vec::new(),
            cursor,
            counts: Vec::new(),
            finder: Finder::default(),
            marked: Marks::default(),
            split: Split::default(),
        }
    }

    /// As it was left.
    #[must_use]
    pub fn again(services: Shared, find: &str, split: bool) -> Self {
        Self { finder: Finder::with(find), split: Split::again(split), ..Self::new(services) }
    }

    fn row(&self) -> Option<&AttemptLine> {
        self.rows.get(self.cursor.list().index())
    }

    fn query(&self) -> Query {
        self.finder.query(self.services.clock.now(), &self.services.options.zone)
    }

    fn filter(&self) -> FailureFilter {
        let query = self.query();
        let for_good = query.state.as_deref().and_then(|state| match state {
            _ if "failed".starts_with(state) => Some(true),
            _ if "retry".starts_with(state) || "waiting".starts_with(state) => Some(false),
            _ => None,
        });
        FailureFilter {
            account: query.account,
            channel: query.channel,
            event_type: query.event_type,
            for_good,
            since: query.since,
            words: query.words,
            limit: ROWS_MAX,
        }
    }

    /// Beside the list, the delivery under the cursor is shown.
    const fn moved(&self) -> Outcome {
        if self.split.is_on() { Outcome::Reload } else { Outcome::Handled }
    }

    fn on_row(&mut self, action: Action) -> Outcome {
        // Back comes to the same line: the list stands still meanwhile.
        self.cursor.pause();
        let Some(row) = self.row() else { return Outcome::Ignored };
        let (services, delivery) = (self.services.clone(), &row.delivery);
        match action {
            Action::Open => Outcome::Open(Box::new(DeliveryScreen::new(services, delivery.id))),
            Action::Why => Outcome::Open(Box::new(EventScreen::new(services, delivery.event_id))),
            Action::Matrix => Outcome::Open(Box::new(AccountScreen::new(services, delivery.account.clone()))),
            Action::SetUp => {
                let account = delivery.account.clone();
                Outcome::Open(Box::new(Destinations::at(services, account, delivery.channel, delivery.destination)))
            }
            Action::Mark => {
                let id = delivery.id;
                self.marked.turn(id);
                self.cursor.on_action(Action::Down);
                Outcome::Handled
            }
            Action::Replay if !self.marked.all().is_empty() => {
                let deliveries = self.marked.all().to_vec();
                self.marked.clear();
                Outcome::Run(Command::Replay { deliveries })
            }
            Action::Replay => Outcome::Run(Command::Replay { deliveries: vec![delivery.id] }),
            _ => Outcome::Ignored,
        }
    }

    /// How many of the lines that are shown began in each minute of the last hour.
    fn count_shown(&self) -> Vec<u32> {
        let now = self.services.clock.now().millis();
        let mut counts = vec![0; SPANS];
        for row in &self.rows {
            let ago = usize::try_from((now - row.started_at.millis()).max(0) / SPAN_MS).unwrap_or(SPANS);
            if let Some(count) = SPANS.checked_sub(ago + 1).and_then(|span| counts.get_mut(span)) {
                *count += 1;
            }
        }
        counts
    }

    /// How many failed in the last hour; of many that something is looked for in, only the newest are counted.
    fn sum(&self) -> String {
        let sum: u32 = self.counts.iter().sum();
        let is_cut = !self.finder.is_empty() && self.rows.len() >= ROWS_MAX as usize;
        if is_cut { format!("{sum}+") } else { sum.to_string() }
    }

    fn draw_head(&self, buffer: &mut Buffer, area: Rect, theme: &Theme) {
        let text = format!("{} in the last hour, {} --", self.sum(), self.cursor.words());
        let free = usize::from(area.width).saturating_sub(columns(&text) + 4);
        let plot = spark(&squeeze(&self.counts, free.clamp(1, SPANS)), theme.marks);
        put(buffer, area, 0, 0, &format!("-|{plot}| {text}"), theme.head);
    }

    fn columns(&self, width: u16, theme: &Theme, row: &AttemptLine) -> Vec<Column> {
        let now = self.services.clock.now();
        let at = moment(row.started_at, now, &self.services.options.zone);
        let delivery = &row.delivery;
        let then = match delivery.state {
            DeliveryState::Delivered => ("then well", theme.good),
            // What became of the delivery came of its last try.
            _ if row.number < delivery.attempts => ("retried", theme.dim),
            DeliveryState::Failed => ("given up", theme.bad),
            DeliveryState::Cancelled => ("cancelled", theme.dim),
            DeliveryState::Pending | DeliveryState::Sending => ("retries", theme.warn),
            DeliveryState::Folded => ("folded", theme.dim),
            DeliveryState::Parked => ("parked", theme.bad),
        };
        let status = row.status.map(|status| status.to_string()).unwrap_or_default();
        let [account, kind, label] = widths(width);
        vec![
            Column::new(&at, 8, theme.dim),
            Column::new(delivery.account.as_str(), account, theme.text),
            Column::new(&delivery.event_type, kind, theme.text),
            Column::new(delivery.channel.title(), 7, theme.text),
            Column::new(&delivery.label, label, theme.text),
            Column::new(&status, 3, theme.text),
            Column::new(then.0, 9, then.1),
        ]
    }
}

/// Columns of the account, the event type and the destination.
fn widths(width: u16) -> [usize; 3] {
    let free = usize::from(width).saturating_sub(9 + 8 + 4 + 10 + 1);
    match free {
        0..=30 => [free.saturating_sub(1).min(10), 0, free.saturating_sub(12)],
        31..=60 => [9, 20, free.saturating_sub(9 + 20 + 3)],
        _ => [18, 24, (free - 18 - 24 - 3).min(48)],
    }
}

impl Screen for Failures {
    fn title(&self) -> String {
        "failures".to_owned()
    }

    fn place(&self) -> Place {
        if self.finder.is_active() { Place::Filter } else { Place::Failures }
    }

    fn load<'a>(&'a mut self, store: &'a Store) -> Load<'a> {
        let filter = self.filter();
        Box::pin(async move {
            let rows = store.failures(&filter).await?;
            self.cursor.set(rows.iter().map(|row| row.cursor).collect());
            self.rows = rows;
            self.counts =
                if self.finder.is_empty() { store.failure_counts(SPAN_MS, SPANS).await? } else { self.count_shown() };
            let id = self.row().map(|row| row.delivery.id);
            self.split.load(store, &self.services, id).await
        })
    }

    fn on_click(&mut self, _area: Rect, _x: u16, y: u16) -> Outcome {
        self.cursor.click(y.checked_sub(2));
        self.moved()
    }

    fn arrange(&mut self, area: Rect) {
        let list = self.split.arrange(area);
        self.cursor.arrange(usize::from(list.height.saturating_sub(2)));
    }

    fn on_action(&mut self, action: Action) -> Outcome {
        match action {
            _ if self.cursor.on_action(action) => self.moved(),
            Action::Split | Action::DetailUp | Action::DetailDown => {
                self.split.on_action(action).unwrap_or(Outcome::Handled)
            }
            _ if self.finder.on_action(action) => Outcome::Handled,
            Action::Export => export::list(&self.services, "failures", &export::of_failures(&self.rows)),
            Action::Back if !self.finder.is_active() && self.marked.clear() => Outcome::Handled,
            Action::Back if self.finder.drop_all() => Outcome::Reload,
            Action::Back => Outcome::Close,
            _ => {
                self.finder.keep();
                self.on_row(action)
            }
        }
    }

    fn on_edit(&mut self, edit: &Edit) -> Outcome {
        if !self.finder.edit(edit) {
            return Outcome::Handled;
        }
        self.cursor.go(0);
        Outcome::Reload
    }

    fn kept(&self) -> Option<Kept> {
        Some(Kept::Failures { find: self.finder.text().to_owned(), split: self.split.is_on() })
    }

    fn status(&self) -> Option<Message> {
        if let Some(problem) = self.query().problem {
            return Some(Message::warn(problem));
        }
        if !self.marked.all().is_empty() {
            let count = self.marked.all().len();
            return Some(Message::plain(format!("{count} marked: r sends them again as one, esc lets go of them")));
        }
        let row = self.row()?;
        let reason = row.reason.as_deref().unwrap_or("no reason was noted");
        Some(Message::bad(format!("{} try {}: {reason}", row.delivery.id, row.number)))
    }

    fn speak(&self) -> Speech {
        let theme = Theme::new(crate::console::theme::ThemeName::Mono);
        let words = |row: &AttemptLine| {
            let mark = if self.marked.has(&row.delivery.id) { ", marked" } else { "" };
            format!("{}{mark}", columns_in_words(&self.columns(u16::MAX, &theme, row)))
        };
        let items = self.rows.iter().map(words).collect();
        let head = format!("{} failures in the last hour, {}", self.sum(), self.cursor.words());
        Speech::of(items, self.cursor.list().index()).under(head).when_empty("nothing has failed")
    }

    fn go_to(&mut self, item: usize) -> Outcome {
        self.cursor.go(item);
        Outcome::Handled
    }

    fn draw(&self, buffer: &mut Buffer, area: Rect, theme: &Theme) {
        self.split.draw(buffer, area, theme);
        let area = self.split.parts(area).0;
        let hint = "/ finds: words, account: channel: type: since:2h state:failed";
        self.finder.draw(buffer, line(area, 0), theme, "find:", hint);
        self.draw_head(buffer, line(area, 1), theme);
        let body = below(area, 2);
        if self.rows.is_empty() {
            let text =
                if self.finder.is_empty() { "nothing has failed" } else { "none is like that; esc shows all again" };
            put(buffer, body, 1, 0, text, theme.dim);
        }
        let list = self.cursor.list();
        let rows = self.rows.iter().enumerate().skip(list.offset()).take(usize::from(body.height));
        for (y, (index, row)) in (0u16..).zip(rows) {
            put_columns(buffer, line(body, y), 0, &self.columns(area.width, theme, row));
            if self.marked.has(&row.delivery.id) {
                put(buffer, body, 8, y, "x", theme.key);
            }
            if index == list.index() {
                cursor_at(buffer, body, y, theme);
            }
        }
    }
}
