//! An email address.
//!
//! A message has a text and an HTML part, a subject that says what happened, and headers that no payload can change: every
//! text goes through [`safe_line`] before it becomes one, and the mail library encodes it (RFC 2047). The `Message-ID` is
//! the delivery's, the same for every try, so that a repeat can be known; `Auto-Submitted` (RFC 3834 section 5) keeps
//! holiday replies away.

use std::time::Duration;

use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::{Address, Message as Mail};

use crate::channels::field::{Field, FieldKind};
use crate::channels::form::FieldError;
use crate::channels::http::retry;
use crate::channels::net::Gate;
use crate::channels::smtp::{self, Server};
use crate::channels::unsubscribe::{Cell, Unsubscribe};
use crate::channels::words::Words;
use crate::domain::delivery::{Exchange, Reason, SendError, SentBody, SentRequest};
use crate::domain::destination::{FieldValue, FieldValues};
use crate::domain::message::Message;
use crate::domain::redactor::Redactor;
use crate::domain::retry::Patience;
use crate::domain::secret::Secret;
use crate::domain::text::{safe_line, shorten};
use crate::domain::time::Timestamp;

/// The form.
pub const FIELDS: &[Field] = &[Field {
    name: "address",
    title: "Address",
    help: "as ops@example.com",
    kind: FieldKind::Email,
    required: true,
    default: "",
}];

/// Longest subject, in characters; RFC 5322 section 2.1.1 asks for lines under 78 and takes up to 998.
pub const SUBJECT_MAX: usize = 150;

/// How long mail that has no server waits before it is looked at again.
const NO_SERVER_PAUSE: Duration = Duration::from_mins(1);

/// The mail server that all email goes through.
#[derive(Clone, Debug, Default)]
pub struct EmailOptions {
    /// `smtp://user@host:587?tls=starttls`; `tls` is `starttls`, `implicit` or `none`. Nothing: no mail is sent yet.
    pub server: Option<String>,
    /// Who mail is from, as `bellboard@example.com` or `bellboard <bellboard@example.com>`; at this host when not said.
    pub from: Option<String>,
    /// The password of the server's user.
    pub password: Option<Secret>,
    /// Certificates (PEM) that vouch for the server, besides the public ones.
    pub ca: Option<Vec<u8>>,
    /// Links by which readers turn a kind of mail off; none while nobody could reach them.
    pub unsubscribe: Option<Unsubscribe>,
}

/// An address.
#[derive(Debug)]
pub struct Settings {
    address: Address,
}

/// The way to the mail server.
#[derive(Debug)]
pub struct Mailer {
    server: Option<Server>,
    from: Mailbox,
    unsubscribe: Option<Unsubscribe>,
    timeout: Duration,
}

impl Mailer {
    /// Checks the options.
    ///
    /// # Errors
    /// What is wrong with them, and what to write instead.
    pub fn new(options: &EmailOptions, gate: Gate, timeout: Duration) -> Result<Self, String> {
        let host = smtp::own_host();
        let from = options.from.clone().unwrap_or_else(|| format!("bellboard <bellboard@{host}>"));
        let from = parse_sender(&from)?.parse().map_err(|_| format!("from: `{from}` is no address"))?;
        let server = options.server.as_ref().map(|url| Server::new(options, url, gate)).transpose()?;
        Ok(Self { server, from, unsubscribe: options.unsubscribe.clone(), timeout })
    }

    /// Connects to the mail server and logs in, within the time limit.
    ///
    /// # Errors
    /// Why that does not work.
    pub async fn check(&self) -> Result<(), Reason> {
        let Some(server) = &self.server else { return self.waits_for().map_or(Ok(()), Err) };
        match tokio::time::timeout(self.timeout, server.check()).await {
            Ok(checked) => checked.map_err(|error| error.reason().clone()),
            Err(_) => Err(Reason::new("the mail server did not answer in time")),
        }
    }

    /// Why no mail can be sent, when that is so.
    #[must_use]
    pub fn waits_for(&self) -> Option<Reason> {
        self.server.is_none().then(|| Reason::new("no mail server is configured; set [email] server in the config"))
    }
}

/// Checks who mail is from: an address, alone or behind a name.
///
/// # Errors
/// When it is none.
pub fn parse_sender(text: &str) -> Result<String, String> {
    let sender: Result<Mailbox, _> = text.trim().parse();
    sender
        .map(|sender| sender.to_string())
        .map_err(|_| format!("`{text}` is no email address; write one like ops@example.com or Bells <ops@example.com>"))
}

/// Checks the fields.
///
/// # Errors
/// Each field that cannot be taken.
pub fn parse(values: &FieldValues) -> Result<Settings, Vec<FieldError>> {
    let text = address(values);
    let address =
        text.parse().map_err(|_| vec![FieldError::new("address", "write an address like ops@example.com")])?;
    Ok(Settings { address })
}

