//! Simulates an event: to which destinations it would go, to which channels not, and because of what. Nothing is stored; the
//! decision is the one that `emit --dry-run` prints and that a real event meets.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::console::keymap::{Action, Place};
use crate::console::screen::{Load, Message, Outcome, Screen, Shared};
use crate::console::screens::account::AccountScreen;
use crate::console::screens::destinations::Destinations;
use crate::console::screens::pick::{Choice, Pick};
use crate::console::speech::Speech;
use crate::console::theme::{Theme, ThemeName};
use crate::console::widgets::finder::Finder;
use crate::console::widgets::list::ListCursor;
use crate::console::widgets::paint::{Column, below, cursor_at, line, put, put_columns};
use crate::console::widgets::text_box::{Edit, one_line};
use crate::domain::account::AccountKey;
use crate::domain::channel::Channel;
use crate::domain::destination::DestinationState;
use crate::domain::event::NewEvent;
use crate::domain::id::DestinationId;
use crate::domain::matrix::NotSent;
use crate::domain::payload::Payload;
use crate::store::Store;
use crate::store::events::Preview;

/// Lines before the list: the type, the data, the sum.
const HEAD_LINES: u16 = 4;

/// A line of the answer.
#[derive(Clone, Debug, PartialEq)]
struct Row {
    channel: Channel,
    /// Who would get it; nothing where nobody would.
    to: Option<(DestinationId, String, DestinationState)>,
    because: Option<NotSent>,
}

impl Row {
    fn words(&self, theme: &Theme) -> (&'static str, Style, String) {
        match (&self.to, &self.because) {
            (Some((_, label, DestinationState::Paused)), _) => {
                ("is held", theme.warn, format!("{label}, which is paused"))
            }
            (Some((_, label, _)), _) => ("would go", theme.good, label.clone()),
            (None, because) => ("would not", theme.dim, because.as_ref().map(NotSent::text).unwrap_or_default()),
        }
    }
}

/// The screen.
pub struct Simulate {
    services: Shared,
    account: AccountKey,
    event_type: String,
    data: Finder,
    types: Vec<Choice>,
    rows: Vec<Row>,
    /// Why it would not be taken at all.
    refused: Option<String>,
    cursor: ListCursor<(Channel, Option<DestinationId>)>,
}

impl Simulate {
    /// Of an event of that type to that account.
    #[must_use]
    pub fn new(services: Shared, account: AccountKey, event_type: String) -> Self {
        let (data, cursor) = (Finder::default(), ListCursor::default());
        Self { services, account, event_type, data, types: Vec::new(), rows: Vec::new(), refused: None, cursor }
    }

    fn payload(&self) -> Result<Payload, String> {
        let text = if self.data.is_empty() { "{}" } else { self.data.text() };
        Payload::parse(text).map_err(|error| error.to_string())
    }

    async fn decide(&mut self, store: &Store) -> Result<(), crate::store::error::StoreError> {
        self.rows.clear();
        let data = match self.payload() {
            Ok(data) => data,
            Err(problem) => {
                self.refused = Some(problem);
                return Ok(());
            }
        };
        let (account, event_type) = (self.account.clone(), self.event_type.clone());
        let event = NewEvent { account, event_type, data, idempotency_key: None };
        match store.preview(&event).await? {
            Ok(preview) => {
                let types = preview.matrix.catalogue.types().iter();
                let about = types.map(|kind| Choice { value: kind.name.clone(), about: kind.title.clone() });
                self.types = about.collect();
                self.rows = rows(&preview);
                self.refused = None;
            }
            Err(error) => self.refused = Some(error.to_string()),
        }
        Ok(())
    }

    /// To the type before or after; beyond an end it begins anew.
    fn turn(&mut self, by: isize) -> Outcome {
        let count = self.types.len().max(1).cast_signed();
        let at = self.types.iter().position(|one| one.value == self.event_type).unwrap_or(0).cast_signed();
        let next = (at + by).rem_euclid(count).cast_unsigned();
        if let Some(choice) = self.types.get(next) {
            self.event_type.clone_from(&choice.value);
        }
        Outcome::Reload
    }

    /// Where one changes what the line under the cursor says: the destination, or the cell.
    fn open(&self) -> Outcome {
        let Some(row) = self.rows.get(self.cursor.index()) else { return Outcome::Ignored };
        let (services, account) = (self.services.clone(), self.account.clone());
        let screen: Box<dyn Screen> = match (&row.to, &row.because) {
            (Some((id, ..)), _) => Box::new(Destinations::at(services, account, row.channel, *id)),
            (None, Some(NotSent::NoDestination | NotSent::Disabled { .. } | NotSent::Narrowed)) => {
                Box::new(Destinations::new(services, account, row.channel))
            }
            _ => Box::new(AccountScreen::again(services, account, Some(&self.event_type), row.channel)),
        };
        Outcome::Open(screen)
    }

    fn sum(&self) -> String {
        let to = self.rows.iter().filter(|row| row.to.is_some()).count();
        let not = self.rows.len() - to;
        let destinations = if to == 1 { "destination" } else { "destinations" };
        format!("would go to {to} {destinations}, and not over {not} of {} channels", Channel::ALL.len())
    }
}

