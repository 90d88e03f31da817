//! An account in words: its matrix row by row, or its live pane line by line.

use crate::console::screen::Outcome;
use crate::console::screens::account::AccountScreen;
use crate::console::speech::Speech;
use crate::console::words::mark_words;
use crate::domain::catalogue::EventType;
use crate::domain::channel::Channel;
use crate::store::matrix::MatrixView;

impl AccountScreen {
    pub(crate) fn words(&self) -> Speech {
        let Some(view) = &self.view else { return Speech::default().under("this account could not be read") };
        if self.in_live {
            return self.live.speak(&self.live_context(view));
        }
        let items = view.catalogue.types().iter().map(|kind| row(view, kind)).collect();
        let at = self.cursor.row().checked_sub(1).unwrap_or(usize::MAX);
        let column = self.cursor.channel().title();
        let head = match at {
            usize::MAX => format!("the matrix, in the heads, on the column {column}"),
            _ => format!("the matrix, in the column {column}"),
        };
        Speech::of(items, at).under(head)
    }

    pub(crate) fn go_to_item(&mut self, item: usize) -> Outcome {
        if self.in_live {
            self.live.cursor().go(item);
            return Outcome::Reload;
        }
        if let Some(view) = &self.view {
            self.cursor.go(view, Some(item), None);
        }
        Outcome::Handled
    }
}

/// A row of the matrix: the channels that are on first, since most are off.
fn row(view: &MatrixView, kind: &EventType) -> String {
    let cells = Channel::ALL.map(|channel| (channel, view.cell(kind, channel)));
    let words = |on: bool| -> Vec<String> {
        let of = cells.iter().filter(|(_, cell)| cell.on == on);
        of.map(|(channel, cell)| {
            let changed = if cell.changed.is_some() { ", not the default" } else { "" };
            format!("{} {}{changed}", channel.title(), mark_words(cell.mark))
        })
        .collect()
    };
    let all = [words(true), words(false)].concat();
    format!("{}: {}", kind.short, all.join("; "))
}