/// The address.
#[must_use]
pub fn address(values: &FieldValues) -> String {
    values.get("address").map_or("", FieldValue::expose).to_owned()
}

/// Sends one message.
pub async fn send(mailer: &Mailer, settings: &Settings, message: &Message, words: &Words) -> Exchange {
    let Some(server) = &mailer.server else {
        let reason = mailer.waits_for().unwrap_or_else(|| Reason::new("no mail server is configured"));
        let error = SendError::Retry { reason, after: Some(NO_SERVER_PAUSE), patience: Patience::NotCounted };
        return Exchange { request: None, answer: None, result: Err(error) };
    };
    let link = link(mailer, message);
    let text = text(message, words, link.as_deref());
    let mail = match mail(mailer, settings, message, words, &text, link.as_deref()) {
        Ok(mail) => mail,
        Err(problem) => {
            let reason = Reason::new(format!("no mail could be made of this message: {problem}"));
            return Exchange { request: None, answer: None, result: Err(SendError::Reject { reason }) };
        }
    };
    // Whoever has the link can turn mail off.
    let token = link.as_deref().and_then(|link| link.rsplit('/').next());
    let secrets = Redactor::new(token.map(Secret::new));
    let masked = |text: String| secrets.redact(text).into_owned();
    let request = SentRequest {
        method: "SMTP".to_owned(),
        url: server.shown(),
        headers: headers(&mail).into_iter().map(|(name, value)| (name, masked(value))).collect(),
        body: SentBody::Text(masked(text)),
    };
    let _connection = match server.connection().await {
        Ok(connection) => connection,
        Err(error) => return Exchange { request: None, answer: None, result: Err(error) },
    };
    let sent = tokio::time::timeout(mailer.timeout, server.send(mail)).await;
    let (answer, result) = if let Ok(sent) = sent {
        sent
    } else {
        let limit = crate::domain::time::human_duration(mailer.timeout);
        (None, Err(retry(format!("the mail server did not take the message within {limit}"), Patience::Full)))
    };
    Exchange { request: Some(request), answer, result }
}

/// The link by which the reader turns this kind of mail off.
fn link(mailer: &Mailer, message: &Message) -> Option<String> {
    let (account, event_type) = (message.account.clone(), message.event_type.name.clone());
    mailer.unsubscribe.as_ref().map(|links| links.link(&Cell { account, event_type, destination: message.destination }))
}

fn mail(
    mailer: &Mailer,
    settings: &Settings,
    message: &Message,
    words: &Words,
    text: &str,
    link: Option<&str>,
) -> Result<Mail, lettre::error::Error> {
    let domain = mailer.from.email.domain();
    let mut builder = Mail::builder()
        .from(mailer.from.clone())
        .to(Mailbox::new(None, settings.address.clone()))
        .subject(shorten(&safe_line(&subject(message, words)), SUBJECT_MAX).into_owned())
        .date(system_time(message.sent_at))
        .message_id(Some(format!("<{}.{}@{domain}>", message.delivery, message.webhook_id())));
    let mut own = vec![
        ("Auto-Submitted", "auto-generated".to_owned()),
        ("X-Bellboard-Event", message.webhook_id()),
        // A message that nobody ever sent: a failure and its recovery both answer it, so mail programs show them together.
        ("References", format!("<{}@{domain}>", message.thread())),
    ];
    if let Some(link) = link {
        own.push(("List-Unsubscribe", format!("<{link}>")));
        own.push(("List-Unsubscribe-Post", "List-Unsubscribe=One-Click".to_owned()));
    }
    for (name, value) in own {
        if let Ok(name) = HeaderName::new_from_ascii(name.to_owned()) {
            builder = builder.raw_header(HeaderValue::new(name, value));
        }
    }
    builder.multipart(MultiPart::alternative_plain_html(text.to_owned(), html(message, words, link)))
}

/// The subject before it is cut.
#[must_use]
pub fn subject(message: &Message, words: &Words) -> String {
    format!("[{}] {}", message.account_name, words.title)
}

/// The point in time as the mail library wants it; before the epoch counts as the epoch.
fn system_time(at: Timestamp) -> std::time::SystemTime {
    std::time::SystemTime::UNIX_EPOCH + at.since(Timestamp::default())
}

/// The text part.
#[must_use]
pub fn text(message: &Message, words: &Words, link: Option<&str>) -> String {
    let mut lines: Vec<String> = words.paragraphs().map(|text| format!("{text}\n")).collect();
    lines.extend(words.details.iter().map(|(name, value)| format!("{name}: {value}")));
    lines.extend([String::new(), words.context.clone()]);
    lines.push(format!("-- \n{} {}", message.event_type.name, message.webhook_id()));
    lines.extend(link.map(|link| format!("No more mail about this: {link}")));
    lines.join("\n")
}

