//! The destinations of one channel of one account: where they lead, how they are, and what a test there was answered.

mod day;

mod drawing;

pub mod marked;

pub mod sorted;

mod speaking;

use std::sync::Arc;
use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::channels;
use crate::console::keymap::{Action, Place};
use crate::console::memory::Kept;
use crate::console::screen::{Load, Message, Outcome, Screen, Shared};
use crate::console::screens::delivery::DeliveryScreen;
use crate::console::screens::destination_form::DestinationScreen;
use crate::console::screens::destinations::sorted::Order;
use crate::console::screens::destinations::speaking::Facts;
use crate::console::screens::history::History;
use crate::console::screens::missed::Missed;
use crate::console::screens::test_watch::{TestWatch, choose_test};
use crate::console::speech::Speech;
use crate::console::theme::Theme;
use crate::console::widgets::dialog::{Answer, Question};
use crate::console::widgets::list::{ListCursor, Marks};
use crate::console::widgets::paint::{below, cursor_at, line, put, put_all};
use crate::domain::account::AccountKey;
use crate::domain::catalogue::EventType;
use crate::domain::channel::Channel;
use crate::domain::command::{Command, Done};
use crate::domain::destination::{Destination, DestinationState};
use crate::domain::id::DestinationId;
use crate::domain::secret::Secret;
use crate::domain::time::Timestamp;
use crate::store::Store;
use crate::store::history::Subject;
use crate::store::recent::RecentTry;

/// The list.
pub struct Destinations {
    services: Shared,
    account: AccountKey,
    channel: Channel,
    rows: Vec<Destination>,
    cursor: ListCursor<DestinationId>,
    test: TestWatch,
    /// The account's event types.
    types: Vec<Arc<EventType>>,
    /// For how many event types the matrix turns this channel on, and of how many.
    turned_on: (usize, usize),
    marked: Marks<DestinationId>,
    order: Order,
    /// The disabled destination that is being enabled.
    enabling: Option<(String, Option<Timestamp>)>,
    /// Since when the one under the cursor has missed something.
    missing_since: Option<Timestamp>,
    /// How the destination under the cursor did lately.
    tries: Vec<RecentTry>,
}

impl Destinations {
    /// Of that channel of that account.
    #[must_use]
    pub fn new(services: Shared, account: AccountKey, channel: Channel) -> Self {
        let (rows, cursor, test) = (Vec::new(), ListCursor::default(), TestWatch::default());
        let types = Vec::new();
        Self {
            services,
            account,
            channel,
            rows,
            cursor,
            test,
            types,
            turned_on: (0, 0),
            marked: Marks::default(),
            order: Order::default(),
            enabling: None,
            missing_since: None,
            tries: Vec::new(),
        }
    }

    /// Of that channel of that account, with the cursor on this destination.
    #[must_use]
    pub fn at(services: Shared, account: AccountKey, channel: Channel, id: DestinationId) -> Self {
        let mut screen = Self::new(services, account, channel);
        screen.cursor.wish(id);
        screen
    }

    /// In this order.
    #[must_use]
    pub fn sorted(mut self, order: Order) -> Self {
        self.order = order;
        self
    }

    fn row(&self) -> Option<&Destination> {
        self.rows.get(self.cursor.index())
    }

    fn list_height(&self, area: Rect) -> u16 {
        let rows = u16::try_from(self.rows.len() + 1).unwrap_or(u16::MAX);
        rows.min((area.height / 2).max(2)).min(area.height)
    }

    fn add(&self) -> Outcome {
        if self.channel == Channel::Browser {
            return self.invite();
        }
        Outcome::Open(Box::new(DestinationScreen::add(self.services.clone(), self.account.clone(), self.channel)))
    }

    /// A link or code for a browser or an app to enrol itself with.
    fn invite(&self) -> Outcome {
        match (channels::identity_field(self.channel), &self.services.options.enrolment_url) {
            (None, _) => Outcome::Say(Message::plain(format!("nothing enrols itself for {}", self.channel.title()))),
            (_, None) => {
                Outcome::Say(Message::warn("nothing can enrol itself while [http] listen is off; set it first"))
            }
            (Some(_), Some(_)) => {
                Outcome::Run(Command::Invite { account: self.account.clone(), channel: self.channel })
            }
        }
    }

    /// Shows a link, a code or a new signing secret, this once.
    fn show_once(&self, says: &str, code: &Secret) -> Outcome {
        let code = code.expose();
        let text = match (self.channel, &self.services.options.enrolment_url) {
            (Channel::Browser, Some(url)) => format!("{says}, by opening this there: {url}{code}"),
            (Channel::Webhook, _) => format!("{says}. The receiver needs it: {code}"),
            _ => format!("{says}, by typing this code into the app: {code}"),
        };
        Outcome::Ask(Question::once(text, Outcome::Handled))
    }

