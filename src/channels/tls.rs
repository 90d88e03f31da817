//! What a destination brings for TLS of its own: authorities that vouch for it besides the public ones, and a certificate
//! that is shown to it. There is one client for each distinct set, kept for the sends that follow, behind the same gate and
//! with the same limits as the common one.
//!
//! A certificate is read for what people need to know of it: whose it is and when it ends. What is right in TLS is for rustls
//! to say; its errors are put into words here.

use std::fmt::Write;
use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::digest;
use lru::LruCache;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{AlertDescription, CertificateError, Error as TlsError};
use x509_cert::Certificate;
use x509_cert::der::Decode;
use zeroize::Zeroizing;

use crate::channels::form::FieldError;
use crate::channels::http::Client;
use crate::channels::net::Gate;
use crate::domain::time::Timestamp;

/// Clients that are kept; beyond that the one that was not used for longest goes, with its idle connections.
const CLIENTS_MAX: NonZeroUsize = NonZeroUsize::new(128).expect("it is no zero");

/// How long before its end a certificate is worth a word.
const SOON: Duration = Duration::from_hours(30 * 24);

/// What a destination brings of its own.
pub struct OwnTls {
    /// Authorities, PEM.
    pub ca: String,
    /// A certificate with those that lead to its authority, and then its key, PEM; empty for none.
    pub identity: Zeroizing<String>,
    /// Tells one set from another.
    mark: [u8; 32],
}

impl std::fmt::Debug for OwnTls {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("OwnTls")
    }
}

impl OwnTls {
    /// From the fields `ca`, `client_cert` and `client_key`; nothing when all are empty.
    ///
    /// # Errors
    /// Each field that cannot be used, also a key that is not the certificate's.
    pub fn parse(ca: &str, cert: &str, key: &str) -> Result<Option<Self>, Vec<FieldError>> {
        let wrong = |field: &str, error: &str| vec![FieldError::new(field, error)];
        if !ca.is_empty() {
            certificates(ca).map_err(|error| wrong("ca", &error))?;
        }
        match (cert.is_empty(), key.is_empty()) {
            (true, true) if ca.is_empty() => return Ok(None),
            (true, true) => {}
            (true, false) => return Err(wrong("client_cert", "the key needs its certificate")),
            (false, true) => return Err(wrong("client_key", "the client certificate needs its key")),
            (false, false) => {
                let chain = certificates(cert).map_err(|error| wrong("client_cert", &error))?;
                check_key(chain, key).map_err(|error| wrong("client_key", &error))?;
            }
        }
        let mut context = digest::Context::new(&digest::SHA256);
        for part in [ca, cert, key] {
            context.update(&part.len().to_le_bytes());
            context.update(part.as_bytes());
        }
        let mut mark = [0; 32];
        mark.copy_from_slice(context.finish().as_ref());
        let identity = Zeroizing::new(if cert.is_empty() { String::new() } else { format!("{cert}\n{key}") });
        Ok(Some(Self { ca: ca.to_owned(), identity, mark }))
    }
}

/// The clients for what destinations bring of their own.
#[derive(Debug)]
pub struct OwnClients {
    gate: Gate,
    timeout: Duration,
    kept: Mutex<LruCache<[u8; 32], Client>>,
}

impl OwnClients {
    /// None yet, behind that gate.
    #[must_use]
    pub fn new(gate: Gate, timeout: Duration) -> Self {
        Self { gate, timeout, kept: Mutex::new(LruCache::new(CLIENTS_MAX)) }
    }

    /// The client for that set, made now when there is none.
    ///
    /// # Errors
    /// When TLS cannot be set up with it.
    pub fn of(&self, own: &OwnTls) -> Result<Client, reqwest::Error> {
        let kept = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = kept().get(&own.mark) {
            return Ok(client.clone());
        }
        let client = Client::with_own_tls(self.gate.clone(), self.timeout, own)?;
        kept().put(own.mark, client.clone());
        Ok(client)
    }
}

