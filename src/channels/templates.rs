//! The templates of the messages: one for each event type, one for each kind of
//! bellboard's own events, and one for each severity of an account's own types.
//!
//! Those of `assets/templates` are built in. A person may put others before them; these are checked when they are taken, with
//! the sample of their type, and one that fails at run time (an event that carries less than the sample) makes way for the
//! built-in one. A template has three blocks: `title`, `text` and `next`. It may extend the built-in one of a name and replace
//! one block only. What it may name is in [`VARIABLES`]; all that comes from outside is one safe line before it gets in, so no
//! payload can break a line, and no payload is ever read as a template. Nothing is escaped here.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, Value};

use crate::channels::words::{TEXT_MAX, TITLE_MAX, Words, one_line};
use crate::domain::catalogue::{EventType, Severity, is_valid_name};
use crate::domain::message::Message;
use crate::domain::payload::Shown;
use crate::domain::sample;
use crate::domain::subject;
use crate::domain::text::{safe_line, shorten};

/// What a template may name.
pub const VARIABLES: [&str; 9] =
    ["title", "name", "account", "time", "down_for", "event_type", "severity", "test", "data"];

/// Largest template, in bytes.
pub const TEMPLATE_BYTES_MAX: usize = 16 * 1024;

/// Work that rendering one message may take: an instruction costs one, and so do 64 bytes of text.
const FUEL: u64 = 20_000;

/// Templates within each other.
const RECURSION_MAX: usize = 20;

/// Longest single value of a payload in a message, in characters.
const VALUE_MAX: usize = 500;

/// The ending of a template's file.
pub const EXTENSION: &str = ".txt";

macro_rules! built_in {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../../assets/templates/", $name, ".txt")))),*]
    };
}

/// The built-in templates by their names.
pub const BUILT_IN: [(&str, &str); 23] = built_in![
    "account.provision.ok",
    "account.provision.fail",
    "account.deploy.started",
    "account.redeploy.ok",
    "account.redeploy.fail",
    "account.redeploy.hook.fail",
    "server.stopped",
    "server.backon",
    "job.fail",
    "job.backon",
    "process.down",
    "app.auth",
    "app.deauth",
    "payment.fail",
    "account.suspended",
    "bellboard.summary",
    "bellboard.destination.failing",
    "bellboard.destination.disabled",
    "bellboard.destination.recovered",
    "own-success",
    "own-info",
    "own-failure",
    "own-recovery",
];

/// A template of a person's own.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its file's name without the ending: an event type, or `own-` and a severity.
    pub name: String,
    /// Its file.
    pub path: String,
    /// What is in it.
    pub text: String,
}

/// A template that cannot be used.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("{place}: {problem}")]
pub struct TemplateError {
    /// File and line.
    pub place: String,
    /// What is wrong, and what to do.
    pub problem: String,
}

/// All templates, compiled.
#[derive(Debug)]
pub struct Templates {
    environment: Environment<'static>,
    own: BTreeMap<String, Own>,
}

/// A template of a person's own, in the environment under its path.
#[derive(Debug)]
struct Own {
    path: String,
    /// Whether the log has heard that it failed.
    told: AtomicBool,
}

impl Default for Templates {
    fn default() -> Self {
        let mut environment = Environment::new();
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(FUEL));
        environment.set_recursion_limit(RECURSION_MAX);
        // What it prints is for whoever writes a template, and shows all that is there.
        environment.remove_global("debug");
        for (name, text) in BUILT_IN {
            // A test reads each; one that could not be compiled would make way for plain words.
            let _ = environment.add_template_owned(format!("{name}{EXTENSION}"), text);
        }
        Self { environment, own: BTreeMap::new() }
    }
}

impl Templates {
    /// The built-in templates with a person's own before them.
    ///
    /// # Errors
    /// The first one that cannot be used.
    pub fn with(sources: Vec<Source>) -> Result<Self, TemplateError> {
        let mut templates = Self::default();
        for source in sources {
            templates.add(source)?;
        }
        for (name, own) in &templates.own {
            templates.check(name, &own.path)?;
        }
        Ok(templates)
    }

