//! Facts against what truly happened.
//!
//! Whether a service runs, a host has power or the switch has cut is never taken from what a node says. Facts about the
//! cluster's own matters (who leads, who votes, what became of an order) can only be about its words. Invariant: a fact about something that never happened fails, it is not true for want
//! of a case.

use super::fact::{Fact, When, time};
use super::recorder::{Recorder, Spans};
use crate::world::S;
use ha_model::{AdminReply, NodeId};

/// Why a fact is none.
///
/// # Errors
/// What was so instead.
pub fn judge(fact: &Fact, seen: &Recorder) -> Result<(), String> {
    if let Some(t) = fact.latest().filter(|t| *t > seen.t) {
        return Err(format!("the scenario ends at {}, before {}", at_time(seen.t), at_time(t)));
    }
    match fact {
        Fact::Owners(r, bound, n) => {
            let (most, at) = most_owners(seen, r);
            if bound.keeps(most, *n) { Ok(()) } else { Err(format!("{most} at {}", at_time(at))) }
        }
        Fact::Runs(r, node, when) => {
            times(seen, when).iter().try_for_each(|t| is_place(seen, r, node.as_deref(), *t))
        }
        Fact::Ran(r, node, n) => count(spans(seen, r, node).len() as u64, *n),
        Fact::Outage(r, bound, longest) => {
            let (gap, at) = longest_gap(seen, r)?;
            let says = || format!("{} from {} on", time(gap), at_time(at));
            if bound.keeps(gap, *longest) { Ok(()) } else { Err(says()) }
        }
        Fact::Cut(node, n) => {
            let cuts = seen.cuts.iter().filter(|(_, id, had)| id.as_str() == node && *had);
            count(cuts.count() as u64, *n)
        }
        Fact::NothingFenced => match seen.cuts.first() {
            None => Ok(()),
            Some((t, id, _)) => Err(format!("{id} at {}", at_time(*t))),
        },
        Fact::CutBefore(r, on, node) => {
            let first = first_run(seen, r, on)?;
            let cut = seen.cuts.iter().any(|(t, id, _)| id.as_str() == node && *t <= first);
            if !cut {
                return Err(format!("{r} ran on {on} at {}, and no switch had cut {node}", at_time(first)));
            }
            is_dark(seen, node, first)
        }
        Fact::DarkBefore(r, on, node) => is_dark(seen, node, first_run(seen, r, on)?),
        Fact::Power(node, is, when) => {
            let power = of(&seen.power, node)?;
            times(seen, when).into_iter().try_for_each(|t| match power.iter().any(|s| s.covers(t)) == *is {
                true => Ok(()),
                false => Err(format!("not so at {}", at_time(t))),
            })
        }
        Fact::Booted(node, n) => count(of(&seen.power, node)?.len().saturating_sub(1) as u64, *n),
        Fact::Leads(node, when) => {
            let leads = of(&seen.leads, node)?;
            times(seen, when).into_iter().try_for_each(|t| match leads.iter().any(|s| s.covers(t)) {
                true => Ok(()),
                false => Err(format!("not so at {}", at_time(t))),
            })
        }
        Fact::Votes(node, is) => match seen.voters.iter().any(|v| v.as_str() == node) == *is {
            true => Ok(()),
            false => Err(format!("voters: {:?}", seen.voters)),
        },
        Fact::Order(n, is_done) => was_order(seen, *n, *is_done),
    }
}

fn at_time(t: u64) -> String {
    format!("{}.{:03} s", t / S, t % S / 1_000_000)
}

fn count(seen: u64, wanted: u64) -> Result<(), String> {
    if seen == wanted { Ok(()) } else { Err(format!("{seen} times")) }
}

fn of<'a>(all: &'a std::collections::BTreeMap<NodeId, Spans>, node: &str) -> Result<&'a Spans, String> {
    all.get(&NodeId::from(node)).ok_or_else(|| format!("there is no {node}"))
}

