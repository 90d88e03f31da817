//! The way to the mail server: its URL, the connection, and what its answers mean (RFC 5321).
//!
//! The host is resolved at each send and passes the gate; the connection goes to the address that was checked, and TLS is
//! for the host's name. Connections are kept for the next send while the address stays the same
//! (`smtp_wire.rs`).

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use lettre::Message as Mail;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::response::Response;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};
use tokio::sync::{Semaphore, SemaphorePermit};
use url::Url;

use crate::channels::email::EmailOptions;
use crate::channels::http::retry;
use crate::channels::net::{Gate, HostError};
use crate::channels::smtp_wire::{Broken, Pool, Tls, Whole, connect};
use crate::domain::delivery::{Answer, Reason, SendError};
use crate::domain::redactor::Redactor;
use crate::domain::retry::Patience;
use crate::domain::secret::Secret;

/// Connections to the server at once. A pooled send takes some 45 ms on loopback, so one would be few; servers take only so many
/// of one client.
const CONNECTIONS_MAX: u32 = 16;

/// How long a mail waits for a connection that is free. Less than what the dispatcher grants beyond the time limit of a send.
const FREE_WAIT_MAX: Duration = Duration::from_secs(4);

/// How long a mail that found none free leaves its place to others.
const FREE_PAUSE: Duration = Duration::from_secs(1);

/// How long mail waits for a server that is busy just now.
const BUSY_PAUSE: Duration = Duration::from_secs(5);

/// How the connection is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protection {
    StartTls,
    Implicit,
    None,
}

/// A mail server.
pub struct Server {
    host: String,
    port: u16,
    protection: Protection,
    user: Option<(String, Secret)>,
    /// Masks the password where the server repeats it.
    secrets: Redactor,
    /// Authorities that may vouch for it, PEM, besides those that this machine trusts.
    ca: Option<Vec<u8>>,
    gate: Gate,
    pool: Pool,
    free: Semaphore,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.shown())
    }
}

