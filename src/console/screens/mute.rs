//! Mutes by keys: the usual times in a question, everything else in a small form.

use std::sync::Arc;

use jiff::ToSpan;
use jiff::tz::TimeZone;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::console::keymap::{Action, Place};
use crate::console::screen::{Message, Outcome, Screen, Shared};
use crate::console::speech::Speech;
use crate::console::theme::Theme;
use crate::console::widgets::dialog::{Answer, Question};
use crate::console::widgets::form::{Form, FormAnswer, FormField, Shape};
use crate::console::widgets::text_box::Edit;
use crate::console::words::moment;
use crate::domain::account::AccountKey;
use crate::domain::catalogue::{Catalogue, EventType};
use crate::domain::channel::Channel;
use crate::domain::command::{Command, Done};
use crate::domain::mute::{Scope, check_end};
use crate::domain::time::{Timestamp, parse_duration};
use crate::store::matrix::MatrixView;

/// The hour at which a mute until tomorrow ends.
const MORNING: i8 = 8;

const SAVE: usize = 0;

/// Asks for how long a cell is to be muted; on a column's head, the column.
#[must_use]
pub fn ask(services: &Shared, view: &MatrixView, kind: Option<&Arc<EventType>>, channel: Channel) -> Outcome {
    let now = services.clock.now();
    let zone = &services.options.zone;
    let scope = Scope { event_type: kind.map(|kind| kind.name.clone()), channel: Some(channel) };
    let account = view.account.key.clone();
    let mute = |until| {
        let command = Command::Mute { account: account.clone(), scope: scope.clone(), until, reason: String::new() };
        Outcome::Run(command)
    };
    let answer = |key, label: String, outcome| Answer { key, label, outcome };
    let hours = |hours| now.plus(std::time::Duration::from_hours(hours));
    let morning = tomorrow(now, zone);
    let until = |at| moment(at, now, zone);
    let mut answers = vec![
        answer('1', format!("for an hour, until {}", until(hours(1))), mute(hours(1))),
        answer('4', format!("for four hours, until {}", until(hours(4))), mute(hours(4))),
        answer('t', format!("until tomorrow {MORNING}:00"), mute(morning)),
    ];
    let form = MuteForm::new(services.clone(), account.clone(), &scope, &view.catalogue);
    answers.push(answer('o', "other: a time, reason, row, all".to_owned(), Outcome::Open(Box::new(form))));
    for (key, held) in ('a'..'d').zip(view.preferences.mutes(view.at).filter(|mute| overlaps(&mute.scope, &scope))) {
        let label = format!("end it now: {}, until {}", held.scope.titled(&view.catalogue), until(held.until));
        let end = Command::Unmute { account: account.clone(), scope: held.scope.clone() };
        answers.push(answer(key, label, Outcome::Run(end)));
    }
    Outcome::Ask(Question::new(format!("Mute {}?", scope.titled(&view.catalogue)), answers))
}

/// Whether one mute holds something of what the cursor is on.
fn overlaps(held: &Scope, under: &Scope) -> bool {
    let channel = under.channel.is_none() || held.channel.is_none() || held.channel == under.channel;
    let kind = under.event_type.is_none() || held.event_type.is_none() || held.event_type == under.event_type;
    channel && kind
}

fn tomorrow(now: Timestamp, zone: &TimeZone) -> Timestamp {
    let midnight = now.start_of_day(zone).in_zone(zone);
    let morning = midnight.checked_add(1.day()).and_then(|day| day.with().hour(MORNING).build());
    morning.map_or(now, |morning| Timestamp::from_millis(morning.timestamp().as_millisecond()))
}

/// The form.
pub struct MuteForm {
    services: Shared,
    account: AccountKey,
    /// What can be muted from here, and what people call it.
    choices: Vec<(String, Scope)>,
    form: Form,
}

impl MuteForm {
    fn new(services: Shared, account: AccountKey, scope: &Scope, catalogue: &Catalogue) -> Self {
        let choices: Vec<_> = choices(scope).into_iter().map(|scope| (scope.titled(catalogue), scope)).collect();
        let titles: Vec<_> = choices.iter().map(|(title, _)| title.clone()).collect();
        let first = titles.first().cloned().unwrap_or_default();
        let mut until = FormField::new("until", "Until", "2h, 3d, or a time as 2026-05-04T10:00:00Z", Shape::Line, "");
        until.required = true;
        let fields = vec![
            until,
            FormField::new("what", "What", "what gets nothing until then", Shape::OneOf(titles), &first),
            FormField::new("reason", "Reason", "shown to whoever asks why nothing was sent", Shape::Line, ""),
        ];
        Self { services, account, choices, form: Form::new(fields, vec!["Mute", "Cancel"]) }
    }

