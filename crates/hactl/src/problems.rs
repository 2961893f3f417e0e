//! What of a status is not as wished, each with its one sentence. The one place that judges; `status` shows it,
//! `--check` and `--json` count it.
//!
//! Invariant: a thing that is judged wrong always has a sentence; where the daemon gives none, the state's own.

use crate::wall;
use ha_model::{FenceRow, Level, NodeRow, PathView, Phase, ResourceRow, StatusView, Term};
use std::net::IpAddr;

/// Everything that is not as wished, in the order in which status shows it.
pub(crate) fn all(view: &StatusView) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(why) = phase(view) {
        found.push(why);
    }
    for row in &view.nodes {
        found.extend(node(view, row).map(|why| format!("node {} is {}: {why}", row.name, row.state)));
    }
    for row in &view.resources {
        found.extend(resource(row).map(|why| format!("resource {} is {}: {why}", row.name, row.state)));
    }
    found.extend(
        view.fences.iter().map(|row| format!("fence of {} is {}: {}", row.node, row.state, fence(row))),
    );
    for row in &view.paths {
        found.extend(
            path(row).map(|why| format!("fence path {} to {} does not work: {why}", row.device, row.node)),
        );
    }
    for (node, level, text) in &view.warnings {
        if *level > Level::Info {
            found.push(format!("{node}: {text}"));
        }
    }
    found
}

/// Why the cluster as a whole does not work, or why what is shown may be old.
pub(crate) fn phase(view: &StatusView) -> Option<String> {
    match &view.state {
        Phase::Forming { waits_for, .. } if waits_for.is_empty() => {
            Some("forming: every node is here, a leader is being elected".to_owned())
        }
        Phase::Forming { waits_for, remaining_ms } => Some(format!(
            "forming: waits for {}, {} more, then goes on without {}",
            list(waits_for),
            wall::length(*remaining_ms),
            if waits_for.len() == 1 { "it" } else { "them" }
        )),
        Phase::NoQuorum { heard, needed } if heard.len() >= *needed as usize => {
            Some(format!("no leader yet: {} hear each other, an election is under way", list(heard)))
        }
        // Before the first election of all: nothing was lost, the others were not started yet.
        Phase::NoQuorum { heard, needed } if view.term == Term(0) => {
            let missing: Vec<_> =
                view.voters.iter().filter(|voter| !heard.contains(voter)).cloned().collect();
            Some(format!(
                "forming: {} of the {needed} voters needed are here; waits for {}, without limit",
                heard.len(),
                list(&missing)
            ))
        }
        Phase::NoQuorum { heard, needed } => {
            let missing: Vec<_> =
                view.voters.iter().filter(|voter| !heard.contains(voter)).cloned().collect();
            Some(format!(
                "no quorum: {} heard, {needed} needed of {} voters; nothing is started, what ran without quorum \
                 is stopped; mend the power or network of {}",
                if heard.is_empty() { "no voter".to_owned() } else { format!("only {}", list(heard)) },
                view.voters.len(),
                list(&missing)
            ))
        }
        Phase::Active => match &view.own_view {
            Some(own) => Some(own.text()),
            None if view.leader.is_none() => {
                Some("no leader is known yet: an election is under way".to_owned())
            }
            None => None,
        },
        Phase::Hold { why } => {
            Some(format!("hold: {why}; resources stay as they are, the safety rules go on"))
        }
    }
}

/// Why a node is not as wished.
pub(crate) fn node(view: &StatusView, row: &NodeRow) -> Option<String> {
    let name = &row.name;
    let own = |text: String| Some(row.why.clone().unwrap_or(text));
    match row.state.as_str() {
        "standby" => silent(view, row).map(|silent| match &row.why {
            Some(why) => format!("{why}; {silent}"),
            None => silent,
        }),
        "online" => row.why.clone().or_else(|| silent(view, row)),
        "silent" => own("no heartbeat of it arrives; it is lost soon".to_owned()),
        "joining" => own("it is probed for what runs there, then it takes part".to_owned()),
        "lost" => own("not heard; nothing is recovered from it before it is proven off".to_owned()),
        "fencing" => own("its power is being cut".to_owned()),
        "off" => own(format!("proven off; switch it on with: hactl fence on {name}")),
        "held" => own(format!("fenced too often; let it in again with: hactl node online {name}")),
        "unseen" => own("not heard yet".to_owned()),
        "left" => own("its daemon was stopped; start it there with: systemctl start hanode".to_owned()),
        "daemon-gone" => {
            own("its daemon died, its host still answers; look there at: journalctl -u hanode".to_owned())
        }
        other => own(format!("its state is {other}")),
    }
}

