//! The way to Apple's push service (Apple, "Sending notification requests to APNs"): one HTTP/2 connection for all sends, a
//! token that is signed here and shared by them, and what each of Apple's reasons means.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::json;
use url::Url;

use crate::channels::http::{Client, answered, judge_status, retry_after};
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
    token: Mutex<Option<(Timestamp, String)>>,
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
        let client = client.map_err(|error| format!("no HTTP client could be made: {error}"))?;
        let (key_id, team_id, topic, server) = (options.key_id, options.team_id, options.topic, options.server);
        Ok(Self { client, topic, server, signer, key_id, team_id, token: Mutex::new(None) })
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
        let mut kept = self.token.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((made, token)) = &*kept
            && *made <= now
            && now.since(*made) < TOKEN_RENEWED_AFTER
        {
            return Ok(token.clone());
        }
        let token = sign(&self.signer, &self.key_id, &self.team_id, now)?;
        *kept = Some((now, token.clone()));
        Ok(token)
    }

    /// Forgets a token that Apple takes no more; one that was renewed since stays.
    pub fn forget(&self, token: &str) {
        let mut kept = self.token.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.as_ref().is_some_and(|(_, other)| other == token) {
            *kept = None;
        }
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
            "InvalidProviderToken" | "MissingProviderToken" | "UnrelatedKeyIdInToken" | "BadEnvironmentKeyIdInToken",
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
