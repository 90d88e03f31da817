//! Events in: one for an account, or a batch for any.

use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::domain::access::Scope;
use crate::domain::account::AccountKey;
use crate::domain::catalogue::normal_name;
use crate::domain::event::{Accepted, NewEvent};
use crate::domain::payload::{Payload, PayloadError};
use crate::http::auth::Bearer;
use crate::http::body::{InPath, Json};
use crate::http::limit::Who;
use crate::http::problem::Problem;
use crate::http::state::App;
use crate::store::error::AcceptError;

/// Most events in one batch.
pub const BATCH_MAX: usize = 1000;

/// How long the store may take: less than a whole request may, so that whoever waits is told what it waited for.
const STORE_TIME_MAX: Duration = Duration::from_secs(20);

/// An event of one account.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EventBody {
    /// Its type's name.
    #[schema(example = "server.stopped")]
    event_type: String,
    /// What it carries: an object of at most 256 KiB, passed on as it is.
    #[serde(default = "empty")]
    #[schema(value_type = Object, example = json!({"name": "web1", "status": 3}))]
    data: Box<RawValue>,
}

/// An event of a batch.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BatchEvent {
    /// The account's key.
    #[schema(example = "acme")]
    account: String,
    /// Its type's name.
    #[schema(example = "server.stopped")]
    event_type: String,
    /// What it carries.
    #[serde(default = "empty")]
    #[schema(value_type = Object)]
    data: Box<RawValue>,
    /// The caller's name for it: the same name again is the same event.
    #[schema(max_length = 255)]
    id: Option<String>,
}

/// Many events.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Batch {
    /// At most 1,000.
    #[schema(min_items = 1, max_items = 1000)]
    events: Vec<BatchEvent>,
}

/// An event that is durable.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Stored {
    /// Its id; receivers know it by the same.
    #[schema(example = "evt_0192f0c1a7b07d0e8a3b5c6d7e8f9a0b")]
    id: String,
    /// Whose it is.
    account: String,
    /// Its type's name.
    event_type: String,
}

/// One event of a batch: stored, or why not.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(untagged)]
pub enum Outcome {
    /// It is durable.
    Stored(Stored),
    /// It was refused; the others were not.
    Refused(Problem),
}

/// What became of a batch, in its order.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct BatchAnswer {
    /// How many are durable.
    accepted: usize,
    /// How many were refused.
    refused: usize,
    /// One for each event.
    results: Vec<Outcome>,
}

/// Store an event of this account, and what follows from it.
///
/// Answered when it is durable. With an `Idempotency-Key`, the same event sent twice is stored once and gets the same answer.
///
/// # Errors
/// Why it was not stored.
#[utoipa::path(
    post, path = "/v1/accounts/{account}/events", tag = "events",
    params(
        ("account" = String, Path, description = "The account's key"),
        ("Idempotency-Key" = Option<String>, Header, description = "The caller's name for the event, 1 to 255 bytes"),
    ),
    request_body = EventBody,
    responses(
        (status = 202, description = "It is durable", body = Stored),
        (status = 400, description = "It makes no sense", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such account", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The key was used for another event", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "No such event type", body = Problem, content_type = "application/problem+json"),
    ),
    security(("bearer" = []))
)]
pub async fn one(
    State(app): State<App>,
    bearer: Bearer,
    InPath(account): InPath<String>,
    headers: HeaderMap,
    Json(body): Json<EventBody>,
) -> Result<(StatusCode, axum::Json<Stored>), Problem> {
    bearer.may_somewhere(Scope::Emit)?;
    let account = known_key(&account)?;
    bearer.may(Scope::Emit, &account)?;
    let event_type = body.event_type;
    let event =
        NewEvent { account, data: payload(&body.data)?, idempotency_key: idempotency_key(&headers)?, event_type };
    let (account, event_type) = (event.account.clone(), event.event_type.clone());
    let mut answers = accept(&app, &bearer, vec![event]).await?;
    let accepted = answers.pop().unwrap_or_else(|| Err(AcceptError::UnknownAccount(account.to_string())))?;
    Ok((StatusCode::ACCEPTED, axum::Json(stored(&accepted, &account, &event_type))))
}

