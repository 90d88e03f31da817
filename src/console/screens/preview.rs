//! What customers would read of an event type, channel by channel; nothing is sent.

use std::sync::Arc;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::channels::preview::preview;
use crate::channels::templates::Templates;
use crate::console::keymap::{Action, Place};
use crate::console::screen::{Load, Message, Outcome, Screen, Shared};
use crate::console::theme::{Theme, ThemeName};
use crate::console::widgets::paint::{Span, put_all, wrap};
use crate::console::words::pretty_json;
use crate::domain::account::{Account, AccountKey};
use crate::domain::catalogue::EventType;
use crate::domain::channel::Channel;
use crate::domain::sample::{self, sample_payload};
use crate::domain::text::safe_lines;
use crate::store::Store;

/// Lines of one part that are shown at most.
const PART_LINES_MAX: usize = 200;

/// Columns that a part's text stands in from the left.
const INDENT: usize = 3;

/// The screen.
pub struct PreviewScreen {
    services: Shared,
    key: AccountKey,
    event_type: Arc<EventType>,
    channel: Channel,
    account: Option<Account>,
    templates: Arc<Templates>,
    offset: usize,
    height: usize,
    width: usize,
}

impl PreviewScreen {
    /// Of that event type to that account, beginning with a channel.
    #[must_use]
    pub fn new(services: Shared, key: AccountKey, event_type: Arc<EventType>, channel: Channel) -> Self {
        let templates = services.templates();
        Self { services, key, event_type, channel, account: None, templates, offset: 0, height: 1, width: 80 }
    }

    fn lines(&self, theme: &Theme, width: usize) -> Vec<Vec<Span>> {
        let Some(account) = &self.account else { return Vec::new() };
        let now = self.services.clock.now();
        let payload = sample_payload(&self.event_type.name, now);
        let message = sample::message((account.key.clone(), &account.profile), self.event_type.clone(), payload, now);
        let title = format!("{} over {}, with a sample", self.event_type.name, self.channel.title());
        let mut lines = vec![vec![(title, theme.head)], Vec::new()];
        for part in preview(self.channel, &self.templates, &message) {
            lines.push(vec![(part.part.to_owned(), theme.dim)]);
            for text in safe_lines(&pretty_json(&part.text).unwrap_or(part.text), PART_LINES_MAX) {
                for piece in wrap(&text, width.saturating_sub(INDENT + 2).max(8)) {
                    lines.push(vec![(" ".repeat(INDENT), theme.text), (piece, theme.text)]);
                }
            }
        }
        lines
    }

    fn scroll(&mut self, by: isize) -> Outcome {
        let lines = self.lines(&Theme::new(ThemeName::Mono), self.width).len();
        self.offset = self.offset.saturating_add_signed(by).min(lines.saturating_sub(self.height));
        Outcome::Handled
    }

    /// Goes to another channel; beyond an end it begins anew.
    fn turn(&mut self, by: isize) -> Outcome {
        let all = Channel::ALL;
        let at = all.iter().position(|channel| *channel == self.channel).unwrap_or(0).cast_signed();
        let next = (at + by).rem_euclid(all.len().cast_signed()).unsigned_abs();
        self.channel = all[next];
        self.offset = 0;
        Outcome::Handled
    }
}

impl Screen for PreviewScreen {
    fn title(&self) -> String {
        "preview".to_owned()
    }

    fn place(&self) -> Place {
        Place::Preview
    }

    fn account(&self) -> Option<&AccountKey> {
        Some(&self.key)
    }

    fn load<'a>(&'a mut self, store: &'a Store) -> Load<'a> {
        Box::pin(async move {
            self.account = Some(store.account(&self.key).await?);
            Ok(())
        })
    }

    fn arrange(&mut self, area: Rect) {
        self.height = usize::from(area.height).max(1);
        self.width = usize::from(area.width);
        self.scroll(0);
    }

    fn on_action(&mut self, action: Action) -> Outcome {
        let page = self.height.saturating_sub(1).max(1).cast_signed();
        match action {
            Action::Left => self.turn(-1),
            Action::Right => self.turn(1),
            Action::Up => self.scroll(-1),
            Action::Down => self.scroll(1),
            Action::PageUp => self.scroll(-page),
            Action::PageDown => self.scroll(page),
            Action::First => self.scroll(isize::MIN),
            Action::Last => self.scroll(isize::MAX),
            Action::Back => Outcome::Close,
            _ => Outcome::Ignored,
        }
    }

    fn status(&self) -> Option<Message> {
        let file = self.templates.file(&self.event_type);
        let words = file.map_or_else(|| "the built-in words".to_owned(), |file| format!("the words of {file}"));
        let lines = self.lines(&Theme::new(ThemeName::Mono), self.width).len();
        let left = lines.saturating_sub(self.offset + self.height);
        let below = if left > 0 { format!("{left} lines below; ") } else { String::new() };
        Some(Message::plain(format!("{below}{words}; nothing is sent")))
    }

    fn draw(&self, buffer: &mut Buffer, area: Rect, theme: &Theme) {
        let lines = self.lines(theme, usize::from(area.width));
        for (y, spans) in (0..area.height).zip(lines.iter().skip(self.offset)) {
            put_all(buffer, area, 1, y, spans);
        }
    }
}
