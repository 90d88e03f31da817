//! A browser: by Web Push (RFC 8030), and by the page of bellboard's while that is open.
//!
//! The browser enrols itself on the page and brings what is needed: the endpoint at its push service, which is a secret, its
//! public key and its authentication secret. A browser without a push service brings nothing; what comes for it waits until
//! its page fetches it (`http::stream`), and is never claimed here.
//!
//! Only 404 and 410 end a subscription (RFC 8030 section 7.3): any other fault may be the push service's own, and a browser
//! that is lost must be enrolled anew by hand.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::header::{HeaderMap, HeaderValue};
use serde_json::json;
use url::Url;
use zeroize::Zeroizing;

use crate::channels::LaneRules;
use crate::channels::field::{Field, FieldKind};
use crate::channels::form::FieldError;
use crate::channels::http::{BODY_KEPT_MAX, Call, Client, answered, judge_status, retry, retry_after};
use crate::channels::limit::key;
use crate::channels::notice::Notice;
use crate::channels::web_push::{AUTH_BYTES, Identity, PLAIN_BYTES_MAX, PUBLIC_KEY_BYTES, Subscriber};
use crate::channels::words::Words;
use crate::domain::catalogue::Severity;
use crate::domain::delivery::{Answer, Exchange, Reason, SendError, SentBody, SentRequest};
use crate::domain::destination::{FieldValue, FieldValues};
use crate::domain::message::Message;
use crate::domain::redactor::Redactor;
use crate::domain::retry::Patience;
use crate::domain::secret::{MASK, Secret};
use crate::domain::time::Timestamp;

/// What a browser brings when it enrols itself; nobody types it.
pub const FIELDS: &[Field] = &[
    Field {
        name: "endpoint",
        title: "Push address",
        help: "where its push service takes messages for it; none: it is notified while its page is open",
        kind: FieldKind::SecretUrl,
        required: false,
        default: "",
    },
    Field {
        name: "p256dh",
        title: "Public key",
        help: "what messages are encrypted for, in base64url",
        kind: FieldKind::Text,
        required: false,
        default: "",
    },
    Field {
        name: "auth",
        title: "Authentication secret",
        help: "what only it and bellboard know, in base64url",
        kind: FieldKind::Secret,
        required: false,
        default: "",
    },
    Field {
        name: "agent",
        title: "Browser",
        help: "what it is, as Firefox on Linux",
        kind: FieldKind::Text,
        required: false,
        default: "a browser",
    },
];

/// How long a push service keeps a message for a browser that is not there (RFC 8030 section 5.2).
const KEPT: Duration = Duration::from_hours(24);

/// Text for a service that takes less than the rest.
const SHORT_BYTES_MAX: usize = 1000;

/// How long to leave a push service alone after a 429 that does not say.
const PAUSE: Duration = Duration::from_secs(30);

/// A browser.
#[derive(Debug)]
pub struct Settings {
    push: Option<Push>,
}

/// A browser that has a push service.
#[derive(Debug)]
struct Push {
    endpoint: Url,
    shown: String,
    subscriber: Subscriber,
    secrets: Redactor,
}

/// Makes the fields ready to send with.
///
/// # Errors
/// Each field that cannot be taken.
pub fn parse(values: &FieldValues) -> Result<Settings, Vec<FieldError>> {
    let text = |name: &str| values.get(name).map_or("", FieldValue::expose);
    if text("endpoint").is_empty() {
        return Ok(Settings { push: None });
    }
    let endpoint =
        Url::parse(text("endpoint")).map_err(|error| vec![FieldError::new("endpoint", error.to_string())])?;
    let public_key = decoded("p256dh", text("p256dh"), PUBLIC_KEY_BYTES)?;
    let auth = Zeroizing::new(decoded("auth", text("auth"), AUTH_BYTES)?);
    let shown = format!("{}/{MASK}", endpoint.origin().ascii_serialization());
    let parts = endpoint.path_segments().into_iter().flatten().filter(|part| part.len() >= 16);
    let secrets = Redactor::new([endpoint.as_str(), text("auth")].into_iter().chain(parts).map(Secret::new));
    Ok(Settings { push: Some(Push { endpoint, shown, subscriber: Subscriber { public_key, auth }, secrets }) })
}

fn decoded(name: &str, text: &str, bytes: usize) -> Result<Vec<u8>, Vec<FieldError>> {
    let decoded = URL_SAFE_NO_PAD.decode(text.trim_end_matches('='));
    decoded
        .ok()
        .filter(|decoded| decoded.len() == bytes)
        .ok_or_else(|| vec![FieldError::new(name, format!("this must be {bytes} bytes in base64url"))])
}

/// What it is.
#[must_use]
pub fn address(values: &FieldValues) -> String {
    match values.get("agent").map_or("", FieldValue::expose) {
        "" => "a browser".to_owned(),
        agent => agent.to_owned(),
    }
}

