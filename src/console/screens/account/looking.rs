//! What the matrix does beyond one cell: marked cells, and the ways to other screens: why, the history, a preview, a test, a
//! channel's set-up.

use crate::console::screen::{Message, Outcome};
use crate::console::screens::account::AccountScreen;
use crate::console::screens::delivery::DeliveryScreen;
use crate::console::screens::destination_form::DestinationScreen;
use crate::console::screens::destinations::Destinations;
use crate::console::screens::event::EventScreen;
use crate::console::screens::history::History;
use crate::console::screens::preview::PreviewScreen;
use crate::console::screens::simulate::Simulate;
use crate::console::widgets::dialog::{Answer, Question};
use crate::domain::catalogue::EventType;
use crate::domain::channel::Channel;
use crate::domain::command::{CellChange, Command};
use crate::domain::matrix::CellSetting;
use crate::store::history::Subject;
use crate::store::matrix::MatrixView;

impl AccountScreen {
    /// What customers would read of the row under the cursor; on a column's head, of the first one.
    pub(crate) fn preview(&self, view: &MatrixView) -> Outcome {
        let row = self.cursor.event_type(view).or_else(|| view.catalogue.types().first());
        let Some(row) = row.cloned() else { return Outcome::Ignored };
        let channel = self.cursor.channel();
        Outcome::Open(Box::new(PreviewScreen::new(self.services.clone(), self.key.clone(), row, channel)))
    }

    /// Where an event of the row under the cursor would go; on a column's head, of the first row.
    pub(crate) fn simulate(&self, view: &MatrixView) -> Outcome {
        let row = self.cursor.event_type(view).or_else(|| view.catalogue.types().first());
        let Some(name) = row.map(|row| row.name.clone()) else { return Outcome::Ignored };
        Outcome::Open(Box::new(Simulate::new(self.services.clone(), self.key.clone(), name)))
    }

    pub(crate) fn last_test(&self) -> Outcome {
        match self.test.last() {
            Some(id) => Outcome::Open(Box::new(DeliveryScreen::new(self.services.clone(), id))),
            None => Outcome::Say(Message::plain("no test was sent from here yet; t sends one")),
        }
    }

    /// Turns the marked cells on, or off when all are on, as one change.
    pub(crate) fn toggle_marked(&mut self, view: &MatrixView) -> Option<Outcome> {
        let marked = self.cursor.marked(view);
        if marked.is_empty() {
            return None;
        }
        let all_on = marked.iter().all(|(kind, channel)| view.cell(kind, *channel).on);
        let to = if all_on { CellSetting::Off } else { CellSetting::On };
        let on = if all_on { "off" } else { "on" };
        self.says = Some(format!("{} cells are {on}; u takes that back", marked.len()));
        let change = |(kind, channel): (&EventType, Channel)| CellChange { event_type: kind.name.clone(), channel, to };
        let cells = marked.into_iter().map(change).collect();
        self.cursor.unmark();
        Some(Outcome::Run(Command::SetCells { account: self.key.clone(), cells }))
    }

    pub(crate) fn why(&self, view: &MatrixView) -> Outcome {
        match self.cursor.event_type(view) {
            Some(kind) => {
                let (services, key) = (self.services.clone(), self.key.clone());
                Outcome::Open(Box::new(EventScreen::newest(services, key, kind.name.clone())))
            }
            None => Outcome::Say(Message::plain("go to a row: why shows the newest event of its type")),
        }
    }

    pub(crate) fn history(&self, view: &MatrixView) -> Outcome {
        let account = self.key.clone();
        let (subject, name) = match self.cursor.event_type(view) {
            Some(kind) => {
                let channel = self.cursor.channel();
                let name = format!("{} for {}", channel.title(), kind.short);
                (Subject::Cell { account, event_type: kind.name.clone(), channel }, name)
            }
            None => (Subject::Account(account), view.account.profile.name.clone()),
        };
        Outcome::Open(Box::new(History::new(self.services.clone(), subject, name)))
    }

    /// Asks which channel to set up. Where it has destinations already, its letter leads to them, and its capital to one more.
    pub(crate) fn choose_channel(&self, view: &MatrixView) -> Outcome {
        let mut answers = Vec::new();
        for channel in Channel::ALL {
            let list = || Outcome::Open(Box::new(Destinations::new(self.services.clone(), self.key.clone(), channel)));
            let form = || DestinationScreen::add(self.services.clone(), self.key.clone(), channel);
            let letter = channel.name().chars().next().unwrap_or(' ');
            let title = channel.title();
            let mut answer = |key, label, outcome| answers.push(Answer { key, label, outcome });
            let count = view.destinations.iter().filter(|other| other.channel == channel).count();
            match count {
                _ if channel == Channel::Browser => answer(letter, title.to_owned(), list()),
                0 => answer(letter, title.to_owned(), list().then(Outcome::Open(Box::new(form())))),
                _ => {
                    answer(letter, format!("{title}: the {count} that it has"), list());
                    let capital = letter.to_ascii_uppercase();
                    answer(capital, format!("{title}: one more"), list().then(Outcome::Open(Box::new(form()))));
                }
            }
        }
        Outcome::Ask(Question::new("Set up which channel?".to_owned(), answers))
    }
}
