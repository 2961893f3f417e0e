//! Digital Loggers REST: outlets are numbered from 0, `state` survives a restart, `transient_state` does not.
//!
//! Source: digital-loggers.com/rest.html.
//!
//! Must not know: logins, faults.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use serde_json::json;

use super::Face;
use super::access::require_digest;
use crate::journal::Protocol;
use crate::pdu::{Command, Contact};

pub(super) fn routes(face: &Arc<Face>) -> Router<Arc<Face>> {
    Router::new()
        .route("/restapi/relay/outlets/{outlet}/{property}/", get(read).put(write).post(write))
        .layer(from_fn_with_state(Arc::clone(face), require_digest))
}

async fn read(State(face): State<Arc<Face>>, Path((index, property)): Path<(u32, String)>) -> Response {
    let outlet = index.saturating_add(1);
    let view = match face.pdu.read(outlet) {
        Ok(view) => view,
        Err(refusal) => return refusal.into_response(),
    };
    match property.as_str() {
        "name" => Json(json!(face.pdu.name(outlet))).into_response(),
        "state" => Json(json!(view.persistent)).into_response(),
        "physical_state" | "transient_state" => Json(match view.contact {
            Contact::On => json!(true),
            Contact::Off => json!(false),
            Contact::Unknown => json!(null),
        })
        .into_response(),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn write(
    State(face): State<Arc<Face>>,
    Path((index, property)): Path<(u32, String)>,
    headers: HeaderMap,
    body: String,
) -> Response {
    if !headers.contains_key("x-csrf") {
        return (StatusCode::FORBIDDEN, "the X-CSRF header is missing").into_response();
    }
    let outlet = index.saturating_add(1);
    let command = match (property.as_str(), body.as_str()) {
        ("state", "value=true") => Command::On,
        ("state", "value=false") => Command::Off,
        ("transient_state", "value=true") => Command::TransientOn,
        ("transient_state", "value=false") => Command::TransientOff,
        ("cycle", _) => Command::Reboot,
        ("state" | "transient_state", _) => return StatusCode::BAD_REQUEST.into_response(),
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    match face.pdu.command(Protocol::HttpDli, outlet, command, true) {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(refusal) => refusal.into_response(),
    }
}
