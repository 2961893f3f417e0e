//! Phase 6, place: a node for each instance, or why there is none. Units are placed whole, by priority, then by
//! their position in the file.
//!
//! A unit runs as many of its members as some node can run, from the first: a later member that can run nowhere
//! does not stop the earlier ones.

use crate::expand::{Expanded, InstIx, Unit, UnitIx};
use crate::observe::Observed;
use crate::score::{Scores, add};
use crate::validate::{NodeIx, Valid};
use ha_model::{ObjectId, SCORE_INFINITY, Score};
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Most nodes that one sentence names.
const NAMED_MAX: usize = 8;

/// Where everything should run.
pub(crate) struct Placement {
    /// The node of each instance.
    pub wanted: Vec<Option<NodeIx>>,
    /// Why it should run nowhere; set where `wanted` is none.
    pub why_not: Vec<Option<String>>,
    /// What placement used for each unit on each node.
    pub totals: Vec<Vec<Score>>,
}

/// Places every unit.
pub(crate) fn place(
    valid: &Valid<'_>,
    expanded: &Expanded<'_>,
    observed: &Observed<'_>,
    scores: &Scores,
) -> Placement {
    let count = expanded.instances.len();
    let mut out = Placement {
        wanted: vec![None; count],
        why_not: vec![None; count],
        totals: vec![vec![0; valid.nodes.len()]; expanded.units.len()],
    };
    let mut taken: BTreeMap<&ObjectId, InstIx> = BTreeMap::new();
    let mut load = vec![0usize; valid.nodes.len()];
    let mut queue: Vec<UnitIx> = (0..expanded.units.len()).map(UnitIx).collect();
    queue.sort_by_key(|u| {
        let unit = &expanded.units[u.0];
        (is_challenger(expanded, observed, unit), Reverse(unit.priority), *u)
    });
    for u in queue {
        let unit = &expanded.units[u.0];
        let prefix = longest_prefix(valid, expanded, scores, unit, &taken, &mut out);
        let placed = &unit.members[..prefix];
        for node in valid.node_ixs() {
            out.totals[u.0][node.0] = add(placed.iter().map(|m| scores.sums[m.0][node.0]));
        }
        let home = |n: NodeIx| placed.iter().filter(|m| observed.homes(**m).contains(&n)).count();
        let best = valid
            .node_ixs()
            .filter(|n| !placed.is_empty() && out.totals[u.0][n.0] > -SCORE_INFINITY)
            .max_by_key(|n| (out.totals[u.0][n.0], home(*n), Reverse(load[n.0]), Reverse(*n)));
        if let Some(node) = best {
            load[node.0] += placed.len();
            for m in placed {
                out.wanted[m.0] = Some(node);
                for object in &expanded.get(*m).objects {
                    taken.insert(object, *m);
                }
            }
        }
    }
    out
}

/// Whether a unit wants an object that another instance already has at home: whichever came first keeps it.
fn is_challenger(expanded: &Expanded<'_>, observed: &Observed<'_>, unit: &Unit) -> bool {
    unit.members.iter().any(|m| {
        observed.homes(*m).is_empty()
            && expanded.sharers[m.0].iter().any(|s| s != m && !observed.homes(*s).is_empty())
    })
}

/// How many members some one node can run, from the first; says of the others why not.
fn longest_prefix(
    valid: &Valid<'_>,
    expanded: &Expanded<'_>,
    scores: &Scores,
    unit: &Unit,
    taken: &BTreeMap<&ObjectId, InstIx>,
    out: &mut Placement,
) -> usize {
    let mut allowed: Vec<NodeIx> = valid.node_ixs().collect();
    for (at, m) in unit.members.iter().enumerate() {
        let blocked = unwanted(valid, expanded, *m).or_else(|| object_taken(expanded, *m, taken));
        let rest: Vec<NodeIx> = allowed.iter().copied().filter(|n| !scores.is_banned(*m, *n)).collect();
        let why = match blocked {
            Some(why) => why,
            None if rest.is_empty() => nowhere(valid, scores, *m, &allowed),
            None => {
                allowed = rest;
                continue;
            }
        };
        out.why_not[m.0] = Some(why);
        for later in &unit.members[at + 1..] {
            let first = &expanded.get(*m).id;
            let own = unwanted(valid, expanded, *later);
            out.why_not[later.0] = Some(own.unwrap_or_else(|| format!("needs {first}, which does not run")));
        }
        return at;
    }
    unit.members.len()
}

fn unwanted(valid: &Valid<'_>, expanded: &Expanded<'_>, ix: InstIx) -> Option<String> {
    let instance = expanded.get(ix);
    let Some((id, resource)) = instance.resource else {
        return Some("not in the configuration any more".to_owned());
    };
    match valid.snapshot.wishes.enabled.get(id) {
        Some((true, _)) => None,
        Some((false, by)) => Some(format!("stopped as asked ({by}); hactl resource start {id}")),
        None if resource.enabled => None,
        None => Some(format!("disabled ({}); hactl resource start {id}", resource.origin)),
    }
}

fn object_taken(expanded: &Expanded<'_>, ix: InstIx, taken: &BTreeMap<&ObjectId, InstIx>) -> Option<String> {
    let instance = expanded.get(ix);
    let (object, by) = instance.objects.iter().find_map(|o| taken.get(o).map(|by| (o, by)))?;
    Some(format!("{object} belongs to {}, which has it already", expanded.get(*by).id))
}

fn nowhere(valid: &Valid<'_>, scores: &Scores, ix: InstIx, allowed: &[NodeIx]) -> String {
    let mut parts: Vec<String> = Vec::new();
    for node in valid.node_ixs() {
        let why = match scores.ban(ix, node) {
            Some(why) => why,
            None if !allowed.contains(&node) => "what it needs cannot run there",
            None => continue,
        };
        parts.push(format!("{}: {why}", valid.node(node).id));
    }
    let more = parts.len().saturating_sub(NAMED_MAX);
    parts.truncate(NAMED_MAX);
    if more > 0 {
        parts.push(format!("{more} more"));
    }
    format!("no node can run it ({})", parts.join("; "))
}
