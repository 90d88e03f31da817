//! What a channel is given to send, and the words that people read in it.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::domain::account::AccountKey;
use crate::domain::catalogue::{self, EventType, Severity};
use crate::domain::id::{DeliveryId, DestinationId, EventId};
use crate::domain::payload::Payload;
use crate::domain::text::{safe_line, shorten};
use crate::domain::time::Timestamp;

/// Most details of a payload that a message lists.
pub const DETAILS_MAX: usize = 12;

/// Longest detail, in characters.
const DETAIL_CHARACTERS_MAX: usize = 200;

/// Members of a payload that name what an event is about, the best first.
const SUBJECTS: [&str; 9] =
    ["name", "server.name", "process_name", "account_name", "app.name", "app", "fqdn", "server", "uid"];

/// One event on its way to one destination: all that a channel may put into a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Which delivery this is.
    pub delivery: DeliveryId,
    /// Where to.
    pub destination: DestinationId,
    /// Which event.
    pub event: EventId,
    /// Which try, from 1.
    pub attempt: u32,
    /// The account's key.
    pub account: AccountKey,
    /// The account's name.
    pub account_name: String,
    /// The account's time zone, an IANA name.
    pub timezone: String,
    /// The event's type.
    pub event_type: EventType,
    /// What it carries.
    pub payload: Payload,
    /// When bellboard accepted it.
    pub received_at: Timestamp,
    /// When this try is made.
    pub sent_at: Timestamp,
    /// Whether a person sent it to try the destination.
    pub test: bool,
}

impl Message {
    /// The id that receivers tell repeats by: the event's own, so that a replay is known as one; that of a test begins with
    /// `test_`.
    #[must_use]
    pub fn webhook_id(&self) -> String {
        let id = self.event.to_string();
        if self.test { id.replacen("evt_", "test_", 1) } else { id }
    }

    /// What this message is a part of: the same for a failure and its recovery, so that the one can replace or answer the other,
    /// and another for everything else. 27 signs of base64url, within the limits of a Web Push topic (32, RFC 8030 section 5.4)
    /// and of an APNs collapse id (64 bytes).
    #[must_use]
    pub fn thread(&self) -> String {
        let of = self.event_type.recovers.as_deref().unwrap_or(&self.event_type.name);
        let what = match self.subject().filter(|_| !self.test && catalogue::is_recovered(of)) {
            Some(subject) => format!("{}\n{of}\n{subject}", self.account),
            None => self.webhook_id(),
        };
        URL_SAFE_NO_PAD.encode(&digest(&SHA256, what.as_bytes()).as_ref()[..20])
    }

    /// The JSON body that receivers of webhooks get.
    #[must_use]
    pub fn body(&self) -> String {
        self.payload.body(self.sent_at.seconds(), &self.event_type.name)
    }

    /// What happened, and to what: `Server heartbeat stopped: web1`. One safe line.
    #[must_use]
    pub fn headline(&self) -> String {
        let title = safe_line(&self.event_type.title);
        let test = if self.test { "Test: " } else { "" };
        match self.subject() {
            Some(subject) => format!("{test}{title}: {subject}"),
            None => format!("{test}{title}"),
        }
    }

    /// Where it happened and when, in the account's zone: `Acme Ltd, 14 Nov 2023 22:13:20 UTC`. One safe line.
    #[must_use]
    pub fn context(&self) -> String {
        let zone = jiff::tz::TimeZone::get(&self.timezone).unwrap_or(jiff::tz::TimeZone::UTC);
        let at = self.received_at.in_zone(&zone).strftime("%-d %b %Y %H:%M:%S %Z");
        format!("{}, {at}", shorten(&safe_line(&self.account_name), DETAIL_CHARACTERS_MAX))
    }

    /// The payload's members as safe lines of name and value, in order, at most [`DETAILS_MAX`].
    #[must_use]
    pub fn details(&self) -> Vec<(String, String)> {
        self.payload
            .members()
            .into_iter()
            .filter(|(_, value)| !value.is_empty() && value != "null")
            .take(DETAILS_MAX)
            .map(|(name, value)| (short_line(&name), short_line(&value)))
            .collect()
    }

    /// How the event is meant, for colours and marks.
    #[must_use]
    pub const fn severity(&self) -> Severity {
        self.event_type.severity
    }

    fn subject(&self) -> Option<String> {
        SUBJECTS.iter().find_map(|path| self.payload.text(path)).map(|text| short_line(&text))
    }
}

