//! What a message looks like in a channel, without sending it.

use serde_json::Value;

use crate::channels::notice::Notice;
use crate::channels::templates::Templates;
use crate::channels::web_push::PLAIN_BYTES_MAX;
use crate::channels::{browser, email, hipchat, ios, slack};
use crate::domain::channel::Channel;
use crate::domain::message::Message;
use crate::domain::text::shorten;

/// One part of what is sent, as the subject of a mail.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Part {
    /// What it is.
    pub part: &'static str,
    /// What stands there; one line or many.
    pub text: String,
}

/// The parts of this message in a channel, cut to the channel's limits as they are when it is sent.
#[must_use]
pub fn preview(channel: Channel, templates: &Templates, message: &Message) -> Vec<Part> {
    let part = |part, text: String| Part { part, text };
    let words = templates.words(message);
    match channel {
        Channel::Email => vec![
            part("subject", shorten(&email::subject(message, &words), email::SUBJECT_MAX).into_owned()),
            part("text", email::text(message, &words, None)),
            part("html", email::html(message, &words, None)),
        ],
        Channel::Slack => {
            let body = slack::body(message, &words);
            let shown: Vec<String> = body["blocks"].as_array().into_iter().flatten().flat_map(slack_block).collect();
            vec![
                part("message", shown.join("\n")),
                part("notification", unescaped(body["text"].as_str().unwrap_or_default())),
            ]
        }
        Channel::Hipchat => {
            let html = hipchat::html(&words);
            let shown = unescaped(&html.replace("<br>", "\n").replace("<b>", "").replace("</b>", ""));
            let color = hipchat::color(message.severity()).to_owned();
            vec![part("message", shown), part("color", color), part("html", html)]
        }
        Channel::Browser | Channel::Ios => {
            let document = match channel {
                Channel::Ios => ios::payload(message, &words),
                _ => browser::document(message, &words, PLAIN_BYTES_MAX),
            };
            let Notice { title, body } = Notice::of(&words);
            vec![part("title", title), part("text", body), part("payload", document)]
        }
        Channel::Webhook => vec![part("webhook-id", message.webhook_id()), part("body", message.body())],
    }
}

/// The texts of one of Slack's blocks, as people read them.
fn slack_block(block: &Value) -> Vec<String> {
    let one = block.get("text").into_iter();
    let many = ["fields", "elements"].into_iter().filter_map(|name| block.get(name)?.as_array()).flatten();
    one.chain(many).filter_map(|text| text["text"].as_str()).map(unescaped).collect()
}

fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&")
}
