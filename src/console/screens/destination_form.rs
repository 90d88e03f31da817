//! The form of a destination, drawn from its channel's fields. It checks while one types, masks secrets, and lists the rooms of
//! a HipChat token to choose from, beside the loop.

mod fields;

mod helping;

mod overtaken;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::channels;

use crate::channels::form::{FieldError, check_field, typed_values, values_from_text};
use crate::console::keymap::{Action, Place};
use crate::console::screen::{JobDone, Load, Message, Outcome, Screen, Shared};
use crate::console::screens::destination_form::fields::{form_field, typed, written};
use crate::console::screens::destination_form::helping::event_types;
use crate::console::screens::destination_form::overtaken::Theirs;
use crate::console::screens::pick::Choice;
use crate::console::speech::Speech;
use crate::console::theme::Theme;
use crate::console::widgets::dialog::{Answer, Question};
use crate::console::widgets::form::{Form, FormAnswer, FormField, Shape};
use crate::console::widgets::text_box::Edit;
use crate::domain::account::AccountKey;
use crate::domain::channel::Channel;
use crate::domain::command::{Command, DestinationForm, Done};
use crate::domain::destination::Destination;
use crate::domain::id::DestinationId;
use crate::store::Store;
use crate::store::error::{CommandError, StoreError};
use crate::store::history::Subject;

const SAVE: usize = 0;
const SAVE_AND_TEST: usize = 1;

static FORMS: AtomicU64 = AtomicU64::new(0);

/// The rooms of a token.
enum Rooms {
    Unknown,
    Asked,
    Known(Vec<(String, String)>),
    Failed(String),
}

/// The form.
pub struct DestinationScreen {
    services: Shared,
    account: AccountKey,
    channel: Channel,
    id: Option<DestinationId>,
    label: String,
    form: Form,
    number: u64,
    rooms: Rooms,
    /// The server and token whose rooms were asked for.
    rooms_of: (String, String),
    test_after: bool,
    /// What the destination was when the form was opened.
    opened: Option<Destination>,
    /// What somebody else has made of it since.
    theirs: Option<Theirs>,
    /// Who removed it since, so that saving makes a new one.
    removed_by: Option<String>,
    /// The secret that is being asked for.
    revealing: Option<&'static str>,
    /// Event types and groups, for the field that narrows to them.
    types: Vec<Choice>,
}

impl DestinationScreen {
    /// For a new destination.
    #[must_use]
    pub fn add(services: Shared, account: AccountKey, channel: Channel) -> Self {
        Self::new(services, account, channel, None)
    }

    /// For other settings of one.
    #[must_use]
    pub fn edit(services: Shared, account: AccountKey, destination: &Destination) -> Self {
        Self::new(services, account, destination.channel, Some(destination))
    }

    fn new(services: Shared, account: AccountKey, channel: Channel, of: Option<&Destination>) -> Self {
        let mut fields: Vec<FormField> = channels::fields(channel).iter().map(|field| form_field(field, of)).collect();
        let label = of.map_or("", |destination| destination.label.as_str());
        let only = of.map(|destination| destination.only.join(", ")).unwrap_or_default();
        let help = "what to call it in lists; empty for the address in short";
        fields.push(FormField::new("label", "Name", help, Shape::Line, label));
        let help = "event types or groups, with commas; ^F lists them; empty for all";
        fields.push(FormField::new("only", "Only for", help, Shape::Line, &only));
        let mut screen = Self {
            services,
            account,
            channel,
            id: of.map(|destination| destination.id),
            label: label.to_owned(),
            form: Form::new(fields, vec!["Save", "Save and test", "Cancel"]),
            number: FORMS.fetch_add(1, Ordering::Relaxed),
            rooms: Rooms::Unknown,
            rooms_of: (String::new(), String::new()),
            test_after: false,
            opened: of.cloned(),
            theirs: None,
            removed_by: None,
            revealing: None,
            types: Vec::new(),
        };
        screen.check();
        screen
    }

    fn text(&self, name: &str) -> &str {
        self.form.field(name).map_or("", FormField::text)
    }

