//! What a channel is given to send, and the words that people read in it.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::domain::account::AccountKey;
use crate::domain::catalogue::{EventType, Severity};
use crate::domain::id::{DeliveryId, DestinationId, EventId};
use crate::domain::payload::Payload;
use crate::domain::subject;
use crate::domain::text::{safe_line, shorten};
use crate::domain::time::{Timestamp, spoken_duration};

/// Most details of a payload that a message lists.
pub const DETAILS_MAX: usize = 12;

/// Longest detail, in characters.
const DETAIL_CHARACTERS_MAX: usize = 200;

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
    pub event_type: Arc<EventType>,
    /// What it carries.
    pub payload: Payload,
    /// When bellboard accepted it.
    pub received_at: Timestamp,
    /// When this try is made.
    pub sent_at: Timestamp,
    /// Whether a person sent it to try the destination.
    pub test: bool,
    /// Who that was.
    pub tester: Option<String>,
    /// Of a recovery: when the failure that it ends began, when that is known.
    pub down_since: Option<Timestamp>,
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
        let what = match subject::failure(&self.event_type, &self.payload).filter(|_| !self.test) {
            Some((of, mark)) => format!("{}\n{of}\n{mark}", self.account),
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
        match subject::name(&self.payload) {
            Some(subject) => format!("{test}{title}: {subject}"),
            None => format!("{test}{title}"),
        }
    }

    /// Where it happened and when, in the account's zone: `Acme Ltd, 14 Nov 2023 22:13:20 UTC`. One safe line.
    #[must_use]
    pub fn context(&self) -> String {
        let at = self.received_at.in_zone(&self.zone()).strftime("%-d %b %Y %H:%M:%S %Z");
        format!("{}, {at}", shorten(&safe_line(&self.account_name), DETAIL_CHARACTERS_MAX))
    }

    /// When it happened, to the minute, as a sentence says it: `22:13 UTC on 14 Nov 2023`, in the account's zone.
    #[must_use]
    pub fn moment(&self) -> String {
        self.received_at.in_zone(&self.zone()).strftime("%H:%M %Z on %-d %b %Y").to_string()
    }

    /// Of a recovery: for how long it was down, as a sentence says it; nothing when that is not known.
    #[must_use]
    pub fn down_for(&self) -> Option<String> {
        let down = self.received_at.since(self.down_since?);
        (down.as_secs() > 0).then(|| spoken_duration(down))
    }

    fn zone(&self) -> jiff::tz::TimeZone {
        jiff::tz::TimeZone::get(&self.timezone).unwrap_or(jiff::tz::TimeZone::UTC)
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
    pub fn severity(&self) -> Severity {
        self.event_type.severity
    }
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
            tester: None,
            down_since: None,
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
}
