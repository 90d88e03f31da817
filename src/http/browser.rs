//! Browsers: the page on which one enrols itself, and what it asks for afterwards.
//!
//! The code stands behind `#` in the link, so it is in no log and no `Referer`. The page has no script or style but its own
//! files, and reaches nothing but this server.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde::{Deserialize, Serialize};

use crate::channels::browser::document;
use crate::channels::form::values_from_text;
use crate::channels::web_push::PLAIN_BYTES_MAX;
use crate::domain::access::SecretHash;
use crate::domain::channel::Channel;
use crate::domain::command::{Actor, Command, DestinationForm, EnrolBy};
use crate::domain::id::DeliveryId;
use crate::domain::secret::Secret;
use crate::domain::text::{safe_line, shorten};
use crate::http::auth::{Peer, shown_code};
use crate::http::body::Json;
use crate::http::devices::Own;
use crate::http::limit::Who;
use crate::http::problem::Problem;
use crate::http::state::App;
use crate::store::error::CommandError;

const PAGE: &str = include_str!("../../assets/browser/index.html");
const SCRIPT: &str = include_str!("../../assets/browser/page.js");
const STYLE: &str = include_str!("../../assets/browser/page.css");
const WORKER: &str = include_str!("../../assets/browser/worker.js");

/// What the page may load and reach: its own files, and this server.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; worker-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Longest name of a browser, in characters.
const AGENT_CHARACTERS_MAX: usize = 80;

/// The page.
pub async fn page() -> Response {
    file("text/html; charset=utf-8", PAGE)
}

/// To the page: its files lie below it.
pub async fn to_page() -> Redirect {
    Redirect::permanent("browser/")
}

/// The page's script.
pub async fn script() -> Response {
    file("text/javascript; charset=utf-8", SCRIPT)
}

/// The page's style.
pub async fn style() -> Response {
    file("text/css; charset=utf-8", STYLE)
}

/// The service worker, which shows what a push service brings.
pub async fn worker() -> Response {
    file("text/javascript; charset=utf-8", WORKER)
}

fn file(media_type: &'static str, text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, media_type), (header::CONTENT_SECURITY_POLICY, POLICY)], text).into_response()
}

/// A code that support handed out.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Code {
    /// Works once, within an hour.
    #[serde(deserialize_with = "shown_code")]
    #[schema(value_type = String, example = "4TQ7K-M2XWA-9HD3V")]
    code: SecretHash,
}

/// What a browser needs to know before it enrols itself.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Offer {
    /// For whom, as people call it.
    account: String,
    /// Until when, RFC 3339.
    expires_at: String,
    /// What `PushManager.subscribe` takes as `applicationServerKey`; null when there is no key yet.
    application_server_key: Option<String>,
}

/// A browser's subscription as `PushSubscription.toJSON` writes it.
#[derive(Deserialize, utoipa::ToSchema)]
pub struct Subscription {
    /// Where its push service takes messages for it.
    endpoint: String,
    /// Its keys.
    keys: Keys,
}

/// A subscription's keys, in base64url.
#[derive(Deserialize, utoipa::ToSchema)]
pub struct Keys {
    /// Its public key.
    p256dh: String,
    /// What only it and bellboard know.
    auth: String,
}

/// A browser that enrols itself.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Enrolment {
    /// The code.
    #[serde(deserialize_with = "shown_code")]
    #[schema(value_type = String)]
    code: SecretHash,
    /// Its subscription; none when it has no push service, so that it is notified only while its page is open.
    subscription: Option<Subscription>,
    /// What it is, as `Firefox on Linux`.
    agent: Option<String>,
}

/// A browser that is enrolled.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Enrolled {
    /// The destination that it is.
    #[schema(example = "dst_17")]
    id: String,
    /// For whom, as people call it.
    account: String,
    /// What the page shows as bearer token from then on. Given this once.
    access: String,
}

/// What a page has shown.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Shown {
    /// The delivery.
    #[schema(example = "dlv_17")]
    delivery: String,
}

