//! NETIO JSON at `/netio.json`.
//!
//! Source: NETIO application note AN21 and manuals p. 27/30: actions 0 off, 1 on, 2 short off, 3 short on, 4 toggle,
//! 5 none, 6 as `State` says.
//!
//! Must not know: logins, faults.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Face;
use super::access::require_basic;
use crate::journal::Protocol;
use crate::pdu::{Command, Contact, Refusal};

/// Delay of short off and on when none is given (ms), the device's own default.
const DEFAULT_DELAY_MS: u64 = 5000;

pub(super) fn routes(face: &Arc<Face>) -> Router<Arc<Face>> {
    Router::new()
        .route("/netio.json", get(read).post(write))
        .layer(from_fn_with_state(Arc::clone(face), require_basic))
}

async fn read(State(face): State<Arc<Face>>) -> Response {
    document(&face).map_or_else(IntoResponse::into_response, |document| Json(document).into_response())
}

fn document(face: &Face) -> Result<Value, Refusal> {
    let mut outputs = Vec::new();
    for outlet in 1..=face.pdu.outlets() {
        let state = match face.pdu.read(outlet)?.contact {
            Contact::On => 1,
            Contact::Off => 0,
            Contact::Unknown => -1,
        };
        let name = face.pdu.name(outlet);
        outputs.push(
            json!({"ID": outlet, "Name": name, "State": state, "Action": 6, "Delay": DEFAULT_DELAY_MS}),
        );
    }
    Ok(json!({
        "Agent": {"Model": "simulated NETIO", "JSONVer": "2.1", "NumOutputs": outputs.len()},
        "Outputs": outputs,
    }))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Order {
    outputs: Vec<Output>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Output {
    #[serde(rename = "ID")]
    id: u32,
    action: Option<u8>,
    state: Option<u8>,
    delay: Option<u64>,
}

async fn write(State(face): State<Arc<Face>>, body: String) -> Response {
    let Ok(order) = serde_json::from_str::<Order>(&body) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    for output in order.outputs {
        let delay = output.delay.unwrap_or(DEFAULT_DELAY_MS);
        let is_on = || matches!(face.pdu.read(output.id).map(|view| view.contact), Ok(Contact::On));
        let command = match (output.action, output.state) {
            (Some(0), _) | (Some(6) | None, Some(0)) => Command::Off,
            (Some(1), _) | (Some(6) | None, Some(1)) => Command::On,
            (Some(2), _) => Command::ShortOff(delay),
            (Some(3), _) => Command::ShortOn(delay),
            (Some(4), _) if is_on() => Command::Off,
            (Some(4), _) => Command::On,
            (Some(5), _) | (None, None) => continue,
            _ => return StatusCode::BAD_REQUEST.into_response(),
        };
        if let Err(refusal) = face.pdu.command(Protocol::HttpNetio, output.id, command, true) {
            return refusal.into_response();
        }
    }
    read(State(face)).await
}
