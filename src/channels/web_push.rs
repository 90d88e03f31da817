//! Web Push: how a message is encrypted for one browser (RFC 8291, in the aes128gcm coding of RFC 8188), and how bellboard
//! tells push services who it is (VAPID, RFC 8292).

use std::time::Duration;

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{ECDH_P256, PrivateKey, UnparsedPublicKey, agree};
use aws_lc_rs::hkdf;
use aws_lc_rs::rand;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::json;
use url::Url;
use zeroize::Zeroizing;

use crate::domain::secret::Secret;
use crate::domain::time::Timestamp;

/// Longest text that fits: push services take 4,096 bytes (RFC 8030 section 7.2), of which the header takes 86, the tag 16 and
/// the record's end one.
pub const PLAIN_BYTES_MAX: usize = 3993;

/// Bytes of a browser's public key: an uncompressed point of P-256.
pub const PUBLIC_KEY_BYTES: usize = 65;

/// Bytes of a browser's authentication secret (RFC 8291 section 3.2).
pub const AUTH_BYTES: usize = 16;

/// One record holds all of it (RFC 8188 section 2.1).
const RECORD_BYTES: u32 = 4096;

/// How long a token is valid; at most a day (RFC 8292 section 2).
const TOKEN_VALID: Duration = Duration::from_hours(12);

/// What bellboard is known by to push services, and how to reach whoever runs it.
pub struct Identity {
    signer: EncodingKey,
    public: String,
    contact: String,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.public)
    }
}

/// Makes a key of an own: PKCS#8. Nothing when the system gives no random bytes.
#[must_use]
pub fn new_key() -> Option<Vec<u8>> {
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).ok()?;
    Some(key.to_pkcs8v1().ok()?.as_ref().to_vec())
}

impl Identity {
    /// With that key; `contact` is an `https:` or `mailto:` URL (RFC 8292 section 2.1).
    ///
    /// # Errors
    /// When it is no key of P-256.
    pub fn new(pkcs8: &Zeroizing<Vec<u8>>, contact: &str) -> Result<Self, String> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8)
            .map_err(|_| "the key for push services is damaged".to_owned())?;
        let public = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
        Ok(Self { signer: EncodingKey::from_ec_der(pkcs8), public, contact: contact.to_owned() })
    }

    /// The public key in base64url, as `PushManager.subscribe` takes it.
    #[must_use]
    pub fn public_key(&self) -> &str {
        &self.public
    }

    /// The token for a request to that endpoint (RFC 8292 section 2).
    ///
    /// # Errors
    /// When nothing can be signed.
    pub fn token(&self, endpoint: &Url, now: Timestamp) -> Result<Secret, String> {
        let claims = json!({
            "aud": endpoint.origin().ascii_serialization(),
            "exp": now.plus(TOKEN_VALID).seconds(),
            "sub": self.contact,
        });
        let token = jsonwebtoken::encode(&Header::new(Algorithm::ES256), &claims, &self.signer)
            .map_err(|error| format!("no token could be signed for the push service: {error}"))?;
        Ok(Secret::new(token))
    }

    /// The `Authorization` that shows a token (RFC 8292 section 3).
    #[must_use]
    pub fn authorization(&self, token: &Secret) -> String {
        format!("vapid t={}, k={}", token.expose(), self.public)
    }
}

/// What one browser gave: who it is, and what only it and bellboard know.
#[derive(Clone, Debug)]
pub struct Subscriber {
    /// Its public key, uncompressed.
    pub public_key: Vec<u8>,
    /// Its authentication secret.
    pub auth: Zeroizing<Vec<u8>>,
}

impl Subscriber {
    /// Encrypts a text of at most [`PLAIN_BYTES_MAX`] bytes, with a key and salt of its own.
    ///
    /// # Errors
    /// When the browser's key is none, or the system gives no random bytes.
    pub fn encrypt(&self, text: &[u8]) -> Result<Vec<u8>, String> {
        let own = PrivateKey::generate(&ECDH_P256).map_err(|_| NO_RANDOM.to_owned())?;
        let mut salt = [0; 16];
        rand::fill(&mut salt).map_err(|_| NO_RANDOM.to_owned())?;
        self.encrypt_with(text, &own, salt)
    }

