//! A customer's own HTTP endpoint: a POST of the payload, signed as Standard Webhooks says.
//!
//! The id is the event's, the same for every try; the timestamp is the try's ([`crate::channels::signing`]). An answer of 410 means that the endpoint is no more; other
//! 4xx, 3xx and 501 get short patience, since a receiver that is being redeployed answers 404 for a minute.
//!
//! # 429
//!
//! Standard Webhooks says of a 429 that the sender should throttle what it sends, and of `Retry-After` that it is to be heeded when the
//! next try is planned. Most senders count it as one of the delivery's tries, and let all others that wait for the same endpoint go on. With a
//! backlog behind a limit of a hundred a minute that uses up the tries of thousands on requests that could not get through,
//! puts those that met the limit off for hours by a schedule that is meant for failures, and is the opposite of a slower pace. So, as with
//! Slack and the push services: a 429 that says when to come again is no try, and holds all that goes there until then. One that
//! says nothing counts, as nothing else would tell how long to wait, and holds all that goes there for [`PAUSE`].
//!
//! One that answers so for ever comes to an end like any other: the waits grow while it takes nothing, after an hour of that it counts as
//! failing ([`crate::domain::health`]), and is disabled when it has done so for days; a delivery that has become too old fails before that.

use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderValue};
use url::Url;

use crate::channels::LaneRules;
use crate::channels::field::{Field, FieldKind, parse_headers};
use crate::channels::form::FieldError;
use crate::channels::http::{
    BODY_KEPT_MAX, Call, Client, USER_AGENT, answered, header_map, judge_status, retry, retry_after,
};
use crate::channels::signing::{self, Signing};
use crate::channels::tls::{OwnClients, OwnTls};
use crate::domain::delivery::{Answer, Exchange, SendError, SentBody, SentRequest};
use crate::domain::destination::{FieldValue, FieldValues};
use crate::domain::message::Message;
use crate::domain::redactor::Redactor;
use crate::domain::retry::Patience;
use crate::domain::secret::{MASK, Secret};
use crate::domain::time::Timestamp;

/// How long a receiver is left alone that asks for a slower pace and does not say until when.
pub const PAUSE: Duration = Duration::from_secs(30);

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
    Field {
        name: "ca",
        title: "Own authority",
        help: "PEM certificates that vouch for the receiver besides the public ones",
        kind: FieldKind::Certificates,
        required: false,
        default: "",
    },
    Field {
        name: "client_cert",
        title: "Client cert",
        help: "PEM: what bellboard shows to a receiver that asks who it is (mutual TLS)",
        kind: FieldKind::Certificates,
        required: false,
        default: "",
    },
    Field {
        name: "client_key",
        title: "Client key",
        help: "PEM: the private key of the client certificate, without a password",
        kind: FieldKind::PrivateKey,
        required: false,
        default: "",
    },
];

/// Sends under way at once to one endpoint.
const CONCURRENCY: u32 = 8;

/// An endpoint, ready to send to.
#[derive(Debug)]
pub struct Settings {
    url: Url,
    signing: Signing,
    tls: Option<OwnTls>,
    headers: HeaderMap,
    shown_headers: Vec<(String, String)>,
    secrets: Redactor,
    ordered: bool,
}

/// Makes the fields ready to send with.
///
/// # Errors
/// Each field that cannot be taken.
pub fn parse(values: &FieldValues) -> Result<Settings, Vec<FieldError>> {
    let text = |name: &str| values.get(name).map_or("", FieldValue::expose);
    let url = Url::parse(text("url")).map_err(|error| vec![FieldError::new("url", error.to_string())])?;
    let signing = Signing::parse(values)?;
    let tls = OwnTls::parse(text("ca"), text("client_cert"), text("client_key"))?;
    let own = parse_headers(text("headers")).map_err(|error| vec![FieldError::new("headers", error)])?;
    let fixed = [("content-type", "application/json"), ("user-agent", USER_AGENT)];
    let all = fixed.into_iter().chain(own.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let mut shown_headers: Vec<_> = fixed.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    shown_headers.extend(own.iter().map(|(name, _)| (name.clone(), MASK.to_owned())));
    let signing_secrets = [text("secret"), text("old_secret")].into_iter().flat_map(signing::as_written);
    let secrets = own.iter().flat_map(|(_, value)| telling_parts(value)).chain(signing_secrets);
    Ok(Settings {
        url,
        signing,
        tls,
        headers: header_map(all),
        shown_headers,
        secrets: Redactor::new(secrets),
        ordered: text("ordered") == "true",
    })
}

/// A header's value and each long word of it: of `Bearer TOKEN`, a receiver may repeat the token alone.
fn telling_parts(value: &str) -> Vec<Secret> {
    const WORD_FROM_BYTES: usize = 8;
    let words = value.split_whitespace().filter(|word| word.len() >= WORD_FROM_BYTES && *word != value);
    std::iter::once(value).chain(words).map(Secret::new).collect()
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
pub async fn send(client: &Client, own: &OwnClients, settings: &Settings, message: &Message) -> Exchange {
    let Ok(own) = settings.tls.as_ref().map(|tls| own.of(tls)).transpose() else {
        let problem = "TLS cannot be set up with its certificates; look at ca, client_cert and client_key";
        return Exchange { request: None, answer: None, result: Err(retry(problem, Patience::Short)) };
    };
    let client = own.as_ref().unwrap_or(client);
    let body = message.body();
    let id = message.webhook_id();
    let timestamp = message.sent_at.seconds().to_string();
    let signature = settings.signing.sign(&id, message.sent_at, &body);
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
    let (url, body) = (settings.url.clone(), body.into_bytes());
    let secrets = &[&settings.secrets];
    let call = Call { method: reqwest::Method::POST, url, headers, body, kept_max: BODY_KEPT_MAX, shown, secrets };
    client.exchange(call, |answer| judge(answer, message.sent_at)).await
}

fn judge(answer: &Answer, now: Timestamp) -> Result<(), SendError> {
    match answer.status {
        410 => Err(SendError::Gone { reason: answered(answer) }),
        429 => {
            let (after, reason) = (retry_after(answer, now), answered(answer));
            let patience = if after.is_some() { Patience::NotCounted } else { Patience::Full };
            Err(SendError::Retry { reason, after: after.or(Some(PAUSE)), patience })
        }
        _ => judge_status(answer, now),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_its_host() {
        let check = |url: &str, expected: &str| assert_eq!(host_of(url), expected, "{url}");
        check("https://hooks.acme.test/in?token=x", "hooks.acme.test");
        check("http://127.0.0.1:8080/", "127.0.0.1:8080");
        check("nowhere", "");
    }
}
