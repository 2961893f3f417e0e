//! What an operator is answered, in lines of a journal.
//!
//! Must not know: colours and tables, which `hactl` makes of it. The sentences are the core's own.

use ha_model::{AdminReply, PathView, Phase, StatusView};

/// The lines of an answer.
pub(super) fn lines(reply: &AdminReply) -> Vec<String> {
    match reply {
        AdminReply::Done { message } => vec![format!("done: {message}")],
        AdminReply::Refused { why, help } => {
            let help = help.as_ref().map(|h| format!("; {h}")).unwrap_or_default();
            vec![format!("refused: {why}{help}")]
        }
        AdminReply::Unavailable { why } => vec![format!("unavailable: {why}")],
        AdminReply::Status(view) => status(view),
        AdminReply::Timeline { events, own_view } | AdminReply::FenceHistory { events, own_view } => {
            let above = own_view.iter().map(ha_model::OwnView::text);
            above.chain(events.iter().map(|e| format!("entry {}: {}", e.index, e.notice.text()))).collect()
        }
        AdminReply::Config { name, sha256, own_view, .. } => {
            let above = own_view.iter().map(ha_model::OwnView::text);
            above.chain([format!("{name}, {}", &sha256[..sha256.len().min(8)])]).collect()
        }
        AdminReply::FenceTest { paths } => paths.iter().map(path).collect(),
    }
}

fn path(view: &PathView) -> String {
    let word = if view.works { "works" } else { "broken" };
    let why = view.why.as_ref().map(|w| format!(": {w}")).unwrap_or_default();
    format!("{} to {} {word}{why}", view.device, view.node)
}

fn status(view: &StatusView) -> Vec<String> {
    let state = match &view.state {
        Phase::Forming { waits_for, remaining_ms } => {
            format!("forming, waits {remaining_ms} ms for {}", join(waits_for))
        }
        Phase::NoQuorum { heard, needed } => format!("no quorum: {} heard, {needed} needed", join(heard)),
        Phase::Active => "active".to_owned(),
        Phase::Hold { why } => format!("hold: {why}"),
    };
    let why = |why: &Option<String>| why.as_ref().map(|w| format!(": {w}")).unwrap_or_default();
    let above = view.own_view.iter().map(ha_model::OwnView::text);
    let leader = view.leader.as_ref().map_or("nobody".to_owned(), ToString::to_string);
    let nodes = view.nodes.iter().map(|n| format!("node {} {} {}{}", n.name, n.vote, n.state, why(&n.why)));
    let resources = view.resources.iter().map(|r| {
        let place = r.node.as_ref().map(|n| format!(" on {n}")).unwrap_or_default();
        format!("resource {} {}{place}{}", r.name, r.state, why(&r.why))
    });
    let fences = view.fences.iter().map(|f| format!("fence of {} {}{}", f.node, f.state, why(&f.why)));
    let paths = view.paths.iter().filter(|p| !p.works).map(|p| format!("fence path {}", path(p)));
    let warnings = view.warnings.iter().map(|(node, _, text)| format!("warning of {node}: {text}"));
    let first = [format!("{state}, {leader} leads")];
    above.chain(first).chain(nodes).chain(resources).chain(fences).chain(paths).chain(warnings).collect()
}

fn join<T: std::fmt::Display>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
