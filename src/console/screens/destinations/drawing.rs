//! How a channel's destinations are drawn: a line for each, or what to do where there is none.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::channels;
use crate::console::screens::destinations::Destinations;
use crate::console::theme::Theme;
use crate::console::widgets::paint::{put, wrap};
use crate::console::words::health;
use crate::domain::channel::Channel;
use crate::domain::destination::Destination;
use crate::domain::text::{pad, safe_line};

impl Destinations {
    pub(crate) fn draw_empty(&self, buffer: &mut Buffer, area: Rect, theme: &Theme) {
        let title = self.channel.title();
        let mut lines = vec![format!("{title} has no destination in this account yet.")];
        lines.push(
            match self.channel {
                Channel::Browser => "`a` makes a link: the browser in which it is opened enrols itself.",
                Channel::Ios => "`i` makes a code for the app to register its device; `a` takes a device token.",
                _ => "`a` adds one: it asks for what the channel needs, and can test it at once.",
            }
            .to_owned(),
        );
        lines.push("Turning the channel on in the matrix does nothing until then.".to_owned());
        let width = usize::from(area.width.saturating_sub(4)).clamp(1, 74);
        let lines = lines.iter().flat_map(|text| wrap(text, width));
        for (y, text) in (1u16..).zip(lines) {
            put(buffer, area, 2, y, &text, theme.text);
        }
    }

    pub(crate) fn draw_row(&self, buffer: &mut Buffer, area: Rect, theme: &Theme, row: &Destination) {
        let address = channels::address(self.channel, &row.fields);
        let (state, style) = health(row, theme);
        let free = usize::from(area.width).saturating_sub(12);
        let label = if free > 50 { free / 2 } else { free };
        let trouble = row.state_reason.as_ref().or(row.last_failure.as_ref()).filter(|_| state != "enabled");
        let more = match trouble {
            Some(trouble) => trouble.clone(),
            None if address == row.label => String::new(),
            None => address,
        };
        let mut x = put(buffer, area, 1, 0, &format!("{} ", pad(&safe_line(&row.label), label)), theme.text);
        x = put(buffer, area, x, 0, &format!("{} ", pad(state, 9)), style);
        put(buffer, area, x, 0, &more, theme.dim);
    }
}
