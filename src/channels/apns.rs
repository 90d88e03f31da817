//! The way to Apple's push service (Apple, "Sending notification requests to APNs"): one HTTP/2 connection for all sends, a
//! token that is signed here and shared by them, and what each of Apple's reasons means.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::json;
use url::Url;

use crate::channels::http::{Client, answered, deepest, judge_status, retry_after};
use crate::channels::net::Gate;
use crate::domain::delivery::{Answer, Reason, SendError};
use crate::domain::retry::Patience;
use crate::domain::secret::Secret;
use crate::domain::time::Timestamp;

/// How the account at Apple is known. All of it is needed.
#[derive(Clone, Debug)]
pub struct ApnsOptions {
    /// The signing key: what is in the `.p8` file.
    pub key: Secret,
    /// The key's id, ten signs.
    pub key_id: String,
    /// The team's id, ten signs.
    pub team_id: String,
    /// The app's bundle id.
    pub topic: String,
    /// Another server than Apple's; for tests.
    pub server: Option<Url>,
    /// The certificates that vouch for that server, PEM.
    pub ca: Option<Vec<u8>>,
}

/// Apple's hosts.
const PRODUCTION: &str = "https://api.push.apple.com";
const SANDBOX: &str = "https://api.sandbox.push.apple.com";

/// When a token is renewed. Apple takes one for an hour and refuses renewals within 20 minutes.
const TOKEN_RENEWED_AFTER: Duration = Duration::from_mins(40);

/// How long everything waits after a fault in our own set-up.
const SETUP_PAUSE: Duration = Duration::from_mins(1);

/// How long everything waits when tokens were renewed too often.
const RENEWAL_PAUSE: Duration = Duration::from_mins(20);

/// The connection and its token.
pub struct Apns {
    /// The client, whose connection all sends share.
    pub client: Client,
    /// The app's bundle id.
    pub topic: String,
    server: Option<Url>,
    signer: EncodingKey,
    key_id: String,
    team_id: String,
    tokens: Mutex<Tokens>,
}

/// What was signed.
#[derive(Default)]
struct Tokens {
    /// The token in force, and when it was made.
    current: Option<(Timestamp, String)>,
    /// When one was last renewed before its time.
    renewed_early_at: Option<Timestamp>,
}

impl std::fmt::Debug for Apns {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "key {} of team {} for {}", self.key_id, self.team_id, self.topic)
    }
}

impl Apns {
    /// Checks the key and makes the client.
    ///
    /// # Errors
    /// What is wrong, and what to write instead.
    pub fn new(options: ApnsOptions, gate: Gate, timeout: Duration) -> Result<Self, String> {
        let signer = EncodingKey::from_ec_pem(options.key.expose().as_bytes()).map_err(|_| {
            "key_file: this is no key of Apple's; it must be the .p8 file, as it was downloaded".to_owned()
        })?;
        // A key of another kind is found out by the first signature only.
        sign(&signer, &options.key_id, &options.team_id, Timestamp::default())?;
        // A plain server is one for tests; Apple's speak HTTP/2 only.
        let plain = options.server.as_ref().is_some_and(|url| url.scheme() == "http");
        let client =
            if plain { Client::new(gate, timeout) } else { Client::http2(gate, timeout, options.ca.as_deref()) };
        let client = client.map_err(|error| format!("no HTTP client could be made: {}", deepest(&error)))?;
        let (key_id, team_id, topic, server) = (options.key_id, options.team_id, options.topic, options.server);
        Ok(Self { client, topic, server, signer, key_id, team_id, tokens: Mutex::default() })
    }

    /// Where a device's messages go.
    ///
    /// # Errors
    /// When the server of the config makes no address.
    pub fn url(&self, is_sandbox: bool, device_token: &str) -> Result<Url, String> {
        let own = self.server.as_ref().map(|url| url.as_str().trim_end_matches('/').to_owned());
        let host = own.unwrap_or_else(|| if is_sandbox { SANDBOX } else { PRODUCTION }.to_owned());
        Url::parse(&format!("{host}/3/device/{device_token}")).map_err(|error| format!("[apns] server: {error}"))
    }

