//! A HipChat token looked at from a form: the rooms to choose from, and where there are none, whether the token is any good.
//!
//! A token of type admin may list rooms, one of type notification may only speak. The server answers 401 to both a token that
//! it does not know and one that may not do this; `auth_test=true` asks, without doing it, whether a token may do a thing:
//! 202 when it may (the vendor's "About the HipChat REST API", testing a token).

use reqwest::header::HeaderMap;
use serde::Deserialize;

use crate::channels::hipchat::{endpoint, redactor};
use crate::channels::http::{BODY_READ_MAX, Call, Client, answered};
use crate::domain::delivery::{Answer, Exchange, Reason, SendError, SentBody, SentRequest};
use crate::domain::secret::Secret;
use crate::domain::text::safe_line;

/// A room as the server lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    /// What goes into the field.
    pub id: String,
    /// What people call it.
    pub name: String,
}

/// What to do where nothing can be listed.
const BY_HAND: &str = "type the room's id or name by hand";

/// The rooms that the token may speak in, in the server's order.
///
/// # Errors
/// Why there is no list, and what to do, as a sentence without its stop.
pub async fn rooms(client: &Client, base_url: &str, token: &Secret) -> Result<Vec<Room>, Reason> {
    let listing = ask(client, base_url, "rooms/list", &[], token).await?;
    match (&listing.result, listing.status()) {
        (Ok(()), _) => read(&listing.answer.map(|answer| answer.body).unwrap_or_default()),
        (Err(_), Some(401 | 403)) => Err(why_not(client, base_url, token).await?),
        (Err(error), _) => Err(Reason::new(format!("{}; {BY_HAND}", error.reason()))),
    }
}

/// Why a token that the server answers has no list of rooms.
async fn why_not(client: &Client, base_url: &str, token: &Secret) -> Result<Reason, Reason> {
    let tested = ask(client, base_url, "rooms/message", &[("auth_test", "true")], token).await?;
    Ok(match tested.status() {
        Some(200..=299) => Reason::new(format!("the token is good for messages, but lists no rooms; {BY_HAND}")),
        Some(401) => Reason::new("the server does not know this token; check it, or make a new one there"),
        _ => Reason::new(format!("this token may not list rooms (it takes one of type admin); {BY_HAND}")),
    })
}

async fn ask(
    client: &Client,
    base_url: &str,
    method: &str,
    query: &[(&str, &str)],
    token: &Secret,
) -> Result<Exchange, Reason> {
    let (mut url, shown_url) = endpoint(base_url, method, token.expose()).map_err(Reason::new)?;
    url.query_pairs_mut().extend_pairs(query);
    let shown = SentRequest {
        method: "GET".to_owned(),
        url: shown_url,
        headers: Vec::new(),
        body: SentBody::Text(String::new()),
    };
    let call = Call {
        method: reqwest::Method::GET,
        url,
        headers: HeaderMap::new(),
        body: Vec::new(),
        kept_max: BODY_READ_MAX,
        shown,
        secrets: &[&redactor(token.expose())],
    };
    Ok(client.exchange(call, is_taken).await)
}

fn is_taken(answer: &Answer) -> Result<(), SendError> {
    match answer.status {
        200..=299 => Ok(()),
        _ => Err(SendError::Reject { reason: answered(answer) }),
    }
}

/// Reads the vendor's list of rooms.
///
/// # Errors
/// When it is none.
pub fn read(body: &str) -> Result<Vec<Room>, Reason> {
    #[derive(Deserialize)]
    struct Listed {
        rooms: Vec<ListedRoom>,
    }
    #[derive(Deserialize)]
    struct ListedRoom {
        room_id: serde_json::Value,
        name: String,
    }
    let listed: Listed = serde_json::from_str(body)
        .map_err(|_| Reason::new(format!("the server's list of rooms could not be read; {BY_HAND}")))?;
    Ok(listed
        .rooms
        .into_iter()
        .map(|room| Room {
            id: room.room_id.as_str().map_or_else(|| room.room_id.to_string(), str::to_owned),
            name: safe_line(&room.name).into_owned(),
        })
        .collect())
}