/// Which links of a node that is heard are silent.
fn silent(view: &StatusView, row: &NodeRow) -> Option<String> {
    let silent = silent_links(view, row);
    let is_own = row.name == view.seen_by;
    (!silent.is_empty()).then(|| {
        if is_own {
            format!(
                "it hears nobody over {}: look at its cable, its port and the switch there; its other links carry on",
                list(&silent)
            )
        } else {
            format!("not heard over {}; its other links carry on", list(&silent))
        }
    })
}

/// What an operator should know of a node that is as wished.
pub(crate) fn node_note(row: &NodeRow) -> Option<String> {
    let sentence = || format!("nothing runs there until: hactl node online {}", row.name);
    (row.state == "standby").then(|| row.why.clone().unwrap_or_else(sentence))
}

/// Why a resource is not as wished.
pub(crate) fn resource(row: &ResourceRow) -> Option<String> {
    let own = |text: &str| Some(row.why.clone().unwrap_or_else(|| text.to_owned()));
    match row.state.as_str() {
        "running" => None,
        // Stopped as the cluster file wishes.
        "stopped" if !row.is_wanted => None,
        "stopped" => row.why.clone(),
        "starting" => own("its start runs"),
        "stopping" => own("its stop runs"),
        "failed" => own("it failed; what it said is in: hactl timeline"),
        "stop-failed" => own("it could not be stopped; its node is fenced"),
        "blocked" => own("it may not be started anywhere now"),
        "unknown" => own("not probed yet"),
        other => own(&format!("its state is {other}")),
    }
}

/// What an operator should know of a resource that is as wished: a wish that holds.
pub(crate) fn resource_note(row: &ResourceRow) -> Option<String> {
    if resource(row).is_some() { None } else { row.why.clone() }
}

/// Why a fence is still open.
pub(crate) fn fence(row: &FenceRow) -> String {
    row.why.clone().unwrap_or_else(|| match row.state.as_str() {
        "requested" => "it is about to be asked for".to_owned(),
        "off-sent" => "off was sent, the outlets are read back".to_owned(),
        _ => format!(
            "mend the path to its power; or, once you made sure that it is off: hactl fence confirm {}",
            row.node
        ),
    })
}

/// Why a fence path does not work.
pub(crate) fn path(row: &PathView) -> Option<String> {
    if row.works {
        return None;
    }
    let sentence = || format!("never read on yet; test it with: hactl fence test {}", row.node);
    Some(row.why.clone().unwrap_or_else(sentence))
}

/// Links over which a node is not heard, and should be: where the node that looks hears nobody at all over its own
/// link, a node that is heard over another is not to blame.
pub(crate) fn silent_links(view: &StatusView, row: &NodeRow) -> Vec<IpAddr> {
    let own = view.nodes.iter().find(|own| own.name == view.seen_by && own.name != row.name);
    let is_heard = row.links.iter().any(|(_, is_heard)| *is_heard);
    let is_ours = |n: usize| is_heard && own.is_some_and(|own| own.links.get(n).is_some_and(|(_, up)| !up));
    let silent = row.links.iter().enumerate().filter(|(n, (_, is_heard))| !is_heard && !is_ours(*n));
    silent.map(|(_, (address, _))| *address).collect()
}

/// `a`, `a and b`, `a, b and c`.
pub(crate) fn list<T: ToString>(items: &[T]) -> String {
    let words: Vec<String> = items.iter().map(ToString::to_string).collect();
    match words.split_last() {
        None => "nobody".to_owned(),
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
    }
}
