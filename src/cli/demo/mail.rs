//! The demo's mail server: takes every message and keeps none. As much SMTP (RFC 5321) as a client needs that only sends.

use std::io;
use std::net::Ipv4Addr;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// Longest line that is read, in bytes.
const LINE_BYTES_MAX: u64 = 64 * 1024;

/// A mail server that listens until it is dropped.
pub struct MailSink {
    port: u16,
    task: tokio::task::JoinHandle<()>,
}

impl MailSink {
    /// Begins to listen, on a port that is free.
    ///
    /// # Errors
    /// When loopback has no free port.
    pub async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(converse(stream));
            }
        });
        Ok(Self { port, task })
    }

    /// Its address as the config writes one.
    #[must_use]
    pub fn address(&self) -> String {
        format!("smtp://127.0.0.1:{}?tls=none", self.port)
    }
}

impl Drop for MailSink {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn converse(stream: TcpStream) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    stream.get_mut().write_all(b"220 demo.example ESMTP\r\n").await?;
    let mut in_message = false;
    let mut line = Vec::new();
    loop {
        line.clear();
        if (&mut stream).take(LINE_BYTES_MAX).read_until(b'\n', &mut line).await? == 0 {
            return Ok(());
        }
        let Some(reply) = reply(&line, &mut in_message) else { continue };
        stream.get_mut().write_all(reply.as_bytes()).await?;
        if reply.starts_with("221") {
            return Ok(());
        }
    }
}

/// The answer to a line; none to the lines of a message, which ends with a lone stop (section 4.1.1.4).
fn reply(line: &[u8], in_message: &mut bool) -> Option<&'static str> {
    if *in_message {
        *in_message = line != b".\r\n";
        return (!*in_message).then_some("250 2.0.0 taken\r\n");
    }
    let verb = String::from_utf8_lossy(line.get(..4).unwrap_or(line)).to_ascii_uppercase();
    Some(match verb.as_str() {
        "EHLO" | "HELO" => "250 demo.example\r\n",
        "MAIL" | "RCPT" | "RSET" | "NOOP" => "250 2.0.0 ok\r\n",
        "DATA" => {
            *in_message = true;
            "354 go on\r\n"
        }
        "QUIT" => "221 2.0.0 bye\r\n",
        _ => "502 5.5.1 not here\r\n",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_taken() {
        let lines: [(&[u8], Option<&str>); 8] = [
            (b"EHLO me\r\n", Some("250")),
            (b"MAIL FROM:<a@b.example>\r\n", Some("250")),
            (b"RCPT TO:<c@d.example>\r\n", Some("250")),
            (b"DATA\r\n", Some("354")),
            (b"Subject: QUIT\r\n", None),
            (b"..\r\n", None),
            (b".\r\n", Some("250")),
            (b"quit\r\n", Some("221")),
        ];
        let mut in_message = false;
        for (line, code) in lines {
            let reply = reply(line, &mut in_message);
            assert_eq!(reply.map(|reply| &reply[..3]), code, "{}", String::from_utf8_lossy(line));
        }
    }
}
