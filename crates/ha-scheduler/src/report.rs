//! Phase 10, report: one sentence for whatever is not as wished, and the terms behind every placement. Nobody
//! computes these again.

use crate::actions::{CandIx, Wanted};
use crate::expand::{Expanded, InstIx};
use crate::fence_need::{Fences, Fencing, words};
use crate::graph::Graph;
use crate::observe::{Observed, Seen};
use crate::place::Placement;
use crate::score::{Scores, add};
use crate::validate::{NodeIx, Valid};
use crate::{ActionKind, InstanceReport, NodeStatus, Report, ScoreTerm};
use ha_model::{InstanceState, NodeId, Origin};

/// Writes the report.
#[allow(clippy::too_many_arguments, reason = "the last phase reads all the others")]
pub(crate) fn report(
    valid: &Valid<'_>,
    expanded: &Expanded<'_>,
    observed: &Observed<'_>,
    fences: &Fences,
    scores: Scores,
    placement: &Placement,
    wanted: &Wanted,
    graph: &Graph,
) -> Report {
    let mut out = Report::default();
    let others = others_of_unit(expanded, &scores, placement);
    for (row, ix) in scores.terms.into_iter().zip((0..).map(InstIx)) {
        let mut entry = InstanceReport {
            wanted: placement.wanted[ix.0].map(|n| valid.node(n).id.clone()),
            why: why(valid, observed, placement, wanted, graph, ix),
            ..InstanceReport::default()
        };
        for (mut terms, node) in row.into_iter().zip(valid.node_ixs()) {
            terms.extend(others[ix.0][node.0].clone());
            entry.scores.insert(valid.node(node).id.clone(), terms);
        }
        out.instances.insert(expanded.get(ix).id.clone(), entry);
    }
    for node in valid.node_ixs() {
        if let Some(sentence) = node_sentence(valid, fences, node) {
            out.nodes.insert(valid.node(node).id.clone(), sentence);
        }
    }
    out
}

/// One term for what the rest of an instance's unit adds, so that the terms of each add up to what placement used.
fn others_of_unit(
    expanded: &Expanded<'_>,
    scores: &Scores,
    placement: &Placement,
) -> Vec<Vec<Option<ScoreTerm>>> {
    let nodes = scores.sums.first().map_or(0, Vec::len);
    let mut out = vec![vec![None; nodes]; expanded.instances.len()];
    for unit in expanded.units.iter().filter(|u| u.members.len() > 1) {
        let placed: Vec<InstIx> =
            unit.members.iter().copied().filter(|m| placement.wanted[m.0].is_some()).collect();
        for m in &unit.members {
            for (node, slot) in out[m.0].iter_mut().enumerate() {
                let rest = || placed.iter().filter(|p| *p != m);
                let score = add(rest().map(|p| scores.sums[p.0][node]));
                if score == 0 {
                    continue;
                }
                let strongest = rest().max_by_key(|p| scores.sums[p.0][node].abs());
                let cell = strongest.and_then(|p| {
                    let term = scores.terms[p.0][node].iter().max_by_key(|t| t.score.abs())?;
                    Some(ScoreTerm {
                        score,
                        why: format!("placed together with {}: {}", expanded.get(*p).id, term.why),
                        origin: term.origin.clone(),
                    })
                });
                *slot = cell.or(Some(ScoreTerm {
                    score,
                    why: "placed together with others".to_owned(),
                    origin: Origin::Default,
                }));
            }
        }
    }
    out
}

fn why(
    valid: &Valid<'_>,
    observed: &Observed<'_>,
    placement: &Placement,
    wanted: &Wanted,
    graph: &Graph,
    ix: InstIx,
) -> String {
    let name = |n: NodeIx| valid.node(n).id.as_str();
    let start = wanted.start.get(&ix);
    let mut stops = wanted.stops_of(ix);
    let first_stop = stops.next();
    let Some(node) = placement.wanted[ix.0] else {
        let why = placement.why_not[ix.0].clone().unwrap_or_default();
        let stuck = valid.node_ixs().find(|n| observed.seen(ix, *n) == Seen::StopFailed);
        return match (first_stop, stuck) {
            (Some((at, c)), _) => match &graph.until[c.0] {
                None => format!("{why}; stops on {}", name(at)),
                Some(until) => format!("{why}; still active on {}: {until}", name(at)),
            },
            (None, Some(at)) => format!("{why}; its stop failed on {}", name(at)),
            (None, None) => why,
        };
    };
    // The most telling wait: of the stop that comes first, else of the start.
    if let Some((at, c)) = first_stop {
        let action = &wanted.all[c.0];
        return match &graph.until[c.0] {
            None => format!("{} (stops on {})", action.why, name(at)),
            Some(until) => format!("{}, but waits: {until}", action.why),
        };
    }
    if let Some(c) = start {
        return match &graph.until[c.0] {
            Some(until) => until.clone(),
            None => starts(graph, *c, valid.node(node).id),
        };
    }
    match observed.seen(ix, node) {
        Seen::Pending(InstanceState::Starting) => format!("starting on {}", name(node)),
        Seen::Pending(state) => format!("an operation is under way on {} ({state})", name(node)),
        _ => String::new(),
    }
}

/// A start that this plan contains, with what it comes after.
fn starts(graph: &Graph, c: CandIx, at: &NodeId) -> String {
    let Some(before) = graph.first_before[c.0] else { return format!("starts on {at} now") };
    let b = &graph.actions[before.0 as usize];
    let what = match (&b.kind, &b.instance) {
        (ActionKind::Fence { .. }, _) => format!("{} is proven off", b.node),
        (ActionKind::Probe, _) => format!("{} has said whether it runs there", b.node),
        (ActionKind::Start, Some(i)) => format!("{i} runs"),
        (ActionKind::Stop, Some(i)) => format!("{i} has stopped on {}", b.node),
        (kind, _) => format!("{kind} on {} has succeeded", b.node),
    };
    format!("starts on {at} once {what}")
}

/// What keeps a node from taking part, in one sentence; none when nothing does.
fn node_sentence(valid: &Valid<'_>, fences: &Fences, node: NodeIx) -> Option<String> {
    let n = valid.node(node);
    let name = n.id;
    match fences.of(node) {
        Fencing::None => {}
        Fencing::Needed(reason) => return Some(format!("{}; it will be fenced", words(reason))),
        Fencing::Open | Fencing::NoPath(_) => return Some(fences.why_wait(valid, node)),
    }
    match n.view.status {
        NodeStatus::Unseen if n.view.is_awaited => return fences.forming().map(str::to_owned),
        NodeStatus::Unseen => return Some("was not seen since the cluster formed".to_owned()),
        NodeStatus::Lost => return Some("is lost; it holds nothing that needs fencing".to_owned()),
        NodeStatus::Condemned => return Some("is condemned: it returns only as a new boot".to_owned()),
        NodeStatus::Off => return Some("is off".to_owned()),
        NodeStatus::Left => return Some("has left".to_owned()),
        NodeStatus::Member => {}
    }
    if n.view.is_held {
        return Some(format!("is held after too many fencings; release it: hactl node online {name}"));
    }
    if let Some(by) = &n.view.standby {
        return Some(format!("is in standby ({by}); hactl node online {name}"));
    }
    if !n.view.is_ready {
        return Some("has not reported to the leader yet".to_owned());
    }
    n.view
        .no_exclusive
        .as_ref()
        .filter(|_| n.is_member_role())
        .map(|w| format!("may start nothing exclusive: {w}"))
}
