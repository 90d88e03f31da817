//! Who asks, and what they may: a bearer token (RFC 6750) with a scope and perhaps one account.
//!
//! A token is looked up by its hash. One that is unknown and one that was revoked get the same answer.
//!
//! # Why no time tells anything
//!
//! What somebody shows is hashed in the two functions that read it ([`shown`], [`shown_code`]) and is nowhere else: no handler
//! has the text to compare. The hash (SHA-256) is looked up as a whole in an index. How long that takes may depend on how many of
//! the hash's first bytes are in the index, but nobody can choose these: a guess that is right but for its last sign has another
//! hash altogether. So a time tells nothing of how near a guess is. [`crate::domain::secret::Secret`] cannot be compared at all,
//! the signature of a link in a mail is compared in constant time ([`crate::channels::unsubscribe`]), and `tests/it/tidy.rs`
//! holds all of it to that.

use std::net::IpAddr;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;
use ipnet::IpNet;
use serde::{Deserialize, Deserializer};

use crate::domain::access::{Scope, SecretHash, Token};
use crate::domain::account::AccountKey;
use crate::domain::command::Actor;
use crate::domain::text::safe_line;
use crate::http::limit::Who;
use crate::http::problem::Problem;
use crate::http::state::App;

/// Longest text that is looked at as a token, in bytes.
const TOKEN_BYTES_MAX: usize = 256;

/// How often it is noted that a token is in use.
const USED_EVERY: Duration = Duration::from_mins(1);

/// The header in which a proxy names who asks it.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// Where a request came from: the server puts the connection's other end into every request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub IpAddr);

/// A request's bearer token, looked up and known.
#[derive(Clone, Debug)]
pub struct Bearer {
    /// The token.
    pub token: Token,
    peer: Peer,
}

impl Bearer {
    /// Whether it covers this for that account.
    ///
    /// # Errors
    /// When its scope or its account is another.
    pub fn may(&self, scope: Scope, account: &AccountKey) -> Result<(), Problem> {
        self.may_somewhere(scope)?;
        if self.token.account.as_ref().is_some_and(|own| own != account) {
            return Err(Problem::forbidden(
                "this token is for another account; use one that was made for this account",
            ));
        }
        Ok(())
    }

    /// Whether it covers this for any account at all.
    ///
    /// # Errors
    /// When its scope is another.
    pub fn may_somewhere(&self, scope: Scope) -> Result<(), Problem> {
        if self.token.scope.covers(scope) {
            return Ok(());
        }
        let name = scope.name();
        Err(Problem::forbidden(format!(
            "this token's scope is {}; use one made by `bellboard tokens create NAME --scope {name}`",
            self.token.scope.name()
        )))
    }

    /// Who is named in the audit trail.
    #[must_use]
    pub fn actor(&self) -> Actor {
        let login = format!("token {}", safe_line(&self.token.name));
        Actor { login, origin: format!("{} from {}", self.token.id, self.peer.0) }
    }
}

impl FromRequestParts<App> for Peer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let connected = parts.extensions.get::<Self>().map_or(IpAddr::from([0, 0, 0, 0]), |peer| peer.0);
        let named = parts.headers.get_all(FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok());
        Ok(Self(behind_proxies(connected, &app.options().proxies, &named.collect::<Vec<_>>().join(","))))
    }
}

/// Who asks when the connection may be a proxy's: the last address in `X-Forwarded-For` that is no proxy of ours. What stands
/// before that was written by whoever asks, and is believed from nobody.
fn behind_proxies(connected: IpAddr, proxies: &[IpNet], forwarded_for: &str) -> IpAddr {
    let mut asks = connected;
    for named in forwarded_for.rsplit(',') {
        if !proxies.iter().any(|range| range.contains(&asks)) {
            break;
        }
        let Ok(address) = named.trim().parse::<IpAddr>() else { break };
        asks = address.to_canonical();
    }
    asks
}

impl FromRequestParts<App> for Bearer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let peer = Peer::from_request_parts(parts, app).await?;
        let now = app.store().clock().now();
        let Some(shown) = shown(parts) else {
            app.limits().take(Who::Stranger(peer.0), now)?;
            return Err(Problem::unauthorized("show a token as `Authorization: Bearer …`"));
        };
        let token = app.store().token(shown).await?;
        let Some(token) = token else {
            app.limits().take(Who::Stranger(peer.0), now)?;
            return Err(Problem::unauthorized(
                "this token is not known; ask for one made by `bellboard tokens create`",
            ));
        };
        app.limits().take(Who::Token(token.id), now)?;
        if token.last_used_at.is_none_or(|used| now.since(used) >= USED_EVERY) {
            // Nobody waits for this, and a store that cannot be written says so elsewhere.
            let (store, id) = (app.store().clone(), token.id);
            tokio::spawn(async move { store.token_used(id).await });
        }
        Ok(Self { token, peer })
    }
}

/// The hash of what stands behind `Authorization: Bearer`.
#[must_use]
pub fn shown(parts: &Parts) -> Option<SecretHash> {
    let value = parts.headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    let may_be_one = scheme.eq_ignore_ascii_case("bearer") && (1..=TOKEN_BYTES_MAX).contains(&token.len());
    may_be_one.then(|| SecretHash::of(token))
}

/// Reads an enrolment code of a body, as its hash.
///
/// # Errors
/// When it is no text.
pub fn shown_code<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SecretHash, D::Error> {
    String::deserialize(deserializer).map(|typed| SecretHash::of_code(&typed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_believed_and_nobody_else() {
        let proxies: Vec<IpNet> = vec!["10.0.0.0/8".parse().unwrap(), "127.0.0.1/32".parse().unwrap()];
        let check = |connected: &str, forwarded_for: &str, expected: &str| {
            let asks = behind_proxies(connected.parse().unwrap(), &proxies, forwarded_for);
            assert_eq!(asks.to_string(), expected, "{connected}: {forwarded_for}");
        };
        check("192.0.2.1", "", "192.0.2.1");
        check("192.0.2.1", "198.51.100.7", "192.0.2.1");
        check("127.0.0.1", "198.51.100.7", "198.51.100.7");
        check("127.0.0.1", "203.0.113.9, 198.51.100.7", "198.51.100.7");
        check("127.0.0.1", "203.0.113.9,198.51.100.7, 10.1.2.3", "198.51.100.7");
        check("127.0.0.1", "::ffff:198.51.100.7", "198.51.100.7");
        check("127.0.0.1", "2001:db8::1", "2001:db8::1");
        check("127.0.0.1", "unknown", "127.0.0.1");
        check("127.0.0.1", "", "127.0.0.1");
        check("10.1.2.3", "127.0.0.1", "127.0.0.1");
    }
}