fn spans(seen: &Recorder, r: &str, node: &str) -> Spans {
    seen.runs.get(&(r.to_owned(), NodeId::from(node))).cloned().unwrap_or_default()
}

/// Every span of a resource, with its node.
fn all_spans<'a>(seen: &'a Recorder, r: &'a str) -> impl Iterator<Item = (&'a NodeId, super::Span)> {
    let of_it = seen.runs.iter().filter(move |((instance, _), _)| instance == r);
    of_it.flat_map(|((_, node), spans)| spans.iter().map(move |s| (node, *s)))
}

fn owners_at<'a>(seen: &'a Recorder, r: &'a str, t: u64) -> Vec<&'a NodeId> {
    all_spans(seen, r).filter(|(_, s)| s.covers(t)).map(|(node, _)| node).collect()
}

fn most_owners(seen: &Recorder, r: &str) -> (u64, u64) {
    let begins = all_spans(seen, r).map(|(_, s)| s.from);
    let counted = begins.map(|t| (owners_at(seen, r, t).len() as u64, t));
    counted.max_by_key(|(n, t)| (*n, std::cmp::Reverse(*t))).unwrap_or((0, 0))
}

/// The times at which it must be looked: whenever anything changes in between, and at both ends.
fn times(seen: &Recorder, when: &When) -> Vec<u64> {
    let (from, to) = match when {
        When::End => return vec![seen.t],
        When::At(t) => return vec![*t],
        When::Between(from, to) => (*from, *to),
    };
    let all = seen.runs.values().chain(seen.power.values()).chain(seen.leads.values()).flatten();
    let changes = all.flat_map(|s| [Some(s.from), s.to]).flatten().filter(|t| (from..=to).contains(t));
    let mut times: Vec<u64> = changes.chain([from, to]).collect();
    times.sort_unstable();
    times.dedup();
    times
}

fn is_place(seen: &Recorder, r: &str, node: Option<&str>, t: u64) -> Result<(), String> {
    let owners = owners_at(seen, r, t);
    let is_it = match node {
        Some(node) => owners.len() == 1 && owners[0].as_str() == node,
        None => owners.is_empty(),
    };
    if is_it { Ok(()) } else { Err(format!("at {} it runs on {owners:?}", at_time(t))) }
}

fn first_run(seen: &Recorder, r: &str, node: &str) -> Result<u64, String> {
    spans(seen, r, node).first().map(|s| s.from).ok_or_else(|| format!("{r} never ran on {node}"))
}

fn is_dark(seen: &Recorder, node: &str, t: u64) -> Result<(), String> {
    match of(&seen.power, node)?.iter().any(|s| s.covers(t)) {
        true => Err(format!("{node} had power at {}", at_time(t))),
        false => Ok(()),
    }
}

/// The longest time in which nobody served it, after it was served first.
fn longest_gap(seen: &Recorder, r: &str) -> Result<(u64, u64), String> {
    let mut changes: Vec<u64> = all_spans(seen, r)
        .map(|(_, s)| s)
        .chain(seen.frozen.values().flatten().copied())
        .flat_map(|s| [Some(s.from), s.to])
        .flatten()
        .chain([seen.t])
        .collect();
    changes.sort_unstable();
    let is_frozen = |node: &NodeId, t| seen.frozen.get(node).is_some_and(|f| f.iter().any(|s| s.covers(t)));
    let is_served = |t| owners_at(seen, r, t).into_iter().any(|node| !is_frozen(node, t));
    let first = changes.iter().copied().find(|t| is_served(*t)).ok_or_else(|| format!("{r} never ran"))?;
    let (mut longest, mut since) = ((0, first), None);
    for t in changes.into_iter().filter(|t| *t >= first) {
        let from = *since.get_or_insert(t);
        let gap = t - from;
        longest = if gap > longest.0 { (gap, from) } else { longest };
        since = if is_served(t) { None } else { Some(from) };
    }
    Ok(longest)
}

