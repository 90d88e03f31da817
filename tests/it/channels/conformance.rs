//! One table through all channels: what the other end does, and what follows.

use std::time::Duration;

use bellboard::channels::Settings;
use bellboard::domain::channel::Channel;
use bellboard::domain::delivery::{Exchange, SendError};

use crate::channels::far_end::{Does, start};
use crate::channels::{is_fit_to_keep, message, outcome, senders, settings};

const HEADER_SECRET: &str = "headersecret8842";
const PATH_SECRET: &str = "T0001/B0001/pathsecret7731";
const TOKEN: &str = "token&secret/9953";
const SIGNING: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Everything that was planted, also as it is written in a URL.
const SECRETS: [&str; 5] =
    [HEADER_SECRET, "pathsecret7731", TOKEN, "token%26secret%2F9953", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"];

/// A destination of that channel at an address; nothing for a channel that does not speak HTTP to a destination.
fn at(channel: Channel, address: &str) -> Option<Settings> {
    match channel {
        Channel::Webhook => {
            let url = format!("{address}/in");
            let headers = format!("X-Key: {HEADER_SECRET}");
            Some(settings(channel, &[("url", &url), ("secret", SIGNING), ("headers", &headers)]))
        }
        Channel::Slack => {
            let url = format!("{address}/services/{PATH_SECRET}");
            Some(settings(channel, &[("url", &url), ("channel", "#ops")]))
        }
        Channel::Hipchat => Some(settings(channel, &[("token", TOKEN), ("room", "7"), ("base_url", address)])),
        // Mail has its own other end, in `mail`; the last two say so plainly, below.
        Channel::Email | Channel::Ios | Channel::Browser => None,
    }
}

async fn send(channel: Channel, does: Does) -> Option<Exchange> {
    let settings = at(channel, &start(does).await)?;
    let hangs = matches!(does, Does::Hangs | Does::Drips);
    Some(senders(hangs).send(&settings, &message()).await)
}

#[tokio::test]
async fn everything_that_another_end_can_do_leads_to_its_state() {
    let table: [(Does, [&str; 3]); 29] = [
        // What it does                       Webhook  Slack    HipChat
        (Does::Answers(200), ["ok", "ok", "ok"]),
        (Does::Answers(202), ["ok", "ok", "ok"]),
        (Does::Answers(204), ["ok", "ok", "short"]),
        (Does::Answers(301), ["short", "short", "short"]),
        (Does::AnswersWith(307, "location: http://169.254.169.254/\r\n"), ["short", "short", "short"]),
        (Does::Answers(400), ["short", "short", "reject"]),
        (Does::Answers(401), ["short", "short", "gone"]),
        (Does::Answers(403), ["short", "short", "reject"]),
        (Does::AnswersWith(403, "x-ratelimit-remaining: 0\r\n"), ["short", "short", "wait"]),
        (Does::Answers(404), ["short", "short", "reject"]),
        (Does::Answers(405), ["short", "short", "short"]),
        (Does::Answers(408), ["retry", "retry", "retry"]),
        (Does::Answers(410), ["gone", "gone", "short"]),
        (Does::Answers(413), ["short", "short", "short"]),
        (Does::Answers(425), ["retry", "retry", "retry"]),
        (Does::Answers(429), ["retry", "wait", "wait"]),
        (Does::Answers(500), ["retry", "retry", "retry"]),
        (Does::Answers(501), ["short", "short", "short"]),
        (Does::Answers(502), ["retry", "retry", "retry"]),
        (Does::Answers(503), ["retry", "retry", "retry"]),
        (Does::Answers(504), ["retry", "retry", "retry"]),
        (Does::Answers(599), ["retry", "retry", "retry"]),
        (Does::Hangs, ["retry", "retry", "retry"]),
        (Does::Closes, ["retry", "retry", "retry"]),
        (Does::Babbles, ["retry", "retry", "retry"]),
        (Does::NeverEnds, ["ok", "ok", "short"]),
        (Does::Drips, ["retry", "retry", "retry"]),
        (Does::HasHugeHeaders, ["retry", "retry", "retry"]),
        (Does::CutsShort, ["retry", "retry", "retry"]),
    ];
    for (does, expected) in table {
        for (channel, expected) in [Channel::Webhook, Channel::Slack, Channel::Hipchat].into_iter().zip(expected) {
            let exchange = send(channel, does).await.unwrap();
            let what = format!("{channel} when the other end does {does:?}");
            assert_eq!(outcome(&exchange), expected, "{what}: {exchange:?}");
            is_fit_to_keep(&exchange, &SECRETS, &what);
        }
    }
}

#[tokio::test]
async fn every_channel_is_in_the_table_or_says_that_it_is_not_sent_yet() {
    for channel in Channel::ALL {
        let covered = at(channel, "http://127.0.0.1:1").is_some() || channel == Channel::Email;
        let waits = senders(false).waits_for(channel).is_some();
        assert!(covered || waits, "{channel} is neither in the conformance table nor held");
    }
}

#[tokio::test]
async fn nobody_listening_is_no_end() {
    for channel in [Channel::Webhook, Channel::Slack, Channel::Hipchat] {
        let exchange = senders(false).send(&at(channel, "http://127.0.0.1:1").unwrap(), &message()).await;
        assert_eq!(outcome(&exchange), "retry", "{exchange:?}");
        assert_eq!(exchange.request, None, "what never left is not kept as if it had");
        is_fit_to_keep(&exchange, &SECRETS, channel.name());
    }
}

#[tokio::test]
async fn a_wish_to_wait_is_heard() {
    let check = async |more: &'static str, seconds: Option<u64>| {
        let exchange = send(Channel::Webhook, Does::AnswersWith(503, more)).await.unwrap();
        let Err(SendError::Retry { after, .. }) = exchange.result else { panic!("{exchange:?}") };
        assert_eq!(after, seconds.map(Duration::from_secs), "{more:?}");
    };
    check("retry-after: 7\r\n", Some(7)).await;
    check("retry-after: Sun, 06 Nov 1994 08:49:47 GMT\r\n", Some(10)).await;
    check("retry-after: 99999999999\r\n", Some(86_400)).await;
    check("retry-after: soon\r\n", None).await;
    check("", None).await;
}

#[tokio::test]
async fn no_channel_reaches_a_private_address() {
    let strict = bellboard::channels::Senders::new(bellboard::channels::Options::default()).unwrap();
    for address in
        ["http://127.0.0.1:1", "http://[::1]:1", "http://2130706433:1", "http://localhost:1", "http://0x7f.1:1"]
    {
        for channel in [Channel::Webhook, Channel::Slack, Channel::Hipchat] {
            let exchange = strict.send(&at(channel, address).unwrap(), &message()).await;
            let Err(error) = &exchange.result else { panic!("{channel} reached {address}") };
            assert!(error.reason().as_str().contains("[network] allow"), "{channel} {address}: {}", error.reason());
            assert_eq!(outcome(&exchange), "short", "{channel} {address}");
        }
    }
}
