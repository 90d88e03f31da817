//! The one HTTP client, and what all channels over HTTP have in common: the gate, limits, and what a broken exchange means.
//!
//! No proxy, no redirect, no decompression, no cookie. One time limit covers the whole exchange.

use std::error::Error;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use url::Url;

use crate::channels::net::{Gate, HostError, Refused};
use crate::channels::tls::{self, OwnTls};
use crate::domain::delivery::{Answer, Exchange, Reason, SendError, SentRequest};
use crate::domain::redactor::Redactor;
use crate::domain::retry::{Patience, parse_retry_after};
use crate::domain::text::human_bytes;
use crate::domain::time::{Timestamp, human_duration};

/// How much of an answer's body is read; a connection with more is given up.
pub const BODY_READ_MAX: usize = 64 * 1024;

/// How much of an answer's body is kept of a send.
pub const BODY_KEPT_MAX: usize = 4 * 1024;

/// How many header lines of an answer are kept.
const HEADERS_KEPT_MAX: usize = 32;

/// How much of a header line is kept, in characters.
const HEADER_KEPT_MAX: usize = 256;

/// Connections to one host that are kept open for the next send.
const IDLE_CONNECTIONS_MAX: usize = 64;

/// What receivers know bellboard by.
pub const USER_AGENT: &str = concat!("bellboard/", env!("CARGO_PKG_VERSION"));

/// The client.
#[derive(Clone, Debug)]
pub struct Client {
    pool: reqwest::Client,
    gate: Gate,
    timeout: Duration,
    /// Whether it shows a client certificate.
    shows_itself: bool,
}

/// While something is asked on an HTTP/2 connection: how often it is asked whether it still lives, and how long it may take to
/// say so. Together less than the time limit of a send, so that one that died silently costs one try and is left by the next.
const HTTP2_PING: Duration = Duration::from_secs(5);

/// How long an HTTP/2 connection on which nothing is asked is kept: those who have such services want few of them, and long.
const HTTP2_IDLE: Duration = Duration::from_hours(1);

/// What all clients have in common.
fn builder(gate: &Gate) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .dns_resolver(Arc::new(gate.clone()))
        .user_agent(USER_AGENT)
        .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
        .tcp_nodelay(true)
        .http2_max_header_list_size(64 * 1024)
}

/// A request to make.
#[derive(Debug)]
pub struct Call<'a> {
    /// `POST` or `GET`.
    pub method: reqwest::Method,
    /// Where to.
    pub url: Url,
    /// All headers but those of the connection.
    pub headers: HeaderMap,
    /// What it carries.
    pub body: Vec<u8>,
    /// How much of the answer's body is kept, in bytes; at most [`BODY_READ_MAX`].
    pub kept_max: usize,
    /// The same as it is shown to people: secrets masked.
    pub shown: SentRequest,
    /// What must not be shown even if the other end repeats it.
    pub secrets: &'a [&'a Redactor],
}