fn was_order(seen: &Recorder, n: u64, is_done: bool) -> Result<(), String> {
    let at = usize::try_from(n).unwrap_or(usize::MAX).wrapping_sub(1);
    let Some(order) = seen.orders.get(at) else { return Err(format!("{} were given", seen.orders.len())) };
    let is_it = match &order.reply {
        Some(AdminReply::Refused { .. }) => !is_done,
        Some(
            AdminReply::Done { .. }
            | AdminReply::Status(_)
            | AdminReply::Timeline { .. }
            | AdminReply::Config { .. }
            | AdminReply::FenceTest { .. }
            | AdminReply::FenceHistory { .. },
        ) => is_done,
        Some(AdminReply::Unavailable { .. }) | None => false,
    };
    if is_it { Ok(()) } else { Err(format!("`{}`: {:?}", order.words, order.reply)) }
}

#[cfg(test)]
mod tests {
    use super::super::Span;
    use super::*;

    /// `db` on alpha from 1 to 5 s and 6 s on, on beta from 8 to 9 s; alpha stands still from 10 to 12 s, beta was cut at 9 s.
    fn seen() -> Recorder {
        let span = |from: u64, to: Option<u64>| Span { from: from * S, to: to.map(|t| t * S) };
        let (alpha, beta) = (NodeId::from("alpha"), NodeId::from("beta"));
        let mut seen = Recorder { t: 20 * S, ..Recorder::default() };
        seen.runs.insert(("db".into(), alpha.clone()), vec![span(1, Some(5)), span(6, None)]);
        seen.runs.insert(("db".into(), beta.clone()), vec![span(8, Some(9))]);
        seen.power.insert(alpha.clone(), vec![span(0, None)]);
        seen.power.insert(beta.clone(), vec![span(0, Some(9)), span(15, None)]);
        seen.frozen.insert(alpha.clone(), vec![span(10, Some(12))]);
        seen.leads.insert(alpha, vec![span(2, None)]);
        seen.cuts.push((9 * S, beta, true));
        seen
    }

    #[test]
    fn each_fact_can_be_true_and_false() {
        let seen = seen();
        for (fact, is) in [
            ("owners of db at any time <= 1", false),
            ("owners of db at any time = 2", true),
            ("owners of db at any time <= 2", true),
            ("db runs on alpha at the end", true),
            ("db runs on beta at the end", false),
            ("db runs on alpha at 8s", false),
            ("db runs on alpha at 30s", false),
            ("db runs on alpha from 6s to 7s", true),
            ("db runs on alpha from 4s to 7s", false),
            ("db runs on alpha from 7s to 10s", false),
            ("db runs nowhere at 5s", true),
            ("db runs nowhere from 4s to 5500ms", false),
            ("db ran on alpha 2 times", true),
            ("db ran on gamma 0 times", true),
            ("db ran on alpha 1 times", false),
            ("outage of db <= 2s", true),
            ("outage of db <= 1900ms", false),
            ("outage of db >= 2s", true),
            ("outage of web <= 2s", false),
            ("beta was cut 1 times", true),
            ("alpha was cut 1 times", false),
            ("nothing was fenced", false),
            ("before db ran on alpha beta was cut", false),
            ("before db ran on beta beta was cut", false),
            ("before db ran on gamma beta was cut", false),
            ("before db ran on beta alpha had no power", false),
            ("beta has no power from 9s to 14s", true),
            ("beta has no power from 9s to 16s", false),
            ("beta has power at the end", true),
            ("beta booted again 1 times", true),
            ("alpha booted again 1 times", false),
            ("alpha leads at the end", true),
            ("alpha leads from 1s to 3s", false),
            ("alpha votes at the end", false),
            ("alpha has no vote at the end", true),
            ("order 1 was done", false),
        ] {
            let judged = judge(&fact.parse().expect(fact), &seen);
            assert_eq!(judged.is_ok(), is, "{fact}: {judged:?}");
        }
    }
}