/// How fast it may be sent to: one at a time, so that a recovery does not overtake its failure.
#[must_use]
pub fn lane(settings: &Settings) -> LaneRules {
    LaneRules { concurrency: 1, rate: None, gate: settings.push.as_ref().map(|push| key(&[&push.shown])) }
}

/// Whether it has no push service, so that its page must fetch what comes.
#[must_use]
pub const fn is_fetched(settings: &Settings) -> bool {
    settings.push.is_none()
}

/// Sends one message.
pub async fn send(
    client: &Client,
    identity: Option<&Identity>,
    settings: &Settings,
    message: &Message,
    words: &Words,
) -> Exchange {
    let (Some(push), Some(identity)) = (&settings.push, identity) else {
        let why = "this browser has no push service; it is notified while its page is open";
        return Exchange { request: None, answer: None, result: Err(retry(why, Patience::NotCounted)) };
    };
    let exchange = attempt(client, identity, push, message, words, PLAIN_BYTES_MAX).await;
    if exchange.status() == Some(413) {
        return attempt(client, identity, push, message, words, SHORT_BYTES_MAX).await;
    }
    exchange
}

async fn attempt(
    client: &Client,
    identity: &Identity,
    push: &Push,
    message: &Message,
    words: &Words,
    bytes_max: usize,
) -> Exchange {
    let text = document(message, words, bytes_max);
    let made = push.subscriber.encrypt(text.as_bytes());
    let made = made.and_then(|body| Ok((body, identity.token(&push.endpoint, message.sent_at)?)));
    let (body, token) = match made {
        Ok(made) => made,
        Err(problem) => {
            let reason = Reason::new(problem);
            return Exchange { request: None, answer: None, result: Err(SendError::Reject { reason }) };
        }
    };
    let plain = [
        ("content-type", "application/octet-stream".to_owned()),
        ("content-encoding", "aes128gcm".to_owned()),
        ("ttl", KEPT.as_secs().to_string()),
        ("urgency", urgency(message.severity()).to_owned()),
        ("topic", message.thread()),
    ];
    let mut headers = HeaderMap::new();
    for (name, value) in plain.iter().chain(&[("authorization", identity.authorization(&token))]) {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(*name, value);
        }
    }
    let mut shown_headers: Vec<_> = plain.map(|(name, value)| (name.to_owned(), value)).into();
    shown_headers.push(("authorization".to_owned(), format!("vapid {MASK}")));
    // Shown as it is read, since the encrypted bytes tell nobody anything.
    let body_shown = SentBody::Text(text);
    let (method, url) = ("POST".to_owned(), push.shown.clone());
    let shown = SentRequest { method, url, headers: shown_headers, body: body_shown };
    let secrets = &[&push.secrets, &Redactor::new([token])];
    let (method, url) = (reqwest::Method::POST, push.endpoint.clone());
    let call = Call { method, url, headers, body, kept_max: BODY_KEPT_MAX, shown, secrets };
    client.exchange(call, |answer| judge(answer, message.sent_at)).await
}

/// What the service worker is given; the page's stream gives it the same.
#[must_use]
pub fn document(message: &Message, words: &Words, bytes_max: usize) -> String {
    Notice::of(words).within(bytes_max, |notice| {
        json!({
            "title": notice.title,
            "body": notice.body,
            "tag": message.thread(),
            "severity": message.severity().name(),
            "timestamp": message.received_at.millis(),
            "event": message.webhook_id(),
            "type": message.event_type.name,
            "account": message.account.as_str(),
            "delivery": message.delivery.to_string(),
        })
        .to_string()
    })
}

/// RFC 8030 section 5.3.
const fn urgency(severity: Severity) -> &'static str {
    match severity {
        Severity::Failure => "high",
        Severity::Recovery => "normal",
        Severity::Success | Severity::Info => "low",
    }
}

/// What a push service's answer means (RFC 8030 section 8, RFC 8292 section 4.2).
///
/// # Errors
/// What follows from all but a message that was taken.
pub fn judge(answer: &Answer, now: Timestamp) -> Result<(), SendError> {
    let said = |what: &str| Reason::new(format!("{what} (the push service {})", answered(answer)));
    match answer.status {
        404 | 410 => Err(SendError::Gone { reason: said("this browser takes no notifications any more") }),
        429 => Err(SendError::Retry {
            reason: said("the push service asks to be left alone for a while"),
            after: Some(retry_after(answer, now).unwrap_or(PAUSE)),
            patience: Patience::NotCounted,
        }),
        413 => Err(SendError::Reject { reason: said("even the short text is too long") }),
        401 | 403 => Err(SendError::Reject {
            reason: said("the browser enrolled with another key of bellboard's; it must enrol itself again"),
        }),
        400 => Err(SendError::Reject { reason: said("the request was not understood") }),
        _ => judge_status(answer, now),
    }
}
