//! What comes for one browser, as server-sent events (WHATWG HTML, section 9.2) while its page is open.
//!
//! It follows the store and not the dispatcher, so it does not matter which process delivers. What was not acknowledged is sent
//! again on the next connection, whatever its `Last-Event-ID` says: to have been sent is not to have been shown, and the page
//! tells repeats by their tag. At most [`crate::store::browser::FETCHED_MAX`] are on their way to a page at a time.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures_util::Stream;
use futures_util::stream::unfold;
use tokio::sync::watch;

use crate::channels::browser::document;
use crate::channels::templates::Templates;
use crate::channels::web_push::PLAIN_BYTES_MAX;
use crate::domain::id::{DeliveryId, DestinationId};
use crate::domain::message::Message;
use crate::http::devices::Own;
use crate::http::problem::Problem;
use crate::http::state::{App, StreamRoom};
use crate::store::{Revision, Store};

/// How often something is sent when nothing comes, so that proxies keep the connection and both ends see that it lives.
const HEARTBEAT: Duration = Duration::from_secs(20);

/// How long a page waits before it connects again.
const AGAIN_AFTER: Duration = Duration::from_secs(3);

/// When a page for which there was no room may ask again.
const ROOM_AGAIN: Duration = Duration::from_secs(30);

/// How often it looks at least: a removed destination ends its stream by then.
const LOOK_AGAIN: Duration = Duration::from_mins(1);

/// One page's stream.
struct Following {
    store: Store,
    destination: DestinationId,
    /// The try of each delivery that it was given and that still waits.
    given: HashMap<DeliveryId, u32>,
    ready: VecDeque<Message>,
    templates: Arc<Templates>,
    revision: watch::Receiver<Revision>,
    stopped: watch::Receiver<bool>,
    greeted: bool,
    _room: StreamRoom,
}

/// What comes for the browser that asks, while it stays connected.
///
/// Each event's data is what the service worker gets by push.
///
/// # Errors
/// When there is no room for one more.
#[utoipa::path(
    get, path = "/v1/browsers/current/stream", tag = "browsers",
    responses((status = 200, description = "Server-sent events", content_type = "text/event-stream", body = String)),
    security(("bearer" = []))
)]
pub async fn stream(
    State(app): State<App>,
    own: Own,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let room = app.stream_room(own.0).ok_or_else(|| {
        Problem::too_many("too many pages are open; the next one is let in when one is closed", ROOM_AGAIN)
    })?;
    let following = Following {
        store: app.store().clone(),
        destination: own.0,
        given: HashMap::new(),
        ready: VecDeque::new(),
        templates: app.options().templates.clone(),
        revision: app.store().revision(),
        stopped: app.stopped(),
        greeted: false,
        _room: room,
    };
    let events = unfold(following, |mut following| async move {
        let event = following.next().await?;
        Some((Ok(event), following))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(HEARTBEAT)))
}

impl Following {
    /// The next event; nothing at the end.
    async fn next(&mut self) -> Option<Event> {
        if !std::mem::replace(&mut self.greeted, true) {
            // Something at once, so that the page knows that it is connected.
            return Some(Event::default().event("hello").retry(AGAIN_AFTER).data("{}"));
        }
        loop {
            if let Some(message) = self.ready.pop_front() {
                self.given.insert(message.delivery, message.attempt);
                let words = self.templates.words(&message);
                let data = document(&message, &words, PLAIN_BYTES_MAX);
                return Some(Event::default().id(message.delivery.to_string()).data(data));
            }
            // Seen before the read, so that what comes during the read is read next time.
            self.revision.borrow_and_update();
            // A destination that was removed, and a store that cannot be read, end it; the page connects again or is told.
            let waiting = self.store.waiting_for_page(self.destination).await.ok()?;
            self.given.retain(|delivery, _| waiting.iter().any(|message| message.delivery == *delivery));
            // One that is sent again by a person, or was tried by push in between, is another try.
            let new = |message: &Message| self.given.get(&message.delivery) != Some(&message.attempt);
            self.ready = waiting.into_iter().filter(new).collect();
            if self.ready.is_empty() {
                tokio::select! {
                    changed = self.revision.changed() => changed.ok()?,
                    () = tokio::time::sleep(LOOK_AGAIN) => {}
                    _ = self.stopped.changed() => return None,
                }
            }
        }
    }
}