/// A payload like those that the platform sends for this event type, for tests of a destination.
#[must_use]
pub fn sample_payload(event_type: &str, at: Timestamp) -> Payload {
    let (seconds, iso) = (at.seconds(), at.to_string());
    let stack = format!(
        r#""uid":"sample-stack","name":"Sample application","account_id":1,"git":"git@example.com:sample/app.git","git_branch":"main","environment":"production","cloud":"sample","fqdn":"app.example.com","language":"ruby","framework":"rails","status":1,"health":2,"created_at":"{iso}","updated_at":"{iso}""#
    );
    let deploy = |outcome: &str| {
        format!(
            r#"{{{stack},"deploy_context":{{"triggered_by":"sample@example.com","outcome":"{outcome}","started_at":"{iso}","finished_at":"{iso}"}}}}"#
        )
    };
    let server = |status: u8| {
        format!(
            r#"{{"uid":"sample-server","status":{status},"server":"sample-server","created_at":{seconds},"updated_at":{seconds},"created_at_iso":"{iso}","updated_at_iso":"{iso}"}}"#
        )
    };
    let job = |status: u8| {
        format!(
            r#"{{"uid":"sample-job","name":"Nightly backup","type":"cron","cron":"0 3 * * *","status":{status},"params":{{}}}}"#
        )
    };
    let json = match event_type {
        "account.provision.ok" | "account.redeploy.ok" => deploy("success"),
        "account.provision.fail" | "account.redeploy.fail" => deploy("failure"),
        "account.deploy.started" => deploy("started"),
        "account.redeploy.hook.fail" => format!("{{{stack}}}"),
        "server.stopped" => server(0),
        "server.backon" => server(1),
        "job.fail" => job(0),
        "job.backon" => job(1),
        "process.down" => r#"{"process_name":"worker","server":{"name":"sample","uid":"sample-server"}}"#.to_owned(),
        "app.auth" | "app.deauth" => r#"{"user":"sample@example.com","app":"Sample dashboard"}"#.to_owned(),
        "payment.fail" => r#"{"charged_amount":49.00,"reason":"card declined"}"#.to_owned(),
        "account.suspended" => r#"{"account_name":"Sample Ltd"}"#.to_owned(),
        _ => format!(r#"{{"sample":true,"created_at":{seconds}}}"#),
    };
    Payload::parse(&json).unwrap_or(Payload::empty())
}

fn short_line(text: &str) -> String {
    shorten(&safe_line(text), DETAIL_CHARACTERS_MAX).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::catalogue;

    fn message(event_type: &str, payload: Payload, test: bool) -> Message {
        let catalogue = catalogue::Catalogue::new(Vec::new());
        Message {
            delivery: DeliveryId::new(1),
            destination: DestinationId::new(1),
            event: EventId::from_bytes([1; 16]),
            attempt: 1,
            account: "acme".parse().unwrap_or_else(|error| panic!("{error}")),
            account_name: "Acme Ltd".to_owned(),
            timezone: "Europe/Vienna".to_owned(),
            event_type: catalogue.get(event_type).cloned().unwrap_or_else(|| panic!("{event_type}")),
            payload,
            received_at: Timestamp::from_millis(1_700_000_000_000),
            sent_at: Timestamp::from_millis(1_700_000_001_000),
            test,
        }
    }

    #[test]
    fn people_read_what_happened_to_what_and_when() {
        let payload = Payload::parse(r#"{"name":"web\u001b[2J1","x":""}"#).unwrap_or(Payload::empty());
        let message = message("server.stopped", payload, false);
        assert_eq!(message.headline(), "Server heartbeat stopped: web·[2J1");
        assert_eq!(message.context(), "Acme Ltd, 14 Nov 2023 23:13:20 CET");
        assert_eq!(message.details(), [("name".to_owned(), "web·[2J1".to_owned())]);
        assert!(message.webhook_id().starts_with("evt_"));
    }

    #[test]
    fn every_type_has_a_sample_and_a_test_says_that_it_is_one() {
        for event_type in catalogue::built_in() {
            let sample = sample_payload(&event_type.name, Timestamp::from_millis(1_700_000_000_000));
            assert_ne!(sample, Payload::empty(), "{}", event_type.name);
            let message = message(&event_type.name, sample, true);
            assert!(message.headline().starts_with("Test: "), "{}", message.headline());
            assert!(message.webhook_id().starts_with("test_"));
        }
    }
}
