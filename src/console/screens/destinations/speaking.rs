//! The destinations of a channel in words, and the facts about one, line by line.

use jiff::tz::TimeZone;
use ratatui::style::Style;

use crate::channels::{self, signing};
use crate::console::screens::destinations::Destinations;
use crate::console::screens::destinations::day::{self, Plot};
use crate::console::speech::{QUOTED, Speech};
use crate::console::theme::{Theme, ThemeName};
use crate::console::widgets::paint::{Span, wrap};
use crate::console::words::{full_time, health, state_style};
use crate::domain::destination::Destination;
use crate::domain::text::{pad, safe_lines};
use crate::store::deliveries::DeliveryDetail;

/// Lines of a test's answer that are shown; the delivery has the others.
const ANSWER_LINES_MAX: usize = 5;

/// Columns of a fact's name.
const NAME_COLUMNS: usize = 15;

/// Columns of a fact where it is heard, and not seen.
const SPOKEN_COLUMNS: usize = 400;

impl Destinations {
    pub(crate) fn words(&self) -> Speech {
        let theme = Theme::new(ThemeName::Mono);
        let words = |row: &Destination| format!("{}, {}", row.label, health(row, &theme).0);
        let items: Vec<String> = self.rows.iter().map(words).collect();
        let mut speech = Speech::of(items, self.cursor.index());
        if let Some(row) = self.row() {
            let mut facts = Facts::new(&theme, SPOKEN_COLUMNS);
            self.answer(&mut facts, row);
            self.details(&mut facts, row, &self.services.options.zone);
            let said = facts.lines.iter().map(|spans| {
                let texts: Vec<&str> =
                    spans.iter().map(|(text, _)| text.trim()).filter(|text| !text.is_empty()).collect();
                let goes_on = spans.first().is_some_and(|(name, _)| name.trim().is_empty());
                if goes_on { format!("{QUOTED}{}", texts.concat()) } else { texts.join(": ") }
            });
            speech.after.extend(said);
        }
        speech.when_empty("no destination is here yet; a adds one")
    }

    pub(crate) fn details(&self, facts: &mut Facts<'_>, row: &Destination, zone: &TimeZone) {
        let theme = facts.theme;
        for field in channels::fields(self.channel) {
            if let Some(value) = row.fields.get(field.name) {
                facts.add(field.title, &channels::shown(self.channel, field.name, value), theme.text);
            }
        }
        if let Some(until) = signing::two_until(&row.fields).filter(|until| *until > self.services.clock.now()) {
            let text = format!("until {}: each message is signed with the old one too", full_time(until, zone));
            facts.add("Two secrets", &text, theme.warn);
        }
        if !row.only.is_empty() {
            facts.add("Only for", &row.only.join(", "), theme.text);
        }
        if let Some(reason) = &row.state_reason {
            facts.add(row.state.name(), reason, theme.warn);
        }
        if let Some(since) = row.failing_since {
            let why = row.last_failure.as_deref().unwrap_or("no reason was noted");
            facts.add("Failing since", &format!("{}: {why}", full_time(since, zone)), theme.bad);
        }
        match self.turned_on {
            (0, of) => {
                let text = format!("none of {of} event types: q goes back to the matrix, c there turns all on");
                facts.add("Turned on for", &text, theme.warn);
            }
            (on, of) => facts.add("Turned on for", &format!("{on} of {of} event types"), theme.text),
        }
        for plot in day::plots(&self.tries, self.services.clock.now(), theme.marks) {
            facts.plot(&plot);
        }
        facts.add("Added", &format!("{} as {}", full_time(row.created_at, zone), row.id), theme.dim);
    }

    pub(crate) fn answer(&self, facts: &mut Facts<'_>, row: &Destination) {
        let of_row = |detail: &&DeliveryDetail| detail.delivery.destination == row.id;
        let Some(detail) = self.test.detail().filter(of_row) else { return };
        let theme = facts.theme;
        facts.add("Last test", &detail.delivery.explanation(), state_style(&detail.delivery, theme));
        let answer = detail.attempts.last().and_then(|attempt| attempt.answer.as_ref());
        for text in answer.iter().flat_map(|answer| safe_lines(&answer.body, ANSWER_LINES_MAX)) {
            facts.add("", &text, theme.text);
        }
        facts.add("V", "shows request and answer", theme.dim);
    }
}

/// Names and values, wrapped, line by line.
pub(crate) struct Facts<'a> {
    lines: Vec<Vec<Span>>,
    pub(crate) theme: &'a Theme,
    width: usize,
}

impl<'a> Facts<'a> {
    pub(crate) const fn new(theme: &'a Theme, width: usize) -> Self {
        Self { lines: Vec::new(), theme, width }
    }

    pub(crate) fn lines(self) -> Vec<Vec<Span>> {
        self.lines
    }

    /// A plot beside what it comes to; heard, only that.
    pub(crate) fn plot(&mut self, plot: &Plot) {
        let name = (format!("{} ", pad(plot.name, NAME_COLUMNS)), self.theme.dim);
        let words = (plot.words.clone(), self.theme.text);
        let mut spans = vec![name];
        if self.width < SPOKEN_COLUMNS {
            spans.push((format!("|{}| ", plot.line), self.theme.head));
        }
        spans.push(words);
        self.lines.push(spans);
    }

    pub(crate) fn add(&mut self, name: &str, value: &str, style: Style) {
        let width = self.width.saturating_sub(NAME_COLUMNS + 3).max(8);
        for (index, part) in wrap(value, width).into_iter().enumerate() {
            let name = if index == 0 { name } else { "" };
            self.lines.push(vec![(format!("{} ", pad(name, NAME_COLUMNS)), self.theme.dim), (part, style)]);
        }
    }
}
