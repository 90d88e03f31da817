//! How each channel is set up and speaks: one file a channel, and here the one list of them.
//!
//! A channel knows its fields, how to check them, and how to send one [`Message`] to one destination. It knows no store, no
//! clock and no console. What a try ended in travels in its [`Exchange`], together with what follows from it
//! ([`crate::domain::delivery::SendError`]), so nobody looks at a status code again.
//!
//! To add a channel: one new file with `Settings`, `FIELDS`, `parse`, `address`, `lane` and `send`, and one line in each
//! `match` below, which the compiler points at. The form, the command line's options, validation, redaction, the conformance
//! tests and the table of the README come from `FIELDS`.

pub mod words;

pub mod templates;

pub mod field;

pub mod form;

pub mod net;

pub mod http;

pub mod limit;

pub mod tls;

pub mod signing;

pub mod webhook;

pub mod slack;

pub mod slack_answers;

pub mod hipchat;

pub mod hipchat_rooms;

pub mod email;

pub mod smtp;

mod smtp_wire;

pub mod unsubscribe;

pub mod apns;

pub mod ios;

pub mod notice;

pub mod web_push;

pub mod browser;

pub mod preview;

use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use zeroize::Zeroizing;

use crate::channels::apns::{Apns, ApnsOptions};
use crate::channels::email::EmailOptions;
use crate::channels::field::{Field, FieldKind};
use crate::channels::form::FieldError;
use crate::channels::limit::{Allowance, Limit};
use crate::channels::net::Gate;
use crate::channels::templates::Templates;
use crate::channels::tls::OwnClients;
use crate::channels::web_push::Identity;
use crate::domain::channel::Channel;
use crate::domain::delivery::{Answer, Exchange, Reason};
use crate::domain::destination::{FieldValue, FieldValues};
use crate::domain::message::Message;
use crate::domain::secret::{MASK, Secret};
use crate::domain::time::Timestamp;

/// What a person may set.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long one try may take, from the look-up of the host to the last byte that is read.
    pub timeout: Duration,
    /// Ranges that may be sent to besides public addresses.
    pub allow: Vec<IpNet>,
    /// The mail server.
    pub email: EmailOptions,
    /// The account at Apple; without it no device is sent to.
    pub apns: Option<ApnsOptions>,
    /// What push services know bellboard by; without it no browser is sent to.
    pub web_push: Option<WebPushOptions>,
    /// What messages say.
    pub templates: Arc<Templates>,
}

/// What push services know bellboard by.
#[derive(Clone, Debug)]
pub struct WebPushOptions {
    /// The private key, PKCS#8, see [`web_push::new_key`].
    pub key: Zeroizing<Vec<u8>>,
    /// How a push service can reach whoever runs this: an `https:` or `mailto:` URL.
    pub contact: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(15),
            allow: Vec::new(),
            email: EmailOptions::default(),
            apns: None,
            web_push: None,
            templates: Arc::default(),
        }
    }
}

/// How many sends in what time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rate {
    /// How many.
    pub count: u32,
    /// In what time.
    pub per: Duration,
}

/// How fast one destination may be sent to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneRules {
    /// Sends under way at once; with 1 they leave in order.
    pub concurrency: u32,
    /// A limit of the service.
    pub rate: Option<Limit>,
    /// What destinations share, a host or a token, whose refusals for being too fast stop all of them: its digest ([`limit::key`]).
    pub gate: Option<String>,
}

/// A destination's fields, checked and ready to send with.
#[derive(Debug)]
pub enum Settings {
    /// See [`browser`].
    Browser(browser::Settings),
    /// See [`email`].
    Email(email::Settings),
    /// See [`hipchat`].
    Hipchat(hipchat::Settings),
    /// See [`ios`].
    Ios(ios::Settings),
    /// See [`slack`].
    Slack(slack::Settings),
    /// See [`webhook`].
    Webhook(Box<webhook::Settings>),
}

/// The fields of a channel's form, in order.
#[must_use]
pub const fn fields(channel: Channel) -> &'static [Field] {
    match channel {
        Channel::Browser => browser::FIELDS,
        Channel::Email => email::FIELDS,
        Channel::Hipchat => hipchat::FIELDS,
        Channel::Ios => ios::FIELDS,
        Channel::Slack => slack::FIELDS,
        Channel::Webhook => webhook::FIELDS,
    }
}