    /// The token in force. All sends share it.
    ///
    /// # Errors
    /// When nothing can be signed.
    pub fn token(&self, now: Timestamp) -> Result<String, String> {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((made, token)) = &tokens.current
            && *made <= now
            && now.since(*made) < TOKEN_RENEWED_AFTER
        {
            return Ok(token.clone());
        }
        let token = sign(&self.signer, &self.key_id, &self.team_id, now)?;
        tokens.current = Some((now, token.clone()));
        Ok(token)
    }

    /// A token in place of one that Apple takes no more: the one that another send has had made since, or a new one. Nothing
    /// when that was done within the last 20 minutes already: a newer one would be refused as well, and Apple counts them.
    #[must_use]
    pub fn instead_of(&self, refused: &str, now: Timestamp) -> Option<String> {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, token)) = tokens.current.as_ref().filter(|(_, token)| token != refused) {
            return Some(token.clone());
        }
        if tokens.renewed_early_at.is_some_and(|at| at <= now && now.since(at) < RENEWAL_PAUSE) {
            return None;
        }
        let token = sign(&self.signer, &self.key_id, &self.team_id, now).ok()?;
        *tokens = Tokens { current: Some((now, token.clone())), renewed_early_at: Some(now) };
        Some(token)
    }
}

fn sign(signer: &EncodingKey, key_id: &str, team_id: &str, now: Timestamp) -> Result<String, String> {
    let mut header = Header::new(Algorithm::ES256);
    header.kid = Some(key_id.to_owned());
    let claims = json!({"iss": team_id, "iat": now.seconds()});
    jsonwebtoken::encode(&header, &claims, signer)
        .map_err(|_| "key_file: this key signs no ES256; it must be the .p8 file of an APNs key".to_owned())
}

/// Apple's word for what is wrong.
#[must_use]
pub fn word(answer: &Answer) -> String {
    let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap_or_default();
    body.get("reason").and_then(serde_json::Value::as_str).unwrap_or_default().to_owned()
}

