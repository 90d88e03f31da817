//! What stands around every screen: the path and the pulse at the top, the line that speaks, the keys at the foot.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::console::keymap::offer::offered;
use crate::console::keymap::{Action, Binding, Place};
use crate::console::screen::{Message, Tone};
use crate::console::theme::Theme;
use crate::console::widgets::paint::{line, put, put_right, shade, wrap};
use crate::console::words::capped;
use crate::dispatch::Status;
use crate::domain::role::Role;
use crate::domain::text::columns;
use crate::store::accounts::{Pulse, WAITING_COUNT_MAX};

/// Lines that a screen has not got for itself.
pub const LINES: u16 = 3;

fn words(deliverer: Option<&Status>, demo: bool) -> (String, bool) {
    match deliverer {
        Some(Status::Standby) if demo => ("the days before pass by".to_owned(), false),
        Some(Status::Delivering { .. }) => ("delivering".to_owned(), false),
        Some(Status::Standby) => ("another process delivers".to_owned(), false),
        Some(Status::Paused) => ("paused, nothing is sent".to_owned(), true),
        Some(Status::Stopping) => ("stopping".to_owned(), false),
        Some(Status::Failed(reason)) => (format!("not delivering: {reason}"), true),
        None => ("looking on".to_owned(), false),
    }
}

/// What the head shows.
pub struct Head<'a> {
    /// The path of screens, the present one last.
    pub path: &'a [String],
    /// What the dispatcher of this process does; nothing when it has none.
    pub deliverer: Option<&'a Status>,
    /// How the deliveries go.
    pub pulse: &'a Pulse,
    /// Whether changes are refused.
    pub read_only: bool,
    /// Whether this is the demo.
    pub demo: bool,
}

/// The part of the whole area that is the screen's own.
#[must_use]
pub const fn body(area: Rect) -> Rect {
    let height = area.height.saturating_sub(LINES);
    let top = if area.height > LINES { 1 } else { 0 };
    Rect::new(area.x, area.y + top, area.width, height)
}

/// How the deliveries go, in words: whether anything may be changed, who delivers, what is wrong.
#[must_use]
pub fn pulse(deliverer: Option<&Status>, pulse: &Pulse, read_only: bool, demo: bool) -> Vec<String> {
    let mut parts = Vec::new();
    if read_only {
        parts.push("read-only".to_owned());
    }
    parts.push(words(deliverer, demo).0);
    for (count, what) in [(pulse.failing, "failing"), (pulse.disabled, "disabled"), (pulse.waiting, "waiting")] {
        if count > 0 {
            parts.push(format!("{} {what}", capped(count, WAITING_COUNT_MAX)));
        }
    }
    parts
}

/// Draws the top line: the path, and as much of the pulse as fits beside it.
pub fn draw_head(buffer: &mut Buffer, area: Rect, theme: &Theme, head: &Head<'_>) {
    let top = line(area, 0);
    let name = if head.demo { "bellboard demo" } else { "bellboard" };
    let mut path = format!(" {name}");
    for title in head.path {
        path.push_str(" > ");
        path.push_str(title);
    }
    shade(buffer, top, 0, 0, top.width, theme.bar);
    // On a narrow screen the name of the program is what people can do without.
    if columns(&path) + 12 > usize::from(top.width) {
        path = format!(" {}", head.path.join(" > "));
    }
    let (_, alarm) = words(head.deliverer, head.demo);
    let benign = usize::from(head.read_only);
    let mut pulse = pulse(head.deliverer, head.pulse, head.read_only, head.demo);
    let mut dropped = false;
    let from = put(buffer, top, 0, 0, &path, theme.bar).saturating_add(2);
    while !pulse.is_empty() {
        let text = format!("{} ", pulse.join("  "));
        let x = put_right(buffer, top, from, 0, &text, theme.bar);
        if x < top.width {
            if alarm {
                shade(buffer, top, x, 0, top.width - x, theme.bar.patch(theme.bad));
            }
            break;
        }
        // That all is well is said last; what is wrong is said as long as there is room.
        if !alarm && pulse.len() > benign + 1 && !dropped {
            pulse.remove(benign);
            dropped = true;
        } else {
            pulse.pop();
        }
    }
}

