//! A mail server that misbehaves on purpose. One that behaves, and was written by others, is in `tests/real`.

use bellboard::channels::email::EmailOptions;
use bellboard::channels::{Options, Senders};
use bellboard::domain::channel::Channel;
use bellboard::domain::secret::Secret;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::channels::{is_fit_to_keep, message, options, outcome, settings};

pub const PASSWORD: &str = "mailsecret5527";

/// At which command it answers what; the rest is answered as is usual. An empty answer hangs up, `…` says nothing more.
pub type Script = (&'static str, &'static str);

pub async fn start(script: Script) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, script));
        }
    });
    port
}

/// The way to the server at that port.
pub fn to(port: u16) -> EmailOptions {
    EmailOptions {
        server: Some(format!("smtp://jane@127.0.0.1:{port}?tls=none")),
        from: Some("bells@acme.test".to_owned()),
        password: Some(Secret::new(PASSWORD)),
        ca: None,
        unsubscribe: None,
    }
}

async fn serve(stream: TcpStream, (at, says): Script) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut command = "CONNECT".to_owned();
    loop {
        let usual = match command.as_str() {
            "CONNECT" => "220 mail.acme.test ready",
            "EHLO" => "250-mail.acme.test\r\n250 AUTH PLAIN LOGIN",
            "AUTH" => "235 2.7.0 welcome",
            "DATA" => "354 go on",
            "QUIT" => "221 bye",
            _ => "250 2.0.0 fine",
        };
        match if command == at { says } else { usual } {
            "" => return Ok(()),
            "…" => std::future::pending().await,
            answer => stream.write_all(format!("{answer}\r\n").as_bytes()).await?,
        }
        let in_mail = command == "DATA";
        let mut line = String::new();
        loop {
            line.clear();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            if !in_mail || line == ".\r\n" {
                break;
            }
        }
        command = if in_mail { "END".to_owned() } else { line.split([' ', '\r']).next().unwrap_or("").to_owned() };
    }
}

/// What a mail server says, what that comes to, and the status that is kept.
pub const TABLE: [(Script, &str, Option<u16>); 14] = [
    (("", ""), "ok", Some(250)),
    (("END", "250 2.0.0 queued as 42"), "ok", Some(250)),
    (("RCPT", "451 4.7.1 greylisted"), "retry", Some(451)),
    (("RCPT", "550 5.1.1 no such user"), "reject", Some(550)),
    (("END", "554 5.7.1 looks like spam"), "reject", Some(554)),
    (("END", "452 4.2.2 mailbox full"), "retry", Some(452)),
    (("END", "552 5.2.2 mailbox full"), "retry", Some(552)),
    (("AUTH", "535 5.7.8 wrong password mailsecret5527"), "wait", Some(535)),
    (("CONNECT", "421 4.3.2 too busy"), "wait", Some(421)),
    (("CONNECT", "HTTP/1.1 400 Bad Request"), "retry", None),
    (("CONNECT", "…"), "retry", None),
    (("DATA", "…"), "retry", None),
    (("DATA", ""), "retry", None),
    (("END", ""), "retry", None),
];

#[tokio::test]
async fn everything_that_a_mail_server_can_say_leads_to_its_state() {
    for (script, expected, status) in TABLE {
        let port = start(script).await;
        let email = to(port);
        let senders = Senders::new(Options { email, ..options(script.1 == "…") }).unwrap();
        let destination = settings(Channel::Email, &[("address", "ops@acme.test")]);
        let exchange = senders.send(&destination, &message()).await;
        let what = format!("{script:?}");
        assert_eq!(outcome(&exchange), expected, "{what}: {exchange:?}");
        assert_eq!(exchange.status(), status, "{what}: {exchange:?}");
        is_fit_to_keep(&exchange, &[PASSWORD], &what);
        let request = exchange.request.unwrap();
        assert_eq!(request.url, format!("smtp://127.0.0.1:{port}"), "{what}");
    }
}

#[tokio::test]
async fn starttls_is_not_done_without() {
    let port = start(("", "")).await;
    let email =
        EmailOptions { server: Some(format!("smtp://127.0.0.1:{port}?tls=starttls")), ..EmailOptions::default() };
    let senders = Senders::new(Options { email, ..options(false) }).unwrap();
    let destination = settings(Channel::Email, &[("address", "ops@acme.test")]);
    let exchange = senders.send(&destination, &message()).await;
    assert_eq!(outcome(&exchange), "wait", "{exchange:?}");
}

#[tokio::test]
async fn the_mail_server_passes_the_gate_too() {
    let email = EmailOptions { server: Some("smtp://127.0.0.1:1?tls=none".to_owned()), ..EmailOptions::default() };
    let senders = Senders::new(Options { email, ..Options::default() }).unwrap();
    let destination = settings(Channel::Email, &[("address", "ops@acme.test")]);
    let exchange = senders.send(&destination, &message()).await;
    let reason = exchange.result.unwrap_err().reason().as_str().to_owned();
    assert!(reason.contains("[network] allow"), "{reason}");
}
