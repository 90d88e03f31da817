//! A room of a HipChat server, by its API v1.
//!
//! The hosted service closed in February 2019; self-hosted servers and compatible bridges still speak it, so the base URL is
//! a field. `POST /v1/rooms/message?auth_token=…&format=json` with a form; the answer is `{"status":"sent"}`. The limit is
//! 100 calls in 5 minutes for a token, told in `X-RateLimit-Limit`, `-Remaining` and `-Reset` (Unix seconds); past it the
//! answer is 403 or 429, and waiting for it is no try.

use std::time::Duration;

use reqwest::header::HeaderMap;
use url::Url;
use url::form_urlencoded::Serializer;

use crate::channels::field::{Field, FieldKind};
use crate::channels::form::FieldError;
use crate::channels::http::{
    BODY_KEPT_MAX, Call, Client, USER_AGENT, answered, header, header_map, judge_status, retry_after,
};
use crate::channels::limit::{Limit, reset};
use crate::channels::words::Words;
use crate::channels::{LaneRules, Rate};
use crate::domain::catalogue::Severity;
use crate::domain::delivery::{Answer, Exchange, Reason, SendError, SentBody, SentRequest};
use crate::domain::destination::{FieldValue, FieldValues};
use crate::domain::message::Message;
use crate::domain::redactor::Redactor;
use crate::domain::retry::Patience;
use crate::domain::secret::{MASK, Secret};
use crate::domain::text::{safe_line, shorten};
use crate::domain::time::Timestamp;

/// The form.
pub const FIELDS: &[Field] = &[
    Field {
        name: "token",
        title: "API token",
        help: "a v1 token of type notification or admin; admin lists the rooms",
        kind: FieldKind::Secret,
        required: true,
        default: "",
    },
    Field {
        name: "room",
        title: "Room",
        help: "its id or name; chosen from a list where the token may ask for it",
        kind: FieldKind::Room,
        required: true,
        default: "",
    },
    Field {
        name: "base_url",
        title: "Server",
        help: "the vendor's, or your own server or bridge",
        kind: FieldKind::Url,
        required: false,
        default: "https://api.hipchat.com",
    },
    Field {
        name: "from",
        title: "From",
        help: "who speaks: 1 to 15 letters, digits, -, _ or spaces",
        kind: FieldKind::Text,
        required: false,
        default: "bellboard",
    },
    Field {
        name: "notify",
        title: "Notify",
        help: "make a sound for the people in the room",
        kind: FieldKind::Flag,
        required: false,
        default: "false",
    },
];

/// Longest `from`, in characters.
const FROM_MAX: usize = 15;

/// Longest message, in characters.
const MESSAGE_MAX: usize = 10_000;

/// The vendor's limit for one token.
const RATE: Rate = Rate { count: 100, per: Duration::from_mins(5) };

/// A room, ready to send to.
#[derive(Debug)]
pub struct Settings {
    url: Url,
    shown_url: String,
    headers: HeaderMap,
    room: String,
    from: String,
    notify: bool,
    secrets: Redactor,
    limit: Limit,
}

/// Makes the fields ready to send with.
///
/// # Errors
/// Each field that cannot be taken.
pub fn parse(values: &FieldValues) -> Result<Settings, Vec<FieldError>> {
    let text = |name: &str| values.get(name).map_or("", FieldValue::expose);
    let from = text("from");
    let fits = (1..=FROM_MAX).contains(&from.chars().count())
        && from.chars().all(|c| c.is_ascii_alphanumeric() || "-_ ".contains(c));
    if !fits {
        return Err(vec![FieldError::new("from", "1 to 15 letters, digits, `-`, `_` or spaces fit here")]);
    }
    let token = text("token");
    let (url, shown_url) =
        endpoint(text("base_url"), "rooms/message", token).map_err(|error| vec![FieldError::new("base_url", error)])?;
    let content_type = ("content-type", "application/x-www-form-urlencoded");
    Ok(Settings {
        url,
        shown_url,
        headers: header_map([content_type, ("user-agent", USER_AGENT)].into_iter()),
        room: text("room").to_owned(),
        from: from.to_owned(),
        notify: text("notify") == "true",
        secrets: redactor(token),
        limit: Limit::by(RATE, &[text("base_url").trim_end_matches('/'), token]),
    })
}

/// The room.
#[must_use]
pub fn address(values: &FieldValues) -> String {
    values.get("room").map_or("", FieldValue::expose).to_owned()
}

/// How fast it may be sent to.
#[must_use]
pub fn lane(settings: &Settings) -> LaneRules {
    let limit = settings.limit.clone();
    LaneRules { concurrency: 1, gate: Some(limit.key.clone()), rate: Some(limit) }
}

/// Sends one message.
pub async fn send(client: &Client, settings: &Settings, message: &Message, words: &Words) -> Exchange {
    let body = Serializer::new(String::new())
        .append_pair("room_id", &settings.room)
        .append_pair("from", &settings.from)
        .append_pair("message", &html(words))
        .append_pair("message_format", "html")
        .append_pair("notify", if settings.notify { "1" } else { "0" })
        .append_pair("color", color(message.severity()))
        .finish();
    let shown = SentRequest {
        method: "POST".to_owned(),
        url: settings.shown_url.clone(),
        headers: settings
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().to_owned()))
            .collect(),
        body: SentBody::Text(body.clone()),
    };
    let call = Call {
        method: reqwest::Method::POST,
        url: settings.url.clone(),
        headers: settings.headers.clone(),
        body: body.into_bytes(),
        kept_max: BODY_KEPT_MAX,
        shown,
        secrets: &[&settings.secrets],
    };
    client.exchange(call, |answer| judge(answer, message.sent_at)).await
}

