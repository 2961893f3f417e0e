//! `hactl config …`.

use crate::context::{Context, unexpected};
use crate::outcome::{Exit, Failure, Success};
use ha_model::{AdminReply, AdminRequest};
use serde_json::json;

/// `hactl config show`.
pub(crate) fn show(context: &Context, sha: bool) -> Result<Success, Failure> {
    let answer = context.ask(&AdminRequest::ConfigShow)?;
    let AdminReply::Config { name, text, sha256 } = &answer.reply else { return Err(unexpected(&answer)) };
    let mut shown = text.clone();
    let mut data = json!({ "name": name, "sha256": sha256 });
    if sha {
        shown = format!("{sha256}  {name}\n");
    } else {
        data["text"] = json!(text);
        if !shown.ends_with('\n') {
            shown.push('\n');
        }
    }
    Ok(Success { text: shown, data, node: Some(answer.node), at: Some(answer.at), exit: Exit::Done })
}
