//! `hactl status`, once or again and again; `hactl timeline`.

use crate::context::{Context, unexpected};
use crate::outcome::{self, Exit, Failure, Success};
use crate::{problems, status, text, timeline};
use ha_model::{AdminReply, AdminRequest};
use serde_json::json;
use std::time::Duration;

/// Pause between two looks of `--watch`.
const WATCH_PAUSE: Duration = Duration::from_secs(1);
/// Cursor home and clear below (ECMA-48), so that nothing flickers.
const CLEAR: &str = "\x1b[H\x1b[J";

/// The status once.
pub(crate) fn once(context: &Context, check: bool) -> Result<Success, Failure> {
    let (answer, view) = context.status()?;
    let found = problems::all(&view);
    let exit = if check && !found.is_empty() { Exit::NotAsWished } else { Exit::Done };
    let mut data = json!(view);
    data["as_wished"] = json!(found.is_empty());
    data["problems"] = json!(found);
    Ok(Success {
        text: status::render(&view, context.color),
        data,
        node: Some(answer.node),
        at: Some(answer.at),
        exit,
    })
}

/// The status until Ctrl-C or until nobody reads; a daemon that does not answer is shown, not the end.
pub(crate) fn watch(context: &Context) -> Result<Success, Failure> {
    let is_terminal = std::io::IsTerminal::is_terminal(&std::io::stdout());
    loop {
        let result = once(context, false);
        let look = if context.json {
            format!("{}\n", outcome::envelope("status", result).line())
        } else {
            let text = result.map_or_else(|failure| outcome::words(&failure, context.color), |s| s.text);
            if is_terminal { format!("{CLEAR}{text}") } else { format!("{text}\n") }
        };
        if !outcome::print(&look) {
            let data = serde_json::Value::Null;
            return Ok(Success { node: None, at: None, text: String::new(), data, exit: Exit::Done });
        }
        std::thread::sleep(WATCH_PAUSE);
    }
}

/// What happened.
pub(crate) fn timeline(context: &Context, limit: u32) -> Result<Success, Failure> {
    let answer = context.ask(&AdminRequest::Timeline { limit })?;
    let AdminReply::Timeline { events, own_view } = &answer.reply else { return Err(unexpected(&answer)) };
    Ok(Success {
        text: format!("{}{}", text::own_view(own_view.as_ref()), timeline::render(events)),
        data: timeline::data(events, own_view.as_ref()),
        node: Some(answer.node),
        at: Some(answer.at),
        exit: Exit::Done,
    })
}