    fn text(&self, name: &str) -> &str {
        self.form.field(name).map_or("", FormField::text)
    }

    fn until(&self) -> Result<Timestamp, String> {
        let now = self.services.clock.now();
        let text = self.text("until").trim();
        let until = parse_duration(text)
            .map(|long| now.plus(long))
            .or_else(|_| Timestamp::parse(text).map_err(|problem| format!("{problem}, or 2h, or 3d")))?;
        check_end(until, now).map(|()| until)
    }

    fn take(&mut self, answer: FormAnswer) -> Outcome {
        match answer {
            FormAnswer::Entered | FormAnswer::Pressed(SAVE) => match self.until() {
                Ok(until) => {
                    let what = self.text("what");
                    let scope = self.choices.iter().find(|(title, _)| title == what).map(|(_, scope)| scope.clone());
                    let Some(scope) = scope else { return Outcome::Ignored };
                    Outcome::Run(Command::Mute {
                        account: self.account.clone(),
                        scope,
                        until,
                        reason: self.text("reason").to_owned(),
                    })
                }
                Err(problem) => {
                    if let Some(field) = self.form.field_mut("until") {
                        field.error = Some(problem);
                        field.touched = true;
                    }
                    self.form.go_to_error();
                    Outcome::Handled
                }
            },
            FormAnswer::Leave if self.form.changed() => Outcome::Ask(Question::leave()),
            FormAnswer::Leave | FormAnswer::Pressed(_) => Outcome::Close,
            FormAnswer::Changed | FormAnswer::Moved | FormAnswer::Handled => {
                let problem = self.until().err();
                if let Some(field) = self.form.field_mut("until") {
                    field.error = problem;
                }
                Outcome::Handled
            }
        }
    }
}

/// The cell, its row, its column, the account.
fn choices(scope: &Scope) -> Vec<Scope> {
    let mut choices = vec![scope.clone()];
    for other in
        [Scope { channel: None, ..scope.clone() }, Scope { event_type: None, ..scope.clone() }, Scope::default()]
    {
        if !choices.contains(&other) {
            choices.push(other);
        }
    }
    choices
}

impl Screen for MuteForm {
    fn title(&self) -> String {
        "mute".to_owned()
    }

    fn place(&self) -> Place {
        self.form.place()
    }

    fn account(&self) -> Option<&AccountKey> {
        Some(&self.account)
    }

    fn arrange(&mut self, area: Rect) {
        self.form.arrange(area);
    }

    fn on_action(&mut self, action: Action) -> Outcome {
        if let (Action::LongText, Some(field)) = (action, self.form.current()) {
            return Outcome::Edit { field: field.name, text: field.text().to_owned() };
        }
        let answer = self.form.on_action(action);
        self.take(answer)
    }

    fn on_edit(&mut self, edit: &Edit) -> Outcome {
        let answer = self.form.on_edit(edit);
        self.take(answer)
    }

    fn on_fill(&mut self, field: &str, text: String) -> Outcome {
        if let Some(field) = self.form.field_mut(field) {
            field.fill(&crate::console::widgets::text_box::one_line(&text));
        }
        Outcome::Handled
    }

    fn on_done(&mut self, done: &Done) -> Outcome {
        Outcome::Close.then(Outcome::Say(Message::good(done.says.clone())))
    }

    fn status(&self) -> Option<Message> {
        self.form.wrong()
    }

    fn speak(&self) -> Speech {
        self.form.speak()
    }

    fn go_to(&mut self, item: usize) -> Outcome {
        self.form.go_to(item)
    }

    fn draw(&self, buffer: &mut Buffer, area: Rect, theme: &Theme) {
        self.form.draw(buffer, area, theme);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tomorrow_is_the_next_morning_where_the_person_is() {
        let at = |text: &str| Timestamp::parse(text).unwrap_or_else(|error| panic!("{error}"));
        let vienna = TimeZone::get("Europe/Vienna").unwrap_or(TimeZone::UTC);
        let check = |now: &str, expected: &str| assert_eq!(tomorrow(at(now), &vienna), at(expected), "{now}");
        check("2026-11-25T03:00:00Z", "2026-11-26T07:00:00Z");
        check("2026-11-25T23:30:00Z", "2026-11-27T07:00:00Z");
        check("2026-10-24T12:00:00Z", "2026-10-25T07:00:00Z");
    }
}