    /// Asks for how long the old signing secret is valid beside a new one.
    fn rotate(row: &Destination) -> Outcome {
        if row.channel != Channel::Webhook {
            return Outcome::Say(Message::plain("only webhooks have a signing secret"));
        }
        let answer = |key, label: &str, hours| {
            let overlap = Duration::from_hours(hours);
            let outcome = Outcome::Run(Command::RotateSecret { id: row.id, secret: None, overlap });
            Answer { key, label: label.to_owned(), outcome }
        };
        let text = format!("Make a new signing secret for {}? For how long does the old one sign too?", row.label);
        let no = Answer { key: 'n', label: "no new secret".to_owned(), outcome: Outcome::Handled };
        let yes = [('d', "a day", 24), ('w', "a week", 168), ('x', "not at all: the old one ends now", 0)];
        let yes = yes.map(|(key, label, hours)| answer(key, label, hours));
        Outcome::Ask(Question::new(text, std::iter::once(no).chain(yes).collect()))
    }

    fn on_row(&mut self, action: Action, row: &Destination) -> Outcome {
        let was_disabled = row.state == DestinationState::Disabled;
        let enables = was_disabled && action == Action::Disable;
        self.enabling = enables.then(|| (row.label.clone(), self.missing_since));
        let state = |state| Outcome::Run(Command::SetDestinationState { id: row.id, state });
        match (action, row.state) {
            (Action::Edit, _) => {
                let screen = DestinationScreen::edit(self.services.clone(), self.account.clone(), row);
                Outcome::Open(Box::new(screen))
            }
            (Action::History, _) => {
                let subject = Subject::Destination { account: self.account.clone(), id: row.id };
                Outcome::Open(Box::new(History::new(self.services.clone(), subject, row.label.clone())))
            }
            (Action::TestOther, _) => choose_test(&row.label, row.id, &self.types),
            (Action::Test, _) => Outcome::Run(Command::TestDestination { id: row.id, event_type: None }),
            (Action::Rotate, _) => Self::rotate(row),
            (Action::Pause, DestinationState::Enabled) => state(DestinationState::Paused),
            (Action::Pause, DestinationState::Paused) | (Action::Disable, DestinationState::Disabled) => {
                state(DestinationState::Enabled)
            }
            (Action::Pause, DestinationState::Disabled) => {
                Outcome::Say(Message::plain(format!("{} is disabled; x enables it", row.label)))
            }
            (Action::Disable, _) => state(DestinationState::Disabled),
            (Action::Remove, _) => Outcome::Ask(Question::sure(
                format!(
                    "Remove {}? What waits for it is cancelled for good; u brings the destination back.",
                    row.label
                ),
                "yes, remove it".to_owned(),
                Outcome::Run(Command::RemoveDestination { id: row.id }),
            )),
            _ => Outcome::Ignored,
        }
    }

    /// What came while it was disabled is not sent by itself.
    fn ask_what_was_missed(&self, label: &str, since: Option<Timestamp>) -> Outcome {
        let text = format!("{label} is enabled. Look at what it missed, and send that?");
        let look = Missed::of_channel(self.services.clone(), self.account.clone(), self.channel, since);
        let answers = vec![
            Answer { key: 'y', label: "yes, count it".to_owned(), outcome: Outcome::Open(Box::new(look)) },
            Answer { key: 'n', label: "no, only what comes from now on".to_owned(), outcome: Outcome::Handled },
        ];
        Outcome::Ask(Question::new(text, answers))
    }
}

impl Screen for Destinations {
    fn title(&self) -> String {
        self.channel.title().to_owned()
    }

    fn place(&self) -> Place {
        Place::Destinations
    }

    fn account(&self) -> Option<&AccountKey> {
        Some(&self.account)
    }

    fn load<'a>(&'a mut self, store: &'a Store) -> Load<'a> {
        Box::pin(async move {
            let view = store.matrix(&self.account).await?;
            let types = view.catalogue.types();
            let on = types.iter().filter(|kind| view.preferences.is_on(kind, self.channel)).count();
            self.turned_on = (on, types.len());
            self.types = types.to_vec();
            self.rows = view.destinations.into_iter().filter(|row| row.channel == self.channel).collect();
            self.put_in_order(store).await?;
            self.cursor.set(self.rows.iter().map(|row| row.id).collect());
            let since = self.services.clock.now().minus(day::SPAN);
            self.tries = match self.row() {
                Some(row) => store.recent_tries(row.id, since).await?,
                None => Vec::new(),
            };
            self.missing_since = match self.row() {
                Some(row) => store.missing_since(row.id).await?,
                None => None,
            };
            self.test.load(store).await
        })
    }

