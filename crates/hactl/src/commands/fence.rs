//! `hactl fence …`. What cuts power, or stands for a proof, is confirmed by typing the node's name.

use crate::cli::Fence;
use crate::confirm;
use crate::context::{Context, unexpected};
use crate::outcome::{Exit, Failure, Success};
use crate::{problems, text, timeline, wall};
use ha_model::{AdminReply, AdminRequest, NodeId, Notice, StatusView};
use serde_json::json;
use std::fmt::Write;
use std::time::Duration;

/// Longest wait for the test of every path.
const TEST_TIMEOUT: Duration = Duration::from_secs(120);
/// Events looked at to find when a node was last heard.
const LAST_HEARD_EVENTS: u32 = 1000;

/// `hactl fence …`.
pub(crate) fn run(context: &Context, command: Fence) -> Result<Success, Failure> {
    match command {
        Fence::Off { node, yes } => {
            let view = context.known_node(&node)?;
            if !yes {
                let what = format!("The power of {node} will be cut.\n{}", held(&view, &node));
                confirm::on_terminal(&what, node.as_str(), "--yes")?;
            }
            context.order(&AdminRequest::FenceOff { node })
        }
        Fence::On { node } => {
            context.known_node(&node)?;
            context.order(&AdminRequest::FenceOn { node })
        }
        Fence::Confirm { node, yes_i_made_sure_it_is_off } => {
            let view = context.known_node(&node)?;
            let meaning = meaning(context, &view, &node);
            if yes_i_made_sure_it_is_off {
                if !context.json {
                    eprint!("{meaning}");
                }
            } else {
                confirm::on_terminal(&meaning, node.as_str(), "--yes-i-made-sure-it-is-off")?;
            }
            context.order(&AdminRequest::FenceConfirm { node })
        }
        Fence::Test { node } => test(context, node),
        Fence::History { node } => history(context, node),
    }
}

/// What a confirmation means, before it is given.
fn meaning(context: &Context, view: &StatusView, node: &NodeId) -> String {
    let row = view.nodes.iter().find(|row| row.name == *node);
    let boot = row.and_then(|row| row.boot.clone()).unwrap_or_else(|| "never seen".to_owned());
    let state = row.map_or("unknown", |row| row.state.as_str());
    let mut out = format!("node         {node}, {state}\nincarnation  {boot}\n");
    let _ = writeln!(out, "last heard   {}", last_heard(context, view, node));
    out.push_str(&held(view, node));
    let is_heard = row.is_some_and(|row| row.links.iter().any(|(_, is_heard)| *is_heard));
    if is_heard {
        out.push_str("It is being heard right now: it is not off.\n");
    }
    text::sentence(
        &mut out,
        0,
        &format!(
            "You say that {node} is without power and stays so until the cluster switches it on: what it held is \
             started elsewhere at once. If it still runs, data is lost."
        ),
    );
    out
}

/// When the node was last heard, from status and timeline.
fn last_heard(context: &Context, view: &StatusView, node: &NodeId) -> String {
    let row = view.nodes.iter().find(|row| row.name == *node);
    if row.is_some_and(|row| row.links.iter().any(|(_, is_heard)| *is_heard)) {
        return "now".to_owned();
    }
    let events = match context.ask(&AdminRequest::Timeline { limit: LAST_HEARD_EVENTS }) {
        Ok(answer) => match answer.reply {
            AdminReply::Timeline { events, .. } => events,
            _ => Vec::new(),
        },
        Err(_) => Vec::new(),
    };
    let lost = events.iter().rev().find_map(|event| match &event.notice {
        Notice::NodeLost { node: lost, why } if lost == node => {
            Some((timeline::last_heard(event.at, why), why))
        }
        _ => None,
    });
    match lost {
        Some((at, why)) => {
            let ago = u64::try_from(view.at.0.saturating_sub(at.0)).unwrap_or(0);
            format!("{} ({} ago); {}", wall::seconds(at), wall::length(ago), why.text())
        }
        None => row.and_then(|row| row.why.clone()).unwrap_or_else(|| "not recorded".to_owned()),
    }
}

/// What the node holds, one line.
fn held(view: &StatusView, node: &NodeId) -> String {
    let on_node =
        view.resources.iter().filter(|row| row.node.as_ref() == Some(node) && row.state != "stopped");
    let names: Vec<String> = on_node.map(|row| format!("{} ({})", row.name, row.state)).collect();
    let mut out = String::new();
    let list = if names.is_empty() { "nothing that is known".to_owned() } else { problems::list(&names) };
    text::hanging(&mut out, "it holds     ", 13, &list);
    out
}

fn test(context: &Context, node: Option<NodeId>) -> Result<Success, Failure> {
    if let Some(node) = &node {
        context.known_node(node)?;
    }
    let answer = context.ask_within(&AdminRequest::FenceTest { node: node.clone() }, TEST_TIMEOUT)?;
    let AdminReply::FenceTest { paths } = &answer.reply else { return Err(unexpected(&answer)) };
    if paths.is_empty() {
        let whose = node.map_or_else(|| "any node".to_owned(), |node| node.to_string());
        let help = Some("add its outlets to a [[fence]] of the cluster file".to_owned());
        let message = format!("there is no fence path to {whose}");
        return Err(Failure::new(Exit::Failed, "no-fence-path", message, help).answered_by(&answer.node));
    }
    let mut shown = String::new();
    for path in paths {
        let by = path.tested_by.as_ref().map_or_else(String::new, |by| format!(" (read by {by})"));
        match problems::path(path) {
            None => {
                let _ = writeln!(shown, "{} to {}: works, read on{by}", path.device, path.node);
            }
            Some(why) => {
                let _ = writeln!(shown, "{} to {}: does not work{by}", path.device, path.node);
                text::sentence(&mut shown, 4, &why);
            }
        }
    }
    let is_working = paths.iter().all(|path| path.works);
    Ok(Success {
        text: shown,
        data: json!({ "works": is_working, "paths": paths }),
        node: Some(answer.node),
        at: Some(answer.at),
        exit: if is_working { Exit::Done } else { Exit::Failed },
    })
}

fn history(context: &Context, node: Option<NodeId>) -> Result<Success, Failure> {
    if let Some(node) = &node {
        context.known_node(node)?;
    }
    let answer = context.ask(&AdminRequest::FenceHistory { node: node.clone() })?;
    let AdminReply::FenceHistory { events, own_view } = &answer.reply else {
        return Err(unexpected(&answer));
    };
    let shown = if events.is_empty() {
        let whose = node.map_or_else(|| "no node was".to_owned(), |node| format!("{node} was never"));
        format!("{whose} fenced\n")
    } else {
        timeline::flat(events)
    };
    Ok(Success {
        text: format!("{}{shown}", text::own_view(own_view.as_ref())),
        data: timeline::data(events, own_view.as_ref()),
        node: Some(answer.node),
        at: Some(answer.at),
        exit: Exit::Done,
    })
}