impl Server {
    /// Reads `smtp://user@host:587?tls=starttls`.
    ///
    /// # Errors
    /// What is wrong with it, and what to write instead.
    pub fn new(options: &EmailOptions, text: &str, gate: Gate) -> Result<Self, String> {
        const EXAMPLE: &str = "write smtp://user@mail.example.com:587?tls=starttls";
        let url = Url::parse(text).map_err(|_| format!("server: this is no address; {EXAMPLE}"))?;
        if url.scheme() != "smtp" {
            return Err(format!("server: the address must begin with smtp://; {EXAMPLE}"));
        }
        if url.password().is_some() {
            return Err(
                "server: no password in the address; put it into a file and name that as password_file".to_owned()
            );
        }
        let host =
            url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| format!("server: no host; {EXAMPLE}"))?;
        let protection = match url.query_pairs().find(|(name, _)| name == "tls").map(|(_, value)| value.into_owned()) {
            None if url.port() == Some(465) => Protection::Implicit,
            None => Protection::StartTls,
            Some(word) if word == "starttls" => Protection::StartTls,
            Some(word) if word == "implicit" => Protection::Implicit,
            Some(word) if word == "none" => Protection::None,
            Some(word) => return Err(format!("server: `tls={word}`; write tls=starttls, tls=implicit or tls=none")),
        };
        let ca = options.ca.clone();
        roots(ca.as_deref()).map_err(|_| "ca_file: there is no certificate (PEM) in it".to_owned())?;
        let user = match (url.username(), options.password.clone()) {
            ("", Some(_)) => return Err(format!("server: a password, but no user; {EXAMPLE}")),
            ("", None) => None,
            (user, Some(password)) => Some((user.replace("%40", "@"), password)),
            (_, None) => return Err("server: a user, but no password; name its file as password_file".to_owned()),
        };
        let port = url.port().unwrap_or(match protection {
            Protection::StartTls => 587,
            Protection::Implicit => 465,
            Protection::None => 25,
        });
        Ok(Self {
            host: host.to_owned(),
            port,
            protection,
            secrets: Redactor::new(options.password.clone()),
            user,
            ca,
            gate,
            pool: Pool::default(),
            free: Semaphore::new(CONNECTIONS_MAX as usize),
        })
    }

    /// The server without its user.
    #[must_use]
    pub fn shown(&self) -> String {
        format!("smtp://{}:{}", self.host, self.port)
    }

    /// Waits until one of the connections is free.
    ///
    /// # Errors
    /// When none is for long. It is no try of that mail.
    pub async fn connection(&self) -> Result<SemaphorePermit<'_>, SendError> {
        match tokio::time::timeout(FREE_WAIT_MAX, self.free.acquire()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(held("all connections to the mail server are busy", FREE_PAUSE)),
        }
    }

    /// Hands one mail over. What the server said comes back, and what that means. The connection of a send that is given up goes with it:
    /// the next mail on it would wait for that one's answer.
    pub async fn send(&self, mail: Mail) -> (Option<Answer>, Result<(), SendError>) {
        let (address, mut connection) = match self.connected().await {
            Ok(connected) => connected,
            Err(failed) => return failed,
        };
        let sent = connection.send(mail.envelope(), &mail.formatted()).await;
        self.pool.keep(address, connection).await;
        match sent {
            Ok(response) => {
                // One that takes the mail may repeat the log-in as well.
                let mut answer = answer(&response);
                answer.body = self.secrets.redact(answer.body).into_owned();
                (Some(answer), Ok(()))
            }
            Err(error) => self.refused(&error),
        }
    }

    /// Connects and logs in, and sends nothing.
    ///
    /// # Errors
    /// Why that does not work.
    pub async fn check(&self) -> Result<(), SendError> {
        let (address, mut connection) = self.connected().await.map_err(|(_, failed)| match failed {
            Err(error) => error,
            Ok(()) => ours("the mail server answers, but not as one"),
        })?;
        if !connection.test_connected().await {
            return Err(ours("the mail server answers, but not as one"));
        }
        self.pool.keep(address, connection).await;
        Ok(())
    }

    /// A connection that is logged in, to an address that was checked just now.
    async fn connected(&self) -> Result<(SocketAddr, AsyncSmtpConnection), (Option<Answer>, Result<(), SendError>)> {
        let unknown = |error: HostError| {
            let patience = if matches!(error, HostError::Refused(_)) { Patience::Short } else { Patience::Full };
            retry(error.to_string(), patience)
        };
        let addresses = self.gate.resolve(&self.host, self.port).await.map_err(|error| (None, Err(unknown(error))))?;
        if let Some(connected) = self.pool.take(&addresses).await {
            return Ok(connected);
        }
        let address = addresses[0];
        let tls = self.tls(address).map_err(|error| (None, Err(error)))?;
        match self.log_in(address, tls).await {
            Ok(connection) => Ok((address, connection)),
            Err(Broken::Server(error)) => Err(self.refused(&error)),
            Err(Broken::Wire(error)) => Err((None, Err(unreached(&error)))),
        }
    }

    async fn log_in(&self, address: SocketAddr, tls: Tls) -> Result<AsyncSmtpConnection, Broken> {
        let mut connection = connect(address, tls, &ClientId::Domain(own_host())).await?;
        if let Some((user, password)) = &self.user {
            let credentials = Credentials::new(user.clone(), password.expose().to_owned());
            connection.auth(&[Mechanism::Plain, Mechanism::Login], &credentials).await?;
        }
        Ok(connection)
    }

    fn tls(&self, address: SocketAddr) -> Result<Tls, SendError> {
        let cannot = || retry(format!("TLS cannot be set up for {}", self.host), Patience::Short);
        match self.protection {
            Protection::StartTls => {
                let mut parameters = TlsParameters::builder(self.host.clone());
                if let Some(ca) = &self.ca {
                    parameters = parameters.add_root_certificate(Certificate::from_pem(ca).map_err(|_| cannot())?);
                }
                Ok(Tls::Begun(parameters.build().map_err(|_| cannot())?))
            }
            Protection::Implicit => {
                let roots = roots(self.ca.as_deref()).map_err(|_| cannot())?;
                Ok(Tls::Whole(Box::new(Whole::to(&self.host, roots).map_err(|_| cannot())?)))
            }
            Protection::None if self.user.is_some() && !address.ip().is_loopback() => {
                let text = "a password must not go over an open line; write tls=starttls behind [email] server";
                Err(retry(text, Patience::Short))
            }
            Protection::None => Ok(Tls::None),
        }
    }

    /// What an error means: as [`judge`] says when the server said something. What is between us and our own server (its
    /// address, TLS, the log-in) is nobody's else fault: it holds the mail, uses up no try and says nothing about the address.
    fn refused(&self, error: &Error) -> (Option<Answer>, Result<(), SendError>) {
        let said = self.secrets.redact(innermost(error)).into_owned();
        let status = error.status().map(u16::from).or_else(|| leading_code(&said));
        let answer = status.map(|status| Answer { status, headers: Vec::new(), body: said.clone() });
        let result = match &answer {
            Some(answer) => judge(answer),
            None if error.is_tls() || is_about_trust(error) => Err(ours(&insecure(&said))),
            None if io_kind(error) == Some(io::ErrorKind::ConnectionRefused) => Err(ours(NOBODY)),
            None if said.contains("SMTPUTF8") => Err(SendError::Reject {
                reason: Reason::new("the mail server takes plain letters only in an address (it offers no SMTPUTF8)"),
            }),
            // It speaks, but offers no way to log in or no TLS.
            None if error.is_client() => Err(ours(&format!("{said}; check [email] server"))),
            None if error.is_timeout() => Err(retry("the mail server did not answer in time", Patience::Full)),
            None => Err(retry(format!("no answer from the mail server: {said}"), Patience::Full)),
        };
        (answer, result)
    }
}

