//! Phase 9, graph: no cycle; actions that need something outside the plan, and all that come after them, are set
//! apart as waiting.
//!
//! Invariant: every action that remains has only predecessors that remain, so that the roots may be ordered now.

use crate::actions::{CandIx, Candidate, Wanted};
use crate::expand::Expanded;
use crate::order::Needs;
use crate::validate::Valid;
use crate::{Action, ActionIx, PlanError, Waiting};
use std::collections::BTreeSet;

/// Most actions that an error names.
const NAMED_MAX: usize = 10;

/// The finished graph.
pub(crate) struct Graph {
    pub actions: Vec<Action>,
    pub edges: Vec<(ActionIx, ActionIx)>,
    pub waiting: Vec<Waiting>,
    /// Why each candidate waits; none: it stands in `actions`.
    pub until: Vec<Option<String>>,
    /// One predecessor of each candidate that stands in `actions` and has any.
    pub first_before: Vec<Option<ActionIx>>,
}

/// Sorts candidates out.
pub(crate) fn graph(
    valid: &Valid<'_>,
    expanded: &Expanded<'_>,
    wanted: &Wanted,
    needs: &[Needs],
) -> Result<Graph, PlanError> {
    let sequence = topological(needs).map_err(|stuck| PlanError::Cycle {
        actions: stuck.iter().take(NAMED_MAX).map(|c| describe(valid, expanded, &wanted.all[c.0])).collect(),
    })?;
    let mut until: Vec<Option<String>> = vec![None; needs.len()];
    for c in sequence {
        let own = needs[c.0].waits.first().cloned();
        let inherited = || needs[c.0].before.iter().find_map(|b| until[b.0].clone());
        until[c.0] = own.or_else(inherited);
    }
    let mut place = vec![None; needs.len()];
    let mut out = Graph {
        actions: Vec::new(),
        edges: Vec::new(),
        waiting: Vec::new(),
        until,
        first_before: vec![None; needs.len()],
    };
    for (ix, candidate) in wanted.all.iter().enumerate() {
        let action = Action {
            kind: candidate.kind.clone(),
            node: valid.node(candidate.node).id.clone(),
            instance: candidate.instance.map(|i| expanded.get(i).id.clone()),
            why: candidate.why.clone(),
        };
        match &out.until[ix] {
            Some(until) => out.waiting.push(Waiting { action, until: until.clone() }),
            None => {
                let at = u32::try_from(out.actions.len()).expect("validate limits instances and nodes");
                place[ix] = Some(ActionIx(at));
                out.actions.push(action);
            }
        }
    }
    for (ix, needs) in needs.iter().enumerate() {
        let Some(after) = place[ix] else { continue };
        let before = needs.before.iter().filter_map(|b| place[b.0]);
        out.first_before[ix] = before.clone().next();
        out.edges.extend(before.map(|before| (before, after)));
    }
    Ok(out)
}

/// Candidates with each after all it needs; or those that lie on or behind a cycle.
fn topological(needs: &[Needs]) -> Result<Vec<CandIx>, Vec<CandIx>> {
    let mut left: Vec<usize> = needs.iter().map(|n| n.before.len()).collect();
    let mut followers: Vec<Vec<usize>> = vec![Vec::new(); needs.len()];
    for (ix, n) in needs.iter().enumerate() {
        for b in &n.before {
            followers[b.0].push(ix);
        }
    }
    let mut ready: BTreeSet<usize> = (0..needs.len()).filter(|ix| left[*ix] == 0).collect();
    let mut out = Vec::with_capacity(needs.len());
    while let Some(ix) = ready.pop_first() {
        out.push(CandIx(ix));
        for f in &followers[ix] {
            left[*f] -= 1;
            if left[*f] == 0 {
                ready.insert(*f);
            }
        }
    }
    if out.len() == needs.len() {
        Ok(out)
    } else {
        Err((0..needs.len()).filter(|ix| left[*ix] > 0).map(CandIx).collect())
    }
}

fn describe(valid: &Valid<'_>, expanded: &Expanded<'_>, c: &Candidate) -> String {
    let node = valid.node(c.node).id;
    match c.instance {
        Some(ix) => format!("{} of {} on {node}", c.kind, expanded.get(ix).id),
        None => format!("{} of {node}", c.kind),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(before: &[usize]) -> Needs {
        Needs { before: before.iter().map(|b| CandIx(*b)).collect(), waits: Vec::new() }
    }

    #[test]
    fn each_comes_after_what_it_needs() {
        let order = topological(&[needs(&[1]), needs(&[2]), needs(&[])]).expect("no cycle");
        assert_eq!(order, [CandIx(2), CandIx(1), CandIx(0)]);
    }

    #[test]
    fn a_cycle_is_found_and_named_without_the_innocent() {
        let stuck = topological(&[needs(&[]), needs(&[2]), needs(&[1])]).expect_err("a cycle");
        assert_eq!(stuck, [CandIx(1), CandIx(2)]);
    }
}
