//! One table through all channels: what the other end does, and what follows.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bellboard::channels::apns::ApnsOptions;
use bellboard::channels::web_push::new_key;
use bellboard::channels::{Options, Senders, Settings, WebPushOptions};
use bellboard::domain::channel::Channel;
use bellboard::domain::delivery::{Exchange, SendError};
use bellboard::domain::secret::Secret;
use zeroize::Zeroizing;

use crate::channels::far_end::{Does, start};
use crate::channels::{is_fit_to_keep, message, options, outcome, settings};

const HEADER_SECRET: &str = "headersecret8842";
const PATH_SECRET: &str = "T0001/B0001/pathsecret7731";
const TOKEN: &str = "token&secret/9953";
const SIGNING: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

const ENDPOINT_SECRET: &str = "endpointsecret4410x";
const AUTH: &str = "BTBZMqHH6r4Tts7J_aSIgg";
const DEVICE_TOKEN: &str = "00fc13adff785122b4ad28809a3420982341241421348097878e577c991de8f0";

/// Of a browser: the example of RFC 8291 appendix A.
const PUBLIC_KEY: &str = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";

/// Everything that was planted, also as it is written in a URL.
pub const SECRETS: [&str; 8] = [
    HEADER_SECRET,
    "pathsecret7731",
    TOKEN,
    "token%26secret%2F9953",
    "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    ENDPOINT_SECRET,
    AUTH,
    DEVICE_TOKEN,
];

/// The channels that speak HTTP, in the order of the table's columns.
pub const OVER_HTTP: [Channel; 5] =
    [Channel::Webhook, Channel::Slack, Channel::Hipchat, Channel::Browser, Channel::Ios];

/// What a form says for a destination of that channel at an address; nothing for a channel that speaks to no address over HTTP.
pub fn typed(channel: Channel, address: &str) -> Option<Vec<(&'static str, String)>> {
    Some(match channel {
        Channel::Webhook => vec![
            ("url", format!("{address}/in")),
            ("secret", SIGNING.to_owned()),
            ("headers", format!("X-Key: {HEADER_SECRET}")),
        ],
        Channel::Slack => {
            vec![("url", format!("{address}/services/{PATH_SECRET}")), ("channel", "#ops".to_owned())]
        }
        Channel::Hipchat => {
            vec![("token", TOKEN.to_owned()), ("room", "7".to_owned()), ("base_url", address.to_owned())]
        }
        Channel::Browser => vec![
            ("endpoint", format!("{address}/push/{ENDPOINT_SECRET}")),
            ("p256dh", PUBLIC_KEY.to_owned()),
            ("auth", AUTH.to_owned()),
        ],
        Channel::Ios => vec![("device_token", DEVICE_TOKEN.to_owned())],
        // Mail has its own other end, in `mail`.
        Channel::Email => return None,
    })
}

fn at(channel: Channel, address: &str) -> Option<Settings> {
    let typed = typed(channel, address)?;
    let fields: Vec<_> = typed.iter().map(|(name, text)| (*name, text.as_str())).collect();
    Some(settings(channel, &fields))
}

async fn send(channel: Channel, does: Does) -> Option<Exchange> {
    let address = start(does).await;
    let settings = at(channel, &address)?;
    let hangs = matches!(does, Does::Hangs | Does::Drips);
    Some(senders_to(options(hangs), &address).send(&settings, &message()).await)
}

/// With keys for push services and for Apple, whose server is at that address.
pub fn senders_to(options: Options, address: &str) -> Senders {
    let key = new_key().unwrap();
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(&key));
    let apns = ApnsOptions {
        key: Secret::new(pem),
        key_id: "ABC123DEFG".to_owned(),
        team_id: "DEF123GHIJ".to_owned(),
        topic: "com.example.app".to_owned(),
        server: Some(address.parse().unwrap()),
        ca: None,
    };
    let web_push = WebPushOptions { key: Zeroizing::new(key), contact: "mailto:ops@acme.test".to_owned() };
    Senders::new(Options { apns: Some(apns), web_push: Some(web_push), ..options }).unwrap()
}