impl Client {
    /// A client behind that gate, whose exchanges take no longer than `timeout`.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(gate: Gate, timeout: Duration) -> Result<Self, reqwest::Error> {
        let pool = builder(&gate).build()?;
        Ok(Self { pool, gate, timeout, shows_itself: false })
    }

    /// The same for a service that speaks HTTP/2 only: one connection to a host carries all sends. `ca` are certificates (PEM)
    /// that vouch for it besides the public ones.
    ///
    /// # Errors
    /// When TLS cannot be set up with these certificates.
    pub fn http2(gate: Gate, timeout: Duration, ca: Option<&[u8]>) -> Result<Self, reqwest::Error> {
        let roots = ca.map(reqwest::Certificate::from_pem_bundle).transpose()?.unwrap_or_default();
        let pool = builder(&gate)
            .http2_prior_knowledge()
            .http2_keep_alive_interval(HTTP2_PING)
            .http2_keep_alive_timeout(HTTP2_PING)
            .pool_idle_timeout(HTTP2_IDLE)
            .tls_certs_merge(roots)
            .build()?;
        Ok(Self { pool, gate, timeout, shows_itself: false })
    }

    /// The same for what has certificates of its own.
    ///
    /// # Errors
    /// When TLS cannot be set up with these certificates.
    pub fn with_own_tls(gate: Gate, timeout: Duration, own: &OwnTls) -> Result<Self, reqwest::Error> {
        let mut builder = builder(&gate);
        if !own.ca.is_empty() {
            builder = builder.tls_certs_merge(reqwest::Certificate::from_pem_bundle(own.ca.as_bytes())?);
        }
        let shows_itself = !own.identity.is_empty();
        if shows_itself {
            builder = builder.identity(reqwest::Identity::from_pem(own.identity.as_bytes())?);
        }
        Ok(Self { pool: builder.build()?, gate, timeout, shows_itself })
    }

    /// Makes the request and lets `judge` say what the answer means.
    pub async fn exchange(&self, call: Call<'_>, judge: impl FnOnce(&Answer) -> Result<(), SendError>) -> Exchange {
        let Call { method, url, headers, body, kept_max, shown, secrets } = call;
        let asked = tokio::time::timeout(self.timeout, self.ask(method, url, headers, body));
        let answered = match asked.await {
            Ok(answered) => answered,
            Err(_) => Err(Broken::on_the_way(self.timed_out())),
        };
        match answered {
            Ok((answer, bytes)) => {
                let answer = redacted(answer, bytes, secrets, kept_max);
                let result = judge(&answer);
                Exchange { request: Some(shown), answer: Some(answer), result }
            }
            Err(Broken { error, sent }) => {
                Exchange { request: sent.then_some(shown), answer: None, result: Err(hidden(error, secrets)) }
            }
        }
    }

    async fn ask(
        &self,
        method: reqwest::Method,
        url: Url,
        headers: HeaderMap,
        body: Vec<u8>,
    ) -> Result<(Answer, usize), Broken> {
        self.gate.check_url(&url).map_err(|refused| Broken::before(refused_error(&refused)))?;
        let mut request = reqwest::Request::new(method, url);
        *request.headers_mut() = headers;
        *request.body_mut() = Some(body.into());
        let sent = self.pool.execute(request).await;
        let mut response = sent.map_err(|error| self.broken(&error))?;
        let status = response.status().as_u16();
        let kept = response.headers().iter().take(HEADERS_KEPT_MAX);
        let headers = kept
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        let mut read = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.broken(&error))? {
            read.extend_from_slice(&chunk[..chunk.len().min(BODY_READ_MAX - read.len())]);
            if read.len() >= BODY_READ_MAX {
                break;
            }
        }
        Ok((Answer { status, headers, body: String::from_utf8_lossy(&read).into_owned() }, read.len()))
    }

    fn timed_out(&self) -> SendError {
        retry(format!("no answer within {}", human_duration(self.timeout)), Patience::Full)
    }

    /// What a request without an answer means: all of it may pass, but for an address that is not allowed.
    fn broken(&self, error: &reqwest::Error) -> Broken {
        if let Some(refused) = find::<Refused>(error) {
            return Broken::before(refused_error(refused));
        }
        match find::<HostError>(error) {
            Some(HostError::Refused(refused)) => return Broken::before(refused_error(refused)),
            Some(unknown @ HostError::Unknown(_)) => return Broken::before(retry(unknown.to_string(), Patience::Full)),
            None => {}
        }
        if error.is_timeout() {
            return Broken::on_the_way(self.timed_out());
        }
        let deepest = deepest(error);
        if let Some(failure) = find_tls(error) {
            // A client certificate may be refused when the request has left already.
            return Broken { error: retry(tls::reason(failure), Patience::Full), sent: !error.is_connect() };
        }
        let text = match find::<std::io::Error>(error).map(std::io::Error::kind) {
            Some(std::io::ErrorKind::ConnectionRefused) => "the connection was refused".to_owned(),
            Some(
                std::io::ErrorKind::ConnectionReset
                | std::io::ErrorKind::BrokenPipe
                | std::io::ErrorKind::UnexpectedEof,
            ) => {
                // Some servers say nothing when they do not like who calls.
                let perhaps = if self.shows_itself { "; perhaps it refuses the client certificate" } else { "" };
                format!("the connection was cut by the other end{perhaps}")
            }
            _ if error.is_connect() => format!("no connection could be made: {deepest}"),
            _ => format!("the other end did not answer in HTTP: {deepest}"),
        };
        Broken { error: retry(text, Patience::Full), sent: !error.is_connect() }
    }
}

