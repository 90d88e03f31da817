//! What helps to fill a destination's form in: lists to choose from, the secret that is kept, a person's own editor.

use crate::channels;
use crate::channels::field::FieldKind;
use crate::console::keymap::Action;
use crate::console::screen::{JobDone, Message, Outcome};
use crate::console::screens::destination_form::fields::typed;
use crate::console::screens::destination_form::{DestinationScreen, Rooms};
use crate::console::screens::pick::{Choice, Pick};
use crate::console::widgets::form::{FormField, Shape};
use crate::domain::command::{Command, Done};
use crate::domain::secret::Secret;
use crate::store::matrix::MatrixView;

/// The event types and groups of an account.
pub(crate) fn event_types(view: &MatrixView) -> Vec<Choice> {
    let types = view.catalogue.types();
    let mut groups: Vec<Choice> = Vec::new();
    for kind in types {
        if !groups.iter().any(|group| group.value == kind.group) {
            groups.push(Choice { value: kind.group.clone(), about: "every event type of this group".to_owned() });
        }
    }
    let each = types.iter().map(|kind| Choice { value: kind.name.clone(), about: kind.title.clone() });
    groups.into_iter().chain(each).collect()
}

fn room_choices(rooms: &[(String, String)]) -> Vec<Choice> {
    rooms.iter().map(|(id, name)| Choice { value: id.clone(), about: name.clone() }).collect()
}

impl DestinationScreen {
    /// Answers the keys that help with the field under the cursor; nothing for the others.
    pub(crate) fn help_with(&mut self, action: Action) -> Option<Outcome> {
        let field = self.form.current()?;
        Some(match action {
            Action::Choose => self.choose(field),
            Action::LongText => self.in_editor(field),
            Action::Reveal => self.ask_secret(),
            _ => return None,
        })
    }

    fn choose(&self, field: &FormField) -> Outcome {
        match (field.name, &self.rooms) {
            ("only", _) => {
                let list = Pick::several("only for", "only", self.types.clone(), field.text());
                Outcome::Open(Box::new(list))
            }
            _ if !self.on_room() => Outcome::Say(Message::plain("this field has no list; type what goes there")),
            (_, Rooms::Known(rooms)) => {
                Outcome::Open(Box::new(Pick::one("room", "room", room_choices(rooms), field.text())))
            }
            (_, Rooms::Asked) => Outcome::Say(Message::plain("the rooms are being read; wait, or type the room's id")),
            (_, Rooms::Unknown | Rooms::Failed(_)) => {
                Outcome::Say(Message::plain("the rooms are known once the token is typed here"))
            }
        }
    }

    /// The field's text in the person's editor, header lines one a line. A secret is not written to a file.
    fn in_editor(&self, field: &FormField) -> Outcome {
        if matches!(field.shape, Shape::Masked | Shape::MaskedUrl) {
            return Outcome::Say(Message::plain("a secret is typed or pasted here; it is not written to a file"));
        }
        Outcome::Edit { field: field.name, text: typed(self.channel, field.name, field.text()) }
    }

    fn ask_secret(&mut self) -> Outcome {
        let Some((field, id)) = self.form.current_mut().zip(self.id) else {
            return Outcome::Say(Message::plain("no secret is kept here yet"));
        };
        if field.shown.take().is_some() {
            return Outcome::Handled;
        }
        if !field.kept || !field.text().is_empty() {
            return Outcome::Say(Message::plain("no secret is kept in this field"));
        }
        if self.services.options.plain {
            return Outcome::Say(Message::plain("a plain session may be kept in a file, so no secret is told here"));
        }
        self.revealing = Some(field.name);
        Outcome::Run(Command::RevealSecret { id, field: field.name.to_owned() })
    }

    /// Shows the secret until the field is left.
    pub(crate) fn reveal(&mut self, name: &'static str, done: &Done) -> Outcome {
        let is_there = self.form.current().is_some_and(|field| field.name == name);
        if let Some(field) = self.form.field_mut(name).filter(|_| is_there) {
            field.shown = done.secret.as_ref().map(|secret| Secret::new(secret.expose()));
        }
        Outcome::Say(Message::warn("shown until you leave the field; that you looked is on record"))
    }

    pub(crate) fn on_room(&self) -> bool {
        let Some(current) = self.form.current() else { return false };
        channels::form::field(self.channel, current.name).is_some_and(|field| field.kind == FieldKind::Room)
    }

    /// Asks for the rooms when the cursor is on the room, the token is there, and they were not asked for yet.
    pub(crate) fn ask_for_rooms(&mut self) -> Outcome {
        let of = (self.text("base_url").trim().to_owned(), self.text("token").trim().to_owned());
        if !self.on_room() || of.1.is_empty() || of == self.rooms_of {
            return Outcome::Handled;
        }
        let Some(senders) = self.services.senders.clone() else { return Outcome::Handled };
        self.rooms = Rooms::Asked;
        self.rooms_of.clone_from(&of);
        let form = self.number;
        Outcome::Start(Box::pin(async move {
            let rooms = senders.rooms(&of.0, &Secret::new(of.1)).await;
            let rooms = rooms.map(|rooms| rooms.into_iter().map(|room| (room.id, room.name)).collect());
            JobDone::Rooms { form, rooms: rooms.map_err(|reason| reason.to_string()) }
        }))
    }

    pub(crate) fn choose_room(&self) -> Option<Outcome> {
        let Rooms::Known(rooms) = &self.rooms else { return None };
        if !self.on_room() || !self.text("room").trim().is_empty() || rooms.is_empty() {
            return None;
        }
        Some(Outcome::Open(Box::new(Pick::one("room", "room", room_choices(rooms), ""))))
    }
}