    /// The words for this message. Never fails: what a template cannot say, the next simpler one says.
    #[must_use]
    pub fn words(&self, message: &Message) -> Words {
        let kind = &message.event_type;
        let by_severity = format!("own-{}", kind.severity.name());
        let names = if kind.built_in { vec![&kind.name] } else { vec![&kind.name, &by_severity] };
        for (name, own) in names.iter().filter_map(|name| Some((name, self.own.get(*name)?))) {
            match self.render(&own.path, message) {
                Ok(words) => return words,
                Err(error) if !own.told.swap(true, Ordering::Relaxed) => {
                    let problem = innermost(&error).to_string();
                    tracing::warn!(template = %own.path, event_type = %name, event = %message.event, %problem,
                        "a template could not be used for an event, so the built-in text was sent; said once");
                }
                Err(_) => {}
            }
        }
        let built_in = names.iter().map(|name| format!("{name}{EXTENSION}"));
        built_in.into_iter().find_map(|name| self.render(&name, message).ok()).unwrap_or_else(|| Words::plain(message))
    }

    /// Where the template of this event type comes from: a file, or nothing for a built-in one.
    #[must_use]
    pub fn file(&self, event_type: &EventType) -> Option<&str> {
        let by_severity = format!("own-{}", event_type.severity.name());
        let own = self.own.get(&event_type.name);
        let own = own.or_else(|| if event_type.built_in { None } else { self.own.get(&by_severity) });
        own.map(|own| own.path.as_str())
    }

    /// The template of this name that is in force, and its file when it is a person's own.
    #[must_use]
    pub fn source(&self, name: &str) -> Option<(String, Option<&str>)> {
        let path = self.own.get(name).map(|own| own.path.as_str());
        let built_in = format!("{name}{EXTENSION}");
        let template = self.environment.get_template(path.unwrap_or(&built_in)).ok()?;
        Some((template.source().to_owned(), path))
    }

    fn add(&mut self, source: Source) -> Result<(), TemplateError> {
        let Source { name, path, text } = source;
        let refuse = |problem: String| Err(TemplateError { place: path.clone(), problem });
        if !is_valid_name(&name) {
            return refuse(format!(
                "`{name}` is no event type; name the file as one, as server.stopped{EXTENSION}, or own-failure{EXTENSION}"
            ));
        }
        if text.len() > TEMPLATE_BYTES_MAX {
            return refuse(format!("it has {} bytes; a template has at most {TEMPLATE_BYTES_MAX}", text.len()));
        }
        self.environment.add_template_owned(path.clone(), text).map_err(|error| refusal(&path, &error))?;
        self.own.insert(name, Own { path, told: AtomicBool::new(false) });
        Ok(())
    }

    /// Renders it with samples.
    fn check(&self, name: &str, path: &str) -> Result<(), TemplateError> {
        let template = self.environment.get_template(path).map_err(|error| refusal(path, &error))?;
        let known = |variable: &String| {
            VARIABLES.contains(&variable.as_str()) || self.environment.globals().any(|(global, _)| global == variable)
        };
        if let Some(unknown) = template.undeclared_variables(false).into_iter().filter(|name| !known(name)).min() {
            let line = template.source().lines().position(|line| line.contains(&unknown)).map_or(1, |line| line + 1);
            let problem = format!("there is no `{unknown}`; a template may name {}", VARIABLES.join(", "));
            return Err(TemplateError { place: format!("{path}:{line}"), problem });
        }
        for message in sample::messages(name) {
            match self.render_blocks(path, &message) {
                Ok([title, text, next]) => check_sizes(path, &title, &text, &next)?,
                // What an own type carries nobody can know here.
                Err(error) if !is_built_in(name) && innermost(&error).kind() == ErrorKind::UndefinedError => {}
                Err(error) => return Err(refusal(path, &error)),
            }
        }
        Ok(())
    }

