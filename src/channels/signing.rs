//! Signatures of webhooks as Standard Webhooks says, and two secrets at a time while one takes the other's place.
//!
//! The signature is over `id.timestamp.body` with HMAC-SHA256 (standardwebhooks.com, "Signature scheme"). During a rotation
//! a message is signed with the new secret and with the old one (`v1,… v1,…`), so a receiver may change over at any time
//! until the overlap ends. The old secret and that time stand among the destination's fields, in no form.

use std::time::Duration;

use aws_lc_rs::{hmac, rand};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::channels::form::FieldError;
use crate::domain::destination::{FieldValue, FieldValues};
use crate::domain::secret::Secret;
use crate::domain::time::Timestamp;

/// The field of the secret that is in force.
pub const SECRET: &str = "secret";

/// What is kept of the secret before it, besides the form: the secret itself, and until when it signs too.
pub const OLD_FIELDS: [&str; 2] = ["old_secret", "old_secret_until"];

/// Longest time that two secrets are in force.
pub const OVERLAP_MAX: Duration = Duration::from_hours(90 * 24);

/// Bytes of a signing key (standardwebhooks.com, "Signature scheme": 24 to 64).
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

const PREFIX: &str = "whsec_";

/// The keys to sign with.
#[derive(Debug)]
pub struct Signing {
    key: hmac::Key,
    old: Option<(hmac::Key, Timestamp)>,
}

impl Signing {
    /// From a destination's fields.
    ///
    /// # Errors
    /// When there is no secret, or none that can be signed with.
    pub fn parse(values: &FieldValues) -> Result<Self, Vec<FieldError>> {
        let text = |name: &str| values.get(name).map_or("", FieldValue::expose);
        let key = |text: &str| signing_key(text).map_err(|error| vec![FieldError::new(SECRET, error)]);
        if text(SECRET).is_empty() {
            return Err(vec![FieldError::new(
                SECRET,
                "a webhook is always signed; `destinations rotate` makes a new secret",
            )]);
        }
        let old = match two_until(values) {
            Some(until) => Some((key(text(OLD_FIELDS[0]))?, until)),
            None => None,
        };
        Ok(Self { key: key(text(SECRET))?, old })
    }

    /// The header `webhook-signature` of a message sent at that time.
    #[must_use]
    pub fn sign(&self, id: &str, sent_at: Timestamp, body: &str) -> String {
        let timestamp = sent_at.seconds().to_string();
        let mut signatures = signature(&self.key, id, &timestamp, body);
        if let Some((old, _)) = self.old.as_ref().filter(|(_, until)| sent_at < *until) {
            signatures.push(' ');
            signatures.push_str(&signature(old, id, &timestamp, body));
        }
        signatures
    }
}

/// Makes a signing secret.
///
/// # Errors
/// When the system gives no random bytes.
pub fn new_secret() -> Result<Secret, String> {
    let mut key = [0_u8; 32];
    rand::fill(&mut key).map_err(|_| "the system gives no random bytes".to_owned())?;
    Ok(Secret::new(format!("{PREFIX}{}", STANDARD.encode(key))))
}

/// What a receiver could repeat of a signing secret: as it is written, and its key alone.
#[must_use]
pub fn as_written(secret: &str) -> Vec<Secret> {
    [Some(secret), secret.strip_prefix(PREFIX)].into_iter().flatten().map(Secret::new).collect()
}

/// Puts `new` in the place of the secret in force, which signs too until then. One that was old already is forgotten.
///
/// # Errors
/// When it is no secret to sign with.
pub fn rotate(values: &mut FieldValues, new: &Secret, until: Timestamp) -> Result<(), Vec<FieldError>> {
    signing_key(new.expose()).map_err(|error| vec![FieldError::new(SECRET, error)])?;
    if let Some(old) = values.insert(SECRET.to_owned(), FieldValue::Secret(new.clone())) {
        values.insert(OLD_FIELDS[0].to_owned(), old);
        values.insert(OLD_FIELDS[1].to_owned(), FieldValue::Plain(until.to_string()));
    }
    Ok(())
}

