//! Phase 5, score: instance × node, each term with its reason and the line that said so. Nothing is decided here.

use crate::expand::{Constraint, Expanded, InstIx, Instance};
use crate::fence_need::{Fences, Fencing, words};
use crate::observe::{Observed, Seen};
use crate::validate::{Node, NodeIx, Valid};
use crate::{FailureView, NodeStatus, ScoreTerm};
use ha_model::{FailedOp, InstanceState, Origin, ResourceConfig, Role, SCORE_INFINITY, Score, WallMs};
use std::time::Duration;

/// Adds terms up: −INFINITY outweighs all, then +INFINITY, else the sum within both.
#[must_use]
pub fn total(terms: &[ScoreTerm]) -> Score {
    add(terms.iter().map(|t| t.score))
}

/// The sum of scores by the same rule, whatever their order.
pub(crate) fn add(scores: impl Iterator<Item = Score>) -> Score {
    let (mut is_banned, mut is_sure, mut sum) = (false, false, 0i64);
    for score in scores {
        is_banned |= score <= -SCORE_INFINITY;
        is_sure |= score >= SCORE_INFINITY;
        sum = sum.saturating_add(score);
    }
    match (is_banned, is_sure) {
        (true, _) => -SCORE_INFINITY,
        (false, true) => SCORE_INFINITY,
        (false, false) => sum.clamp(-SCORE_INFINITY, SCORE_INFINITY),
    }
}

/// Instance × node.
pub(crate) struct Scores {
    /// The terms.
    pub terms: Vec<Vec<Vec<ScoreTerm>>>,
    /// Their sums.
    pub sums: Vec<Vec<Score>>,
}

impl Scores {
    pub fn is_banned(&self, instance: InstIx, node: NodeIx) -> bool {
        self.sums[instance.0][node.0] <= -SCORE_INFINITY
    }

    /// Why the node is banned, in words.
    pub fn ban(&self, instance: InstIx, node: NodeIx) -> Option<&str> {
        self.terms[instance.0][node.0].iter().find(|t| t.score <= -SCORE_INFINITY).map(|t| t.why.as_str())
    }
}

/// Scores every instance on every node.
pub(crate) fn score(
    valid: &Valid<'_>,
    expanded: &Expanded<'_>,
    observed: &Observed<'_>,
    fences: &Fences,
) -> Scores {
    let count = expanded.instances.len();
    let mut terms: Vec<Vec<Vec<ScoreTerm>>> = vec![vec![Vec::new(); valid.nodes.len()]; count];
    let node_terms: Vec<Vec<ScoreTerm>> =
        valid.node_ixs().map(|n| node_bans(valid.node(n), fences.of(n))).collect();
    for ix in (0..count).map(InstIx) {
        let instance = expanded.get(ix);
        if instance.resource.is_none() {
            continue;
        }
        for node in valid.node_ixs() {
            let cell = &mut terms[ix.0][node.0];
            cell.extend(node_terms[node.0].iter().cloned());
            cell.extend(own_bans(valid, expanded, observed, ix, node));
        }
        for node in observed.homes(ix) {
            if instance.stickiness != 0 {
                let why = if is_active(observed.seen(ix, *node)) { "runs here" } else { "ran here last" };
                terms[ix.0][node.0].push(term(instance.stickiness, why, &sticky_origin(instance)));
            }
        }
        wishes(valid, instance, &mut terms[ix.0]);
    }
    for constraint in &expanded.constraints {
        match constraint {
            Constraint::Location { instance, node, score, why, origin } => {
                terms[instance.0][node.0].push(term(*score, why, origin));
            }
            // Placement of what is tied together: phase 6.
            Constraint::Colocation { .. } | Constraint::Order { .. } => {}
        }
    }
    let sums = terms.iter().map(|row| row.iter().map(|cell| total(cell)).collect()).collect();
    Scores { terms, sums }
}

fn term(score: Score, why: &str, origin: &Origin) -> ScoreTerm {
    ScoreTerm { score, why: why.to_owned(), origin: origin.clone() }
}

fn ban(why: &str, origin: &Origin) -> ScoreTerm {
    term(-SCORE_INFINITY, why, origin)
}

fn sticky_origin(instance: &Instance<'_>) -> Origin {
    instance
        .resource
        .filter(|(_, r)| r.stickiness.is_some())
        .map(|(_, r)| r.origin.clone())
        .unwrap_or_default()
}

fn is_active(seen: Seen) -> bool {
    !matches!(seen, Seen::Clean | Seen::MayHold)
}

/// What keeps everything off a node.
fn node_bans(node: &Node<'_>, fencing: &Fencing) -> Vec<ScoreTerm> {
    let origin = node.config.map(|c| c.origin.clone()).unwrap_or_default();
    match node.config {
        None => return vec![ban("is not in the configuration", &origin)],
        Some(config) if config.role == Role::Witness => {
            return vec![ban("is a witness: it votes and runs nothing", &origin)];
        }
        Some(_) => {}
    }
    let mut out = Vec::new();
    match node.view.status {
        NodeStatus::Member => {}
        NodeStatus::Unseen => out.push(ban("was not seen yet", &Origin::Default)),
        NodeStatus::Lost => out.push(ban("is lost", &Origin::Default)),
        NodeStatus::Condemned => out.push(ban("is lost and being fenced", &Origin::Default)),
        NodeStatus::Off => out.push(ban("is off", &Origin::Default)),
        NodeStatus::Left => out.push(ban("has left", &Origin::Default)),
    }
    match fencing {
        Fencing::None | Fencing::NoPath(_) => {}
        Fencing::Open => out.push(ban("is being fenced", &Origin::Default)),
        Fencing::Needed(reason) => {
            out.push(ban(&format!("must be fenced: it {}", words(reason)), &Origin::Default));
        }
    }
    if let Some(by) = &node.view.standby {
        out.push(ban(&format!("is in standby ({by})"), by));
    }
    if node.view.is_held {
        let why = format!("is held after too many fencings; release it: hactl node online {}", node.id);
        out.push(ban(&why, &Origin::Default));
    }
    out
}