fn rows(preview: &Preview) -> Vec<Row> {
    let mut rows = Vec::new();
    for channel in Channel::ALL {
        let gets = preview.matrix.destinations.iter();
        let gets = gets.filter(|one| one.channel == channel && preview.fan_out.to.contains(&one.id));
        rows.extend(gets.map(|one| Row { channel, to: Some((one.id, one.label.clone(), one.state)), because: None }));
        let not = preview.fan_out.not_sent.iter().filter(|(other, _)| *other == channel);
        rows.extend(not.map(|(_, because)| Row { channel, to: None, because: Some(because.clone()) }));
    }
    rows
}

impl Screen for Simulate {
    fn title(&self) -> String {
        "simulate".to_owned()
    }

    fn place(&self) -> Place {
        if self.data.is_active() { Place::Filter } else { Place::Simulate }
    }

    fn account(&self) -> Option<&AccountKey> {
        Some(&self.account)
    }

    fn load<'a>(&'a mut self, store: &'a Store) -> Load<'a> {
        Box::pin(async move {
            self.decide(store).await?;
            let id = |row: &Row| (row.channel, row.to.as_ref().map(|(id, ..)| *id));
            self.cursor.set(self.rows.iter().map(id).collect());
            Ok(())
        })
    }

    fn arrange(&mut self, area: Rect) {
        self.cursor.arrange(usize::from(area.height.saturating_sub(HEAD_LINES)));
    }

    fn on_action(&mut self, action: Action) -> Outcome {
        match action {
            _ if self.cursor.on_action(action) => Outcome::Handled,
            Action::Open | Action::SwitchPane if self.data.is_active() => {
                self.data.keep();
                Outcome::Reload
            }
            Action::Back if self.data.is_active() => {
                self.data.drop_all();
                Outcome::Reload
            }
            Action::Data => {
                self.data.open();
                Outcome::Handled
            }
            Action::LongText => Outcome::Edit { field: "data", text: self.data.text().to_owned() },
            Action::Choose => {
                let types = self.types.clone();
                Outcome::Open(Box::new(Pick::one("event type", "event_type", types, &self.event_type)))
            }
            Action::Left => self.turn(-1),
            Action::Right => self.turn(1),
            Action::Open => self.open(),
            Action::Back => Outcome::Close,
            _ => Outcome::Ignored,
        }
    }

    fn on_edit(&mut self, edit: &Edit) -> Outcome {
        if self.data.edit(edit) { Outcome::Reload } else { Outcome::Handled }
    }

    fn on_fill(&mut self, field: &str, text: String) -> Outcome {
        match field {
            "event_type" => self.event_type = text,
            _ => self.data = Finder::with(&one_line(&text)),
        }
        Outcome::Reload
    }

    fn status(&self) -> Option<Message> {
        if let Some(refused) = &self.refused {
            return Some(Message::bad(refused.clone()));
        }
        let row = self.rows.get(self.cursor.index())?;
        let opens = match (&row.to, &row.because) {
            (Some(_), _) => "enter opens the destination",
            (None, Some(NotSent::NoDestination | NotSent::Disabled { .. } | NotSent::Narrowed)) => {
                "enter opens the channel's destinations"
            }
            _ => "enter goes to the cell",
        };
        Some(Message::plain(format!("{}: {opens}; nothing is stored or sent here", row.channel.title())))
    }

    fn speak(&self) -> Speech {
        let words = |row: &Row| {
            let (word, _, text) = row.words(&Theme::new(ThemeName::Mono));
            format!("{} {word}: {text}", row.channel.title())
        };
        let data = if self.data.is_empty() { "no data".to_owned() } else { format!("data {}", self.data.text()) };
        let speech = Speech::of(self.rows.iter().map(words).collect(), self.cursor.index());
        let speech = speech.under(format!("an event of {}, with {data}", self.event_type));
        match &self.refused {
            Some(refused) => speech.under(format!("it would not be taken: {refused}")),
            None => speech.under(self.sum()),
        }
    }

    fn go_to(&mut self, item: usize) -> Outcome {
        self.cursor.go(item);
        Outcome::Handled
    }

    fn draw(&self, buffer: &mut Buffer, area: Rect, theme: &Theme) {
        let x = put(buffer, area, 1, 0, "an event of", theme.dim);
        put(buffer, area, x + 1, 0, &self.event_type, theme.head);
        let hint = "with no data; d takes a JSON object";
        self.data.draw(buffer, line(area, 1), theme, "with data:", hint);
        let body = below(area, HEAD_LINES);
        if let Some(refused) = &self.refused {
            let lines = crate::console::widgets::paint::wrap(refused, usize::from(area.width.saturating_sub(2)).max(8));
            put(buffer, area, 1, 2, "it would not be taken:", theme.bad);
            for (y, text) in (0u16..body.height).zip(lines) {
                put(buffer, body, 1, y, &text, theme.text);
            }
            return;
        }
        put(buffer, area, 1, 2, &self.sum(), theme.text);
        let wide = usize::from(area.width).saturating_sub(8 + 10 + 3);
        for (y, (index, row)) in (0u16..body.height).zip(self.rows.iter().enumerate().skip(self.cursor.offset())) {
            let (word, style, text) = row.words(theme);
            let columns = [
                Column::new(row.channel.title(), 8, theme.text),
                Column::new(word, 10, style),
                Column::new(&text, wide, theme.text),
            ];
            put_columns(buffer, line(body, y), 1, &columns);
            if index == self.cursor.index() {
                cursor_at(buffer, body, y, theme);
            }
        }
    }
}
