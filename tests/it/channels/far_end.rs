//! Another end of HTTP that misbehaves on purpose, on a real socket.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What it does with a request.
#[derive(Clone, Copy, Debug)]
pub enum Does {
    /// Answers this status and repeats the whole request in its body and in a header.
    Answers(u16),
    /// Answers this status with a header line more.
    AnswersWith(u16, &'static str),
    /// Answers this status and one of Apple's reasons.
    AnswersReason(u16, &'static str),
    /// Never answers.
    Hangs,
    /// Closes without a word.
    Closes,
    /// Answers what is no HTTP.
    Babbles,
    /// Answers 200 and a body that never ends.
    NeverEnds,
    /// Answers 200 and then a byte now and then.
    Drips,
    /// Answers with more headers than anybody needs.
    HasHugeHeaders,
    /// Promises a longer body than it sends.
    CutsShort,
}

/// Starts one; its address without a path.
pub async fn start(does: Does) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, does));
        }
    });
    address
}

async fn serve(mut stream: TcpStream, does: Does) -> std::io::Result<()> {
    let request = read_request(&mut stream).await?;
    let echo = format!("{request} {{\"status\":\"sent\"}}");
    let flat: String = request.chars().filter(char::is_ascii_graphic).collect();
    let answer = |status: u16, more: &str| {
        let length = echo.len();
        format!("HTTP/1.1 {status} x\r\nx-echo: {flat}\r\n{more}content-length: {length}\r\n\r\n{echo}")
    };
    match does {
        Does::Answers(204) => stream.write_all(b"HTTP/1.1 204 x\r\n\r\n").await,
        Does::Answers(status) => stream.write_all(answer(status, "").as_bytes()).await,
        Does::AnswersWith(status, more) => stream.write_all(answer(status, more).as_bytes()).await,
        Does::AnswersReason(status, reason) => {
            let body = format!("{{\"reason\":\"{reason}\"}}");
            let answer = format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            stream.write_all(answer.as_bytes()).await
        }
        Does::Hangs => std::future::pending().await,
        Does::Closes => Ok(()),
        Does::Babbles => stream.write_all(b"SSH-2.0-OpenSSH_9.9 {\"status\":\"sent\"}\r\n\r\n").await,
        Does::NeverEnds => {
            stream.write_all(b"HTTP/1.1 200 x\r\ncontent-type: text/plain\r\n\r\n").await?;
            loop {
                stream.write_all(&[b'x'; 4096]).await?;
            }
        }
        Does::Drips => {
            stream.write_all(b"HTTP/1.1 200 x\r\ncontent-length: 1000\r\n\r\n").await?;
            loop {
                stream.write_all(b"x").await?;
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        }
        Does::HasHugeHeaders => {
            let header = format!("x-much: {}\r\n", "y".repeat(8000));
            stream.write_all(format!("HTTP/1.1 200 x\r\n{}\r\n", header.repeat(200)).as_bytes()).await
        }
        Does::CutsShort => stream.write_all(b"HTTP/1.1 200 x\r\ncontent-length: 1000\r\n\r\nshort").await,
    }
}

async fn read_request(stream: &mut TcpStream) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let count = stream.read(&mut buffer).await?;
        bytes.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.to_ascii_lowercase();
            let length =
                length.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next()).unwrap_or("0");
            if body.len() >= length.parse().unwrap_or(0) {
                return Ok(text);
            }
        }
        if count == 0 {
            return Ok(text);
        }
    }
}