/// Masks the token as it is, and as it is written in a URL.
pub(crate) fn redactor(token: &str) -> Redactor {
    let encoded: String = url::form_urlencoded::byte_serialize(token.as_bytes()).collect();
    Redactor::new([Secret::new(token), Secret::new(encoded)])
}

/// The URL of a method of the API, and the same as it is shown.
///
/// # Errors
/// When the base is no URL.
pub(crate) fn endpoint(base_url: &str, method: &str, token: &str) -> Result<(Url, String), String> {
    let base = format!("{}/v1/{method}", base_url.trim_end_matches('/'));
    let mut url = Url::parse(&base).map_err(|error| error.to_string())?;
    url.query_pairs_mut().append_pair("format", "json").append_pair("auth_token", token);
    Ok((url, format!("{base}?format=json&auth_token={MASK}")))
}

/// What the room shows.
#[must_use]
pub fn html(words: &Words) -> String {
    let mut html = format!("<b>{}</b>", escape(&words.title));
    let lines = words.paragraphs().flat_map(str::lines).chain([words.context.as_str()]).map(escape);
    let details = words.details.iter().map(|(name, value)| format!("{}: {}", escape(name), escape(value)));
    for line in lines.chain(details).map(|line| format!("<br>{line}")) {
        if html.chars().count() + line.chars().count() > MESSAGE_MAX {
            break;
        }
        html.push_str(&line);
    }
    shorten(&html, MESSAGE_MAX).into_owned()
}

fn escape(text: &str) -> String {
    safe_line(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// The message's colour in the room.
#[must_use]
pub const fn color(severity: Severity) -> &'static str {
    match severity {
        Severity::Success | Severity::Recovery => "green",
        Severity::Info => "gray",
        Severity::Failure => "red",
    }
}

/// What the vendor's answers mean (its API v1 page, "Response codes" and "Rate limiting").
///
/// # Errors
/// What follows from all but a message that was sent.
pub fn judge(answer: &Answer, now: Timestamp) -> Result<(), SendError> {
    let said = |meaning: &str| Reason::new(format!("{}; {meaning}", answered(answer)));
    match answer.status {
        200..=299 if !answer.body.contains("\"sent\"") => Err(SendError::Retry {
            reason: Reason::new("the answer does not say that the message was sent; is this a HipChat server?"),
            after: None,
            patience: Patience::Short,
        }),
        403 | 429 if answer.status == 429 || header(answer, "x-ratelimit-remaining") == Some("0") => {
            Err(SendError::Retry {
                reason: Reason::new("HipChat's limit of 100 messages in 5 minutes is reached"),
                after: Some(reset(answer, now).or_else(|| retry_after(answer, now)).unwrap_or(Duration::from_mins(1))),
                patience: Patience::NotCounted,
            })
        }
        401 => Err(SendError::Gone { reason: said("the token is no longer valid, make a new one") }),
        403 => Err(SendError::Reject { reason: said("the token may not speak in this room") }),
        404 => Err(SendError::Reject { reason: said("there is no such room for this token") }),
        400 => Err(SendError::Reject { reason: said("HipChat does not take this message") }),
        _ => judge_status(answer, now),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_mean_what_the_vendor_says() {
        let now = Timestamp::from_millis(1_000_000);
        let check = |status: u16, headers: &[(&str, &str)], body: &str, expected: &str| {
            let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            let result = judge(&Answer { status, headers, body: body.to_owned() }, now);
            let found = match &result {
                Ok(()) => "ok".to_owned(),
                Err(SendError::Retry { patience: Patience::NotCounted, after, .. }) => {
                    format!("wait {}", after.unwrap_or_default().as_secs())
                }
                Err(SendError::Retry { patience: Patience::Full, .. }) => "retry".to_owned(),
                Err(SendError::Retry { .. }) => "short".to_owned(),
                Err(SendError::Reject { .. }) => "reject".to_owned(),
                Err(SendError::Gone { .. }) => "gone".to_owned(),
            };
            assert_eq!(found, expected, "{status} {body}: {result:?}");
        };
        check(200, &[], r#"{"status":"sent"}"#, "ok");
        check(200, &[], "<html>", "short");
        check(401, &[], "", "gone");
        check(403, &[], "", "reject");
        check(403, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1090")], "", "wait 90");
        check(429, &[], "", "wait 60");
        check(404, &[], "", "reject");
        check(500, &[], "", "retry");
    }

    #[test]
    fn the_token_is_not_shown() {
        let (url, shown) = endpoint("https://chat.acme.test/", "rooms/list", "s3cret&x").unwrap();
        assert_eq!(url.as_str(), "https://chat.acme.test/v1/rooms/list?format=json&auth_token=s3cret%26x");
        assert!(!shown.contains("s3cret"), "{shown}");
    }
}