    fn on_click(&mut self, _area: Rect, _x: u16, y: u16) -> Outcome {
        self.cursor.click(y.checked_sub(1));
        Outcome::Handled
    }

    fn arrange(&mut self, area: Rect) {
        self.cursor.arrange(usize::from(self.list_height(area).saturating_sub(1)));
    }

    fn on_action(&mut self, action: Action) -> Outcome {
        self.test.forget();
        match action {
            _ if self.cursor.on_action(action) => {}
            Action::Mark => self.mark(),
            Action::Sort => return self.sort(),
            Action::Back if self.marked.clear() => {}
            Action::New => return self.add(),
            Action::Invite => return self.invite(),
            Action::Back => return Outcome::Close,
            Action::Undo => return Outcome::Undo(Some(self.account.clone())),
            Action::LastTest => {
                return match self.test.last() {
                    Some(id) => Outcome::Open(Box::new(DeliveryScreen::new(self.services.clone(), id))),
                    None => Outcome::Say(Message::plain("no test was sent from here yet; t sends one")),
                };
            }
            _ => {
                if let Some(outcome) = self.on_marked(action) {
                    return outcome;
                }
                return match self.row().cloned() {
                    Some(row) => self.on_row(action, &row),
                    None if action == Action::Edit => self.add(),
                    None => Outcome::Say(Message::plain("there is no destination yet; a adds one")),
                };
            }
        }
        // How another one did is yet to be read.
        Outcome::Reload
    }

    fn on_done(&mut self, done: &Done) -> Outcome {
        if self.test.begin(done) {
            return Outcome::Handled;
        }
        if let Some(code) = &done.secret {
            return self.show_once(&done.says, code);
        }
        let says = Outcome::Say(Message::good(done.says.clone()));
        match self.enabling.take() {
            Some((label, since)) => says.then(self.ask_what_was_missed(&label, since)),
            None => says,
        }
    }

    fn on_child(&mut self, done: &Done) {
        if self.test.begin(done) {
            return;
        }
        if let Some(id) = done.destination {
            self.cursor.wish(id);
        }
    }

    fn kept(&self) -> Option<Kept> {
        Some(Kept::Destinations {
            account: self.account.to_string(),
            channel: self.channel.name().to_owned(),
            at: self.cursor.id().map(ToString::to_string),
            order: self.order,
        })
    }

    fn status(&self) -> Option<Message> {
        let marked = self.marked.all().len();
        self.test.message().or_else(|| (marked > 0).then(|| marked::says(marked))).or_else(|| {
            let row = self.row()?;
            let what = match row.state {
                DestinationState::Enabled => "is sent to",
                DestinationState::Paused => "is paused: what comes is held; space goes on",
                DestinationState::Disabled => "is disabled: what comes is noted as not sent; x enables it",
            };
            let text = format!("{} {what}", row.label);
            Some(if row.state == DestinationState::Enabled { Message::plain(text) } else { Message::warn(text) })
        })
    }

    fn speak(&self) -> Speech {
        self.words()
    }

    fn go_to(&mut self, item: usize) -> Outcome {
        self.cursor.go(item);
        Outcome::Reload
    }

    fn draw(&self, buffer: &mut Buffer, area: Rect, theme: &Theme) {
        if self.rows.is_empty() {
            return self.draw_empty(buffer, area, theme);
        }
        let height = self.list_height(area);
        let head =
            if self.rows.len() == 1 { "1 destination".to_owned() } else { format!("{} destinations", self.rows.len()) };
        put(buffer, area, 1, 0, &format!("{head}; o sorts: {}", self.order.words()), theme.head);
        let list = Rect::new(area.x, area.y, area.width, height);
        let list = below(list, 1);
        let rows = self.rows.iter().enumerate().skip(self.cursor.offset()).take(usize::from(list.height));
        for (y, (index, row)) in (0u16..).zip(rows) {
            self.draw_row(buffer, line(list, y), theme, row);
            if self.marked.has(&row.id) {
                put(buffer, list, 0, y, "x", theme.key);
            }
            if index == self.cursor.index() {
                cursor_at(buffer, list, y, theme);
            }
        }
        let Some(row) = self.row() else { return };
        let lower = below(area, height.saturating_add(1));
        let zone = &self.services.options.zone;
        let mut facts = Facts::new(theme, usize::from(area.width));
        // The answer to a test comes first: on a small screen it is what was asked for last.
        self.answer(&mut facts, row);
        self.details(&mut facts, row, zone);
        for (y, spans) in (0u16..lower.height).zip(facts.lines()) {
            put_all(buffer, lower, 1, y, &spans);
        }
    }
}