/// What an answer means (Apple, "Handling notification responses from APNs", the table of reasons).
///
/// # Errors
/// What follows from all but 200.
pub fn judge(answer: &Answer, now: Timestamp) -> Result<(), SendError> {
    let word = word(answer);
    let said = |what: &str| Reason::new(format!("{what} ({}, {word})", answered(answer)));
    let ours =
        |what: &str| SendError::Retry { reason: said(what), after: Some(SETUP_PAUSE), patience: Patience::NotCounted };
    if answer.status == 200 {
        return Ok(());
    }
    Err(match (answer.status, word.as_str()) {
        (410, "Unregistered" | "ExpiredToken") => {
            SendError::Gone { reason: said("the app was removed from this device, or takes no notifications any more") }
        }
        (_, "BadDeviceToken" | "DeviceTokenNotForTopic") => SendError::Reject {
            reason: said("Apple does not know this device; check its environment, and the app's topic under [apns]"),
        },
        (_, "PayloadTooLarge") => SendError::Reject { reason: said("the message is too long for Apple") },
        (_, "TooManyProviderTokenUpdates") => SendError::Retry {
            reason: said("Apple asks to be left alone: its tokens were renewed too often"),
            after: Some(RENEWAL_PAUSE),
            patience: Patience::NotCounted,
        },
        (_, "ExpiredProviderToken") => ours("Apple takes our token no more; check this machine's clock"),
        (
            _,
            "InvalidProviderToken"
            | "MissingProviderToken"
            | "UnrelatedKeyIdInToken"
            | "BadEnvironmentKeyInToken"
            | "BadEnvironmentKeyIdInToken",
        ) => ours("Apple does not take our key; check key_file, key_id and team_id under [apns]"),
        (_, "BadTopic" | "MissingTopic" | "TopicDisallowed") => {
            ours("Apple does not take our topic; check topic under [apns], the app's bundle id")
        }
        (_, "BadCertificate" | "BadCertificateEnvironment" | "Forbidden") => {
            ours("Apple does not let us send; check the key under [apns] in Apple's developer account")
        }
        (_, "IdleTimeout") | (429 | 500..=599, _) => SendError::Retry {
            reason: said("Apple could not take it just now"),
            after: retry_after(answer, now),
            patience: Patience::Full,
        },
        (400 | 404 | 405, word) if !word.is_empty() => {
            SendError::Reject { reason: said("Apple did not understand the request") }
        }
        _ => return judge_status(answer, now),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
    use base64::Engine;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn apns(server: Option<&str>) -> Apns {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap().to_pkcs8v1().unwrap();
        let key = Secret::new(format!(
            "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
            STANDARD.encode(key.as_ref())
        ));
        let (key_id, team_id) = ("ABC123DEFG".to_owned(), "DEF123GHIJ".to_owned());
        let server = server.map(|server| Url::parse(server).unwrap());
        let options = ApnsOptions { key, key_id, team_id, topic: "com.example.app".to_owned(), server, ca: None };
        Apns::new(options, Gate::new(Vec::new()), Duration::from_secs(1)).unwrap()
    }

    fn issued(token: &str) -> i64 {
        let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
        serde_json::from_slice::<serde_json::Value>(&claims).unwrap()["iat"].as_i64().unwrap()
    }

    #[test]
    fn a_token_is_shared_and_renewed_between_20_and_60_minutes() {
        let apns = apns(None);
        let after = |minutes: u64| NOW.plus(Duration::from_mins(minutes));
        let first = apns.token(NOW).unwrap();
        assert_eq!(issued(&first), NOW.seconds());
        let mut made = vec![(NOW, first)];
        // Every ten seconds for five hours, as busy sends would ask.
        for at in (0..5 * 360).map(|step| NOW.plus(Duration::from_secs(10 * step))) {
            let token = apns.token(at).unwrap();
            let (since, last) = made.last().unwrap();
            if token == *last {
                assert!(at.since(*since) < Duration::from_hours(1), "Apple takes none that is older");
            } else {
                assert!(at.since(*since) >= Duration::from_mins(20), "Apple takes no more of them");
                assert_eq!(issued(&token), at.seconds());
                made.push((at, token));
            }
        }
        assert_eq!(made.len(), 8, "one for each 40 minutes");
        // Quiet for a day: the next send has a new one. A clock that was set back makes one that is not from the future.
        assert_eq!(issued(&apns.token(after(24 * 60)).unwrap()), after(24 * 60).seconds());
        assert_eq!(issued(&apns.token(after(23 * 60)).unwrap()), after(23 * 60).seconds());
    }

    #[test]
    fn a_token_that_is_refused_is_renewed_once_in_20_minutes_for_all() {
        let apns = apns(None);
        let refused = apns.token(NOW).unwrap();
        let renewed = apns.instead_of(&refused, NOW.plus(Duration::from_secs(1))).unwrap();
        assert_ne!(renewed, refused);
        assert_eq!(
            apns.instead_of(&refused, NOW.plus(Duration::from_secs(2))).as_ref(),
            Some(&renewed),
            "for others too"
        );
        assert_eq!(apns.token(NOW.plus(Duration::from_secs(3))).unwrap(), renewed);
        let minutes = |minutes| NOW.plus(Duration::from_mins(minutes));
        assert_eq!(apns.instead_of(&renewed, minutes(10)), None, "the clock is wrong, not the token");
        assert!(apns.instead_of(&renewed, minutes(21)).is_some());
    }

    #[test]
    fn sandbox_and_production_are_two_servers() {
        let check = |server, is_sandbox, expected: &str| {
            assert_eq!(apns(server).url(is_sandbox, "00ff").unwrap().as_str(), expected);
        };
        check(None, false, "https://api.push.apple.com/3/device/00ff");
        check(None, true, "https://api.sandbox.push.apple.com/3/device/00ff");
        check(Some("https://127.0.0.1:8443/"), true, "https://127.0.0.1:8443/3/device/00ff");
    }

    /// What follows: `ok`, `gone` ends the destination, `reject` the delivery; `again` is a try that is made again, `held` is
    /// none and holds all.
    fn follows(status: u16, word: &str) -> (&'static str, String, Option<Duration>) {
        let body = if word.is_empty() { String::new() } else { json!({"reason": word}).to_string() };
        match judge(&Answer { status, headers: Vec::new(), body }, NOW) {
            Ok(()) => ("ok", String::new(), None),
            Err(SendError::Gone { reason }) => ("gone", reason.to_string(), None),
            Err(SendError::Reject { reason }) => ("reject", reason.to_string(), None),
            Err(SendError::Retry { reason, after, patience: Patience::NotCounted }) => {
                ("held", reason.to_string(), after)
            }
            Err(SendError::Retry { reason, after, .. }) => ("again", reason.to_string(), after),
        }
    }

    #[test]
    fn each_reason_of_apples_table_is_known() {
        // Apple, "Handling notification responses from APNs"; and three that it has sent beyond its table.
        for (status, word, expected, says) in [
            (400, "BadCollapseId", "reject", "did not understand"),
            (400, "BadDeviceToken", "reject", "environment"),
            (400, "BadExpirationDate", "reject", "did not understand"),
            (400, "BadMessageId", "reject", "did not understand"),
            (400, "BadPriority", "reject", "did not understand"),
            (400, "BadTopic", "held", "topic under [apns]"),
            (400, "DeviceTokenNotForTopic", "reject", "topic under [apns]"),
            (400, "DuplicateHeaders", "reject", "did not understand"),
            (400, "IdleTimeout", "again", "just now"),
            (400, "InvalidPushType", "reject", "did not understand"),
            (400, "MissingDeviceToken", "reject", "did not understand"),
            (400, "MissingTopic", "held", "topic under [apns]"),
            (400, "PayloadEmpty", "reject", "did not understand"),
            (400, "TopicDisallowed", "held", "topic under [apns]"),
            (403, "BadCertificate", "held", "Apple's developer account"),
            (403, "BadCertificateEnvironment", "held", "Apple's developer account"),
            (403, "ExpiredProviderToken", "held", "clock"),
            (403, "Forbidden", "held", "Apple's developer account"),
            (403, "InvalidProviderToken", "held", "key_id and team_id"),
            (403, "MissingProviderToken", "held", "key_id and team_id"),
            (403, "UnrelatedKeyIdInToken", "held", "key_id and team_id"),
            (403, "BadEnvironmentKeyIdInToken", "held", "key_id and team_id"),
            (403, "BadEnvironmentKeyInToken", "held", "key_id and team_id"),
            (404, "BadPath", "reject", "did not understand"),
            (405, "MethodNotAllowed", "reject", "did not understand"),
            (410, "ExpiredToken", "gone", "removed from this device"),
            (410, "Unregistered", "gone", "removed from this device"),
            (413, "PayloadTooLarge", "reject", "too long"),
            (429, "TooManyProviderTokenUpdates", "held", "renewed too often"),
            (429, "TooManyRequests", "again", "just now"),
            (500, "InternalServerError", "again", "just now"),
            (503, "ServiceUnavailable", "again", "just now"),
            (503, "Shutdown", "again", "just now"),
        ] {
            let (state, reason, after) = follows(status, word);
            assert_eq!(state, expected, "{status} {word}");
            assert!(reason.contains(says) && reason.contains(word), "{status} {word}: {reason}");
            assert!(state != "held" || after.is_some(), "{word}: waits for a known time");
        }
        assert_eq!(follows(200, "").0, "ok");
        assert_eq!(follows(429, "TooManyProviderTokenUpdates").2, Some(Duration::from_mins(20)));
        for (status, word, expected) in [
            (410, "", "again"),
            (418, "Teapot", "again"),
            (400, "NewWord", "reject"),
            (500, "", "again"),
            (302, "", "again"),
        ] {
            assert_eq!(follows(status, word).0, expected, "what nobody has heard of ends no device: {status} {word}");
        }
    }
}
