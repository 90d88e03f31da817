//! What a Slack webhook's answers mean, and those of the servers that take the same messages: one table.
//!
//! Slack answers with one word (docs.slack.dev, "Sending messages using incoming webhooks", errors). Mattermost says its
//! error's `id`, Discord a `code` ("JSON error codes" of its reference), Rocket.Chat an `error`, each in JSON.

use serde_json::Value;

use crate::channels::http::{answered, judge_status, retry_after};
use crate::domain::delivery::{Answer, Reason, SendError};
use crate::domain::retry::Patience;
use crate::domain::time::Timestamp;

/// How long to leave a host alone after a 429 that does not say.
const PAUSE: std::time::Duration = std::time::Duration::from_secs(30);

/// Longest word of a service that is shown, with room for new ones.
const WORD_BYTES_MAX: usize = 64;

/// What a word leads to.
#[derive(Clone, Copy)]
enum Fate {
    /// The webhook leads nowhere any more.
    Gone,
    /// This message, or any at present, is refused; waiting helps nothing.
    Reject,
}

use Fate::{Gone, Reject};

const NEW_ONE: &str = "the webhook was removed; make a new one and put its URL here";
const NOT_TAKEN: &str = "it does not take this message; others may go through";
const NO_CHANNEL: &str = "the channel it posts to is no more; make a webhook for another one";
const FORBIDDEN: &str =
    "posting there is restricted; ask an administrator to allow it, or make a webhook for another channel";

/// The words, what they lead to, and what a person can do.
const WORDS: &[(&str, Fate, &str)] = &[
    // Slack
    ("invalid_payload", Reject, NOT_TAKEN),
    ("invalid_blocks", Reject, NOT_TAKEN),
    ("invalid_blocks_format", Reject, NOT_TAKEN),
    ("no_text", Reject, NOT_TAKEN),
    ("missing_text_or_fallback_or_attachments", Reject, NOT_TAKEN),
    ("too_many_attachments", Reject, NOT_TAKEN),
    ("user_not_found", Reject, "the person it posts to is no longer there; make a webhook for a channel"),
    ("channel_not_found", Gone, NO_CHANNEL),
    (
        "channel_is_archived",
        Gone,
        "the channel is archived; take it out of the archive and enable this again, or make a webhook for another one",
    ),
    ("action_prohibited", Reject, FORBIDDEN),
    ("posting_to_general_channel_denied", Reject, FORBIDDEN),
    ("no_service", Gone, NEW_ONE),
    ("no_service_id", Gone, NEW_ONE),
    ("no_active_hooks", Gone, NEW_ONE),
    ("invalid_token", Gone, "the URL is not, or no longer, a webhook's; copy it again or make a new one"),
    ("no_team", Gone, "the workspace is no more; make a webhook in another one"),
    ("team_disabled", Gone, "the workspace is switched off; have it switched on and enable this again"),
    // Mattermost
    ("web.incoming_webhook.invalid.app_error", Gone, NEW_ONE),
    ("web.incoming_webhook.channel.app_error", Gone, NO_CHANNEL),
    ("web.incoming_webhook.permissions.app_error", Reject, FORBIDDEN),
    ("web.incoming_webhook.channel_locked.app_error", Reject, FORBIDDEN),
    (
        "web.incoming_webhook.disabled.app_error",
        Reject,
        "incoming webhooks are switched off on this server; ask its administrator",
    ),
    ("web.incoming_webhook.parse.app_error", Reject, NOT_TAKEN),
    ("web.incoming_webhook.text.app_error", Reject, NOT_TAKEN),
    // Rocket.Chat
    ("Invalid integration id or token provided.", Gone, NEW_ONE),
    ("invalid-channel", Gone, NO_CHANNEL),
    // Discord
    ("10003", Gone, NO_CHANNEL),
    ("10015", Gone, NEW_ONE),
    ("50027", Gone, NEW_ONE),
    ("50006", Reject, NOT_TAKEN),
    ("50035", Reject, NOT_TAKEN),
];

