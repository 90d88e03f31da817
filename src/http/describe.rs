//! What every operation of the OpenAPI document has in common, written into each in one place: how to show a token, and the
//! answers that the server itself gives before any handler does.

use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, OpenApi, Ref, RefOr, Response, ResponseBuilder};

use crate::http::problem::MEDIA_TYPE;

/// Answers to any request.
const ALWAYS: [(&str, &str); 2] = [("408", "The request took too long"), ("429", "Too many requests; see Retry-After")];

/// Answers where the store is asked.
const STORE: [(&str, &str); 1] = [("503", "The store cannot be used just now; see Retry-After")];

/// Answers where a token is shown.
const TOKEN: [(&str, &str); 2] =
    [("401", "No token, or one that is not known"), ("403", "The token does not cover this")];

/// Answers where a body is taken.
const BODY: [(&str, &str); 2] = [("413", "The body is too large"), ("415", "The body is of another media type")];

/// Writes it into a document that is made of the handlers alone.
#[must_use]
pub fn finished(mut document: OpenApi) -> OpenApi {
    let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("`bellboard tokens create`"));
    let components = document.components.get_or_insert_default();
    components.add_security_scheme("bearer", SecurityScheme::Http(scheme.build()));
    for item in document.paths.paths.values_mut() {
        let each = [&mut item.get, &mut item.put, &mut item.post, &mut item.delete];
        for operation in each.into_iter().flatten() {
            complete(operation);
        }
    }
    document
}

fn complete(operation: &mut Operation) {
    // Written for those who read the code.
    let for_people = |text: &str| text.split("# Errors").next().unwrap_or_default().trim().to_owned();
    operation.description = operation.description.as_deref().map(for_people).filter(|text| !text.is_empty());
    let mut common = ALWAYS.to_vec();
    common.extend(STORE);
    if operation.security.is_some() {
        common.extend(TOKEN);
    }
    if operation.request_body.is_some() {
        common.extend(BODY);
    }
    for (status, description) in common {
        let known = &mut operation.responses.responses;
        known.entry(status.to_owned()).or_insert_with(|| RefOr::T(problem(description)));
    }
}

fn problem(description: &str) -> Response {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    ResponseBuilder::new().description(description).content(MEDIA_TYPE, content).build()
}