/// Store many events of any accounts.
///
/// Answered when all that could be are durable: 202 when that is all of them, 207 when some were refused. The body says which
/// and why, in the order of the request.
///
/// # Errors
/// Why nothing was stored.
#[utoipa::path(
    post, path = "/v1/events", tag = "events",
    request_body = Batch,
    responses(
        (status = 202, description = "All are durable", body = BatchAnswer),
        (status = 207, description = "Some were refused", body = BatchAnswer),
        (status = 400, description = "It makes no sense", body = Problem, content_type = "application/problem+json"),
    ),
    security(("bearer" = []))
)]
pub async fn many(
    State(app): State<App>,
    bearer: Bearer,
    Json(batch): Json<Batch>,
) -> Result<(StatusCode, axum::Json<BatchAnswer>), Problem> {
    bearer.may_somewhere(Scope::Emit)?;
    if !(1..=BATCH_MAX).contains(&batch.events.len()) {
        return Err(Problem::invalid(format!("a batch has 1 to {BATCH_MAX} events")));
    }
    let checked: Vec<Result<NewEvent, Problem>> =
        batch.events.into_iter().map(|event| new_event(&bearer, event)).collect();
    let events: Vec<NewEvent> = checked.iter().filter_map(|event| event.as_ref().ok()).cloned().collect();
    let mut answers = if events.is_empty() { Vec::new() } else { accept(&app, &bearer, events).await? }.into_iter();
    let mut results = Vec::with_capacity(checked.len());
    for event in checked {
        results.push(match event {
            Err(problem) => Outcome::Refused(problem),
            Ok(event) => match answers.next() {
                Some(Ok(accepted)) => Outcome::Stored(stored(&accepted, &event.account, &event.event_type)),
                Some(Err(error)) => Outcome::Refused(error.into()),
                None => Outcome::Refused(Problem::invalid("it was not looked at; send it again")),
            },
        });
    }
    let accepted = results.iter().filter(|outcome| matches!(outcome, Outcome::Stored(_))).count();
    let refused = results.len() - accepted;
    let status = if refused == 0 { StatusCode::ACCEPTED } else { StatusCode::MULTI_STATUS };
    Ok((status, axum::Json(BatchAnswer { accepted, refused, results })))
}

/// Stores them, or sends whoever brings them away while too much waits: better to say so at once than to let all wait. Each event
/// that is let in counts as a request; of those that are sent away, only the request itself did.
async fn accept(
    app: &App,
    bearer: &Bearer,
    events: Vec<NewEvent>,
) -> Result<Vec<Result<Accepted, AcceptError>>, Problem> {
    if app.store().is_crowded() {
        return Err(Problem::overloaded());
    }
    if app.store().is_crowded_by(&events) {
        return Err(Problem::crowding());
    }
    app.limits().take_more(Who::Token(bearer.token.id), events.len().saturating_sub(1), app.store().clock().now());
    let accepted = tokio::time::timeout(STORE_TIME_MAX, app.store().accept(events)).await;
    Ok(accepted.map_err(|_| Problem::unanswered())??)
}

fn new_event(bearer: &Bearer, event: BatchEvent) -> Result<NewEvent, Problem> {
    let account = known_key(&event.account)?;
    bearer.may(Scope::Emit, &account)?;
    Ok(NewEvent { account, event_type: event.event_type, data: payload(&event.data)?, idempotency_key: event.id })
}

/// The key of an account that may exist: what is none names no account.
///
/// # Errors
/// When no account can have it.
pub fn known_key(text: &str) -> Result<AccountKey, Problem> {
    text.parse().map_err(|_| AcceptError::UnknownAccount(text.to_owned()).into())
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let text = value.to_str().map_err(|_| Problem::from(AcceptError::BadKey))?;
    Ok(Some(text.to_owned()))
}

fn payload(data: &RawValue) -> Result<Payload, Problem> {
    Payload::parse(data.get()).map_err(|error| match error {
        PayloadError::TooLarge { .. } => {
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "payload-too-large", error.to_string())
        }
        PayloadError::NotAnObject { .. } => Problem::invalid(error.to_string()),
    })
}

fn stored(accepted: &Accepted, account: &AccountKey, event_type: &str) -> Stored {
    Stored { id: accepted.id.to_string(), account: account.to_string(), event_type: normal_name(event_type).to_owned() }
}

fn empty() -> Box<RawValue> {
    RawValue::from_string("{}".to_owned()).unwrap_or_default()
}