/// Ask what a code is for.
///
/// # Errors
/// When it is for nothing, or not any more.
#[utoipa::path(
    post, path = "/v1/browsers/offer", tag = "browsers", request_body = Code,
    responses(
        (status = 200, description = "It can be used", body = Offer),
        (status = 400, description = "It makes no sense", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such code", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It was used or has expired", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn offer(State(app): State<App>, peer: Peer, Json(body): Json<Code>) -> Result<axum::Json<Offer>, Problem> {
    let now = app.store().clock().now();
    app.limits().take(Who::Stranger(peer.0), now)?;
    let found = app.store().enrolment(body.code).await?;
    let enrolment = found
        .filter(|enrolment| enrolment.channel == Channel::Browser)
        .ok_or_else(|| Problem::not_found("there is no such link; ask support for a new one"))?;
    if enrolment.used || enrolment.expires_at <= now {
        let what = if enrolment.used { "has been used" } else { "has expired" };
        let detail = format!("this link {what}; ask support for a new one");
        return Err(Problem::new(StatusCode::CONFLICT, "refused", detail));
    }
    let account = app.store().account(&enrolment.account).await?;
    Ok(axum::Json(Offer {
        account: account.profile.name,
        expires_at: enrolment.expires_at.to_string(),
        application_server_key: app.push_key().map(str::to_owned),
    }))
}

/// Enrol the browser that asks.
///
/// # Errors
/// Why it was not.
#[utoipa::path(
    post, path = "/v1/browsers", tag = "browsers", request_body = Enrolment,
    responses(
        (status = 201, description = "It is enrolled", body = Enrolled),
        (status = 400, description = "It makes no sense", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such code", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The code was used or has expired", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn enrol(
    State(app): State<App>,
    peer: Peer,
    Json(body): Json<Enrolment>,
) -> Result<(StatusCode, axum::Json<Enrolled>), Problem> {
    app.limits().take(Who::Stranger(peer.0), app.store().clock().now())?;
    let mut text = BTreeMap::new();
    if let Some(subscription) = body.subscription {
        text.insert("endpoint".to_owned(), subscription.endpoint);
        text.insert("p256dh".to_owned(), subscription.keys.p256dh);
        text.insert("auth".to_owned(), subscription.keys.auth);
    }
    let agent = body.agent.map(|agent| shorten(safe_line(&agent).trim(), AGENT_CHARACTERS_MAX).into_owned());
    text.extend(agent.filter(|agent| !agent.is_empty()).map(|agent| ("agent".to_owned(), agent)));
    let fields = values_from_text(Channel::Browser, &text).map_err(CommandError::Fields)?;
    let form = DestinationForm { label: String::new(), only: Vec::new(), fields };
    let actor = Actor { login: "enrolment link".to_owned(), origin: format!("from {}", peer.0) };
    let by = EnrolBy::Code(body.code);
    let done = app.store().run(&actor, Command::Enrol { by, channel: Channel::Browser, form }).await?;
    let id = done.destination.ok_or_else(|| Problem::invalid("nothing was enrolled; try again"))?;
    let (account, _) = app.store().destination(id).await?;
    let access = done.secret.as_ref().map(Secret::expose).unwrap_or_default().to_owned();
    Ok((StatusCode::CREATED, axum::Json(Enrolled { id: id.to_string(), account: account.profile.name, access })))
}

/// Say that the page has shown a delivery.
///
/// # Errors
/// When it cannot be noted.
#[utoipa::path(
    post, path = "/v1/browsers/current/shown", tag = "browsers", request_body = Shown,
    responses(
        (status = 204, description = "It is noted"),
        (status = 400, description = "It makes no sense", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "The browser was removed", body = Problem, content_type = "application/problem+json"),
    ),
    security(("bearer" = []))
)]
pub async fn shown(State(app): State<App>, own: Own, Json(body): Json<Shown>) -> Result<StatusCode, Problem> {
    let id: DeliveryId = body.delivery.parse().map_err(|error| Problem::invalid(format!("{error}")))?;
    let waiting = app.store().waiting_for_page(own.0).await?;
    if let Some(message) = waiting.iter().find(|message| message.delivery == id) {
        let words = app.options().templates.words(message);
        app.store().shown_by_page(own.0, id, document(message, &words, PLAIN_BYTES_MAX)).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Send a sample to the browser that asks.
///
/// # Errors
/// When it cannot be sent.
#[utoipa::path(
    post, path = "/v1/browsers/current/test", tag = "browsers",
    responses(
        (status = 202, description = "It is on its way"),
        (status = 400, description = "It makes no sense", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "The browser was removed", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The destination is disabled", body = Problem, content_type = "application/problem+json"),
    ),
    security(("bearer" = []))
)]
pub async fn test(State(app): State<App>, peer: Peer, own: Own) -> Result<StatusCode, Problem> {
    app.limits().take(Who::Stranger(peer.0), app.store().clock().now())?;
    let actor = Actor { login: "the browser itself".to_owned(), origin: format!("from {}", peer.0) };
    app.store().run(&actor, Command::TestDestination { id: own.0, event_type: None }).await?;
    Ok(StatusCode::ACCEPTED)
}

/// End the enrolment of the browser that asks.
///
/// # Errors
/// When it has been removed already.
#[utoipa::path(
    delete, path = "/v1/browsers/current", tag = "browsers",
    responses(
        (status = 204, description = "It is gone"),
        (status = 404, description = "It was removed before", body = Problem, content_type = "application/problem+json"),
    ),
    security(("bearer" = []))
)]
pub async fn leave(State(app): State<App>, peer: Peer, own: Own) -> Result<StatusCode, Problem> {
    let actor = Actor { login: "the browser itself".to_owned(), origin: format!("from {}", peer.0) };
    app.store().run(&actor, Command::RemoveDestination { id: own.0 }).await?;
    Ok(StatusCode::NO_CONTENT)
}