/// How long mail waits when the fault is between us and our own server.
const OWN_PAUSE: Duration = Duration::from_secs(30);

/// A fault of our own set-up, or of our own server.
fn ours(problem: &str) -> SendError {
    held(problem, OWN_PAUSE)
}

/// What says nothing about the mail: it waits, and that is no try.
fn held(problem: &str, pause: Duration) -> SendError {
    SendError::Retry { reason: Reason::new(problem), after: Some(pause), patience: Patience::NotCounted }
}

/// What a server's refusal means. 4xx may pass (greylisting). 5xx is the server's last word about this mail, but for a mailbox
/// that is full (RFC 3463 section 3.3, `x.2.2`), which people empty, and for a log-in that it refuses, which is ours to mend.
///
/// # Errors
/// What follows from it.
pub fn judge(answer: &Answer) -> Result<(), SendError> {
    let said = &answer.body;
    Err(match answer.status {
        200..=299 => return Ok(()),
        454 | 530 | 534 | 535 | 538 => {
            ours(&format!("the mail server refuses the log-in ({said}); check [email] server and password_file"))
        }
        421 => held(&format!("the mail server takes nothing just now: {said}"), BUSY_PAUSE),
        500..=599 if is_full(said) => retry(format!("the mailbox is full: {said}"), Patience::Full),
        500..=599 => SendError::Reject { reason: Reason::new(permanent(said)) },
        _ => retry(format!("put off by the mail server: {said}"), Patience::Full),
    })
}

fn is_full(said: &str) -> bool {
    said.contains(".2.2 ") || said.to_ascii_lowercase().contains("mailbox full")
}

