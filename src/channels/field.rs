//! A field of a channel's form: what it is called, what may be in it, and how it is checked.

use crate::channels::tls;
use crate::domain::account::parse_email;

/// Longest text of one field, in bytes; of one that holds PEM, [`PEM_BYTES_MAX`].
pub const BYTES_MAX: usize = 4096;

/// Longest PEM, in bytes: a chain of a dozen certificates.
pub const PEM_BYTES_MAX: usize = 32 * 1024;

/// A field of a destination's form, an option of the command line, a member of `fields` in JSON.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// The name in JSON; with hyphens, the option of the command line.
    pub name: &'static str,
    /// What people read before it.
    pub title: &'static str,
    /// One line about it.
    pub help: &'static str,
    /// What may be in it.
    pub kind: FieldKind,
    /// Whether it must be filled in.
    pub required: bool,
    /// What stands in it when nothing was said; empty for nothing.
    pub default: &'static str,
}

/// What may be in a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldKind {
    /// A line of text.
    Text,
    /// An `http` or `https` address.
    Url,
    /// An address that is a secret itself.
    SecretUrl,
    /// A token, key or password.
    Secret,
    /// Yes or no.
    Flag,
    /// An email address.
    Email,
    /// Header lines, `Name: value`, one a line. Their values may be secrets.
    Headers,
    /// Certificates in PEM.
    Certificates,
    /// A private key in PEM.
    PrivateKey,
    /// One of these.
    Choice(&'static [&'static str]),
    /// A room, to choose from a list that the server gives or to type.
    Room,
}

impl FieldKind {
    /// Whether it is sealed in the store and shown to nobody.
    #[must_use]
    pub const fn is_secret(self) -> bool {
        matches!(self, Self::SecretUrl | Self::Secret | Self::Headers | Self::PrivateKey)
    }
}

impl FieldKind {
    /// Whether it is PEM, which has lines.
    #[must_use]
    pub const fn is_pem(self) -> bool {
        matches!(self, Self::Certificates | Self::PrivateKey)
    }
}

impl Field {
    /// Checks what was typed so far, trimmed.
    ///
    /// # Errors
    /// What is wrong, as a sentence without its stop.
    pub fn check(&self, text: &str) -> Result<(), String> {
        let text = text.trim();
        if text.is_empty() {
            return if self.required && self.default.is_empty() { Err("this is needed".to_owned()) } else { Ok(()) };
        }
        let bytes_max = if self.kind.is_pem() { PEM_BYTES_MAX } else { BYTES_MAX };
        if text.len() > bytes_max {
            return Err(format!("at most {bytes_max} bytes fit here"));
        }
        let has_lines = self.kind.is_pem() || self.kind == FieldKind::Headers;
        if text.chars().any(|c| c.is_control() && !(matches!(c, '\n' | '\r') && has_lines)) {
            return Err("no line breaks or control characters, please".to_owned());
        }
        match self.kind {
            FieldKind::Text | FieldKind::Secret | FieldKind::Room => Ok(()),
            FieldKind::Url | FieldKind::SecretUrl => check_url(text),
            FieldKind::Flag => parse_flag(text).map(|_| ()),
            FieldKind::Email => parse_email(text).map(|_| ()).map_err(|error| error.to_string()),
            FieldKind::Headers => parse_headers(text).map(|_| ()),
            FieldKind::Certificates => tls::certificates(&tls::tidy_pem(text)).map(|_| ()),
            FieldKind::PrivateKey => tls::private_key(&tls::tidy_pem(text)).map(|_| ()),
            FieldKind::Choice(choices) if choices.contains(&text) => Ok(()),
            FieldKind::Choice(choices) => Err(format!("write one of {}", choices.join(", "))),
        }
    }
}

/// Reads yes or no.
///
/// # Errors
/// When it is neither.
pub fn parse_flag(text: &str) -> Result<bool, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Ok(true),
        "false" | "no" | "off" | "0" | "" => Ok(false),
        _ => Err("write yes or no".to_owned()),
    }
}

/// Headers that a destination may not set: bellboard's own, and those that belong to the connection (RFC 9110 section 7.6.1).
const RESERVED_HEADERS: [&str; 16] = [
    "host",
    "content-length",
    "content-type",
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "expect",
    "user-agent",
    "webhook-id",
    "webhook-timestamp",
    "webhook-signature",
];

/// Most header lines of one destination.
const HEADERS_MAX: usize = 20;

/// Reads header lines: `Name: value`, one a line.
///
/// # Errors
/// The first line that is none, or a header that a destination may not set.
pub fn parse_headers(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut headers = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').ok_or_else(|| "write each header as `Name: value`".to_owned())?;
        let (name, value) = (name.trim(), value.trim());
        let is_token = !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte));
        if !is_token {
            return Err(format!("`{name}` is no header name"));
        }
        if RESERVED_HEADERS.contains(&name.to_ascii_lowercase().as_str()) {
            return Err(format!("the header {name} is set by bellboard"));
        }
        if !value.bytes().all(|byte| (0x20..0x7f).contains(&byte) || byte == b'\t') {
            return Err(format!("the value of {name} must be plain ASCII"));
        }
        headers.push((name.to_owned(), value.to_owned()));
    }
    if headers.len() > HEADERS_MAX {
        return Err(format!("at most {HEADERS_MAX} headers fit here"));
    }
    Ok(headers)
}

fn check_url(text: &str) -> Result<(), String> {
    let url = url::Url::parse(text).map_err(|_| "write a whole address, as https://hooks.example.com/in".to_owned())?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("the address must begin with https:// or http://".to_owned());
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err("there is no host in the address".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("no user or password in the address; use a header".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(kind: FieldKind, required: bool) -> Field {
        Field { name: "x", title: "X", help: "", kind, required, default: "" }
    }

    #[test]
    fn each_kind_is_checked() {
        let check = |kind: FieldKind, text: &str, fits: bool| {
            assert_eq!(field(kind, false).check(text).is_ok(), fits, "{kind:?} {text:?}");
        };
        check(FieldKind::Url, "https://hooks.acme.test/in?x=1", true);
        check(FieldKind::Url, " http://[::1]:8080/ ", true);
        check(FieldKind::Url, "ftp://acme.test", false);
        check(FieldKind::Url, "acme.test/in", false);
        check(FieldKind::Url, "https://user:pass@acme.test/", false);
        check(FieldKind::Url, "https://", false);
        check(FieldKind::Email, "ops@acme.test", true);
        check(FieldKind::Email, "ops", false);
        check(FieldKind::Flag, "yes", true);
        check(FieldKind::Flag, "perhaps", false);
        check(FieldKind::Choice(&["a", "b"]), "b", true);
        check(FieldKind::Choice(&["a", "b"]), "c", false);
        check(FieldKind::Headers, "X-Key: abc\nAuthorization: Bearer x", true);
        check(FieldKind::Headers, "Content-Length: 7", false);
        check(FieldKind::Headers, "no colon", false);
        check(FieldKind::Text, "a\x1bb", false);
        check(FieldKind::Text, &"x".repeat(BYTES_MAX + 1), false);
        assert!(field(FieldKind::Text, true).check(" ").is_err(), "a field that is needed");
    }
}