    fn check(&mut self) {
        for field in &mut self.form.fields {
            field.error = match field.name {
                "label" | "only" => None,
                name if field.kept && field.text().is_empty() => channels::form::field(self.channel, name).and(None),
                name => check_field(self.channel, name, &typed(self.channel, name, field.text())).err(),
            };
        }
    }

    fn typed_text(&self) -> BTreeMap<String, String> {
        let fields = channels::fields(self.channel).iter();
        fields
            .map(|field| {
                let text = typed(self.channel, field.name, self.text(field.name));
                let text = if text.trim().is_empty() { field.default.to_owned() } else { text };
                (field.name.to_owned(), text)
            })
            .collect()
    }

    /// Goes on as the form of a new destination, since the one that it was opened for is gone. Its secrets went with it.
    fn begin_anew(&mut self, removed_by: String) {
        (self.id, self.opened, self.theirs, self.removed_by) = (None, None, None, Some(removed_by));
        for field in &mut self.form.fields {
            (field.kept, field.touched) = (false, true);
        }
        self.check();
    }

    fn save(&mut self, test_after: bool) -> Outcome {
        self.test_after = test_after;
        self.check();
        for field in &mut self.form.fields {
            field.touched = true;
        }
        if self.form.go_to_error() {
            return Outcome::Handled;
        }
        let mut text = self.typed_text();
        // A secret that is left out stays; one that is there and empty goes.
        text.retain(|name, _| self.form.field(name).is_none_or(|field| !field.kept || !field.text().is_empty()));
        let values = match self.id {
            Some(_) => typed_values(self.channel, &text),
            None => values_from_text(self.channel, &text),
        };
        let fields = match values {
            Ok(fields) => fields,
            Err(errors) => return self.refused(&errors),
        };
        let only = self.text("only").split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned);
        let form = DestinationForm { label: self.text("label").trim().to_owned(), only: only.collect(), fields };
        let save = Outcome::Run(match self.id {
            Some(id) => Command::EditDestination { id, form, over: self.revision() },
            None => Command::AddDestination { account: self.account.clone(), channel: self.channel, form },
        });
        match &self.theirs {
            Some(theirs) => self.whose(theirs, save),
            None => save,
        }
    }

    fn refused(&mut self, errors: &[FieldError]) -> Outcome {
        for error in errors {
            if let Some(field) = self.form.fields.iter_mut().find(|field| field.name == error.field) {
                field.error = Some(error.message.clone());
                field.touched = true;
            }
        }
        if self.form.go_to_error() {
            return Outcome::Handled;
        }
        let all: Vec<_> = errors.iter().map(|error| error.message.as_str()).collect();
        Outcome::Say(Message::bad(all.join("; ")))
    }

    fn take(&mut self, answer: FormAnswer) -> Outcome {
        match answer {
            FormAnswer::Entered => match self.choose_room() {
                Some(choose) => choose,
                None if self.on_room() && matches!(self.rooms, Rooms::Asked) && self.text("room").is_empty() => {
                    Outcome::Say(Message::plain("the rooms are being read; wait, or type the room's id"))
                }
                None => self.save(false),
            },
            FormAnswer::Pressed(SAVE) => self.save(false),
            FormAnswer::Pressed(SAVE_AND_TEST) => self.save(true),
            FormAnswer::Leave if self.form.changed() => Outcome::Ask(Question::leave()),
            FormAnswer::Leave | FormAnswer::Pressed(_) => Outcome::Close,
            FormAnswer::Changed | FormAnswer::Moved | FormAnswer::Handled => {
                self.check();
                self.ask_for_rooms()
            }
        }
    }
}

impl Screen for DestinationScreen {
    fn title(&self) -> String {
        if self.id.is_some() { format!("edit {}", self.label) } else { "new".to_owned() }
    }

    fn place(&self) -> Place {
        self.form.place()
    }

    fn account(&self) -> Option<&AccountKey> {
        Some(&self.account)
    }

    fn load<'a>(&'a mut self, store: &'a Store) -> Load<'a> {
        Box::pin(async move {
            self.types = event_types(&store.matrix(&self.account).await?);
            if let Some(opened) = &self.opened {
                match self.look_for_theirs(store, opened).await {
                    Ok(theirs) => self.theirs = theirs,
                    // What was typed is not lost with the destination.
                    Err(StoreError::NotFound(_)) if self.form.changed() => {
                        let subject = Subject::Destination { account: self.account.clone(), id: opened.id };
                        let removed_by = store.removed_by(&subject).await?;
                        self.begin_anew(removed_by.unwrap_or_else(|| "somebody".to_owned()));
                    }
                    Err(error) => return Err(error),
                }
            }
            Ok(())
        })
    }