/// Lines that a message takes at most.
const MESSAGE_LINES_MAX: usize = 3;

/// Draws the line that speaks. What is `told`, since something was done or went wrong, is told whole: where it is longer than the
/// line, it takes lines above; what speaks about the cursor is cut.
pub fn draw_message(buffer: &mut Buffer, area: Rect, theme: &Theme, message: Option<&Message>, told: bool) {
    let Some(message) = message.filter(|_| area.height >= LINES) else { return };
    let style = match message.tone {
        Tone::Plain => theme.text,
        Tone::Good => theme.good,
        Tone::Warn => theme.warn,
        Tone::Bad => theme.bad,
    };
    let width = usize::from(area.width.saturating_sub(1)).max(1);
    let lines = if told { wrap(&message.text, width) } else { vec![message.text.clone()] };
    // A file's name is of use only as a whole, and a small screen has other things to show.
    let most = MESSAGE_LINES_MAX.min(usize::from(area.height / 5)).max(1);
    if lines.len() > most {
        put(buffer, line(area, area.height - 2), 1, 0, &message.text, style);
        return;
    }
    for (above, text) in (0u16..).zip(lines.iter().rev()) {
        let line = line(area, area.height.saturating_sub(2 + above));
        put(buffer, line, 0, 0, &" ".repeat(usize::from(area.width)), theme.text);
        put(buffer, line, 1, 0, text, style);
    }
}

/// Draws the foot: the place's keys, as many as fit, and always the ways to the help and back.
pub fn draw_foot(buffer: &mut Buffer, area: Rect, theme: &Theme, place: Place, role: Role) {
    if area.height < 2 {
        return;
    }
    let foot = line(area, area.height - 1);
    let mut x = 1;
    for binding in shown(place, role, usize::from(foot.width)) {
        x = put(buffer, foot, x, 0, key(binding), theme.key);
        x = put(buffer, foot, x + 1, 0, binding.name, theme.dim);
        x += 2;
    }
}

/// The bindings that the foot of a place shows to a role in so many columns.
#[must_use]
pub fn shown(place: Place, role: Role, width: usize) -> Vec<&'static Binding> {
    let is_last = |binding: &Binding| matches!(binding.action, Action::Help | Action::Back);
    let wide = |binding: &Binding| columns(key(binding)) + 1 + columns(binding.name) + 2;
    let named = || offered(place, role).filter(|binding| !binding.name.is_empty());
    let last: Vec<_> = named().filter(|binding| is_last(binding)).collect();
    let mut room = (width + 1).saturating_sub(last.iter().map(|binding| wide(binding)).sum());
    let mut shown = Vec::new();
    for binding in named().filter(|binding| !is_last(binding)) {
        if wide(binding) > room {
            break;
        }
        room -= wide(binding);
        shown.push(binding);
    }
    shown.extend(last);
    shown
}

fn key(binding: &Binding) -> &'static str {
    binding.shown.split(',').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_foot_shows_its_main_key_and_the_way_back() {
        for place in
            Place::ALL.into_iter().filter(|place| !matches!(place, Place::Everywhere | Place::Screens | Place::Editing))
        {
            for width in [40, 80] {
                let shown = shown(place, Role::Administer, width);
                assert!(shown.iter().any(|binding| binding.action == Action::Back), "{place:?} at {width}");
                let first = offered(place, Role::Administer)
                    .find(|binding| !binding.name.is_empty())
                    .map(|binding| binding.action);
                assert_eq!(shown.first().map(|binding| binding.action), first, "{place:?} at {width}");
            }
        }
    }
}
