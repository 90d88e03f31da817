//! An Apple device, by APNs ([`crate::channels::apns`]).
//!
//! The app registers its device token over HTTP, or support types it. A recovery replaces its failure on the screen by the
//! same collapse id; the id of the notification is the delivery's, the same for every try.

use aws_lc_rs::digest::{SHA256, digest};
use reqwest::header::{HeaderMap, HeaderValue};
use serde_json::json;
use uuid::Uuid;

use std::time::Duration;

use crate::channels::LaneRules;
use crate::channels::apns::{Apns, judge, word};
use crate::channels::field::{Field, FieldKind};
use crate::channels::form::FieldError;
use crate::channels::http::{BODY_KEPT_MAX, Call};
use crate::channels::limit::key;
use crate::channels::notice::Notice;
use crate::channels::words::Words;
use crate::domain::catalogue::Severity;
use crate::domain::delivery::{Exchange, Reason, SendError, SentBody, SentRequest};
use crate::domain::destination::{FieldValue, FieldValues};
use crate::domain::message::Message;
use crate::domain::redactor::Redactor;
use crate::domain::retry::Patience;
use crate::domain::secret::{MASK, Secret};

/// The form.
pub const FIELDS: &[Field] = &[
    Field {
        name: "device_token",
        title: "Device token",
        help: "64 or more hex digits, as the app registers it",
        kind: FieldKind::Secret,
        required: true,
        default: "",
    },
    Field {
        name: "environment",
        title: "Environment",
        help: "production, or sandbox for a development build",
        kind: FieldKind::Choice(&["production", "sandbox"]),
        required: false,
        default: "production",
    },
    Field {
        name: "device",
        title: "Device",
        help: "what its owner calls it, as Jane's phone",
        kind: FieldKind::Text,
        required: false,
        default: "",
    },
];

/// Hex digits of a device token; Apple's page says not to rely on a length.
const TOKEN_DIGITS: std::ops::RangeInclusive<usize> = 64..=200;

/// Largest payload, in bytes (Apple, "Generating a remote notification").
const PAYLOAD_BYTES_MAX: usize = 4096;

/// How long Apple keeps a notification for a device that is not there.
const KEPT: Duration = Duration::from_hours(24);

/// How long what has no key at Apple waits before it is looked at again.
const NO_KEY_PAUSE: Duration = Duration::from_mins(1);

/// What people read while nothing can be sent.
pub const NOT_CONFIGURED: &str =
    "Apple's push service is not configured; set key_file, key_id, team_id and topic under [apns]";

/// A device.
#[derive(Debug)]
pub struct Settings {
    device_token: Secret,
    secrets: Redactor,
    is_sandbox: bool,
}

/// Checks the fields.
///
/// # Errors
/// Each field that cannot be taken.
pub fn parse(values: &FieldValues) -> Result<Settings, Vec<FieldError>> {
    let text = |name: &str| values.get(name).map_or("", FieldValue::expose);
    let token = text("device_token");
    if !TOKEN_DIGITS.contains(&token.len()) || !token.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(vec![FieldError::new("device_token", "a device token has 64 or more hex digits")]);
    }
    let device_token = Secret::new(token);
    let secrets = Redactor::new([device_token.clone()]);
    Ok(Settings { device_token, secrets, is_sandbox: text("environment") == "sandbox" })
}

/// What its owner calls the device.
#[must_use]
pub fn address(values: &FieldValues) -> String {
    match values.get("device").map_or("", FieldValue::expose) {
        "" => "a device".to_owned(),
        device => device.to_owned(),
    }
}

/// How fast it may be sent to: one at a time, so that a recovery does not overtake its failure; a fault of our own set-up at
/// Apple holds all devices of the same environment.
#[must_use]
pub fn lane(settings: &Settings) -> LaneRules {
    let gate = if settings.is_sandbox { "APNs sandbox" } else { "APNs" };
    LaneRules { concurrency: 1, rate: None, gate: Some(key(&[gate])) }
}