    fn arrange(&mut self, area: Rect) {
        self.form.arrange(area);
    }

    fn on_action(&mut self, action: Action) -> Outcome {
        if let Some(outcome) = self.help_with(action) {
            return outcome;
        }
        let answer = self.form.on_action(action);
        self.take(answer)
    }

    fn on_edit(&mut self, edit: &Edit) -> Outcome {
        let answer = self.form.on_edit(edit);
        self.take(answer)
    }

    fn on_fill(&mut self, field: &str, text: String) -> Outcome {
        let text = written(self.channel, field, &text);
        if let Some(field) = self.form.field_mut(field) {
            field.fill(&text);
        }
        self.check();
        Outcome::Handled
    }

    fn on_job(&mut self, job: &JobDone) -> Outcome {
        let JobDone::Rooms { form, rooms } = job else { return Outcome::Ignored };
        if *form != self.number {
            return Outcome::Ignored;
        }
        self.rooms = match rooms {
            Ok(rooms) => Rooms::Known(rooms.clone()),
            Err(error) => Rooms::Failed(error.clone()),
        };
        Outcome::Handled
    }

    fn on_done(&mut self, done: &Done) -> Outcome {
        if let Some(field) = self.revealing.take() {
            return self.reveal(field, done);
        }
        let says = Outcome::Say(Message::good(format!("{}; t sends a test there", done.says)));
        let then = match done.destination {
            Some(id) if self.test_after => Outcome::Run(Command::TestDestination { id, event_type: None }),
            _ => says,
        };
        let then = match &done.secret {
            Some(secret) => {
                let text = format!("{}. It signs with this secret, which the receiver needs: ", done.says);
                let mut question = Question::once(text + secret.expose(), then);
                if let Some(id) = done.destination.filter(|_| !self.test_after) {
                    let label = "I have it; send a test there".to_owned();
                    let send = Outcome::Run(Command::TestDestination { id, event_type: None });
                    question.answers.push(Answer { key: 't', label, outcome: send });
                }
                Outcome::Ask(question)
            }
            None => then,
        };
        Outcome::CloseWith(done.clone()).then(then)
    }

    fn on_refused(&mut self, error: &CommandError) -> Outcome {
        match error {
            CommandError::Fields(errors) => self.refused(errors),
            // Who and what is read before anything is pressed again, and whose is to stand is asked then.
            CommandError::Overtaken(_) => Outcome::Reload.then(Outcome::Say(Message::warn(error.to_string()))),
            error => Outcome::Say(Message::bad(error.to_string())),
        }
    }

    fn status(&self) -> Option<Message> {
        if let Some(by) = &self.removed_by {
            let text = format!("{by} removed {}; save adds it anew, with its secrets typed again", self.label);
            return Some(Message::warn(text));
        }
        let wrong = self.form.wrong();
        if let (Some(theirs), None) = (&self.theirs, &wrong) {
            return Some(Message::warn(theirs.words()));
        }
        if !self.on_room() || wrong.is_some() && !self.text("room").is_empty() {
            return wrong;
        }
        let kept = self.form.field("token").is_some_and(|token| token.kept && token.text().is_empty());
        Some(match &self.rooms {
            Rooms::Asked => Message::plain("reading the rooms of this token..."),
            Rooms::Known(rooms) if rooms.is_empty() => Message::warn("this token has no rooms; type a room's id"),
            Rooms::Known(rooms) if self.text("room").is_empty() => {
                Message::good(format!("{} rooms: enter lists them to choose from, or type an id", rooms.len()))
            }
            Rooms::Known(_) => Message::plain("empty the field to choose from the list again"),
            Rooms::Failed(why) => Message::warn(why.clone()),
            Rooms::Unknown if kept => Message::plain("type the token again to list its rooms, or a room's id by hand"),
            Rooms::Unknown => Message::plain("with the token above, the rooms are listed here; or type an id"),
        })
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