    fn render(&self, template: &str, message: &Message) -> Result<Words, Error> {
        let [title, text, next] = self.render_blocks(template, message)?;
        if title.trim().is_empty() || text.trim().is_empty() {
            return Err(Error::new(ErrorKind::InvalidOperation, "its title or text is empty for this event"));
        }
        Ok(Words::new(message, &title, &text, &next))
    }

    fn render_blocks(&self, template: &str, message: &Message) -> Result<[String; 3], Error> {
        let template = self.environment.get_template(template)?;
        let mut captured = template.render_captured(variables(message))?;
        captured.with_state_mut(|state| {
            Ok([state.render_block("title")?, state.render_block("text")?, state.render_block("next")?])
        })
    }
}

/// Whether a built-in template has this name and its payload is known.
fn is_built_in(name: &str) -> bool {
    !name.starts_with("own-") && BUILT_IN.iter().any(|(other, _)| *other == name)
}

fn check_sizes(path: &str, title: &str, text: &str, next: &str) -> Result<(), TemplateError> {
    let parts = [("title", one_line(title), 1, TITLE_MAX), ("text", text.trim().to_owned(), 1, TEXT_MAX)];
    for (block, made, min, max) in parts.into_iter().chain([("next", next.trim().to_owned(), 0, TEXT_MAX)]) {
        let characters = made.chars().count();
        if !(min..=max).contains(&characters) {
            let problem =
                format!("its block `{block}` makes {characters} characters of the sample; {min} to {max} fit");
            return Err(TemplateError { place: path.to_owned(), problem });
        }
    }
    Ok(())
}

/// The error that another one was caused by.
fn innermost(error: &Error) -> &Error {
    let mut innermost = error;
    while let Some(source) = std::error::Error::source(innermost).and_then(|source| source.downcast_ref::<Error>()) {
        innermost = source;
    }
    innermost
}

fn refusal(path: &str, error: &Error) -> TemplateError {
    let error = innermost(error);
    let place = match (error.name(), error.line()) {
        (Some(name), Some(line)) => format!("{name}:{line}"),
        (_, Some(line)) => format!("{path}:{line}"),
        _ => path.to_owned(),
    };
    let what = error.detail().map_or_else(|| error.kind().to_string(), |detail| format!("{}: {detail}", error.kind()));
    let hint = match error.kind() {
        ErrorKind::OutOfFuel => "it loops too long or makes too much text; a template may do only a little",
        ErrorKind::UnknownBlock => "a template has the blocks title, text and next; or extend a built-in one",
        ErrorKind::UndefinedError => {
            "the sample of this event type has no such member; ask first: {% if data.x is defined %}"
        }
        _ => "correct it, or take the file away to have the built-in text",
    };
    TemplateError { place, problem: format!("{what}; {hint}") }
}

/// What a template may name, all of it safe.
fn variables(message: &Message) -> Value {
    let short = |text: &str| shorten(&safe_line(text), VALUE_MAX).into_owned();
    let values: [(&str, Value); VARIABLES.len()] = [
        ("title", short(&message.event_type.title).into()),
        ("name", subject::name(&message.payload).unwrap_or_default().into()),
        ("account", short(&message.account_name).into()),
        ("time", message.moment().into()),
        ("down_for", message.down_for().unwrap_or_default().into()),
        ("event_type", message.event_type.name.clone().into()),
        ("severity", Severity::name(message.severity()).into()),
        ("test", message.test.into()),
        ("data", shown(&message.payload.shown())),
    ];
    Value::from(values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<BTreeMap<String, Value>>())
}

fn shown(value: &Shown) -> Value {
    match value {
        Shown::Nothing => Value::from(()),
        Shown::Flag(flag) => Value::from(*flag),
        Shown::Text(text) => Value::from(shorten(&safe_line(text), VALUE_MAX).into_owned()),
        Shown::List(items) => Value::from(items.iter().map(shown).collect::<Vec<Value>>()),
        Shown::Object(members) => {
            let safe = members.iter().map(|(name, value)| (safe_line(name).into_owned(), shown(value)));
            Value::from(safe.collect::<BTreeMap<String, Value>>())
        }
    }
}
