//! `hactl version`: this program and the daemon, which must come from the same release.

use crate::context::Context;
use crate::outcome::{Exit, Failure, Success};
use ha_api::API_VERSION;
use serde_json::json;

/// `hactl version`. A daemon that does not answer is no failure: the question is about this program too.
pub(crate) fn run(context: &Context) -> Result<Success, Failure> {
    let own = env!("CARGO_PKG_VERSION");
    let mut text = format!("hactl {own} (interface {API_VERSION})\n");
    let mut data = json!({ "hactl": own, "hanode": null });
    let node = match context.health() {
        Ok(health) => {
            text.push_str(&format!("hanode {} on {}\n", health.version, health.node));
            data["hanode"] = json!(health.version);
            Some(health.node)
        }
        Err(failure) => {
            text.push_str(&format!("hanode: {}\n", failure.error.message));
            None
        }
    };
    Ok(Success { text, data, node, at: None, exit: Exit::Done })
}
