//! Payloads like those that the platform's API gives, one for each event type: for tests of a destination and for previews.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::account::{AccountKey, AccountStatus, Profile};
use crate::domain::catalogue::{Catalogue, EventType, Severity};
use crate::domain::id::{DeliveryId, DestinationId, EventId};
use crate::domain::message::Message;
use crate::domain::own_event::{self, Folded};
use crate::domain::payload::Payload;
use crate::domain::time::Timestamp;

/// For how long what a sample recovery ends was down.
pub const SAMPLE_DOWN_FOR: Duration = Duration::from_mins(125);

/// The message of an event that never was: of a type, to an account, at some time.
#[must_use]
pub fn message(
    account: (AccountKey, &Profile),
    event_type: Arc<EventType>,
    payload: Payload,
    at: Timestamp,
) -> Message {
    let (account, profile) = account;
    Message {
        delivery: DeliveryId::new(0),
        destination: DestinationId::new(0),
        event: EventId::from_bytes([0; 16]),
        attempt: 1,
        account,
        account_name: profile.name.clone(),
        timezone: profile.timezone.clone(),
        down_since: event_type.recovers.as_ref().map(|_| at.minus(SAMPLE_DOWN_FOR)),
        event_type,
        payload,
        received_at: at,
        sent_at: at,
        test: false,
        tester: None,
    }
}

/// An account that never was.
#[must_use]
pub fn account() -> Option<(AccountKey, Profile)> {
    let profile = Profile::new("Sample Ltd", "sample@example.com", "UTC", AccountStatus::Active).ok()?;
    Some(("sample".parse().ok()?, profile))
}

/// An event type of an account's own that never was.
#[must_use]
pub fn own_type(name: &str, severity: Severity) -> EventType {
    EventType {
        name: name.to_owned(),
        title: name.to_owned(),
        short: name.to_owned(),
        group: "custom".to_owned(),
        severity,
        recovers: (severity == Severity::Recovery).then(|| "sample.fail".to_owned()),
        is_recovered: false,
        built_in: false,
    }
}

/// Every kind of message that a template of this name may have to make: `server.backon`, or `own-recovery` for the types of an
/// account's own.
#[must_use]
pub fn messages(template: &str) -> Vec<Message> {
    let own = |name: &str| {
        let severity = name.strip_prefix("own-").and_then(|severity| Severity::parse(severity).ok());
        own_type(name, severity.unwrap_or(Severity::Info))
    };
    let Some((key, profile)) = account() else { return Vec::new() };
    let at = Timestamp::from_millis(1_700_000_000_000);
    let payload = sample_payload(template, at);
    let event_type = if own_event::is_own(template) {
        Arc::new(own_event::event_type(template, &payload))
    } else {
        Catalogue::new(Vec::new()).get(template).cloned().unwrap_or_else(|| Arc::new(own(template)))
    };
    let whole = message((key, &profile), event_type, payload, at);
    let of_unknown_length = Message { down_since: None, ..whole.clone() };
    let test = Message { test: true, tester: Some("jane".to_owned()), ..whole.clone() };
    vec![whole, of_unknown_length, test]
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
        own_event::SUMMARY => {
            let title = "Job run failed";
            let kinds = [Folded { title: title.to_owned(), count: 7 }];
            own_event::summary(&kinds, &["Nightly backup".to_owned()], &iso, &iso, title).to_string()
        }
        _ if own_event::is_notice(event_type) => {
            format!(r##"{{"channel":"Slack","destination":"#ops","reason":"answered 500","failing_since":"{iso}"}}"##)
        }
        _ => format!(r#"{{"sample":true,"created_at":{seconds}}}"#),
    };
    Payload::parse(&json).unwrap_or(Payload::empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::catalogue::built_in;

    const STACK: &str = "uid name account_id git git_branch environment cloud fqdn language framework status health \
                         created_at updated_at";
    const SERVER: &str = "uid status server created_at updated_at created_at_iso updated_at_iso";

    #[test]
    fn every_sample_has_the_members_that_the_platforms_api_gives() {
        let deployed = format!("{STACK} deploy_context");
        for event_type in built_in() {
            let expected = match event_type.name.as_str() {
                "account.redeploy.hook.fail" => STACK,
                "server.stopped" | "server.backon" => SERVER,
                "job.fail" | "job.backon" => "uid name type cron status params",
                "process.down" => "process_name server",
                "app.auth" | "app.deauth" => "user app",
                "payment.fail" => "charged_amount reason",
                "account.suspended" => "account_name",
                _ => &deployed,
            };
            let sample = sample_payload(&event_type.name, Timestamp::from_millis(1_700_000_000_000));
            let members: Vec<String> = sample.members().into_iter().map(|(name, _)| name).collect();
            assert_eq!(members.join(" "), expected, "{}", event_type.name);
        }
    }
}