/// A last word, told apart by its enhanced code (RFC 3463): about the address, or about what was sent.
fn permanent(said: &str) -> String {
    if said.contains("5.1.") {
        return format!("there is no such mailbox, check the address: {said}");
    }
    format!("refused by the mail server: {said}")
}

const NOBODY: &str = "nobody listens at [email] server; check its host and port";

/// What to do comes first: what TLS says can be long, and a reason is cut.
fn insecure(problem: &str) -> String {
    format!(
        "no secure connection to the mail server; check `tls=` and the name in [email] server, and ca_file: {problem}"
    )
}

/// The certificates in a PEM file; none where there is no file.
fn roots(ca: Option<&[u8]>) -> Result<Vec<CertificateDer<'static>>, pem::Error> {
    let Some(ca) = ca else { return Ok(Vec::new()) };
    let found: Vec<_> = CertificateDer::pem_slice_iter(ca).collect::<Result<_, _>>()?;
    if found.is_empty() { Err(pem::Error::NoItemsFound) } else { Ok(found) }
}

/// There is no way to the server.
fn unreached(error: &io::Error) -> SendError {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => ours(NOBODY),
        io::ErrorKind::InvalidData => ours(&insecure(&error.to_string())),
        _ => retry(format!("no answer from the mail server: {error}"), Patience::Full),
    }
}

/// A handshake that failed: the library calls it a broken connection, and TLS has put its own error into that.
fn is_about_trust(error: &Error) -> bool {
    io_kind(error) == Some(io::ErrorKind::InvalidData)
}

fn io_kind(error: &Error) -> Option<io::ErrorKind> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(inner) = cause {
        if let Some(io) = inner.downcast_ref::<io::Error>() {
            return Some(io.kind());
        }
        cause = inner.source();
    }
    None
}

/// This machine's name, for mail servers to know it by.
#[must_use]
pub fn own_host() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    if !name.is_empty() && name.chars().all(is_name) { name } else { "localhost".to_owned() }
}

fn answer(response: &Response) -> Answer {
    let status = u16::from(response.code());
    Answer { status, headers: Vec::new(), body: response.message().collect::<Vec<_>>().join("\n") }
}

fn innermost(error: &Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

fn leading_code(text: &str) -> Option<u16> {
    text.get(..3)?.parse().ok().filter(|code| (400..600).contains(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(text: &str, password: Option<&str>) -> Result<Server, String> {
        let options = EmailOptions { password: password.map(Secret::new), ..EmailOptions::default() };
        Server::new(&options, text, Gate::new(Vec::new()))
    }

    #[test]
    fn the_servers_address_is_read() {
        let check = |text: &str, password: Option<&str>, port: u16, protection: Protection| {
            let server = server(text, password).unwrap();
            assert_eq!((server.port, server.protection), (port, protection), "{text}");
        };
        check("smtp://mail.acme.test", None, 587, Protection::StartTls);
        check("smtp://mail.acme.test:465", None, 465, Protection::Implicit);
        check("smtp://mail.acme.test?tls=implicit", None, 465, Protection::Implicit);
        check("smtp://127.0.0.1:2525?tls=none", None, 2525, Protection::None);
        check("smtp://jane%40acme.test@mail.acme.test", Some("x"), 587, Protection::StartTls);
        for (bad, password) in [
            ("mail.acme.test", None),
            ("http://mail.acme.test", None),
            ("smtp://", None),
            ("smtp://mail.acme.test?tls=maybe", None),
            ("smtp://jane:pw@mail.acme.test", None),
            ("smtp://jane@mail.acme.test", None),
            ("smtp://mail.acme.test", Some("x")),
        ] {
            assert!(server(bad, password).is_err(), "`{bad}` should be refused");
        }
    }

    #[test]
    fn a_server_does_not_show_its_user_or_password() {
        let server = server("smtp://jane@mail.acme.test", Some("hunter2hunter2")).unwrap();
        assert_eq!(format!("{server:?}"), "smtp://mail.acme.test:587");
    }
}
