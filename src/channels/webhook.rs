//! A customer's own HTTP endpoint: a POST of the payload, signed as Standard Webhooks says.
//!
//! The signature is over `id.timestamp.body` with HMAC-SHA256 (standardwebhooks.com, "Signature scheme"). The id is the
//! event's, the same for every try; the timestamp is the try's. An answer of 410 means that the endpoint is no more; other
//! 4xx, 3xx and 501 get short patience, since a receiver that is being redeployed answers 404 for a minute.

use aws_lc_rs::{hmac, rand};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{HeaderMap, HeaderValue};
use url::Url;

use crate::channels::LaneRules;
use crate::channels::field::{Field, FieldKind, parse_headers};
use crate::channels::form::FieldError;
use crate::channels::http::{BODY_KEPT_MAX, Call, Client, USER_AGENT, answered, header_map, judge_status};
use crate::domain::delivery::{Answer, Exchange, SendError, SentBody, SentRequest};
use crate::domain::destination::{FieldValue, FieldValues};
use crate::domain::message::Message;
use crate::domain::secret::{MASK, Secret};
use crate::domain::time::Timestamp;

/// The form.
pub const FIELDS: &[Field] = &[
    Field {
        name: "url",
        title: "Address",
        help: "where events are POSTed to, as https://hooks.example.com/in",
        kind: FieldKind::Url,
        required: true,
        default: "",
    },
    Field {
        name: "secret",
        title: "Signing secret",
        help: "the one that the receiver verifies with: whsec_ and base64; made when empty",
        kind: FieldKind::Secret,
        required: false,
        default: "",
    },
    Field {
        name: "headers",
        title: "Own headers",
        help: "Name: value, one a line; their values are kept secret",
        kind: FieldKind::Headers,
        required: false,
        default: "",
    },
    Field {
        name: "ordered",
        title: "In order",
        help: "one at a time; one that waits to be tried again holds those after it",
        kind: FieldKind::Flag,
        required: false,
        default: "false",
    },
];

/// Sends under way at once to one endpoint.
const CONCURRENCY: u32 = 8;

/// Bytes of a signing key (standardwebhooks.com, "Signature scheme": 24 to 64).
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

const SECRET_PREFIX: &str = "whsec_";

/// An endpoint, ready to send to.
#[derive(Debug)]
pub struct Settings {
    url: Url,
    key: hmac::Key,
    headers: HeaderMap,
    shown_headers: Vec<(String, String)>,
    secrets: Vec<Secret>,
    ordered: bool,
}

/// Makes a signing secret.
///
/// # Errors
/// When the system gives no random bytes.
pub fn new_secret() -> Result<String, String> {
    let mut key = [0_u8; 32];
    rand::fill(&mut key).map_err(|_| "the system gives no random bytes".to_owned())?;
    Ok(format!("{SECRET_PREFIX}{}", STANDARD.encode(key)))
}

