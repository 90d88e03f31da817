//! A new account, or other words about one.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::console::keymap::{Action, Place};
use crate::console::screen::{Load, Message, Outcome, Screen, Shared};
use crate::console::screens::account::AccountScreen;
use crate::console::screens::pick::{Choice, Pick};
use crate::console::speech::Speech;
use crate::console::theme::Theme;
use crate::console::widgets::dialog::Question;
use crate::console::widgets::form::{Form, FormAnswer, FormField, Shape};
use crate::console::widgets::text_box::{Edit, one_line};
use crate::domain::account::{Account, AccountError, AccountKey, AccountStatus, Profile, parse_email};
use crate::domain::command::{Command, Done};
use crate::store::Store;
use crate::store::accounts::AccountFilter;
use crate::store::error::{CommandError, StoreError};
use crate::store::history::Subject;

const SAVE: usize = 0;

/// Accounts that are offered to take a set-up from at most; others are typed.
const TEMPLATES_MAX: u32 = 500;

/// The form.
pub struct AccountForm {
    services: Shared,
    form: Form,
    /// Which account is edited; nothing for a new one.
    key: Option<AccountKey>,
    /// What was known of it when the form was opened.
    opened: Option<Profile>,
    /// What somebody else has made of it meanwhile.
    theirs: Option<Profile>,
    /// Who removed it meanwhile.
    removed_by: Option<String>,
    /// What the account is that the set-up comes from; an error when there is none.
    template: Result<String, String>,
    /// Whether the account was made and its set-up is being copied.
    copying: bool,
    /// Accounts to take a set-up from.
    accounts: Vec<Choice>,
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
        let template = services.options.template.as_ref().map_or("", AccountKey::as_str);
        let help = "the key of an account whose cells, own event types and chat destinations it gets; ^F lists them";
        fields.push(FormField::new("template", "Set-up from", help, Shape::Line, template));
        Self::of(services, fields, None)
    }

    /// For other words about one.
    #[must_use]
    pub fn edit(services: Shared, account: &Account) -> Self {
        let Profile { name, owner_email, timezone, status } = &account.profile;
        let fields = fields(name, owner_email, timezone, *status);
        Self::of(services, fields, Some(account))
    }

    fn of(services: Shared, fields: Vec<FormField>, account: Option<&Account>) -> Self {
        Self {
            services,
            form: Form::new(fields, vec!["Save", "Cancel"]),
            key: account.map(|account| account.key.clone()),
            opened: account.map(|account| account.profile.clone()),
            theirs: None,
            removed_by: None,
            template: Ok(String::new()),
            copying: false,
            accounts: Vec::new(),
        }
    }

    fn template_key(&self) -> Option<Result<AccountKey, String>> {
        let text = self.text("template").trim();
        (!text.is_empty()).then(|| text.parse().map_err(|error: AccountError| error.to_string()))
    }

    /// Learns what the account is that the set-up comes from.
    async fn read_template(&self, store: &Store) -> Result<Result<String, String>, StoreError> {
        let key = match self.template_key() {
            None => return Ok(Ok(String::new())),
            Some(Err(error)) => return Ok(Err(error)),
            Some(Ok(key)) => key,
        };
        match store.matrix(&key).await {
            Ok(view) => {
                let cells = view.cells().iter().filter(|cell| cell.on != cell.default).count();
                Ok(Ok(format!("{}: {cells} cells that differ from the default", view.account.profile.name)))
            }
            Err(StoreError::NotFound(_)) => Ok(Err(format!("there is no account `{key}`"))),
            Err(error) => Err(error),
        }
    }

    /// What somebody else has made of the account since the form was opened.
    fn overwritten(&self) -> Option<String> {
        let (opened, theirs) = (self.opened.as_ref()?, self.theirs.as_ref()?);
        let pairs = [
            ("name", &opened.name, &theirs.name),
            ("owner's email", &opened.owner_email, &theirs.owner_email),
            ("time zone", &opened.timezone, &theirs.timezone),
        ];
        let mut changed: Vec<_> = pairs
            .iter()
            .filter(|(_, before, after)| before != after)
            .map(|(name, _, after)| format!("{name} {after}"))
            .collect();
        if opened.status != theirs.status {
            changed.push(format!("status {}", theirs.status.name()));
        }
        Some(format!("Somebody changed it while this form was open: {}. Save yours over it?", changed.join(", ")))
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
            (None, typed) => typed.parse().map_err(|error: AccountError| error.to_string()),
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
        let template = self.template.as_ref().err().cloned();
        let errors = [("name", name), ("key", key), ("owner_email", email), ("timezone", zone), ("template", template)];
        for (field, error) in errors {
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
            (Ok(key), Ok(profile)) if self.key.is_some() => {
                let save = Outcome::Run(Command::EditAccount {
                    key,
                    profile,
                    over: self.theirs.as_ref().or(self.opened.as_ref()).cloned(),
                });
                match self.overwritten() {
                    Some(text) => Outcome::Ask(Question::sure(text, "yes, save mine".to_owned(), save)),
                    None => save,
                }
            }
            (Ok(key), Ok(profile)) => Outcome::Run(Command::AddAccount { key, profile }),
            (Err(error), _) | (_, Err(error)) => Outcome::Say(Message::bad(error)),
        }
    }

    /// A list for the field under the cursor, where it has one.
    fn choose(&self) -> Outcome {
        let now = self.form.current().map_or("", FormField::text);
        match self.form.current().map(|field| field.name) {
            Some("timezone") => {
                let names: Vec<Choice> = jiff::tz::db().available().map(|name| Choice::plain(name.as_str())).collect();
                Outcome::Open(Box::new(Pick::one("time zone", "timezone", names, now)))
            }
            Some("template") => {
                Outcome::Open(Box::new(Pick::one("set-up from", "template", self.accounts.clone(), now)))
            }
            _ => Outcome::Say(Message::plain("this field has no list; type what goes there")),
        }
    }

    fn take(&mut self, answer: FormAnswer) -> Outcome {
        match answer {
            FormAnswer::Entered | FormAnswer::Pressed(SAVE) => self.save(),
            FormAnswer::Leave if self.form.changed() => Outcome::Ask(Question::leave()),
            FormAnswer::Leave | FormAnswer::Pressed(_) => Outcome::Close,
            FormAnswer::Changed if self.form.current().is_some_and(|field| field.name == "template") => Outcome::Reload,
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
        FormField::new(
            "timezone",
            "Time zone",
            "times in messages are written in it; ^F lists them",
            Shape::Line,
            timezone,
        ),
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

    fn load<'a>(&'a mut self, store: &'a Store) -> Load<'a> {
        Box::pin(async move {
            if let Some(key) = &self.key {
                self.theirs = match store.account(key).await {
                    Ok(now) => Some(now.profile).filter(|now| Some(now) != self.opened.as_ref()),
                    // What was typed stays to be read until it is left.
                    Err(StoreError::NotFound(_)) if self.form.changed() => {
                        let removed_by = store.removed_by(&Subject::Account(key.clone())).await?;
                        self.removed_by = removed_by.or_else(|| Some("somebody".to_owned()));
                        None
                    }
                    Err(error) => return Err(error),
                };
            } else {
                let some = AccountFilter { limit: TEMPLATES_MAX, ..AccountFilter::default() };
                let accounts = store.accounts(&some).await?.into_iter().map(|row| row.account);
                let about = |one: Account| Choice { value: one.key.to_string(), about: one.profile.name };
                self.accounts = accounts.map(about).collect();
                self.template = self.read_template(store).await?;
                // The config may name an account that is yet to be made.
                if let (Err(_), Some(field)) = (&self.template, self.form.field_mut("template"))
                    && !field.touched
                {
                    field.begin_with("");
                    self.template = Ok(String::new());
                }
                self.check();
            }
            Ok(())
        })
    }

    fn arrange(&mut self, area: Rect) {
        self.form.arrange(area);
    }

    fn on_action(&mut self, action: Action) -> Outcome {
        match (action, self.form.current()) {
            (Action::Choose, _) => return self.choose(),
            (Action::LongText, Some(field)) => {
                return Outcome::Edit { field: field.name, text: field.text().to_owned() };
            }
            _ => {}
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
            field.fill(&one_line(&text));
        }
        self.check();
        Outcome::Reload
    }

    fn on_done(&mut self, done: &Done) -> Outcome {
        let says = Outcome::Say(Message::good(done.says.clone()));
        if let (None, Ok(to), Some(Ok(from)), false) =
            (&self.key, self.account_key(), self.template_key(), self.copying)
        {
            self.copying = true;
            return Outcome::Run(Command::CopySetup { from, to });
        }
        match (&self.key, self.account_key()) {
            (None, Ok(key)) => Outcome::Replace(Box::new(AccountScreen::new(self.services.clone(), key))).then(says),
            _ => Outcome::Close.then(says),
        }
    }

    fn on_refused(&mut self, error: &CommandError) -> Outcome {
        match self.account_key() {
            Ok(key) if self.copying => {
                let text = format!("the account is there, but its set-up was not copied: {error}");
                let screen = AccountScreen::new(self.services.clone(), key);
                Outcome::Replace(Box::new(screen)).then(Outcome::Say(Message::bad(text)))
            }
            _ if matches!(error, CommandError::Overtaken(_)) => {
                Outcome::Reload.then(Outcome::Say(Message::warn(error.to_string())))
            }
            _ => Outcome::Say(Message::bad(error.to_string())),
        }
    }

    fn status(&self) -> Option<Message> {
        if let Some(by) = &self.removed_by {
            return Some(Message::warn(format!("{by} removed this account, so it cannot be saved; esc leaves")));
        }
        if self.theirs.is_some() {
            return Some(Message::warn("somebody changed this account while this form was open"));
        }
        let on_template = self.form.current().is_some_and(|field| field.name == "template");
        if let (true, Ok(template)) = (on_template && !self.text("template").is_empty(), &self.template) {
            return Some(Message::plain(template.clone()));
        }
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
