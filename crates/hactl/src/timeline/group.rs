//! Which events belong to one failover: from the loss of a node to its services running again.
//!
//! Events are in the order of the log; their wall times come from different proposers and need not grow.

use ha_model::{InstanceId, LostReason, NodeId, Notice, TimelineEvent, WallMs};
use std::collections::BTreeSet;

/// A pause after which a failover is no longer one story, unless a fence is still open (it is retried for as long
/// as it takes).
const PAUSE_MAX_MS: i64 = 60_000;

/// One stretch of a timeline.
#[derive(PartialEq, Debug)]
pub(crate) enum Part<'a> {
    /// An event on its own.
    Event(&'a TimelineEvent),
    /// A failover.
    Failover(Failover<'a>),
}

/// From the loss of a node to its services running again.
#[derive(PartialEq, Debug)]
pub(crate) struct Failover<'a> {
    /// Its events; the first is the loss or the decision to fence.
    pub(crate) events: &'a [TimelineEvent],
    /// The node with which it began.
    pub(crate) node: &'a NodeId,
    /// When the node was last heard, or the fence decided.
    pub(crate) since: WallMs,
    /// How it ended.
    pub(crate) end: End<'a>,
}

/// How a failover ended.
#[derive(PartialEq, Debug)]
pub(crate) enum End<'a> {
    /// The last of what was freed runs again.
    Up { instance: &'a InstanceId, node: &'a NodeId, at: WallMs },
    /// Proven off, and nothing had to be recovered.
    HeldNothing { at: WallMs },
    /// The node is back; nothing was cut.
    Back { at: WallMs },
    /// Not back yet, and nobody asked for a fence: it held nothing.
    Away,
    /// No proof yet.
    Unproven,
    /// Proven, but this does not run yet.
    Waiting { instances: BTreeSet<&'a InstanceId> },
}

/// When a lost node was last heard.
pub(crate) fn last_heard(at: WallMs, why: &LostReason) -> WallMs {
    match why {
        LostReason::Silent { for_ms } => WallMs(at.0.saturating_sub(i64::try_from(*for_ms).unwrap_or(0))),
        LostReason::OneWay | LostReason::Stalled { .. } | LostReason::DaemonGone | LostReason::NeverSeen => {
            at
        }
    }
}

/// The timeline in parts.
pub(crate) fn split(events: &[TimelineEvent]) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = events;
    while let Some((first, tail)) = rest.split_first() {
        let begin = match &first.notice {
            Notice::NodeLost { node, why } => Some((node, last_heard(first.at, why))),
            Notice::FenceRequested { node, .. } => Some((node, first.at)),
            _ => None,
        };
        match begin {
            None => {
                parts.push(Part::Event(first));
                rest = tail;
            }
            Some((node, since)) => {
                let (length, end) = follow(rest);
                parts.push(Part::Failover(Failover { events: &rest[..length], node, since, end }));
                rest = &rest[length..];
            }
        }
    }
    parts
}

/// How many of the events belong to the failover that the first one begins, and how it ended.
fn follow(events: &[TimelineEvent]) -> (usize, End<'_>) {
    let mut unproven: BTreeSet<&NodeId> = BTreeSet::new();
    let mut requested: BTreeSet<&NodeId> = BTreeSet::new();
    let mut waiting: BTreeSet<&InstanceId> = BTreeSet::new();
    let mut end = End::Unproven;
    let mut before = events.first().map_or(WallMs(0), |event| event.at);
    for (position, event) in events.iter().enumerate() {
        if event.at.0 - before.0 > PAUSE_MAX_MS && requested.is_empty() {
            return (position, unfinished(&unproven, &requested, waiting));
        }
        before = event.at;
        match &event.notice {
            Notice::NodeLost { node, .. } => {
                unproven.insert(node);
            }
            Notice::FenceRequested { node, .. } => {
                unproven.insert(node);
                requested.insert(node);
            }
            Notice::FenceProven { node, freed, .. } => {
                unproven.remove(node);
                requested.remove(node);
                waiting.extend(freed);
                end = End::HeldNothing { at: event.at };
            }
            // A new boot of a node that must be fenced ends the old one: its proof follows.
            Notice::NodeJoined { node, is_same_boot: false, .. } if requested.contains(node) => continue,
            Notice::FenceWithdrawn { node }
            | Notice::NodeReturned { node }
            | Notice::NodeLeft { node }
            | Notice::NodeJoined { node, .. } => {
                if unproven.remove(node) {
                    requested.remove(node);
                    end = End::Back { at: event.at };
                }
            }
            Notice::Running { instance, node } => {
                if waiting.remove(instance) {
                    end = End::Up { instance, node, at: event.at };
                }
            }
            _ => continue,
        }
        if unproven.is_empty() && waiting.is_empty() {
            let length = position + 1 + echoes(&events[position + 1..], &end);
            return (length, end);
        }
    }
    (events.len(), unfinished(&unproven, &requested, waiting))
}

/// "Back" and "withdrawn" are two events of one thing, in either order.
fn echoes(events: &[TimelineEvent], end: &End<'_>) -> usize {
    let is_echo = |event: &&TimelineEvent| {
        matches!(event.notice, Notice::NodeReturned { .. } | Notice::FenceWithdrawn { .. })
    };
    if matches!(end, End::Back { .. }) { events.iter().take_while(is_echo).count() } else { 0 }
}

fn unfinished<'a>(
    unproven: &BTreeSet<&NodeId>,
    requested: &BTreeSet<&NodeId>,
    waiting: BTreeSet<&'a InstanceId>,
) -> End<'a> {
    match (requested.is_empty(), waiting.is_empty()) {
        (true, false) => End::Waiting { instances: waiting },
        (true, true) if !unproven.is_empty() => End::Away,
        (true, true) | (false, _) => End::Unproven,
    }
}
