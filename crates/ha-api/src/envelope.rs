//! What every command prints with `--json`; documented in `docs/reference/json.md`.

use crate::limits::API_VERSION;
use crate::wire::ErrorBody;
use ha_model::{NodeId, WallMs};
use serde::Serialize;
use serde_json::Value;

/// One answer of one command. Every field is always there, in this order; new ones are appended.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Envelope {
    /// Version of the interface.
    pub api: &'static str,
    /// The command, `node standby`.
    pub command: String,
    /// The node whose daemon answered; `None`: no daemon was asked, or none answered.
    pub node: Option<NodeId>,
    /// When it answered, ms since 1970-01-01 UTC.
    pub at: WallMs,
    /// Whether the command did what was asked.
    pub ok: bool,
    /// What it found; its form depends on the command.
    pub data: Option<Value>,
    /// Why it did not.
    pub error: Option<ErrorBody>,
}

impl Envelope {
    /// An answer; it is `ok` unless there is an error.
    #[must_use]
    pub fn new(
        command: &str,
        node: Option<NodeId>,
        at: WallMs,
        data: Option<Value>,
        error: Option<ErrorBody>,
    ) -> Self {
        let ok = error.is_none();
        Envelope { api: API_VERSION, command: command.to_owned(), node, at, ok, data, error }
    }

    /// One line of JSON, without its end.
    #[must_use]
    pub fn line(&self) -> String {
        serde_json::to_string(self).expect("names and values are JSON already")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn form_is_stable() {
        let done = Envelope::new("status", Some("alpha".into()), WallMs(7), Some(Value::from(1)), None);
        assert_eq!(
            done.line(),
            r#"{"api":"v1","command":"status","node":"alpha","at":7,"ok":true,"data":1,"error":null}"#
        );
        let error = ErrorBody { code: "refused".into(), message: "no".into(), help: None };
        let refused = Envelope::new("node standby", None, WallMs(8), None, Some(error));
        assert_eq!(
            refused.line(),
            concat!(
                r#"{"api":"v1","command":"node standby","node":null,"at":8,"ok":false,"data":null,"#,
                r#""error":{"code":"refused","message":"no","help":null}}"#
            )
        );
    }
}