/// Reads certificates in PEM.
///
/// # Errors
/// When there is none, or one that cannot be read.
pub fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    let found = read.map_err(|_| "this is no PEM that can be read".to_owned())?;
    if found.is_empty() {
        return Err("write certificates as PEM, from -----BEGIN CERTIFICATE----- on".to_owned());
    }
    for one in &found {
        Certificate::from_der(one).map_err(|_| "a certificate in it cannot be read".to_owned())?;
    }
    Ok(found)
}

/// Reads a private key in PEM (PKCS#8, PKCS#1 or SEC1).
///
/// # Errors
/// When there is none, or it has a password.
pub fn private_key(pem: &str) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_slice(pem.as_bytes())
        .map_err(|_| "write the key as PEM, without a password, from -----BEGIN PRIVATE KEY----- on".to_owned())
}

fn check_key(chain: Vec<CertificateDer<'static>>, key: &str) -> Result<(), String> {
    match CertifiedKey::from_der(chain, private_key(key)?, &default_provider()) {
        Ok(_) => Ok(()),
        Err(TlsError::InconsistentKeys(_)) => Err("this is not the key of the client certificate".to_owned()),
        Err(_) => Err("this is no key that TLS can sign with".to_owned()),
    }
}

/// When the first of these certificates ends, and whose that is.
#[must_use]
pub fn first_end(pem: &str) -> Option<(Timestamp, String)> {
    let all = certificates(pem).ok()?;
    let read = all.iter().filter_map(|der| Certificate::from_der(der).ok());
    read.map(|one| (end(&one), one.tbs_certificate().subject().to_string())).min()
}

/// Certificates in short, for people: whose the first one is, how many follow, and when the first of them ends.
#[must_use]
pub fn in_short(pem: &str) -> String {
    let all = certificates(pem).unwrap_or_default();
    let whose = all.first().and_then(|der| Certificate::from_der(der).ok());
    let (Some(whose), Some((end, _))) = (whose, first_end(pem)) else { return "cannot be read".to_owned() };
    let more = if all.len() > 1 { format!(" and {} more", all.len() - 1) } else { String::new() };
    format!("{}{more}, until {}", whose.tbs_certificate().subject(), date(end))
}

/// What whoever saves these certificates should know: that one has ended, or will within 30 days.
#[must_use]
pub fn note(title: &str, pem: &str, now: Timestamp) -> Option<String> {
    let (end, whose) = first_end(pem)?;
    match end {
        _ if end <= now => Some(format!("{title}: {whose} ended on {}", date(end))),
        _ if end <= now.plus(SOON) => Some(format!("{title}: {whose} ends on {}", date(end))),
        _ => None,
    }
}

/// The day of a time, in UTC, as certificates count it.
#[must_use]
pub fn date(at: Timestamp) -> String {
    at.to_string().chars().take(10).collect()
}

fn end(certificate: &Certificate) -> Timestamp {
    let seconds = certificate.tbs_certificate().validity().not_after.to_unix_duration().as_secs();
    Timestamp::from_millis(i64::try_from(seconds).unwrap_or(i64::MAX / 1000).saturating_mul(1000))
}

/// Text that holds PEM, as it is kept: each block on lines of its own, however it was pasted.
#[must_use]
pub fn tidy_pem(text: &str) -> String {
    const LINE: usize = 64;
    let mut tidy = String::with_capacity(text.len() + 64);
    let mut rest = text;
    while let Some((label, body, after)) = block(rest) {
        let _ = writeln!(tidy, "-----BEGIN {label}-----");
        let body: Vec<char> = body.chars().filter(|c| !c.is_whitespace()).collect();
        for line in body.chunks(LINE) {
            tidy.extend(line);
            tidy.push('\n');
        }
        let _ = writeln!(tidy, "-----END {label}-----");
        rest = after;
    }
    if tidy.is_empty() { text.to_owned() } else { tidy }
}

