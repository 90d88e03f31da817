//! The matrix: event types down, channels across, a mark in each cell, the heads of the columns reachable above the first row.
//!
//! ```text
//!                                       Browser Email HipChat  iOS  Slack Webhook
//!  provisioning  provisioned ok            .     *      .       .     *+     *
//! >              provision failed          .     *      o+      .    [*+]    *
//! ```
//!
//! A `+` beside a mark, and bold, say that the cell differs from the default.

use std::sync::Arc;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::console::theme::Theme;
use crate::console::widgets::paint::{below, line, put, shade};
use crate::console::words::mark;
use crate::domain::catalogue::EventType;
use crate::domain::channel::Channel;
use crate::domain::text::{columns, pad, safe_line};
use crate::store::matrix::MatrixView;

/// Columns of a group's name.
const GROUP: usize = 13;

/// Columns of an event type's short name.
const SHORT: usize = 21;

/// Where the cursor is: a row, or the heads of the columns.
#[derive(Clone, Debug, Default)]
pub struct MatrixCursor {
    /// The row's event type; nothing in the heads.
    event_type: Option<String>,
    row: usize,
    channel: usize,
    /// The other corner of what is marked.
    anchor: Option<(usize, usize)>,
    rows: usize,
    offset: usize,
    height: usize,
}

impl MatrixCursor {
    /// On the first row, on this channel.
    #[must_use]
    pub fn new(channel: Channel) -> Self {
        Self { row: 1, channel: channel.index(), ..Self::default() }
    }

    /// On the row of this event type, or in the heads, once the matrix is there.
    #[must_use]
    pub fn at(event_type: Option<&str>, channel: Channel) -> Self {
        let row = usize::from(event_type.is_some());
        Self { event_type: event_type.map(str::to_owned), row, channel: channel.index(), ..Self::default() }
    }

    /// The row under the cursor, from 1; 0 in the heads.
    #[must_use]
    pub const fn row(&self) -> usize {
        self.row
    }

    /// The channel under the cursor.
    #[must_use]
    pub fn channel(&self) -> Channel {
        Channel::ALL[self.channel.min(Channel::ALL.len() - 1)]
    }

    /// The event type under the cursor; nothing in the heads.
    #[must_use]
    pub fn event_type<'a>(&self, view: &'a MatrixView) -> Option<&'a Arc<EventType>> {
        view.catalogue.types().get(self.row.checked_sub(1)?)
    }

    /// Takes the matrix as it is now; the cursor stays on its event type.
    pub fn set(&mut self, view: &MatrixView) {
        let types = view.catalogue.types();
        self.rows = types.len();
        let moved = self.event_type.as_ref().and_then(|name| types.iter().position(|kind| kind.name == *name));
        self.row = moved.map_or(self.row, |index| index + 1).min(self.rows);
        self.remember(view);
    }

    /// Moves; beyond an edge it stops there.
    pub fn step(&mut self, view: &MatrixView, down: isize, right: isize) {
        self.row = self.row.saturating_add_signed(down).min(self.rows);
        self.channel = self.channel.saturating_add_signed(right).min(Channel::ALL.len() - 1);
        self.remember(view);
    }

    /// Puts the cursor on a row, counted from 0, and on a channel; what is not named stays.
    pub fn go(&mut self, view: &MatrixView, row: Option<usize>, channel: Option<Channel>) {
        self.row = row.map_or(self.row, |row| row + 1).min(self.rows);
        self.channel = channel.map_or(self.channel, Channel::index);
        self.remember(view);
    }

    /// Puts the cursor on the cell that is drawn there in an area of this width; the first line has the heads.
    pub fn click(&mut self, view: &MatrixView, width: u16, x: u16, y: u16) {
        let line = usize::from(y);
        let row = if line == 0 { 0 } else { self.offset + line };
        if row > self.rows {
            return;
        }
        let cells = Layout::of(width).cells;
        let column = cells.iter().position(|&(from, wide)| (from..from + wide).contains(&x));
        (self.row, self.channel) = (row, column.unwrap_or(self.channel));
        self.remember(view);
    }

    /// Begins to mark cells here, or lets go of what is marked.
    pub fn mark(&mut self) {
        self.anchor = if self.anchor.is_some() { None } else { Some((self.row.max(1), self.channel)) };
    }

    /// Lets go of what is marked. Says whether anything was.
    pub const fn unmark(&mut self) -> bool {
        self.anchor.take().is_some()
    }

    /// The marked cells: all between the place where marking began and the cursor.
    #[must_use]
    pub fn marked<'a>(&self, view: &'a MatrixView) -> Vec<(&'a EventType, Channel)> {
        let Some((row, channel)) = self.anchor else { return Vec::new() };
        let (rows, channels) = (between(row, self.row.max(1)), between(channel, self.channel));
        let types = view.catalogue.types().iter().enumerate().filter(|(index, _)| rows.contains(&(index + 1)));
        let of = |kind: &'a EventType| {
            Channel::ALL
                .into_iter()
                .filter(|channel| channels.contains(&channel.index()))
                .map(move |channel| (kind, channel))
        };
        types.flat_map(|(_, kind)| of(kind).collect::<Vec<_>>()).collect()
    }

    fn is_marked(&self, row: usize, channel: Channel) -> bool {
        self.anchor.is_some_and(|(from, column)| {
            between(from, self.row.max(1)).contains(&row) && between(column, self.channel).contains(&channel.index())
        })
    }

    /// Learns how many lines there are, the heads included.
    pub fn arrange(&mut self, height: u16) {
        self.height = usize::from(height.saturating_sub(1)).max(1);
        self.fit();
    }

    fn remember(&mut self, view: &MatrixView) {
        self.event_type = self.event_type(view).map(|kind| kind.name.clone());
        self.fit();
    }

    fn fit(&mut self) {
        let row = self.row.saturating_sub(1);
        let offset_max = self.rows.saturating_sub(self.height);
        self.offset = self.offset.min(row).max((row + 1).saturating_sub(self.height)).min(offset_max);
    }
}