/// What follows from an answer.
///
/// # Errors
/// Whatever was not taken.
pub fn judge(answer: &Answer, now: Timestamp) -> Result<(), SendError> {
    if answer.status == 429 {
        return Err(SendError::Retry {
            reason: Reason::new("the service asks for a slower pace (429)"),
            after: Some(retry_after(answer, now).unwrap_or(PAUSE)),
            patience: Patience::NotCounted,
        });
    }
    let json: Option<Value> = serde_json::from_str(&answer.body).ok();
    // Rocket.Chat answers 200 to some that it does not take.
    let refused_in_200 = json.as_ref().is_some_and(|json| json["success"] == false);
    if (200..300).contains(&answer.status) && !refused_in_200 {
        return Ok(());
    }
    let word = word(&answer.body, json.as_ref());
    // What is a fault of the service's own passes, whatever it says; 501 is Mattermost's for a switch that is off.
    let is_final = answer.status < 500 || answer.status == 501;
    let known = WORDS.iter().find(|(known, ..)| is_final && Some(*known) == word.as_deref());
    let shown = word.as_deref().filter(|word| known.is_some() || is_slacks(word));
    let shown = shown.map(|word| format!(" ({word})")).unwrap_or_default();
    let said = |advice: &str| Reason::new(format!("{}{shown}; {advice}", answered(answer)));
    match known {
        Some((_, Gone, advice)) => Err(SendError::Gone { reason: said(advice) }),
        Some((_, Reject, advice)) => Err(SendError::Reject { reason: said(advice) }),
        None if answer.status == 410 => Err(SendError::Gone { reason: said(NO_CHANNEL) }),
        None if refused_in_200 => Err(SendError::Reject { reason: said(NOT_TAKEN) }),
        None => judge_status(answer, now).map_err(|error| with_word(error, &shown)),
    }
}

/// What the service says is wrong, in its own word.
fn word(body: &str, json: Option<&Value>) -> Option<String> {
    match json {
        Some(json @ Value::Object(_)) => {
            let text = |name: &str| json[name].as_str().map(str::to_owned);
            let code = || json["code"].as_u64().map(|code| code.to_string());
            text("id").or_else(code).or_else(|| text("error"))
        }
        _ => Some(body.trim().to_owned()).filter(|word| !word.is_empty()),
    }
}

/// Whether it is a word like Slack's. Whatever else stands there (a proxy's page) is no part of a reason.
fn is_slacks(word: &str) -> bool {
    word.len() <= WORD_BYTES_MAX && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

fn with_word(error: SendError, shown: &str) -> SendError {
    match error {
        SendError::Retry { reason, after, patience } => {
            SendError::Retry { reason: Reason::new(format!("{reason}{shown}")), after, patience }
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_mean_what_the_services_say() {
        let check = |status: u16, body: &str, expected: &str| {
            let answer = Answer { status, headers: Vec::new(), body: body.to_owned() };
            let result = judge(&answer, Timestamp::from_millis(0));
            let found = match &result {
                Ok(()) => "ok",
                Err(SendError::Retry { patience: Patience::NotCounted, .. }) => "wait",
                Err(SendError::Retry { patience: Patience::Full, .. }) => "retry",
                Err(SendError::Retry { .. }) => "short",
                Err(SendError::Reject { .. }) => "reject",
                Err(SendError::Gone { .. }) => "gone",
            };
            assert_eq!(found, expected, "{status} {body}: {result:?}");
        };
        check(200, "ok", "ok");
        check(200, "", "ok");
        check(200, r#"{"success":true}"#, "ok");
        check(200, r#"{"success":false,"error":"unknown-error"}"#, "reject");
        check(400, "invalid_payload", "reject");
        check(403, "action_prohibited\n", "reject");
        check(404, "no_service", "gone");
        check(410, "channel_is_archived", "gone");
        check(410, "", "gone");
        check(404, "<html>", "short");
        check(404, "a_new_word", "short");
        check(429, "", "wait");
        check(500, "rollup_error", "retry");
        check(503, "no_service", "retry");
        check(501, r#"{"id":"web.incoming_webhook.disabled.app_error"}"#, "reject");
        check(404, r#"{"message":"Unknown Webhook","code":10015}"#, "gone");
    }

    #[test]
    fn no_page_of_a_proxy_becomes_a_reason() {
        let body = "<html>T0001/secret</html>".to_owned();
        let result = judge(&Answer { status: 404, headers: Vec::new(), body }, Timestamp::from_millis(0));
        let reason = result.unwrap_err().reason().to_string();
        assert_eq!(reason, "answered 404 Not Found");
    }
}