/// Sends one message; once more with a new token when Apple says that the old one has expired.
pub async fn send(apns: Option<&Apns>, settings: &Settings, message: &Message, words: &Words) -> Exchange {
    let Some(apns) = apns else { return not_sent(NOT_CONFIGURED) };
    let token = match apns.token(message.sent_at) {
        Ok(token) => token,
        Err(problem) => return not_sent(&problem),
    };
    let exchange = attempt(apns, settings, message, words, &token).await;
    let expired = exchange.answer.as_ref().is_some_and(|answer| word(answer) == "ExpiredProviderToken");
    if !expired {
        return exchange;
    }
    match apns.instead_of(&token, message.sent_at) {
        Some(renewed) => attempt(apns, settings, message, words, &renewed).await,
        None => exchange,
    }
}

async fn attempt(apns: &Apns, settings: &Settings, message: &Message, words: &Words, token: &str) -> Exchange {
    let url = match apns.url(settings.is_sandbox, settings.device_token.expose()) {
        Ok(url) => url,
        Err(problem) => return not_sent(&problem),
    };
    let payload = payload(message, words);
    let priority = if matches!(message.severity(), Severity::Failure | Severity::Recovery) { "10" } else { "5" };
    let plain = [
        ("apns-topic", apns.topic.clone()),
        ("apns-push-type", "alert".to_owned()),
        ("apns-priority", priority.to_owned()),
        ("apns-expiration", message.sent_at.plus(KEPT).seconds().to_string()),
        ("apns-collapse-id", message.thread()),
        ("apns-id", notification_id(message).to_string()),
        ("content-type", "application/json".to_owned()),
    ];
    let authorization = format!("bearer {token}");
    let mut headers = HeaderMap::new();
    for (name, value) in plain.iter().chain(&[("authorization", authorization)]) {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(*name, value);
        }
    }
    let mut shown_headers: Vec<_> = plain.map(|(name, value)| (name.to_owned(), value)).into();
    shown_headers.push(("authorization".to_owned(), format!("bearer {MASK}")));
    let shown = SentRequest {
        method: "POST".to_owned(),
        url: settings.secrets.redact(url.as_str()).into_owned(),
        headers: shown_headers,
        body: SentBody::Text(payload.clone()),
    };
    let secrets = &[&settings.secrets, &Redactor::new([Secret::new(token)])];
    let (method, body) = (reqwest::Method::POST, payload.into_bytes());
    let call = Call { method, url, headers, body, kept_max: BODY_KEPT_MAX, shown, secrets };
    apns.client.exchange(call, |answer| judge(answer, message.sent_at)).await
}

/// What the device shows, and what the app may use.
#[must_use]
pub fn payload(message: &Message, words: &Words) -> String {
    let sound = (message.severity() == Severity::Failure).then_some("default");
    Notice::of(words).within(PAYLOAD_BYTES_MAX, |notice| {
        let mut aps = json!({
            "alert": {"title": notice.title, "body": notice.body},
            "thread-id": message.account.as_str(),
        });
        if let (Some(sound), Some(aps)) = (sound, aps.as_object_mut()) {
            aps.insert("sound".to_owned(), sound.into());
        }
        json!({
            "aps": aps,
            "bellboard": {
                "event": message.webhook_id(),
                "event_type": message.event_type.name,
                "account": message.account.as_str(),
                "test": message.test,
            },
        })
        .to_string()
    })
}

/// The notification's id at Apple: a UUID of the delivery, the same for every try.
fn notification_id(message: &Message) -> Uuid {
    let hash = digest(&SHA256, format!("{}/{}", message.event, message.delivery).as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.as_ref()[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

/// A fault of our own set-up: no try, and nothing that says anything about the device.
fn not_sent(problem: &str) -> Exchange {
    let error =
        SendError::Retry { reason: Reason::new(problem), after: Some(NO_KEY_PAUSE), patience: Patience::NotCounted };
    Exchange { request: None, answer: None, result: Err(error) }
}
