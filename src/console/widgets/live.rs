//! The live pane: the newest events and their deliveries, the newest on top.
//!
//! It follows while the cursor is on the newest line. Elsewhere it stands still, so that what is read does not move away, and
//! counts what came since. A line at 80 columns:
//!
//! ```text
//! 14:02:07 heartbeat stopped    Webhook hooks.acme.test  retry 3   500 at 14:07:07
//! time     event type           channel destination      state status ms, tries; or the next try
//! ```

use jiff::tz::TimeZone;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::console::speech::Speech;
use crate::console::theme::Theme;
use crate::console::widgets::finder::Finder;
use crate::console::widgets::list::FollowCursor;
use crate::console::widgets::paint::{below, cursor_at, line, put};
use crate::console::widgets::plot::spark;
use crate::console::words::{capped, delivery_state, millis, moment, state_style};
use crate::domain::catalogue::Catalogue;
use crate::domain::delivery::DeliveryState;
use crate::domain::id::{DeliveryId, EventId};
use crate::domain::text::{columns, pad, safe_line};
use crate::domain::time::Timestamp;
use crate::store::accounts::{Pulse, RATE_SPANS, WAITING_COUNT_MAX};
use crate::store::deliveries::DeliveryRow;
use crate::store::live::LiveRow;
use crate::store::search::LiveFilter;

/// Lines that are read while it follows.
pub const ROWS: u32 = 100;

/// Lines that are read while somebody looks back.
pub const ROWS_STILL: u32 = 500;

/// What tells one line from another.
pub type RowId = (EventId, Option<DeliveryId>);

/// The pane.
#[derive(Debug, Default)]
pub struct LivePane {
    rows: Vec<LiveRow>,
    cursor: FollowCursor<RowId>,
    finder: Finder,
    per_minute: u32,
    rate: Option<[u32; RATE_SPANS]>,
}

/// What the pane needs to draw a line.
pub struct LiveContext<'a> {
    /// For the short names of event types.
    pub catalogue: &'a Catalogue,
    /// The zone of the times.
    pub zone: &'a TimeZone,
    /// The present moment.
    pub now: Timestamp,
    /// Whether the pane has the keys.
    pub focused: bool,
}

impl LivePane {
    /// How many lines to read.
    #[must_use]
    pub const fn limit(&self) -> u32 {
        if self.cursor.follows() { ROWS } else { ROWS_STILL }
    }

    /// Takes what was read.
    pub fn set(&mut self, rows: Vec<LiveRow>) {
        self.cursor.set(rows.iter().map(row_id).collect());
        self.rows = rows;
    }

    /// Learns how many events came in the last minute, and when.
    pub const fn set_rate(&mut self, pulse: &Pulse) {
        (self.per_minute, self.rate) = (pulse.per_minute, pulse.rate);
    }

    /// The line under the cursor.
    #[must_use]
    pub fn row(&self) -> Option<&LiveRow> {
        self.rows.get(self.cursor.list().index())
    }

    /// What is looked for in it.
    pub const fn finder(&mut self) -> &mut Finder {
        &mut self.finder
    }

    /// The text that is looked for in it.
    #[must_use]
    pub fn looked_for(&self) -> &str {
        self.finder.text()
    }

    /// Whether letters are typed into what is looked for.
    #[must_use]
    pub const fn is_typing(&self) -> bool {
        self.finder.is_active()
    }

    /// What to read when something is looked for.
    #[must_use]
    pub fn filter(&self, now: Timestamp, zone: &TimeZone) -> Option<LiveFilter> {
        if self.finder.is_empty() {
            return None;
        }
        let query = self.finder.query(now, zone);
        Some(LiveFilter {
            channel: query.channel,
            event_type: query.event_type,
            state: query.state,
            since: query.since,
            words: query.words,
        })
    }

    /// What of it was not understood.
    #[must_use]
    pub fn problem(&self, now: Timestamp, zone: &TimeZone) -> Option<String> {
        self.finder.query(now, zone).problem
    }

