//! Why: an event, and for each of the six channels what happened, or why nothing did.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::console::keymap::{Action, Place};
use crate::console::memory::Kept;
use crate::console::screen::{Load, Message, Outcome, Screen, Shared};
use crate::console::screens::delivery::DeliveryScreen;
use crate::console::screens::destinations::Destinations;
use crate::console::speech::Speech;
use crate::console::theme::Theme;
use crate::console::widgets::dialog::{Answer, Question};
use crate::console::widgets::list::ListCursor;
use crate::console::widgets::paint::{below, cursor_at, line, put};
use crate::console::words::{delivery_state, full_time};
use crate::domain::account::AccountKey;
use crate::domain::channel::Channel;
use crate::domain::command::Command;
use crate::domain::id::EventId;
use crate::domain::text::pad;
use crate::store::Store;
use crate::store::error::StoreError;
use crate::store::events::{Why, WhyRow};

/// Lines before the channels: the event, its id, the titles.
const HEAD_LINES: u16 = 3;

/// Which event.
enum Which {
    This(EventId),
    /// The newest of its type.
    Newest(AccountKey, String),
    Before(EventId),
    After(EventId),
}

/// The screen.
pub struct EventScreen {
    services: Shared,
    which: Which,
    why: Option<Why>,
    cursor: ListCursor<Channel>,
    /// Whether it was removed since it was read.
    is_gone: bool,
    /// Whether the last step found no other event.
    at_end: bool,
    data_offset: usize,
    data_height: usize,
}

impl EventScreen {
    /// Of that event.
    #[must_use]
    pub fn new(services: Shared, id: EventId) -> Self {
        Self::of(services, Which::This(id))
    }

    /// Of the newest event of that type that came for an account.
    #[must_use]
    pub fn newest(services: Shared, account: AccountKey, event_type: String) -> Self {
        Self::of(services, Which::Newest(account, event_type))
    }

    fn of(services: Shared, which: Which) -> Self {
        Self {
            services,
            which,
            why: None,
            cursor: ListCursor::default(),
            is_gone: false,
            at_end: false,
            data_offset: 0,
            data_height: 1,
        }
    }

    /// Finds out which event is meant.
    async fn event(&mut self, store: &Store) -> Result<EventId, StoreError> {
        let (found, stays) = match &self.which {
            Which::This(id) => return Ok(*id),
            Which::Newest(account, event_type) => match store.newest_event(account, event_type).await? {
                Some(id) => (Some(id), id),
                None => return Err(StoreError::NotFound(format!("no {event_type} came for {account} yet"))),
            },
            Which::Before(id) => (store.event_before(id).await?, *id),
            Which::After(id) => (store.event_after(id).await?, *id),
        };
        self.at_end = found.is_none();
        let id = found.unwrap_or(stays);
        self.which = Which::This(id);
        Ok(id)
    }

    fn step(&mut self, to: impl Fn(EventId) -> Which) -> Outcome {
        if let Which::This(id) = self.which {
            self.which = to(id);
        }
        Outcome::Reload
    }

    fn row(&self) -> Option<&WhyRow> {
        self.why.as_ref()?.channels.get(self.cursor.index())
    }

    /// Puts the cursor where one looks first: on what failed, or waits, or at least went out.
    fn begin_at_trouble(&mut self, why: &Why) {
        let first = |wanted: &str| why.channels.iter().find(|row| row.outcome == wanted);
        let row = ["failed", "waiting", "cancelled", "delivered"].into_iter().find_map(first);
        if let Some(row) = row {
            self.cursor.wish(row.channel);
        }
    }

    fn data(&self) -> Vec<(String, String)> {
        self.why.as_ref().map(|why| why.event.data.members()).unwrap_or_default()
    }

    fn scroll(&mut self, pages: isize) -> Outcome {
        let by = pages.saturating_mul(self.data_height.max(1).cast_signed());
        let offset_max = self.data().len().saturating_sub(self.data_height);
        self.data_offset = self.data_offset.saturating_add_signed(by).min(offset_max);
        Outcome::Handled
    }

    fn open(&self, row: &WhyRow) -> Outcome {
        let open = |id| Outcome::Open(Box::new(DeliveryScreen::new(self.services.clone(), id)));
        match row.deliveries.as_slice() {
            [] => match &self.why {
                Some(why) => {
                    let screen = Destinations::new(self.services.clone(), why.event.account.clone(), row.channel);
                    Outcome::Open(Box::new(screen))
                }
                None => Outcome::Ignored,
            },
            [one] => open(one.id),
            many => {
                let keys = "123456789abcdefghiklmoprstuvwxyz".chars();
                let answers = keys.zip(many).map(|(key, one)| Answer {
                    key,
                    label: format!("{} {}", one.label, delivery_state(one)),
                    outcome: open(one.id),
                });
                Outcome::Ask(Question::new("Which delivery?".to_owned(), answers.collect()))
            }
        }
    }
}

fn style(outcome: &str, theme: &Theme) -> Style {
    match outcome {
        "delivered" => theme.good,
        "failed" => theme.bad,
        "waiting" => theme.warn,
        _ => theme.dim,
    }
}

impl Screen for EventScreen {
    fn title(&self) -> String {
        "why".to_owned()
    }

    fn place(&self) -> Place {
        Place::Event
    }

    fn account(&self) -> Option<&AccountKey> {
        self.why.as_ref().map(|why| &why.event.account)
    }