/// Makes the fields ready to send with.
///
/// # Errors
/// Each field that cannot be taken.
pub fn parse(values: &FieldValues) -> Result<Settings, Vec<FieldError>> {
    let text = |name: &str| values.get(name).map_or("", FieldValue::expose);
    let url = Url::parse(text("url")).map_err(|error| vec![FieldError::new("url", error.to_string())])?;
    let key = signing_key(text("secret")).map_err(|error| vec![FieldError::new("secret", error)])?;
    let own = parse_headers(text("headers")).map_err(|error| vec![FieldError::new("headers", error)])?;
    let fixed = [("content-type", "application/json"), ("user-agent", USER_AGENT)];
    let all = fixed.into_iter().chain(own.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let mut shown_headers: Vec<_> = fixed.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    shown_headers.extend(own.iter().map(|(name, _)| (name.clone(), MASK.to_owned())));
    let mut secrets: Vec<_> = own.iter().map(|(_, value)| Secret::new(value)).collect();
    secrets.push(Secret::new(text("secret")));
    Ok(Settings { url, key, headers: header_map(all), shown_headers, secrets, ordered: text("ordered") == "true" })
}

/// Where it leads: the host, and the port when it is an unusual one.
#[must_use]
pub fn address(values: &FieldValues) -> String {
    host_of(values.get("url").map_or("", FieldValue::expose))
}

/// The host of a URL, with its port when that is an unusual one.
#[must_use]
pub fn host_of(url: &str) -> String {
    let Ok(url) = Url::parse(url) else { return String::new() };
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// How fast it may be sent to.
#[must_use]
pub fn lane(settings: &Settings) -> LaneRules {
    LaneRules { concurrency: if settings.ordered { 1 } else { CONCURRENCY }, rate: None, gate: None }
}

/// Whether nothing may overtake what came before it.
#[must_use]
pub const fn is_ordered(settings: &Settings) -> bool {
    settings.ordered
}

/// Sends one message.
pub async fn send(client: &Client, settings: &Settings, message: &Message) -> Exchange {
    let body = message.body();
    let id = message.webhook_id();
    let timestamp = message.sent_at.seconds().to_string();
    let signature = sign(&settings.key, &id, &timestamp, &body);
    let own = [("webhook-id", id), ("webhook-timestamp", timestamp), ("webhook-signature", signature)];
    let mut headers = settings.headers.clone();
    let mut shown_headers = settings.shown_headers.clone();
    for (name, value) in own {
        if let Ok(value) = HeaderValue::try_from(&value) {
            headers.insert(name, value);
        }
        shown_headers.push((name.to_owned(), value));
    }
    let shown = SentRequest {
        method: "POST".to_owned(),
        url: settings.url.to_string(),
        headers: shown_headers,
        body: SentBody::Payload(message.sent_at.seconds()),
    };
    let (url, secrets) = (settings.url.clone(), settings.secrets.clone());
    let body = body.into_bytes();
    let call = Call { method: reqwest::Method::POST, url, headers, body, kept_max: BODY_KEPT_MAX, shown, secrets };
    client.exchange(call, |answer| judge(answer, message.sent_at)).await
}

fn judge(answer: &Answer, now: Timestamp) -> Result<(), SendError> {
    match answer.status {
        410 => Err(SendError::Gone { reason: answered(answer) }),
        _ => judge_status(answer, now),
    }
}

fn signing_key(secret: &str) -> Result<hmac::Key, String> {
    let encoded =
        secret.strip_prefix(SECRET_PREFIX).ok_or_else(|| format!("the secret must begin with {SECRET_PREFIX}"))?;
    let key = STANDARD.decode(encoded).map_err(|_| format!("base64 must follow {SECRET_PREFIX}"))?;
    if !KEY_BYTES.contains(&key.len()) {
        return Err(format!("the secret must hold 24 to 64 bytes; this one holds {}", key.len()));
    }
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &key))
}

fn sign(key: &hmac::Key, id: &str, timestamp: &str, body: &str) -> String {
    let mut context = hmac::Context::with_key(key);
    for part in [id, ".", timestamp, ".", body] {
        context.update(part.as_bytes());
    }
    format!("v1,{}", STANDARD.encode(context.sign()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_the_standards_own_example() {
        // The example of the specification and of its reference libraries' tests.
        let key = signing_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signature = sign(&key, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", r#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn secrets_are_checked() {
        for bad in ["", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_", "whsec_AAAA", "whsec_not base64!"] {
            assert!(signing_key(bad).is_err(), "`{bad}` should be refused");
        }
        assert!(signing_key(&new_secret().unwrap()).is_ok());
    }

    #[test]
    fn an_address_is_its_host() {
        let check = |url: &str, expected: &str| assert_eq!(host_of(url), expected, "{url}");
        check("https://hooks.acme.test/in?token=x", "hooks.acme.test");
        check("http://127.0.0.1:8080/", "127.0.0.1:8080");
        check("nowhere", "");
    }
}