/// Until when two secrets are in force; a time that is past when they were, and have not been touched since.
#[must_use]
pub fn two_until(values: &FieldValues) -> Option<Timestamp> {
    let until = values.get(OLD_FIELDS[1]).map(FieldValue::expose)?;
    values.contains_key(OLD_FIELDS[0]).then(|| Timestamp::parse(until).ok()).flatten()
}

/// Forgets an old secret whose time is past.
pub fn forget_old(values: &mut FieldValues, now: Timestamp) {
    if two_until(values).is_none_or(|until| until <= now) {
        values.retain(|name, _| !OLD_FIELDS.contains(&name.as_str()));
    }
}

fn signing_key(secret: &str) -> Result<hmac::Key, String> {
    let encoded = secret.strip_prefix(PREFIX).ok_or_else(|| format!("the secret must begin with {PREFIX}"))?;
    let key = STANDARD.decode(encoded).map_err(|_| format!("base64 must follow {PREFIX}"))?;
    if !KEY_BYTES.contains(&key.len()) {
        return Err(format!("the secret must hold 24 to 64 bytes; this one holds {}", key.len()));
    }
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &key))
}

fn signature(key: &hmac::Key, id: &str, timestamp: &str, body: &str) -> String {
    let mut context = hmac::Context::with_key(key);
    for part in [id, ".", timestamp, ".", body] {
        context.update(part.as_bytes());
    }
    format!("v1,{}", STANDARD.encode(context.sign()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const SIGNED: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn example() -> FieldValues {
        FieldValues::from([(SECRET.to_owned(), FieldValue::Secret(Secret::new(EXAMPLE)))])
    }

    fn sign(values: &FieldValues, seconds: i64) -> String {
        let at = Timestamp::from_millis(seconds * 1000);
        Signing::parse(values).unwrap().sign("msg_p5jXN8AQM9LWM0D4loKWxJek", at, r#"{"test": 2432232314}"#)
    }

    #[test]
    fn the_signature_is_the_standards_own_example() {
        // The example of the specification and of its reference libraries' tests.
        assert_eq!(sign(&example(), 1_614_265_330), SIGNED);
    }

    #[test]
    fn secrets_are_checked() {
        for bad in ["", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_", "whsec_AAAA", "whsec_not base64!"] {
            assert!(signing_key(bad).is_err(), "`{bad}` should be refused");
        }
        assert!(signing_key(new_secret().unwrap().expose()).is_ok());
        assert!(Signing::parse(&FieldValues::new()).is_err());
    }

    #[test]
    fn both_sign_until_the_overlap_ends() {
        let mut values = example();
        let until = Timestamp::from_millis(1_614_265_331_000);
        rotate(&mut values, &new_secret().unwrap(), until).unwrap();
        let both = sign(&values, 1_614_265_330);
        let (new, old) = both.split_once(' ').unwrap();
        assert_eq!(old, SIGNED);
        assert!(new.starts_with("v1,") && new != old);
        assert!(!sign(&values, 1_614_265_331).contains(' '), "the old one is over");
        forget_old(&mut values, until.minus(Duration::from_secs(1)));
        assert_eq!(two_until(&values), Some(until));
        forget_old(&mut values, until);
        assert_eq!(values.keys().collect::<Vec<_>>(), [SECRET]);
    }

    #[test]
    fn a_second_rotation_forgets_the_first_secret() {
        let mut values = example();
        let until = Timestamp::from_millis(2_000_000_000_000);
        let second = new_secret().unwrap();
        rotate(&mut values, &second, until).unwrap();
        rotate(&mut values, &new_secret().unwrap(), until).unwrap();
        assert_eq!(values[OLD_FIELDS[0]].expose(), second.expose());
        assert!(rotate(&mut values, &Secret::new("whsec_AAAA"), until).is_err());
    }
}
