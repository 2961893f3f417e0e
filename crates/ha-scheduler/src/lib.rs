//! Immutable snapshot to plan and report, in ten pure phases.
//!
//! Purpose: decide where everything runs, what must be done for it, in which order, and say why.
//! Must not know: messages, votes, agents, clocks. It reads a [`Snapshot`] and nothing else.
//! Invariants: same snapshot, same plan (S15); the plan is acyclic; no start of an exclusive instance appears
//! without a predecessor while it could be active elsewhere (S1, S2; the core guards the same again, S17).
//!
//! Planning is level-triggered: the leader plans afresh after every committed change and orders only
//! [`Plan::roots`]; results come back as observations in the next snapshot. An operation under way gets no second
//! action; what depends on it stands in [`Plan::waiting`].

mod actions;
mod error;
mod expand;
mod fence_need;
mod graph;
mod observe;
mod order;
mod place;
pub mod plan;
mod report;
mod score;
pub mod snapshot;
mod validate;

use ha_model::sabotage::{self, Sabotage};

pub use error::*;
pub use plan::*;
pub use score::total;
pub use snapshot::*;

/// Makes the plan for a snapshot.
///
/// # Errors
/// When the snapshot contradicts itself or actions would wait for each other; nothing must be changed then.
pub fn plan(snapshot: &Snapshot) -> Result<Plan, PlanError> {
    plan_with(snapshot, &History::default())
}

/// As [`plan()`], knowing where instances ran before they were stopped.
///
/// # Errors
/// As [`plan()`].
pub fn plan_with(snapshot: &Snapshot, history: &History) -> Result<Plan, PlanError> {
    assert!(!is_to_panic(snapshot), "the planner panics on purpose");
    let valid = validate::validate(snapshot)?;
    let expanded = expand::expand(&valid);
    let observed = observe::observe(&valid, &expanded, history);
    let fences = fence_need::fence_need(&valid, &expanded, &observed);
    let scores = score::score(&valid, &expanded, &observed, &fences);
    let placement = place::place(&valid, &expanded, &observed, &scores);
    let wanted = actions::actions(&valid, &expanded, &observed, &fences, &scores, &placement);
    let ordered = order::order(&valid, &expanded, &observed, &fences, &placement, &wanted);
    let graph = graph::graph(&valid, &expanded, &wanted, &ordered)?;
    let report = report::report(&valid, &expanded, &observed, &fences, scores, &placement, &wanted, &graph);
    Ok(Plan { actions: graph.actions, edges: graph.edges, waiting: graph.waiting, report })
}

/// Never, unless that is broken on purpose: then while a node is lost.
fn is_to_panic(snapshot: &Snapshot) -> bool {
    let is_chosen = sabotage::is(Sabotage::PanicStops);
    is_chosen && snapshot.nodes.values().any(|n| n.status == NodeStatus::Lost)
}

/// Which nodes observation alone says must be fenced: the first four phases of [`plan_with`], for when a later one fails.
///
/// # Errors
/// When the snapshot contradicts itself.
pub fn fence_needs(snapshot: &Snapshot, history: &History) -> Result<Vec<FenceNeed>, PlanError> {
    let valid = validate::validate(snapshot)?;
    let expanded = expand::expand(&valid);
    let observed = observe::observe(&valid, &expanded, history);
    Ok(fence_need::fence_need(&valid, &expanded, &observed).needs(&valid))
}