/// The HTML part.
#[must_use]
pub fn html(message: &Message, words: &Words, link: Option<&str>) -> String {
    let paragraph = |text: &str| format!("<p>{}</p>\n", escape(text).replace('\n', "<br>\n"));
    let paragraphs: String = words.paragraphs().map(paragraph).collect();
    let mut rows = String::new();
    for (name, value) in &words.details {
        rows = format!("{rows}<tr><th align=\"left\">{}</th><td>{}</td></tr>\n", escape(name), escape(value));
    }
    format!(
        "<!doctype html>\n<html><body>\n<h2>{}</h2>\n{paragraphs}<table>\n{rows}</table>\n<p><small>{}<br>{} {}{}</small></p>\n</body></html>\n",
        escape(&words.title),
        escape(&words.context),
        escape(&message.event_type.name),
        message.webhook_id(),
        link.map(|link| format!("<br><a href=\"{}\">No more mail about this</a>", escape(link))).unwrap_or_default()
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// The mail's own header lines, folded ones put together.
fn headers(mail: &Mail) -> Vec<(String, String)> {
    let text = mail.headers().to_string().replace("\r\n ", " ").replace("\r\n\t", " ");
    text.lines()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channels::templates::Templates;
    use crate::domain::catalogue::Catalogue;
    use crate::domain::id::{DeliveryId, DestinationId, EventId};
    use crate::domain::payload::Payload;

    fn mailer() -> Mailer {
        let options = EmailOptions { from: Some("Bells <bells@acme.test>".to_owned()), ..EmailOptions::default() };
        Mailer::new(&options, Gate::new(Vec::new()), Duration::from_secs(1)).unwrap()
    }

    fn message(account_name: &str, payload: &str) -> Message {
        let catalogue = Catalogue::new(Vec::new());
        Message {
            delivery: DeliveryId::new(17),
            destination: DestinationId::new(1),
            event: EventId::from_bytes([1; 16]),
            attempt: 1,
            account: "acme".parse().unwrap(),
            account_name: account_name.to_owned(),
            timezone: "UTC".to_owned(),
            event_type: catalogue.get("server.stopped").cloned().unwrap(),
            payload: Payload::parse(payload).unwrap(),
            received_at: Timestamp::from_millis(1_700_000_000_000),
            sent_at: Timestamp::from_millis(1_700_000_001_000),
            test: false,
            tester: None,
            down_since: None,
        }
    }

    fn formatted(account_name: &str, payload: &str) -> String {
        let message = message(account_name, payload);
        let words = Templates::default().words(&message);
        let values = [("address".to_owned(), FieldValue::Plain("ops@acme.test".to_owned()))].into();
        let mail =
            mail(&mailer(), &parse(&values).unwrap(), &message, &words, &text(&message, &words, None), None).unwrap();
        String::from_utf8(mail.formatted()).unwrap()
    }

    #[test]
    fn the_headers_say_who_what_and_that_it_is_a_machine() {
        let mail = formatted("Acme", r#"{"name":"web1"}"#);
        for line in [
            "From: Bells <bells@acme.test>\r\n",
            "To: ops@acme.test\r\n",
            "Subject: [Acme] Server heartbeat stopped: web1\r\n",
            "Message-ID: <dlv_17.evt_01010101010101010101010101010101@acme.test>\r\n",
            "Auto-Submitted: auto-generated\r\n",
            "Date: Tue, 14 Nov 2023 22:13:21 +0000\r\n",
            "Content-Type: multipart/alternative;",
        ] {
            assert!(mail.contains(line), "{line:?} is not in {mail}");
        }
    }

    #[test]
    fn no_payload_reaches_a_header_or_the_markup() {
        let hostile = r#"{"name":"x\r\nBcc: victim@acme.test\r\n\r\n<script>alert(1)</script>"}"#;
        let mail = formatted("Acme\r\nX-Evil: 1", hostile);
        assert!(!mail.contains("\r\nBcc:") && !mail.contains("\r\nX-Evil:"), "{mail}");
        let (_, markup) = mail.split_once("text/html").unwrap();
        assert!(!markup.contains("<script>"), "{mail}");
        assert!(mail.lines().all(|line| line.len() <= 998), "a line is too long");
        assert!(!mail.replace("\r\n", "").contains(['\r', '\n']), "a bare line break");
    }

    #[test]
    fn long_and_foreign_text_stays_within_lines() {
        let long = format!(r#"{{"name":"{}"}}"#, "Ω漢字🚀".repeat(1500));
        let mail = formatted("Bäckerei Übermut", &long);
        assert!(mail.is_ascii(), "headers and parts are encoded");
        assert!(mail.lines().all(|line| line.len() <= 998), "a line is too long");
    }
}