    fn load<'a>(&'a mut self, store: &'a Store) -> Load<'a> {
        Box::pin(async move {
            let id = self.event(store).await?;
            let why = match store.why(&id).await {
                Ok(why) => why,
                // What is being read stays.
                Err(StoreError::NotFound(_)) if self.why.as_ref().is_some_and(|why| why.event.id == id) => {
                    self.is_gone = true;
                    return Ok(());
                }
                Err(error) => return Err(error),
            };
            self.is_gone = false;
            if self.why.is_none() {
                self.begin_at_trouble(&why);
            }
            self.cursor.set(why.channels.iter().map(|row| row.channel).collect());
            self.why = Some(why);
            Ok(())
        })
    }

    fn arrange(&mut self, area: Rect) {
        let channels = area.height.saturating_sub(HEAD_LINES).min(6);
        self.cursor.arrange(usize::from(channels));
        self.data_height = usize::from(area.height.saturating_sub(HEAD_LINES + 6 + 2)).max(1);
        self.scroll(0);
    }

    fn on_action(&mut self, action: Action) -> Outcome {
        self.at_end = false;
        match action {
            Action::Up => self.cursor.step(-1),
            Action::Down => self.cursor.step(1),
            Action::First => self.cursor.go(0),
            Action::Last => self.cursor.go(usize::MAX),
            Action::Older => return self.step(Which::Before),
            Action::Newer => return self.step(Which::After),
            Action::PageUp => return self.scroll(-1),
            Action::PageDown => return self.scroll(1),
            Action::Back => return Outcome::Close,
            Action::Open => return self.row().map_or(Outcome::Ignored, |row| self.open(row)),
            Action::Replay => {
                let Some(row) = self.row() else { return Outcome::Ignored };
                if row.deliveries.is_empty() {
                    let text = format!("nothing went over {}, so there is nothing to send again", row.channel.title());
                    return Outcome::Say(Message::warn(text));
                }
                return Outcome::Run(Command::Replay { deliveries: row.deliveries.iter().map(|one| one.id).collect() });
            }
            _ => return Outcome::Ignored,
        }
        Outcome::Handled
    }

    fn kept(&self) -> Option<Kept> {
        match self.which {
            Which::This(id) => Some(Kept::Event { id: id.to_string() }),
            _ => None,
        }
    }

    fn status(&self) -> Option<Message> {
        if self.is_gone {
            return Some(Message::warn(
                "it is no longer kept (delivery.keep); this is how it was last read; q goes back",
            ));
        }
        if self.at_end {
            return Some(Message::plain("there is no other event of this type that way"));
        }
        let row = self.row()?;
        let text = format!("{}: {}", row.channel.title(), row.reason);
        Some(if row.outcome == "failed" { Message::bad(text) } else { Message::plain(text) })
    }

    fn speak(&self) -> Speech {
        let Some(why) = &self.why else { return Speech::default() };
        let words =
            |row: &WhyRow| format!("{}, {}: {}", row.channel.title(), row.outcome.replace('_', " "), row.reason);
        let test = if why.event.test { ", a test" } else { "" };
        let at = full_time(why.event.received_at, &self.services.options.zone);
        let speech = Speech::of(why.channels.iter().map(words).collect(), self.cursor.index());
        let mut speech = speech.under(format!("{}{test}, {at}, {}", why.event.event_type, why.event.id));
        let data = self.data().into_iter();
        speech.after.extend(data.map(|(name, value)| format!("it carries {name}: {value}")));
        speech
    }

    fn go_to(&mut self, item: usize) -> Outcome {
        self.cursor.go(item);
        Outcome::Handled
    }

    fn draw(&self, buffer: &mut Buffer, area: Rect, theme: &Theme) {
        let Some(why) = &self.why else {
            put(buffer, area, 1, 0, "this event could not be read", theme.bad);
            return;
        };
        let event = &why.event;
        let test = if event.test { ", a test" } else { "" };
        let at = full_time(event.received_at, &self.services.options.zone);
        put(buffer, area, 1, 0, &format!("{}{test}, {at}", event.event_type), theme.head);
        put(buffer, area, 1, 1, &event.id.to_string(), theme.dim);
        let body = below(area, HEAD_LINES);
        let rows = why.channels.iter().enumerate().skip(self.cursor.offset()).take(6);
        for (y, (index, row)) in (0u16..).zip(rows) {
            let place = line(body, y);
            let mut x = put(buffer, place, 1, 0, &pad(row.channel.title(), 9), theme.text);
            x = put(buffer, place, x, 0, &pad(&row.outcome.replace('_', " "), 11), style(&row.outcome, theme));
            put(buffer, place, x, 0, &row.reason, theme.text);
            if index == self.cursor.index() {
                cursor_at(buffer, body, y, theme);
            }
        }
        let data = below(body, 7);
        if data.height > 0 {
            put(
                buffer,
                data,
                0,
                0,
                &format!("-- what it carries {}", "-".repeat(usize::from(data.width).saturating_sub(19))),
                theme.head,
            );
        }
        let data = below(data, 1);
        for (y, (name, value)) in (0..data.height).zip(self.data().into_iter().skip(self.data_offset)) {
            let x =
                put(buffer, data, 1, y, &format!("{} ", pad(&crate::domain::text::safe_line(&name), 18)), theme.dim);
            put(buffer, data, x, y, &value, theme.text);
        }
    }
}