/// The first block of a PEM text: its label, what is in it, and what follows it.
fn block(text: &str) -> Option<(&str, &str, &str)> {
    let (_, rest) = text.split_once("-----BEGIN ")?;
    let (label, rest) = rest.split_once("-----")?;
    let (body, rest) = rest.split_once("-----END ")?;
    let (_, rest) = rest.split_once("-----")?;
    Some((label, body, rest))
}

/// What a failure of TLS means, for people.
#[must_use]
pub fn reason(error: &TlsError) -> String {
    match error {
        TlsError::InvalidCertificate(wrong) => certificate_reason(wrong),
        TlsError::AlertReceived(AlertDescription::CertificateRequired) => {
            "the receiver wants a client certificate, and there is none (client_cert and client_key)".to_owned()
        }
        TlsError::AlertReceived(
            alert @ (AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
            | AlertDescription::DecryptError),
        ) => format!("the receiver refused the client certificate ({alert:?})"),
        TlsError::AlertReceived(AlertDescription::HandshakeFailure) => {
            "the receiver broke off the TLS handshake; it may want a client certificate, or other ciphers".to_owned()
        }
        TlsError::AlertReceived(alert) => format!("the receiver broke off TLS ({alert:?})"),
        TlsError::InvalidMessage(_) => "what answers there does not speak TLS; is it http:// instead?".to_owned(),
        other => format!("TLS failed: {other}"),
    }
}

fn certificate_reason(wrong: &CertificateError) -> String {
    match wrong {
        CertificateError::UnknownIssuer => {
            "the receiver's certificate is of an authority that is not known here (a webhook's field ca can name it)"
                .to_owned()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the receiver's certificate has expired".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the receiver's certificate is not valid yet; is this machine's clock right?".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "the receiver's certificate is for another name than the address has".to_owned()
        }
        CertificateError::Revoked => "the receiver's certificate was revoked".to_owned(),
        other => format!("the receiver's certificate cannot be trusted: {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pem_that_was_pasted_in_one_line_is_put_on_lines_again() {
        let body = "A".repeat(70);
        let pasted = format!("  -----BEGIN X-----{body}-----END X-----  -----BEGIN Y-----\r\nAA==\r\n-----END Y-----");
        let lines = [
            "-----BEGIN X-----",
            &body[..64],
            &body[64..],
            "-----END X-----",
            "-----BEGIN Y-----",
            "AA==",
            "-----END Y-----\n",
        ];
        assert_eq!(tidy_pem(&pasted), lines.join("\n"));
        assert_eq!(tidy_pem(&tidy_pem(&pasted)), tidy_pem(&pasted));
        assert_eq!(tidy_pem("no PEM"), "no PEM");
    }

    #[test]
    fn what_is_wrong_with_certificates_is_said_by_field() {
        let check = |ca: &str, cert: &str, key: &str, field: &str, word: &str| {
            let errors = OwnTls::parse(ca, cert, key).unwrap_err();
            assert!(errors[0].field == field && errors[0].message.contains(word), "{errors:?}");
        };
        check("hello", "", "", "ca", "BEGIN CERTIFICATE");
        check("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "", "", "ca", "cannot be read");
        check("", "x", "", "client_key", "needs its key");
        check("", "", "x", "client_cert", "needs its certificate");
        assert!(OwnTls::parse("", "", "").unwrap().is_none());
    }

    #[test]
    fn a_failure_is_put_into_words() {
        let check = |error: TlsError, words: &str| assert!(reason(&error).contains(words), "{}", reason(&error));
        check(CertificateError::UnknownIssuer.into(), "authority that is not known");
        check(CertificateError::Expired.into(), "expired");
        check(CertificateError::NotValidForName.into(), "another name");
        check(TlsError::AlertReceived(AlertDescription::CertificateRequired), "wants a client certificate");
        check(TlsError::AlertReceived(AlertDescription::UnknownCA), "refused the client certificate");
    }
}