/// From the one to the other, whichever is less.
fn between(one: usize, other: usize) -> std::ops::RangeInclusive<usize> {
    one.min(other)..=one.max(other)
}

/// Where everything stands.
struct Layout {
    group: usize,
    short: usize,
    /// Column and width of each channel.
    cells: Vec<(u16, u16)>,
}

impl Layout {
    fn of(width: u16) -> Self {
        let width = usize::from(width);
        let full: Vec<usize> = Channel::ALL.iter().map(|channel| columns(channel.title()).max(4) + 1).collect();
        let wide: usize = full.iter().sum();
        let (group, cells) = if width > GROUP + SHORT + 2 + wide {
            (GROUP, full)
        } else if width > SHORT + 2 + wide {
            (0, full)
        } else {
            (0, vec![3; Channel::ALL.len()])
        };
        let taken = cells.iter().sum::<usize>();
        let spare = width.saturating_sub(2 + group + SHORT + taken);
        // What a wide screen has too much goes between the columns first, then to the names.
        let gap = (spare / (Channel::ALL.len() + 1)).min(5);
        let short = width.saturating_sub(2 + group + taken + gap * Channel::ALL.len()).min(46);
        let mut x = 1 + group + short;
        let place = |cell: &usize| {
            let at = x;
            x += cell + gap;
            (u16::try_from(at).unwrap_or(u16::MAX), u16::try_from(cell + gap).unwrap_or(u16::MAX))
        };
        Self { group, short, cells: cells.iter().map(place).collect() }
    }
}

/// Draws it.
pub fn draw(buffer: &mut Buffer, area: Rect, theme: &Theme, view: &MatrixView, cursor: &MatrixCursor, focused: bool) {
    let layout = Layout::of(area.width);
    draw_heads(buffer, line(area, 0), theme, &layout, cursor, focused);
    let body = below(area, 1);
    let types = view.catalogue.types();
    let visible = types.iter().enumerate().skip(cursor.offset).take(usize::from(body.height));
    for (y, (index, kind)) in (0u16..).zip(visible) {
        let row = line(body, y);
        let chosen = focused && cursor.row == index + 1;
        if chosen {
            put(buffer, row, 0, 0, ">", theme.head);
        }
        let first_of_group = y == 0 || types[index - 1].group != kind.group;
        if layout.group > 0 && first_of_group {
            put(buffer, row, 1, 0, &pad(&safe_line(&kind.group), layout.group - 1), theme.dim);
        }
        let x = u16::try_from(1 + layout.group).unwrap_or(u16::MAX);
        let name = if layout.short > 44 { &kind.title } else { &kind.short };
        put(buffer, row, x, 0, &pad(&safe_line(name), layout.short.saturating_sub(1)), theme.text);
        for (channel, &(x, width)) in Channel::ALL.iter().zip(&layout.cells) {
            let cell = view.cell(kind, *channel);
            let (sign, style) = mark(cell.mark, theme);
            let style = if cell.changed.is_some() { style.patch(theme.changed) } else { style };
            let at = x + (width.saturating_sub(2)) / 2;
            put(buffer, row, at, 0, &sign.to_string(), style);
            if cursor.is_marked(index + 1, *channel) {
                shade(buffer, row, at.saturating_sub(1), 0, width.min(3), theme.cursor);
            }
            let narrow = width < 4;
            let under = chosen && *channel == cursor.channel();
            if cell.changed.is_some() && !(narrow && under) {
                put(buffer, row, at + 1, 0, "+", theme.dim);
            }
            if under {
                put(buffer, row, at.saturating_sub(1), 0, "[", theme.head);
                put(buffer, row, at + if narrow { 1 } else { 2 }, 0, "]", theme.head);
            }
        }
    }
}

fn draw_heads(buffer: &mut Buffer, row: Rect, theme: &Theme, layout: &Layout, cursor: &MatrixCursor, focused: bool) {
    for (channel, &(x, width)) in Channel::ALL.iter().zip(&layout.cells) {
        let title = if width < 4 { &channel.title()[..2] } else { channel.title() };
        let spare = usize::from(width).saturating_sub(columns(title) + usize::from(width >= 4));
        let at = x + u16::try_from(spare / 2).unwrap_or(0);
        let chosen = focused && cursor.row == 0 && *channel == cursor.channel();
        put(buffer, row, at, 0, title, if chosen { theme.cursor } else { theme.head });
    }
    if focused && cursor.row == 0 {
        put(buffer, row, 0, 0, ">", theme.head);
    }
}