    /// All lines that were read.
    #[must_use]
    pub fn rows(&self) -> &[LiveRow] {
        &self.rows
    }

    /// To the next line with a failure beneath the cursor, or above it. Says whether there is one.
    pub fn to_failure(&mut self, beneath: bool) -> bool {
        let failed = |row: &LiveRow| {
            let delivery = row.delivery.as_ref();
            delivery.is_some_and(|one| {
                one.state == DeliveryState::Failed || one.state == DeliveryState::Pending && one.attempts > 0
            })
        };
        let at = self.cursor.list().index();
        let found = if beneath {
            self.rows.iter().enumerate().skip(at + 1).find(|(_, row)| failed(row))
        } else {
            self.rows.iter().enumerate().take(at).rev().find(|(_, row)| failed(row))
        };
        let found = found.map(|(index, _)| index);
        if let Some(index) = found {
            self.cursor.go(index);
            self.cursor.pause();
        }
        found.is_some()
    }

    /// The cursor.
    pub const fn cursor(&mut self) -> &mut FollowCursor<RowId> {
        &mut self.cursor
    }

    /// Learns how many lines it has, its head included.
    pub fn arrange(&mut self, height: u16) {
        self.cursor.arrange(usize::from(height.saturating_sub(1)));
    }

    /// The pane in words.
    #[must_use]
    pub fn speak(&self, context: &LiveContext<'_>) -> Speech {
        let items = self.rows.iter().map(|row| row_words(row, context)).collect();
        let head = match self.finder.text() {
            "" => format!("the live pane, {}", self.state()),
            text => format!("the live pane, only what is like {text}, {}", self.state()),
        };
        Speech::of(items, self.cursor.list().index()).under(head).when_empty("nothing is there yet")
    }

    fn state(&self) -> String {
        let words = self.cursor.words();
        match self.per_minute {
            many if many == 0 || !self.cursor.follows() => words,
            1 => format!("{words}, 1 event a minute"),
            many => format!("{words}, {} events a minute", capped(many, WAITING_COUNT_MAX)),
        }
    }

    /// How many events came in each twelfth of the last minute; nothing when none did.
    fn plot(&self, theme: &Theme) -> Option<String> {
        let rate = self.rate.filter(|_| self.per_minute > 0)?;
        Some(format!("|{}|", spark(&rate, theme.marks)))
    }

    /// Draws it: its head, then its lines.
    pub fn draw(&self, buffer: &mut Buffer, area: Rect, theme: &Theme, context: &LiveContext<'_>) {
        let head = line(area, 0);
        let state = self.state();
        let name = if context.focused { "-- [live] " } else { "-- live " };
        let looked_for = self.finder.text();
        let name = match (self.finder.is_active(), looked_for) {
            (true, text) => format!("{name}find: {}_ ", safe_line(text)),
            (false, "") => name.to_owned(),
            (false, text) => format!("{name}find: {} ", safe_line(text)),
        };
        let width = usize::from(area.width);
        // The plot is what people can do without where there is no room.
        let plot = self.plot(theme).filter(|plot| columns(&name) + columns(&state) + columns(plot) + 8 <= width);
        let state = plot.map_or_else(|| state.clone(), |plot| format!("{plot} {state}"));
        let fill = width.saturating_sub(columns(&name) + columns(&state) + 4);
        let style = if context.focused { theme.head } else { theme.dim };
        put(buffer, head, 0, 0, &format!("{name}{} {state} --", "-".repeat(fill)), style);
        let body = below(area, 1);
        if self.rows.is_empty() {
            let text = if self.finder.is_empty() {
                "no events yet; `t` sends a test, `bellboard emit` makes one"
            } else {
                "none of the newest events is like that; esc shows all again"
            };
            put(buffer, body, 1, 0, text, theme.dim);
        }
        let widths = Widths::of(area.width);
        let rows = self.rows.iter().enumerate().skip(self.cursor.list().offset()).take(usize::from(body.height));
        for (y, (index, row)) in (0u16..).zip(rows) {
            let chosen = context.focused && index == self.cursor.list().index();
            draw_row(buffer, line(body, y), theme, context, &widths, row);
            if chosen {
                cursor_at(buffer, body, y, theme);
            }
        }
    }
}