/// Checks a destination's fields and makes them ready to send with.
///
/// # Errors
/// Each field that cannot be taken.
pub fn parse(channel: Channel, values: &FieldValues) -> Result<Settings, Vec<FieldError>> {
    form::check_values(channel, values)?;
    match channel {
        Channel::Browser => browser::parse(values).map(Settings::Browser),
        Channel::Email => email::parse(values).map(Settings::Email),
        Channel::Hipchat => hipchat::parse(values).map(Settings::Hipchat),
        Channel::Ios => ios::parse(values).map(Settings::Ios),
        Channel::Slack => slack::parse(values).map(Settings::Slack),
        Channel::Webhook => webhook::parse(values).map(|settings| Settings::Webhook(Box::new(settings))),
    }
}

/// Makes what a new destination needs and nobody gave: the secret that a webhook is signed with. The person who adds it must
/// be shown it this once, since the receiver needs it.
///
/// # Errors
/// When it cannot be made.
pub fn complete(channel: Channel, values: &mut FieldValues) -> Result<Option<Secret>, Vec<FieldError>> {
    let is_empty = |value: &FieldValue| value.expose().is_empty();
    if channel != Channel::Webhook || !values.get(signing::SECRET).is_none_or(is_empty) {
        return Ok(None);
    }
    let secret = signing::new_secret().map_err(|error| vec![FieldError::new(signing::SECRET, error)])?;
    values.insert(signing::SECRET.to_owned(), FieldValue::Secret(secret.clone()));
    Ok(Some(secret))
}

/// What is kept among a destination's fields and stands in no form.
#[must_use]
pub const fn kept_fields(channel: Channel) -> &'static [&'static str] {
    match channel {
        Channel::Webhook => &signing::OLD_FIELDS,
        Channel::Browser | Channel::Email | Channel::Hipchat | Channel::Ios | Channel::Slack => &[],
    }
}

/// What whoever saves these fields should know: a certificate that has ended, or soon will.
#[must_use]
pub fn notes(channel: Channel, values: &FieldValues, now: Timestamp) -> Vec<String> {
    let of_kind = fields(channel).iter().filter(|field| field.kind == FieldKind::Certificates);
    of_kind.filter_map(|field| tls::note(field.title, values.get(field.name)?.expose(), now)).collect()
}

/// A field's value for people: yes or no, the text, or in short what is too long to read; a secret is masked.
#[must_use]
pub fn shown(channel: Channel, name: &str, value: &FieldValue) -> String {
    let is_pem = form::field(channel, name).is_some_and(|field| field.kind == FieldKind::Certificates);
    match value {
        FieldValue::Plain(pem) if is_pem => tls::in_short(pem),
        FieldValue::Plain(text) => text.clone(),
        FieldValue::Flag(flag) => if *flag { "yes" } else { "no" }.to_owned(),
        FieldValue::Secret(_) => MASK.to_owned(),
    }
}

/// Where a destination leads, in short and without secrets, for a list: `hooks.acme.test`, `#ops`, `ops@acme.test`.
#[must_use]
pub fn address(channel: Channel, values: &FieldValues) -> String {
    match channel {
        Channel::Browser => browser::address(values),
        Channel::Email => email::address(values),
        Channel::Hipchat => hipchat::address(values),
        Channel::Ios => ios::address(values),
        Channel::Slack => slack::address(values),
        Channel::Webhook => webhook::address(values),
    }
}

/// The field that says whether two enrolments are of the same browser or device; nothing for what people set up by a form
/// only.
#[must_use]
pub const fn identity_field(channel: Channel) -> Option<&'static str> {
    match channel {
        Channel::Browser => Some("endpoint"),
        Channel::Ios => Some("device_token"),
        Channel::Email | Channel::Hipchat | Channel::Slack | Channel::Webhook => None,
    }
}

/// How fast a destination may be sent to.
#[must_use]
pub fn lane(settings: &Settings) -> LaneRules {
    match settings {
        Settings::Browser(settings) => browser::lane(settings),
        Settings::Email(_) => LaneRules { concurrency: 1, rate: None, gate: None },
        Settings::Ios(settings) => ios::lane(settings),
        Settings::Hipchat(settings) => hipchat::lane(settings),
        Settings::Slack(settings) => slack::lane(settings),
        Settings::Webhook(settings) => webhook::lane(settings),
    }
}

/// What the service says with this answer is left of its limit, so that it is obeyed before it is hit.
#[must_use]
pub fn allowance(settings: &Settings, answer: &Answer, now: Timestamp) -> Option<Allowance> {
    match settings {
        Settings::Hipchat(_) => limit::allowance(answer, now),
        Settings::Browser(_) | Settings::Email(_) | Settings::Ios(_) | Settings::Slack(_) | Settings::Webhook(_) => {
            None
        }
    }
}

