//! Devices: the app registers its device token, by a code that support handed out or through the platform's own back end, and
//! unregisters it when its owner logs out.

use std::collections::BTreeMap;

use axum::extract::{FromRequestParts, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::{Deserialize, Serialize};

use crate::channels::form::values_from_text;
use crate::domain::access::{Scope, SecretHash};
use crate::domain::channel::Channel;
use crate::domain::command::{Actor, Command, DestinationForm, Done, EnrolBy};
use crate::domain::id::DestinationId;
use crate::domain::secret::Secret;
use crate::http::auth::{Bearer, Peer, shown, shown_code};
use crate::http::body::{InPath, Json};
use crate::http::events::known_key;
use crate::http::limit::Who;
use crate::http::problem::Problem;
use crate::http::state::App;
use crate::store::error::CommandError;

/// A device.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Registration {
    /// What APNs gave the app, in hex.
    #[schema(min_length = 64, example = "00fc13adff785122b4ad28809a3420982341241421348097878e577c991de8f0")]
    device_token: String,
    /// `production`, or `sandbox` for a development build.
    environment: Option<String>,
    /// What its owner calls it.
    #[schema(example = "Jane's phone")]
    device: Option<String>,
}

/// A device and the code that support handed out.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RegistrationByCode {
    /// Works once, within an hour.
    #[serde(deserialize_with = "shown_code")]
    #[schema(value_type = String, example = "4TQ7K-M2XWA-9HD3V")]
    code: SecretHash,
    /// The device.
    device: Registration,
}

/// A device that is registered.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Registered {
    /// The destination that it is.
    #[schema(example = "dst_17")]
    id: String,
    /// Whose it is.
    account: String,
    /// What the app shows as bearer token to unregister itself. Given this once.
    access: String,
}

/// A destination that speaks for itself: it showed what it got when it enrolled.
#[derive(Clone, Copy, Debug)]
pub struct Own(pub DestinationId);

impl FromRequestParts<App> for Own {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let peer = Peer::from_request_parts(parts, app).await?;
        app.limits().take(Who::Visitor(peer.0), app.store().clock().now())?;
        let id = match shown(parts) {
            Some(shown) => app.store().access(shown).await?,
            None => None,
        };
        id.map(Self).ok_or_else(|| Problem::unauthorized("show what this device got when it was registered"))
    }
}

/// Register a device by a code.
///
/// # Errors
/// Why it was not.
#[utoipa::path(
    post, path = "/v1/devices", tag = "devices", request_body = RegistrationByCode,
    responses(
        (status = 201, description = "It is registered", body = Registered),
        (status = 400, description = "It makes no sense", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such code", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The code was used or has expired", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn register_by_code(
    State(app): State<App>,
    peer: Peer,
    Json(body): Json<RegistrationByCode>,
) -> Result<(StatusCode, axum::Json<Registered>), Problem> {
    let now = app.store().clock().now();
    app.limits().take(Who::Stranger(peer.0), now)?;
    let actor = Actor { login: "enrolment code".to_owned(), origin: format!("from {}", peer.0) };
    let by = EnrolBy::Code(body.code);
    register(&app, &actor, by, body.device).await
}

/// Register a device of this account: for the platform's own back end.
///
/// # Errors
/// Why it was not.
#[utoipa::path(
    post, path = "/v1/accounts/{account}/devices", tag = "devices",
    params(("account" = String, Path, description = "The account's key")),
    request_body = Registration,
    responses(
        (status = 201, description = "It is registered", body = Registered),
        (status = 400, description = "It makes no sense", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such account", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The account has too many", body = Problem, content_type = "application/problem+json"),
    ),
    security(("bearer" = []))
)]
pub async fn register_by_token(
    State(app): State<App>,
    bearer: Bearer,
    InPath(account): InPath<String>,
    Json(device): Json<Registration>,
) -> Result<(StatusCode, axum::Json<Registered>), Problem> {
    bearer.may_somewhere(Scope::Devices)?;
    let account = known_key(&account)?;
    bearer.may(Scope::Devices, &account)?;
    register(&app, &bearer.actor(), EnrolBy::Token(account), device).await
}

/// Unregister the device whose app asks.
///
/// # Errors
/// When it shows nothing that is known, or is unregistered already.
#[utoipa::path(
    delete, path = "/v1/devices/current", tag = "devices",
    responses(
        (status = 204, description = "It is gone"),
        (status = 404, description = "It was removed before", body = Problem, content_type = "application/problem+json"),
    ),
    security(("bearer" = []))
)]
pub async fn unregister_own(State(app): State<App>, peer: Peer, own: Own) -> Result<StatusCode, Problem> {
    let actor = Actor { login: "the device itself".to_owned(), origin: format!("from {}", peer.0) };
    app.store().run(&actor, Command::RemoveDestination { id: own.0 }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Unregister a device of this account: for the platform's own back end.
///
/// # Errors
/// When the account has no such device.
#[utoipa::path(
    delete, path = "/v1/accounts/{account}/devices/{device}", tag = "devices",
    params(
        ("account" = String, Path, description = "The account's key"),
        ("device" = String, Path, description = "The id that registering gave, as `dst_17`"),
    ),
    responses(
        (status = 204, description = "It is gone"),
        (status = 404, description = "No such device", body = Problem, content_type = "application/problem+json"),
    ),
    security(("bearer" = []))
)]
pub async fn unregister_by_token(
    State(app): State<App>,
    bearer: Bearer,
    InPath((account, device)): InPath<(String, String)>,
) -> Result<StatusCode, Problem> {
    bearer.may_somewhere(Scope::Devices)?;
    let key = known_key(&account)?;
    bearer.may(Scope::Devices, &key)?;
    let unknown = || Problem::not_found(format!("{key} has no device `{device}`"));
    let id: DestinationId = device.parse().map_err(|_| unknown())?;
    let (owner, destination) = app.store().destination(id).await?;
    if owner.key != key || destination.channel != Channel::Ios {
        return Err(unknown());
    }
    app.store().run(&bearer.actor(), Command::RemoveDestination { id }).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn register(
    app: &App,
    actor: &Actor,
    by: EnrolBy,
    device: Registration,
) -> Result<(StatusCode, axum::Json<Registered>), Problem> {
    let mut text = BTreeMap::from([("device_token".to_owned(), device.device_token.to_ascii_lowercase())]);
    text.extend(device.environment.map(|environment| ("environment".to_owned(), environment)));
    text.extend(device.device.map(|name| ("device".to_owned(), name)));
    let fields = values_from_text(Channel::Ios, &text).map_err(CommandError::Fields)?;
    let form = DestinationForm { label: String::new(), only: Vec::new(), fields };
    let done = app.store().run(actor, Command::Enrol { by, channel: Channel::Ios, form }).await?;
    let registered = registered(app, &done).await?;
    Ok((StatusCode::CREATED, axum::Json(registered)))
}

/// What an enrolled destination is told, this once.
async fn registered(app: &App, done: &Done) -> Result<Registered, Problem> {
    let id = done.destination.ok_or_else(|| Problem::invalid("nothing was enrolled; try again"))?;
    let (account, _) = app.store().destination(id).await?;
    let access = done.secret.as_ref().map(Secret::expose).unwrap_or_default().to_owned();
    Ok(Registered { id: id.to_string(), account: account.key.to_string(), access })
}