fn row_id(row: &LiveRow) -> RowId {
    (row.event.id, row.delivery.as_ref().map(|delivery| delivery.id))
}

/// Columns of each part, without the space after it.
struct Widths {
    event_type: usize,
    channel: usize,
    destination: usize,
}

impl Widths {
    /// Of 80 columns, 36 are for the time, the state, the status and the rest; narrower screens give up the channel and then
    /// the destination, wider ones give the destination what they have.
    fn of(width: u16) -> Self {
        let free = usize::from(width).saturating_sub(8 + 1 + 9 + 1 + 3 + 1 + 11 + 1);
        match free {
            0..=22 => Self { event_type: free.saturating_sub(1).min(20), channel: 0, destination: 0 },
            23..=36 => Self { event_type: 14, channel: 7, destination: free.saturating_sub(14 + 7 + 2) },
            _ => Self { event_type: 20, channel: 7, destination: free.saturating_sub(20 + 7 + 2).min(48) },
        }
    }
}

fn row_words(row: &LiveRow, context: &LiveContext<'_>) -> String {
    let at = moment(row.event.received_at, context.now, context.zone);
    let short = short_name(row, context);
    let Some(delivery) = &row.delivery else { return format!("{at}, {short}, nowhere, not sent") };
    let status = delivery.status.map_or_else(String::new, |status| format!(" {status}"));
    let (channel, state) = (delivery.channel.title(), delivery_state(delivery));
    let tail = tail(delivery, context);
    let tail = if tail.is_empty() { tail } else { format!(", {tail}") };
    format!("{at}, {short}, {channel}, {}, {state}{status}{tail}", delivery.label)
}

fn short_name(row: &LiveRow, context: &LiveContext<'_>) -> String {
    let short = context.catalogue.get(&row.event.event_type).map_or(row.event.event_type.as_str(), |kind| &kind.short);
    if row.event.test { format!("test: {short}") } else { short.to_owned() }
}

fn draw_row(buffer: &mut Buffer, area: Rect, theme: &Theme, context: &LiveContext<'_>, widths: &Widths, row: &LiveRow) {
    let at = moment(row.event.received_at, context.now, context.zone);
    let short = short_name(row, context);
    let mut x = put(buffer, area, 0, 0, &format!("{} ", pad(&at, 8)), theme.dim);
    let mut column = |text: &str, width: usize, style: Style| {
        if width > 0 {
            x = put(buffer, area, x, 0, &format!("{} ", pad(&safe_line(text), width)), style);
        }
    };
    column(&short, widths.event_type, theme.text);
    let Some(delivery) = &row.delivery else {
        column("nowhere", widths.channel, theme.dim);
        column("", widths.destination, theme.dim);
        column("not sent, w says why", 24, theme.dim);
        return;
    };
    column(delivery.channel.title(), widths.channel, theme.text);
    column(&delivery.label, widths.destination, theme.text);
    column(&delivery_state(delivery), 9, state_style(delivery, theme));
    column(&delivery.status.map_or_else(String::new, |status| status.to_string()), 3, theme.text);
    put(buffer, area, x, 0, &tail(delivery, context), theme.dim);
}

/// The next try; or how long the last took, and how many there were.
fn tail(delivery: &DeliveryRow, context: &LiveContext<'_>) -> String {
    match (delivery.state, delivery.next_attempt_at) {
        (DeliveryState::Pending, Some(at)) if delivery.attempts > 0 => {
            let text = moment(at, context.now, context.zone);
            if text.contains(':') { format!("at {text}") } else { text }
        }
        _ => {
            let took = delivery.duration_ms.filter(|_| delivery.state.is_end()).map(millis).unwrap_or_default();
            if delivery.attempts > 1 { format!("{took} x{}", delivery.attempts).trim().to_owned() } else { took }
        }
    }
}
