//! An email address.

use std::time::Duration;

use crate::channels::field::{Field, FieldKind};
use crate::channels::form::FieldError;
use crate::channels::http::retry;
use crate::channels::net::Gate;
use crate::domain::delivery::{Exchange, Reason};
use crate::domain::destination::{FieldValue, FieldValues};
use crate::domain::message::Message;
use crate::domain::retry::Patience;
use crate::domain::secret::Secret;

/// The form.
pub const FIELDS: &[Field] = &[Field {
    name: "address",
    title: "Address",
    help: "as ops@example.com",
    kind: FieldKind::Email,
    required: true,
    default: "",
}];

/// The mail server that all email goes through.
#[derive(Clone, Debug, Default)]
pub struct EmailOptions {
    /// `smtp://user@host:587?tls=starttls`; `tls` is `starttls`, `implicit` or `none`. Nothing: no mail is sent yet.
    pub server: Option<String>,
    /// Who mail is from.
    pub from: Option<String>,
    /// The password of the server's user.
    pub password: Option<Secret>,
}

/// An address.
#[derive(Debug)]
pub struct Settings {
    /// Where mail goes.
    pub address: String,
}

/// The connection to the mail server.
#[derive(Debug)]
pub struct Mailer {
    configured: bool,
}

impl Mailer {
    /// Checks the options.
    ///
    /// # Errors
    /// What is wrong with them.
    #[expect(clippy::needless_pass_by_value, reason = "the parts are kept once mail is sent")]
    pub fn new(options: EmailOptions, _gate: Gate, _timeout: Duration) -> Result<Self, String> {
        Ok(Self { configured: options.server.is_some() })
    }

    /// Why no mail can be sent, when that is so.
    #[must_use]
    pub fn waits_for(&self) -> Option<Reason> {
        (!self.configured).then(|| Reason::new("no mail server is configured; set [email] server in the config"))
    }
}

/// Checks the fields.
///
/// # Errors
/// Each field that cannot be taken.
pub fn parse(values: &FieldValues) -> Result<Settings, Vec<FieldError>> {
    Ok(Settings { address: address(values) })
}

/// The address.
#[must_use]
pub fn address(values: &FieldValues) -> String {
    values.get("address").map_or("", FieldValue::expose).to_owned()
}

/// Sends one message.
#[expect(clippy::unused_async, reason = "it waits for the server once mail is sent")]
pub async fn send(mailer: &Mailer, _settings: &Settings, _message: &Message) -> Exchange {
    let reason = mailer.waits_for().unwrap_or_else(|| Reason::new("mail is not sent yet"));
    Exchange { request: None, answer: None, result: Err(retry(reason.as_str(), Patience::NotCounted)) }
}