/// What another end does, and what that comes to for Webhook, Slack, HipChat, Browser and iOS.
pub const TABLE: [(Does, [&str; 5]); 29] = [
    (Does::Answers(200), ["ok", "ok", "ok", "ok", "ok"]),
    (Does::Answers(202), ["ok", "ok", "ok", "ok", "ok"]),
    (Does::Answers(204), ["ok", "ok", "short", "ok", "ok"]),
    (Does::Answers(301), ["short", "short", "short", "short", "short"]),
    (Does::AnswersWith(307, "location: http://169.254.169.254/\r\n"), ["short", "short", "short", "short", "short"]),
    (Does::Answers(400), ["short", "short", "reject", "reject", "short"]),
    (Does::Answers(401), ["short", "short", "gone", "reject", "short"]),
    (Does::Answers(403), ["short", "short", "reject", "reject", "short"]),
    (Does::AnswersWith(403, "x-ratelimit-remaining: 0\r\n"), ["short", "short", "wait", "reject", "short"]),
    (Does::Answers(404), ["short", "short", "reject", "gone", "short"]),
    (Does::Answers(405), ["short", "short", "short", "short", "short"]),
    (Does::Answers(408), ["retry", "retry", "retry", "retry", "retry"]),
    (Does::Answers(410), ["gone", "gone", "short", "gone", "short"]),
    (Does::Answers(413), ["short", "short", "short", "reject", "short"]),
    (Does::Answers(425), ["retry", "retry", "retry", "retry", "retry"]),
    (Does::Answers(429), ["retry", "wait", "wait", "wait", "retry"]),
    (Does::Answers(500), ["retry", "retry", "retry", "retry", "retry"]),
    (Does::Answers(501), ["short", "short", "short", "short", "retry"]),
    (Does::Answers(502), ["retry", "retry", "retry", "retry", "retry"]),
    (Does::Answers(503), ["retry", "retry", "retry", "retry", "retry"]),
    (Does::Answers(504), ["retry", "retry", "retry", "retry", "retry"]),
    (Does::Answers(599), ["retry", "retry", "retry", "retry", "retry"]),
    (Does::Hangs, ["retry", "retry", "retry", "retry", "retry"]),
    (Does::Closes, ["retry", "retry", "retry", "retry", "retry"]),
    (Does::Babbles, ["retry", "retry", "retry", "retry", "retry"]),
    (Does::NeverEnds, ["ok", "ok", "short", "ok", "ok"]),
    (Does::Drips, ["retry", "retry", "retry", "retry", "retry"]),
    (Does::HasHugeHeaders, ["retry", "retry", "retry", "retry", "retry"]),
    (Does::CutsShort, ["retry", "retry", "retry", "retry", "retry"]),
];

#[tokio::test]
async fn everything_that_another_end_can_do_leads_to_its_state() {
    for (does, expected) in TABLE {
        for (channel, expected) in OVER_HTTP.into_iter().zip(expected) {
            let exchange = send(channel, does).await.unwrap();
            let what = format!("{channel} when the other end does {does:?}");
            assert_eq!(outcome(&exchange), expected, "{what}: {exchange:?}");
            is_fit_to_keep(&exchange, &SECRETS, &what);
        }
    }
}

#[tokio::test]
async fn every_channel_is_in_a_table() {
    for channel in Channel::ALL {
        let covered = OVER_HTTP.contains(&channel) && at(channel, "http://127.0.0.1:1").is_some();
        assert!(covered || channel == Channel::Email, "{channel} is in no conformance table");
    }
}

#[tokio::test]
async fn every_reason_of_apples_leads_to_its_state() {
    // Apple, "Handling notification responses from APNs", the table of reasons.
    let table: [(u16, &str, &str); 31] = [
        (400, "BadCollapseId", "reject"),
        (400, "BadDeviceToken", "reject"),
        (400, "BadExpirationDate", "reject"),
        (400, "BadMessageId", "reject"),
        (400, "BadPriority", "reject"),
        (400, "BadTopic", "wait"),
        (400, "DeviceTokenNotForTopic", "reject"),
        (400, "DuplicateHeaders", "reject"),
        (400, "IdleTimeout", "retry"),
        (400, "InvalidPushType", "reject"),
        (400, "MissingDeviceToken", "reject"),
        (400, "MissingTopic", "wait"),
        (400, "PayloadEmpty", "reject"),
        (400, "TopicDisallowed", "wait"),
        (403, "BadCertificate", "wait"),
        (403, "BadCertificateEnvironment", "wait"),
        (403, "BadEnvironmentKeyIdInToken", "wait"),
        (403, "ExpiredProviderToken", "wait"),
        (403, "Forbidden", "wait"),
        (403, "InvalidProviderToken", "wait"),
        (403, "MissingProviderToken", "wait"),
        (403, "UnrelatedKeyIdInToken", "wait"),
        (404, "BadPath", "reject"),
        (405, "MethodNotAllowed", "reject"),
        (410, "ExpiredToken", "gone"),
        (410, "Unregistered", "gone"),
        (413, "PayloadTooLarge", "reject"),
        (429, "TooManyProviderTokenUpdates", "wait"),
        (429, "TooManyRequests", "retry"),
        (500, "InternalServerError", "retry"),
        (503, "ServiceUnavailable", "retry"),
    ];
    for (status, reason, expected) in table {
        let exchange = send(Channel::Ios, Does::AnswersReason(status, reason)).await.unwrap();
        assert_eq!(outcome(&exchange), expected, "{status} {reason}: {exchange:?}");
        is_fit_to_keep(&exchange, &SECRETS, reason);
    }
}

#[tokio::test]
async fn nobody_listening_is_no_end() {
    for channel in OVER_HTTP {
        let nobody = "http://127.0.0.1:1";
        let exchange = senders_to(options(false), nobody).send(&at(channel, nobody).unwrap(), &message()).await;
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
    for address in
        ["http://127.0.0.1:1", "http://[::1]:1", "http://2130706433:1", "http://localhost:1", "http://0x7f.1:1"]
    {
        let strict = senders_to(Options::default(), address);
        for channel in OVER_HTTP {
            let exchange = strict.send(&at(channel, address).unwrap(), &message()).await;
            let Err(error) = &exchange.result else { panic!("{channel} reached {address}") };
            assert!(error.reason().as_str().contains("[network] allow"), "{channel} {address}: {}", error.reason());
            assert_eq!(outcome(&exchange), "short", "{channel} {address}");
        }
    }
}