/// An exchange without an answer.
struct Broken {
    error: SendError,
    /// Whether anything of the request may have left: what never did is not kept as if it had.
    sent: bool,
}

impl Broken {
    const fn before(error: SendError) -> Self {
        Self { error, sent: false }
    }

    const fn on_the_way(error: SendError) -> Self {
        Self { error, sent: true }
    }
}

/// A failure that is tried again.
#[must_use]
pub fn retry(text: impl AsRef<str>, patience: Patience) -> SendError {
    SendError::Retry { reason: Reason::new(text), after: None, patience }
}

/// What a status means for any service over HTTP, when it says nothing more special: 2xx is success; 408, 425, 429 and 5xx
/// but 501 may pass; the rest will hardly change by waiting.
///
/// # Errors
/// What follows from any status but 2xx.
pub fn judge_status(answer: &Answer, now: Timestamp) -> Result<(), SendError> {
    let status = answer.status;
    let patience = match status {
        200..=299 => return Ok(()),
        408 | 425 | 429 | 500 | 502..=599 => Patience::Full,
        _ => Patience::Short,
    };
    Err(SendError::Retry { reason: answered(answer), after: retry_after(answer, now), patience })
}

/// `answered 503 Service Unavailable`, and where a redirect would lead is not followed.
#[must_use]
pub fn answered(answer: &Answer) -> Reason {
    let name = reqwest::StatusCode::from_u16(answer.status).ok().and_then(|status| status.canonical_reason());
    let redirect =
        if (300..400).contains(&answer.status) { "; redirects are not followed, correct the address" } else { "" };
    Reason::new(format!("answered {} {}{redirect}", answer.status, name.unwrap_or_default()).replace(" ;", ";"))
}

/// The other end's wish, from its `Retry-After`.
#[must_use]
pub fn retry_after(answer: &Answer, now: Timestamp) -> Option<Duration> {
    header(answer, "retry-after").and_then(|value| parse_retry_after(value, now))
}

/// A header of the answer; `name` in lower case.
#[must_use]
pub fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
}

/// A header map from pairs that were checked before; what is none after all is left out.
#[must_use]
pub fn header_map<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in pairs {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            map.append(name, value);
        }
    }
    map
}

fn refused_error(refused: &Refused) -> SendError {
    retry(refused.to_string(), Patience::Short)
}

/// The answer, of so many bytes, as it may be kept: without secrets, and cut to what is kept only then, or the cut could go through one.
fn redacted(answer: Answer, bytes: usize, secrets: &[&Redactor], kept_max: usize) -> Answer {
    let header = |text: String| {
        let mut kept = without(secrets, text);
        if let Some((end, _)) = kept.char_indices().nth(HEADER_KEPT_MAX) {
            kept.truncate(end);
        }
        kept
    };
    let mut body = without(secrets, answer.body);
    if body.len() > kept_max {
        body.truncate(body.floor_char_boundary(kept_max));
        let _ = if bytes >= BODY_READ_MAX {
            write!(body, "… (more than {})", human_bytes(BODY_READ_MAX))
        } else {
            write!(body, "… ({} in all)", human_bytes(bytes))
        };
    }
    Answer {
        status: answer.status,
        headers: answer.headers.into_iter().map(|(name, value)| (name, header(value))).collect(),
        body,
    }
}

fn without(secrets: &[&Redactor], text: String) -> String {
    secrets.iter().fold(text, |text, secrets| secrets.redact(text).into_owned())
}

fn hidden(error: SendError, secrets: &[&Redactor]) -> SendError {
    let redact = |reason: &Reason| Reason::new(without(secrets, reason.as_str().to_owned()));
    match error {
        SendError::Retry { reason, after, patience } => SendError::Retry { reason: redact(&reason), after, patience },
        SendError::Reject { reason } => SendError::Reject { reason: redact(&reason) },
        SendError::Gone { reason } => SendError::Gone { reason: redact(&reason) },
    }
}

fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// The failure of TLS behind it: IO errors carry theirs inside, where the chain of causes does not lead.
fn find_tls<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        let inside = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        if let Some(found) = error.downcast_ref().or_else(|| inside.and_then(|inside| find_tls(inside))) {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// The innermost cause, in its own words: the outer ones name the address, which may be a secret.
pub fn deepest(error: &dyn Error) -> String {
    let Some(mut cause) = error.source() else { return "no reason was given".to_owned() };
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