/// Whether nothing is sent to it and what comes is fetched: by the page of a browser without a push service.
#[must_use]
pub const fn is_fetched(settings: &Settings) -> bool {
    matches!(settings, Settings::Browser(settings) if browser::is_fetched(settings))
}

/// Whether nothing may overtake what was accepted before it, also when that waits to be tried again.
#[must_use]
pub const fn is_ordered(settings: &Settings) -> bool {
    matches!(settings, Settings::Webhook(settings) if webhook::is_ordered(settings))
}

/// Why the senders could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The HTTP client: for want of certificates, as far as is known.
    #[error(
        "no HTTP client could be made: {}; install ca-certificates, or name a file of public authorities' certificates \
         in SSL_CERT_FILE",
        http::deepest(.0)
    )]
    Http(#[from] reqwest::Error),
    /// The mail server's URL.
    #[error("[email] server: {0}")]
    Email(String),
    /// The key at Apple.
    #[error("[apns] {0}")]
    Apns(String),
    /// The key for push services.
    #[error("{0}")]
    WebPush(String),
}

/// The clients of all channels. One for the process; clones of its parts are cheap.
#[derive(Debug)]
pub struct Senders {
    http: http::Client,
    own: OwnClients,
    mail: email::Mailer,
    apns: Option<Apns>,
    identity: Option<Identity>,
    templates: Arc<Templates>,
    timeout: Duration,
}

impl Senders {
    /// Makes the clients.
    ///
    /// # Errors
    /// When an option makes no sense.
    pub fn new(options: Options) -> Result<Self, SetupError> {
        let gate = Gate::new(options.allow);
        let mail = email::Mailer::new(&options.email, gate.clone(), options.timeout).map_err(SetupError::Email)?;
        let apns = options.apns.map(|apns| Apns::new(apns, gate.clone(), options.timeout));
        let apns = apns.transpose().map_err(SetupError::Apns)?;
        let identity = options.web_push.map(|push| Identity::new(&push.key, &push.contact));
        let identity = identity.transpose().map_err(SetupError::WebPush)?;
        let own = OwnClients::new(gate.clone(), options.timeout);
        let http = http::Client::new(gate, options.timeout)?;
        Ok(Self { http, own, mail, apns, identity, templates: options.templates, timeout: options.timeout })
    }

    /// How long one try may take.
    #[must_use]
    pub const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// What messages say.
    #[must_use]
    pub const fn templates(&self) -> &Arc<Templates> {
        &self.templates
    }

    /// Sends one message to one destination. Never longer than [`Senders::timeout`].
    ///
    /// All but the busiest channel's sends are boxed: a future is as large as its largest branch, and is moved about.
    pub async fn send(&self, settings: &Settings, message: &Message) -> Exchange {
        let words = || self.templates.words(message);
        match settings {
            Settings::Browser(settings) => {
                let words = words();
                Box::pin(browser::send(&self.http, self.identity.as_ref(), settings, message, &words)).await
            }
            Settings::Email(settings) => Box::pin(email::send(&self.mail, settings, message, &words())).await,
            Settings::Hipchat(settings) => Box::pin(hipchat::send(&self.http, settings, message, &words())).await,
            Settings::Ios(settings) => Box::pin(ios::send(self.apns.as_ref(), settings, message, &words())).await,
            Settings::Slack(settings) => Box::pin(slack::send(&self.http, settings, message, &words())).await,
            Settings::Webhook(settings) => webhook::send(&self.http, &self.own, settings, message).await,
        }
    }

    /// Why nothing of this channel can be sent by this process, when that is so. What comes for it waits.
    #[must_use]
    pub fn waits_for(&self, channel: Channel) -> Option<Reason> {
        match channel {
            Channel::Browser => self
                .identity
                .is_none()
                .then(|| Reason::new("there is no key for push services; start again to make one")),
            Channel::Ios => self.apns.is_none().then(|| Reason::new(ios::NOT_CONFIGURED)),
            Channel::Email => self.mail.waits_for(),
            Channel::Hipchat | Channel::Slack | Channel::Webhook => None,
        }
    }

    /// Whether the mail server can be reached and takes the log-in.
    ///
    /// # Errors
    /// Why not.
    pub async fn check_mail(&self) -> Result<(), Reason> {
        self.mail.check().await
    }

    /// The rooms that a HipChat token may speak in, for a form to choose from.
    ///
    /// # Errors
    /// Why the server did not tell.
    pub async fn rooms(&self, base_url: &str, token: &Secret) -> Result<Vec<hipchat_rooms::Room>, Reason> {
        hipchat_rooms::rooms(&self.http, base_url, token).await
    }
}
