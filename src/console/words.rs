//! How times, states and marks are written on every screen.

use jiff::tz::TimeZone;
use ratatui::style::Style;

use crate::console::theme::{Marks, Theme};
use crate::domain::delivery::DeliveryState;
use crate::domain::destination::{Destination, DestinationState};
use crate::domain::matrix::CellMark;
use crate::domain::time::Timestamp;
use crate::store::deliveries::DeliveryRow;

/// A point in time in at most eight columns: the time of a day within twelve hours, else the day: `14:02:07`, `3 Nov`,
/// `Nov 2024`.
#[must_use]
pub fn moment(at: Timestamp, now: Timestamp, zone: &TimeZone) -> String {
    const HALF_A_DAY_MS: u64 = 12 * 3_600_000;
    const HALF_A_YEAR_MS: u64 = 182 * 86_400_000;
    let distance = at.millis().abs_diff(now.millis());
    let format = match distance {
        0..HALF_A_DAY_MS => "%H:%M:%S",
        HALF_A_DAY_MS..HALF_A_YEAR_MS => "%-d %b",
        _ => "%b %Y",
    };
    at.in_zone(zone).strftime(format).to_string()
}

/// A point in time in full: `3 Nov 2026 14:02:07 UTC`.
#[must_use]
pub fn full_time(at: Timestamp, zone: &TimeZone) -> String {
    at.in_zone(zone).strftime("%-d %b %Y %H:%M:%S %Z").to_string()
}

/// Milliseconds in at most seven columns: `84 ms`, `12.3 s`.
#[must_use]
pub fn millis(millis: u32) -> String {
    if millis < 10_000 { format!("{millis} ms") } else { format!("{}.{} s", millis / 1000, millis % 1000 / 100) }
}

/// A count that stops at `most`: `17`, `1000+`.
#[must_use]
pub fn capped(count: u32, most: u32) -> String {
    if count >= most { format!("{most}+") } else { count.to_string() }
}

/// Where a delivery stands, in at most nine columns.
#[must_use]
pub fn delivery_state(delivery: &DeliveryRow) -> String {
    match delivery.state {
        DeliveryState::Pending if delivery.attempts > 0 => format!("retry {}", delivery.attempts + 1),
        DeliveryState::Pending => "waiting".to_owned(),
        state => state.name().to_owned(),
    }
}

/// The style of a delivery's state.
#[must_use]
pub const fn state_style(delivery: &DeliveryRow, theme: &Theme) -> Style {
    match delivery.state {
        DeliveryState::Delivered => theme.good,
        DeliveryState::Failed | DeliveryState::Parked => theme.bad,
        DeliveryState::Pending if delivery.attempts > 0 => theme.warn,
        DeliveryState::Pending | DeliveryState::Sending => theme.text,
        DeliveryState::Cancelled | DeliveryState::Folded => theme.dim,
    }
}

/// What a cell's mark means, for those who hear it.
#[must_use]
pub const fn mark_words(mark: CellMark) -> &'static str {
    match mark {
        CellMark::Off => "off",
        CellMark::On => "on",
        CellMark::Nowhere => "on, but nowhere to go",
        CellMark::Muted => "on, but muted",
        CellMark::Paused => "on, but paused",
        CellMark::Failing => "on, but failing",
        CellMark::Disabled => "on, but disabled",
    }
}

/// A cell's mark.
#[must_use]
pub const fn mark(mark: CellMark, theme: &Theme) -> (char, Style) {
    let plain = matches!(theme.marks, Marks::Ascii);
    match mark {
        CellMark::Off => (if plain { '.' } else { '·' }, theme.dim),
        CellMark::On => (if plain { '*' } else { '■' }, theme.good),
        CellMark::Nowhere => (if plain { 'o' } else { '□' }, theme.warn),
        CellMark::Muted => ('~', theme.warn),
        CellMark::Paused => ('=', theme.warn),
        CellMark::Failing | CellMark::Disabled => ('!', theme.bad),
    }
}

/// How a destination is, in a word, with its style.
#[must_use]
pub const fn health(destination: &Destination, theme: &Theme) -> (&'static str, Style) {
    match (destination.state, destination.failing_since.is_some()) {
        (DestinationState::Disabled, _) => ("disabled", theme.bad),
        (DestinationState::Paused, _) => ("paused", theme.warn),
        (DestinationState::Enabled, true) => ("failing", theme.bad),
        (DestinationState::Enabled, false) => ("enabled", theme.good),
    }
}

/// JSON on lines of its own, each value as it was written: no number is rounded, no member moved. Nothing when it is none.
#[must_use]
pub fn pretty_json(text: &str) -> Option<String> {
    serde_json::from_str::<&serde_json::value::RawValue>(text).ok()?;
    let mut pretty = String::with_capacity(text.len() * 2);
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if in_string {
            pretty.push(character);
            in_string = escaped || character != '"';
            escaped = !escaped && character == '\\';
            continue;
        }
        match character {
            '{' | '[' => {
                while characters.next_if(char::is_ascii_whitespace).is_some() {}
                pretty.push(character);
                if let Some(end) = characters.next_if(|next| matches!(next, '}' | ']')) {
                    pretty.push(end);
                } else {
                    depth += 1;
                    new_line(&mut pretty, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                new_line(&mut pretty, depth);
                pretty.push(character);
            }
            ',' => {
                pretty.push(character);
                new_line(&mut pretty, depth);
            }
            ':' => pretty.push_str(": "),
            _ if character.is_ascii_whitespace() => {}
            _ => {
                in_string = character == '"';
                pretty.push(character);
            }
        }
    }
    Some(pretty)
}

fn new_line(text: &mut String, depth: usize) {
    text.push('\n');
    text.extend(std::iter::repeat_n("  ", depth));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_fits_eight_columns() {
        let now = Timestamp::from_millis(1_700_000_000_000);
        let check = |ago_s: i64, expected: &str| {
            let at = Timestamp::from_millis(now.millis() - ago_s * 1000);
            assert_eq!(moment(at, now, &TimeZone::UTC), expected);
        };
        check(0, "22:13:20");
        check(-300, "22:18:20");
        check(86_400, "13 Nov");
        check(86_400 * 400, "Oct 2022");
        assert_eq!(millis(84), "84 ms");
        assert_eq!(millis(12_345), "12.3 s");
    }

    #[test]
    fn json_is_laid_out_and_nothing_in_it_changes() {
        let check = |text: &str, expected: Option<&str>| assert_eq!(pretty_json(text).as_deref(), expected, "{text}");
        check(r#"{"a":1.10,"b":[ ]}"#, Some("{\n  \"a\": 1.10,\n  \"b\": []\n}"));
        check(r#"["x, {\"y: ]\\",1]"#, Some("[\n  \"x, {\\\"y: ]\\\\\",\n  1\n]"));
        check("oops", None);
    }
}