    fn encrypt_with(&self, text: &[u8], own: &PrivateKey, salt: [u8; 16]) -> Result<Vec<u8>, String> {
        let own_public = own.compute_public_key().map_err(|_| "no public key could be made".to_owned())?;
        let peer = UnparsedPublicKey::new(&ECDH_P256, &self.public_key);
        let shared = agree(own, peer, BAD_KEY.to_owned(), |shared| Ok(Zeroizing::new(shared.to_vec())))?;
        // RFC 8291 section 3.3 and 3.4: HKDF twice, first with what only the two know, then with the salt.
        let info = [b"WebPush: info\0".as_slice(), &self.public_key, own_public.as_ref()].concat();
        let material = derive::<32>(&self.auth, &shared, &info)?;
        let key = derive::<16>(&salt, &*material, b"Content-Encoding: aes128gcm\0")?;
        let nonce = derive::<12>(&salt, &*material, b"Content-Encoding: nonce\0")?;
        let mut record = [text, &[LAST_RECORD]].concat();
        let key = UnboundKey::new(&AES_128_GCM, &*key).map_err(|_| "no key could be made".to_owned())?;
        LessSafeKey::new(key)
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(*nonce), Aad::empty(), &mut record)
            .map_err(|_| "the text could not be encrypted".to_owned())?;
        let mut body = Vec::with_capacity(RECORD_BYTES as usize);
        body.extend_from_slice(&salt);
        body.extend_from_slice(&RECORD_BYTES.to_be_bytes());
        body.push(u8::try_from(own_public.as_ref().len()).unwrap_or(u8::MAX));
        body.extend_from_slice(own_public.as_ref());
        body.extend_from_slice(&record);
        Ok(body)
    }
}

const NO_RANDOM: &str = "the system gives no random bytes";
const BAD_KEY: &str = "the browser's key is no point of P-256; the browser must enrol itself again";

/// Ends the last record (RFC 8188 section 2).
const LAST_RECORD: u8 = 2;

/// HKDF with SHA-256 (RFC 5869).
fn derive<const N: usize>(salt: &[u8], secret: &[u8], info: &[u8]) -> Result<Zeroizing<[u8; N]>, String> {
    struct Bytes(usize);
    impl hkdf::KeyType for Bytes {
        fn len(&self) -> usize {
            self.0
        }
    }
    let mut derived = Zeroizing::new([0; N]);
    hkdf::Salt::new(hkdf::HKDF_SHA256, salt)
        .extract(secret)
        .expand(&[info], Bytes(N))
        .and_then(|key| key.fill(derived.as_mut_slice()))
        .map_err(|_| "no key could be derived".to_owned())?;
    Ok(derived)
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{DecodingKey, Validation};

    use super::*;

    fn bytes(text: &str) -> Vec<u8> {
        URL_SAFE_NO_PAD.decode(text).unwrap()
    }

    #[test]
    fn it_is_the_example_of_rfc_8291_appendix_a() {
        let subscriber = Subscriber {
            public_key: bytes(
                "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
            ),
            auth: Zeroizing::new(bytes("BTBZMqHH6r4Tts7J_aSIgg")),
        };
        let own =
            PrivateKey::from_private_key(&ECDH_P256, &bytes("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw")).unwrap();
        let salt = bytes("DGv6ra1nlYgDCS1FRnbzlw").try_into().unwrap();
        let text = b"When I grow up, I want to be a watermelon";
        let expected = "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN";
        assert_eq!(URL_SAFE_NO_PAD.encode(subscriber.encrypt_with(text, &own, salt).unwrap()), expected);
        let longest = subscriber.encrypt(&[b'x'; PLAIN_BYTES_MAX]).unwrap();
        assert_eq!(longest.len(), RECORD_BYTES as usize, "the longest text fills one record");
    }

    #[test]
    fn a_key_that_is_none_is_an_error() {
        for public_key in [vec![], vec![4; 65], vec![0; 64]] {
            let subscriber = Subscriber { public_key, auth: Zeroizing::new(vec![0; 16]) };
            assert_eq!(subscriber.encrypt(b"x").unwrap_err(), BAD_KEY);
        }
    }

    #[test]
    fn the_token_is_for_the_push_service_and_verifies() {
        let identity = Identity::new(&Zeroizing::new(new_key().unwrap()), "mailto:ops@acme.test").unwrap();
        let endpoint = Url::parse("https://push.example.net:8443/p/JzLQ3raZJfFBR0aqvOMsLrt54w4rJUsV").unwrap();
        let now = Timestamp::from_millis(1_700_000_000_000);
        let authorization = identity.authorization(&identity.token(&endpoint, now).unwrap());
        let (token, key) = authorization.strip_prefix("vapid t=").unwrap().split_once(", k=").unwrap();
        assert_eq!(key, identity.public_key());
        let point = bytes(key);
        let decoding = DecodingKey::from_ec_components(
            &URL_SAFE_NO_PAD.encode(&point[1..33]),
            &URL_SAFE_NO_PAD.encode(&point[33..]),
        )
        .unwrap();
        let mut validation = Validation::new(Algorithm::ES256);
        validation.validate_exp = false;
        validation.set_audience(&["https://push.example.net:8443"]);
        let claims = jsonwebtoken::decode::<serde_json::Value>(token, &decoding, &validation).unwrap().claims;
        assert_eq!(claims["exp"], 1_700_000_000 + 12 * 3600);
        assert_eq!(claims["sub"], "mailto:ops@acme.test");
    }
}
