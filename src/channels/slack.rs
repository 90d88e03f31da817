//! A Slack incoming webhook, or one that takes the same: Mattermost, Rocket.Chat, Discord (its URL and `/slack`).
//!
//! The message is `text`, which stands alone for those that know no blocks, and `blocks`. `&`, `<` and `>` are escaped
//! (docs.slack.dev, "Formatting message text"), and every part is cut to Slack's limits. The URL is the secret. Slack takes
//! one message a second for each, and its limit is also per workspace, so a 429 holds all destinations on that host; it is
//! no try, since retrying at once can get an app banned.

use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use url::Url;

use crate::channels::field::{Field, FieldKind};
use crate::channels::form::FieldError;
use crate::channels::http::{BODY_KEPT_MAX, Call, Client, USER_AGENT, header_map};
use crate::channels::limit::{Limit, key};
use crate::channels::slack_answers::judge;
use crate::channels::webhook::host_of;
use crate::channels::words::Words;
use crate::channels::{LaneRules, Rate};
use crate::domain::catalogue::Severity;
use crate::domain::delivery::{Exchange, SentBody, SentRequest};
use crate::domain::destination::{FieldValue, FieldValues};
use crate::domain::message::Message;
use crate::domain::redactor::Redactor;
use crate::domain::secret::{MASK, Secret};
use crate::domain::text::{safe_line, shorten};

/// The form.
pub const FIELDS: &[Field] = &[
    Field {
        name: "url",
        title: "Webhook URL",
        help: "Slack: Apps, Incoming Webhooks, Add to a channel; Discord: its URL and /slack",
        kind: FieldKind::SecretUrl,
        required: true,
        default: "",
    },
    Field {
        name: "channel",
        title: "Channel",
        help: "shown here only, as #ops; the URL decides where messages go",
        kind: FieldKind::Text,
        required: false,
        default: "",
    },
];

/// Slack's limits in characters (docs.slack.dev, "Block Kit": header, section, section fields).
const HEADER_MAX: usize = 150;
const FIELD_MAX: usize = 2000;
const FIELDS_MAX: usize = 10;
const TEXT_MAX: usize = 3000;

/// Slack's limit for each webhook (docs.slack.dev, "Rate limits").
const RATE: Rate = Rate { count: 1, per: std::time::Duration::from_secs(1) };

/// A webhook, ready to send to.
#[derive(Debug)]
pub struct Settings {
    url: Url,
    shown_url: String,
    headers: HeaderMap,
    secrets: Redactor,
    host: String,
}

/// Makes the fields ready to send with.
///
/// # Errors
/// Each field that cannot be taken.
pub fn parse(values: &FieldValues) -> Result<Settings, Vec<FieldError>> {
    let text = values.get("url").map_or("", FieldValue::expose);
    let url = Url::parse(text).map_err(|error| vec![FieldError::new("url", error.to_string())])?;
    let host = host_of(text);
    // What tells one webhook from another is in the path; a server's answer or error may repeat any part of it.
    let is_telling = |part: &&str| part.len() >= 8 && *part != "services";
    let parts = url.path_segments().into_iter().flatten().filter(is_telling);
    let secrets = Redactor::new([text, url.path()].into_iter().chain(parts).map(Secret::new));
    Ok(Settings {
        shown_url: format!("{}://{host}/{MASK}", url.scheme()),
        headers: header_map([("content-type", "application/json"), ("user-agent", USER_AGENT)].into_iter()),
        secrets,
        host,
        url,
    })
}

/// The channel as it was written down, else the host.
#[must_use]
pub fn address(values: &FieldValues) -> String {
    match values.get("channel").map_or("", FieldValue::expose) {
        "" => host_of(values.get("url").map_or("", FieldValue::expose)),
        channel => channel.to_owned(),
    }
}

/// How fast it may be sent to.
#[must_use]
pub fn lane(settings: &Settings) -> LaneRules {
    let rate = Limit::by(RATE, &[settings.url.as_str()]);
    LaneRules { concurrency: 1, rate: Some(rate), gate: Some(key(&[&settings.host])) }
}

/// Sends one message.
pub async fn send(client: &Client, settings: &Settings, message: &Message, words: &Words) -> Exchange {
    let body = body(message, words).to_string();
    let shown = SentRequest {
        method: "POST".to_owned(),
        url: settings.shown_url.clone(),
        headers: vec![
            ("content-type".to_owned(), "application/json".to_owned()),
            ("user-agent".to_owned(), USER_AGENT.to_owned()),
        ],
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

/// What Slack is sent.
#[must_use]
pub fn body(message: &Message, words: &Words) -> Value {
    let mark = mark(message.severity());
    let Words { title, context, .. } = words;
    let paragraphs: Vec<String> = words.paragraphs().map(escape_lines).collect();
    let mut blocks = vec![json!({"type": "header", "text":
        {"type": "plain_text", "text": shorten(&format!("{mark} {title}"), HEADER_MAX), "emoji": true}})];
    let section = |text: &str| json!({"type": "section", "text": {"type": "mrkdwn", "text": text}});
    blocks.push(section(&cut_escaped(&paragraphs.join("\n"), TEXT_MAX)));
    let fields: Vec<Value> = words
        .details
        .iter()
        .take(FIELDS_MAX)
        .map(|(name, value)| {
            let text = format!("*{}*\n{}", escape(name), escape(value));
            json!({"type": "mrkdwn", "text": cut_escaped(&text, FIELD_MAX)})
        })
        .collect();
    if !fields.is_empty() {
        blocks.push(json!({"type": "section", "fields": fields}));
    }
    let elements = json!([{"type": "mrkdwn", "text": cut_escaped(&escape(context), FIELD_MAX)}]);
    blocks.push(json!({"type": "context", "elements": elements}));
    let all = format!("{mark} {}\n{}\n{}", escape(title), paragraphs.join("\n"), escape(context));
    let text = cut_escaped(&all, TEXT_MAX);
    json!({"text": text, "blocks": blocks})
}

const fn mark(severity: Severity) -> &'static str {
    match severity {
        Severity::Success | Severity::Recovery => ":white_check_mark:",
        Severity::Info => ":information_source:",
        Severity::Failure => ":red_circle:",
    }
}

fn escape_lines(text: &str) -> String {
    text.lines().map(escape).collect::<Vec<_>>().join("\n")
}

fn escape(text: &str) -> String {
    safe_line(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Cuts escaped text without leaving half an entity at its end.
fn cut_escaped(text: &str, characters_max: usize) -> String {
    if text.chars().count() <= characters_max {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(characters_max - 1).collect();
    if let Some(start) = cut.rfind('&').filter(|start| !cut[*start..].contains(';')) {
        cut.truncate(start);
    }
    cut.push('…');
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_is_escaped_and_cut_whole() {
        assert_eq!(escape("<!channel> & <http://x|y>"), "&lt;!channel&gt; &amp; &lt;http://x|y&gt;");
        assert_eq!(cut_escaped("ab&amp;cd", 6), "ab…");
        assert_eq!(cut_escaped("ab&amp;cd", 9), "ab&amp;cd");
    }
}