/// What keeps one instance off a node.
fn own_bans(
    valid: &Valid<'_>,
    expanded: &Expanded<'_>,
    observed: &Observed<'_>,
    ix: InstIx,
    node: NodeIx,
) -> Vec<ScoreTerm> {
    let mut out = Vec::new();
    let instance = expanded.get(ix);
    let view = valid.node(node).view;
    let seen = observed.seen(ix, node);
    if view.status == NodeStatus::Member && !view.is_ready {
        let unit = &expanded.units[instance.unit.0];
        if !unit.members.iter().any(|m| observed.homes(*m).contains(&node)) {
            out.push(ban("has not reported to the leader yet", &Origin::Default));
        }
    }
    if let Some(why) = view.no_exclusive.as_ref().filter(|_| instance.is_exclusive()) {
        let runs_here = match seen {
            Seen::Running | Seen::Pending(InstanceState::Starting | InstanceState::Running) => true,
            Seen::Unprobed | Seen::Pending(_) => observed.is_permitted(ix, node),
            Seen::Clean | Seen::Failed | Seen::StopFailed | Seen::MayHold => false,
        };
        if !runs_here {
            out.push(ban(&format!("may start nothing exclusive: {why}"), &Origin::Default));
        }
    }
    if seen == Seen::StopFailed {
        out.push(ban("its stop failed here", &Origin::Default));
    }
    if let Some((id, resource)) = instance.resource {
        let failures = valid.snapshot.failures.get(id).and_then(|f| f.get(valid.node(node).id));
        if let Some(f) =
            failures.filter(|f| resource.migration_threshold > 0 && f.count >= resource.migration_threshold)
        {
            let why = failed_too_often(valid, node, instance, resource, f);
            out.push(ban(&why, &resource.origin));
        }
    }
    out
}

fn failed_too_often(
    valid: &Valid<'_>,
    node: NodeIx,
    instance: &Instance<'_>,
    resource: &ResourceConfig,
    f: &FailureView,
) -> String {
    let times = if f.count == 1 { "once".to_owned() } else { format!("{} times", f.count) };
    let expiry = if resource.failure_timeout == Duration::ZERO {
        String::new()
    } else {
        let age_ms = i64::try_from(resource.failure_timeout.as_millis()).unwrap_or(i64::MAX);
        format!("expires at {}, or ", utc(WallMs(f.last_at.0.saturating_add(age_ms))))
    };
    format!(
        "failed {times} on {} (last: {}: {}), limit {}; {expiry}hactl resource cleanup {}",
        valid.node(node).id,
        op_name(f.last_op),
        f.why,
        resource.migration_threshold,
        instance.id,
    )
}

fn op_name(op: FailedOp) -> &'static str {
    match op {
        FailedOp::Start => "start",
        FailedOp::Stop => "stop",
        FailedOp::Monitor => "check",
    }
}

fn wishes(valid: &Valid<'_>, instance: &Instance<'_>, row: &mut [Vec<ScoreTerm>]) {
    let Some((id, _)) = instance.resource else { return };
    let Some(wish) = valid.snapshot.wishes.moves.get(id) else { return };
    if wish.until <= valid.snapshot.now {
        return;
    }
    if let Some(node) = valid.find(&wish.to) {
        let why = format!("{id} was moved here until {}", utc(wish.until));
        row[node.0].push(term(SCORE_INFINITY, &why, &wish.origin));
    }
}

/// A wall time in words, to the second, UTC. Proleptic Gregorian calendar.
pub(crate) fn utc(at: WallMs) -> String {
    let seconds = at.0.div_euclid(1000);
    let (days, of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Days to a date, counted in eras of 400 years that begin on 1 March.
    let z = days + 719_468;
    let (era, of_era) = (z.div_euclid(146_097), z.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02} UTC",
        of_day / 3600,
        of_day % 3600 / 60,
        of_day % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wall_times_read_as_dates() {
        assert_eq!(utc(WallMs(0)), "1970-01-01 00:00:00 UTC");
        assert_eq!(utc(WallMs(951_782_400_000)), "2000-02-29 00:00:00 UTC");
        assert_eq!(utc(WallMs(1_795_346_209_999)), "2026-11-22 11:16:49 UTC");
        assert_eq!(utc(WallMs(-1)), "1969-12-31 23:59:59 UTC");
    }

    #[test]
    fn minus_infinity_outweighs_plus_infinity_in_any_order() {
        let i = SCORE_INFINITY;
        assert_eq!(add([i, -i].into_iter()), -i);
        assert_eq!(add([-i, i, 5].into_iter()), -i);
        assert_eq!(add([i, -5].into_iter()), i);
        assert_eq!(add([600_000, 600_000].into_iter()), i);
        assert_eq!(add([7, -5].into_iter()), 2);
    }
}
