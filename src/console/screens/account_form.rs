//! A new account, or other words about one.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::console::keymap::{Action, Place};
use crate::console::screen::{Message, Outcome, Screen, Shared};
use crate::console::screens::account::AccountScreen;
use crate::console::theme::Theme;
use crate::console::widgets::dialog::Question;
use crate::console::widgets::form::{Form, FormAnswer, FormField, Shape};
use crate::console::widgets::text_box::Edit;
use crate::domain::account::{Account, AccountKey, AccountStatus, Profile, parse_email};
use crate::domain::command::{Command, Done};

const SAVE: usize = 0;

/// The form.
pub struct AccountForm {
    services: Shared,
    form: Form,
    /// Which account is edited; nothing for a new one.
    key: Option<AccountKey>,
}

impl AccountForm {
    /// For a new account.
    #[must_use]
    pub fn add(services: Shared) -> Self {
        let help = "what people and scripts call it; made from the name when left empty";
        let mut key = FormField::new("key", "Key", help, Shape::Line, "");
        key.required = false;
        let mut fields = fields("", "", "UTC", AccountStatus::Active);
        fields.insert(1, key);
        Self { services, form: Form::new(fields, vec!["Save", "Cancel"]), key: None }
    }

    /// For other words about one.
    #[must_use]
    pub fn edit(services: Shared, account: &Account) -> Self {
        let Profile { name, owner_email, timezone, status } = &account.profile;
        let fields = fields(name, owner_email, timezone, *status);
        Self { services, form: Form::new(fields, vec!["Save", "Cancel"]), key: Some(account.key.clone()) }
    }

    fn text(&self, name: &str) -> &str {
        self.form.field(name).map_or("", FormField::text)
    }

    fn account_key(&self) -> Result<AccountKey, String> {
        match (&self.key, self.text("key").trim()) {
            (Some(key), _) => Ok(key.clone()),
            (None, "") => {
                AccountKey::suggest(self.text("name")).ok_or_else(|| "give it a key of letters and digits".to_owned())
            }
            (None, typed) => typed.parse().map_err(|error: crate::domain::account::AccountError| error.to_string()),
        }
    }

    fn profile(&self) -> Result<Profile, String> {
        let status = if self.text("status") == "suspended" { AccountStatus::Suspended } else { AccountStatus::Active };
        Profile::new(self.text("name"), self.text("owner_email"), self.text("timezone"), status)
            .map_err(|error| error.to_string())
    }

    fn check(&mut self) {
        let name = if self.text("name").trim().is_empty() { Some("this is needed".to_owned()) } else { None };
        let key = self.account_key().err().filter(|_| name.is_none());
        let email = parse_email(self.text("owner_email")).err().map(|error| error.to_string());
        let zone = self.text("timezone").trim();
        let zone = jiff::tz::TimeZone::get(zone)
            .err()
            .map(|_| format!("`{zone}` is no time zone; write one like Europe/Vienna"));
        for (field, error) in [("name", name), ("key", key), ("owner_email", email), ("timezone", zone)] {
            if let Some(field) = self.form.field_mut(field) {
                field.error = error;
            }
        }
    }

    fn save(&mut self) -> Outcome {
        self.check();
        for field in &mut self.form.fields {
            field.touched = true;
        }
        if self.form.go_to_error() {
            return Outcome::Handled;
        }
        match (self.account_key(), self.profile()) {
            (Ok(key), Ok(profile)) if self.key.is_some() => Outcome::Run(Command::EditAccount { key, profile }),
            (Ok(key), Ok(profile)) => Outcome::Run(Command::AddAccount { key, profile }),
            (Err(error), _) | (_, Err(error)) => Outcome::Say(Message::bad(error)),
        }
    }

    fn take(&mut self, answer: FormAnswer) -> Outcome {
        match answer {
            FormAnswer::Entered | FormAnswer::Pressed(SAVE) => self.save(),
            FormAnswer::Leave if self.form.changed() => Outcome::Ask(Question::sure(
                "What you typed is not saved yet. Leave it?".to_owned(),
                "yes, leave without saving".to_owned(),
                Outcome::Close,
            )),
            FormAnswer::Leave | FormAnswer::Pressed(_) => Outcome::Close,
            FormAnswer::Changed | FormAnswer::Moved | FormAnswer::Handled => {
                self.check();
                Outcome::Handled
            }
        }
    }
}

fn fields(name: &str, owner_email: &str, timezone: &str, status: AccountStatus) -> Vec<FormField> {
    let choices = vec!["active".to_owned(), "suspended".to_owned()];
    let mut fields = vec![
        FormField::new("name", "Name", "what people call it, as Acme Ltd", Shape::Line, name),
        FormField::new(
            "owner_email",
            "Owner's email",
            "also its first email destination, when the account is new",
            Shape::Line,
            owner_email,
        ),
        FormField::new("timezone", "Time zone", "times in messages are written in it", Shape::Line, timezone),
        FormField::new(
            "status",
            "Status",
            "while suspended, nothing goes out but the notice of it",
            Shape::OneOf(choices),
            status.name(),
        ),
    ];
    for field in &mut fields[..2] {
        field.required = true;
    }
    fields
}

impl Screen for AccountForm {
    fn title(&self) -> String {
        self.key.as_ref().map_or_else(|| "new account".to_owned(), |key| format!("edit {key}"))
    }

    fn place(&self) -> Place {
        self.form.place()
    }

    fn account(&self) -> Option<&AccountKey> {
        self.key.as_ref()
    }

    fn arrange(&mut self, area: Rect) {
        self.form.arrange(area);
    }

    fn on_action(&mut self, action: Action) -> Outcome {
        let answer = self.form.on_action(action);
        self.take(answer)
    }

    fn on_edit(&mut self, edit: &Edit) -> Outcome {
        let answer = self.form.on_edit(edit);
        self.take(answer)
    }

    fn on_done(&mut self, done: &Done) -> Outcome {
        let says = Outcome::Say(Message::good(done.says.clone()));
        match (&self.key, self.account_key()) {
            (None, Ok(key)) => Outcome::Replace(Box::new(AccountScreen::new(self.services.clone(), key))).then(says),
            _ => Outcome::Close.then(says),
        }
    }

    fn status(&self) -> Option<Message> {
        self.form.wrong()
    }

    fn draw(&self, buffer: &mut Buffer, area: Rect, theme: &Theme) {
        self.form.draw(buffer, area, theme);
    }
}
