//! The generic form: `/outlet/N` in JSON, `/outlet/N/text` in plain text.
//!
//! Must not know: logins, faults.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use serde_json::json;

use super::Face;
use super::access::require_basic_if_set;
use crate::journal::Protocol;
use crate::pdu::{Command, Contact, Refusal};

pub(super) fn routes(face: &Arc<Face>) -> Router<Arc<Face>> {
    Router::new()
        .route("/outlet/{outlet}", get(read).post(write).put(write))
        .route("/outlet/{outlet}/text", get(read_text))
        .layer(from_fn_with_state(Arc::clone(face), require_basic_if_set))
}

fn word(face: &Face, outlet: u32) -> Result<&'static str, Refusal> {
    Ok(match face.pdu.read(outlet)?.contact {
        Contact::On => "on",
        Contact::Off => "off",
        Contact::Unknown => "unknown",
    })
}

async fn read(State(face): State<Arc<Face>>, Path(outlet): Path<u32>) -> Response {
    match word(&face, outlet) {
        Ok(state) => {
            Json(json!({"outlet": outlet, "name": face.pdu.name(outlet), "state": state})).into_response()
        }
        Err(refusal) => refusal.into_response(),
    }
}

async fn read_text(State(face): State<Arc<Face>>, Path(outlet): Path<u32>) -> Response {
    match word(&face, outlet) {
        Ok(state) => format!("Outlet {outlet} is {}\n", state.to_uppercase()).into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

async fn write(State(face): State<Arc<Face>>, Path(outlet): Path<u32>, body: String) -> Response {
    let command = match body.trim() {
        "on" => Command::On,
        "off" => Command::Off,
        _ => return (StatusCode::BAD_REQUEST, "the body must be on or off").into_response(),
    };
    match face.pdu.command(Protocol::HttpGeneric, outlet, command, true) {
        Ok(()) => read(State(face), Path(outlet)).await,
        Err(refusal) => refusal.into_response(),
    }
}
