//! What the log says of nodes, in its order: S7, S9, S18, L5.

use super::{Broken, MARGIN};
use crate::world::{MS, World};
use ha_model::{BootNs, Evidence, Index, LostReason, NodeId, Notice};

/// A leader hands over for the same node once in so many times `t_lost`.
const HANDED_OVER: u64 = 60;

/// Who did not take over is not asked again for so many, and some.
const UNFIT: u64 = 11;

/// It waits for so many before it takes a node for lost that others hear, and by then the pause may be over.
const SLACK: u64 = 5;

/// Who hears another for so long without a gap is on terms with it, and who leads for so long has had its time to see that.
const HEARD_FOR: u64 = 3000 * MS;

impl World {
    /// At the first node that applies it.
    pub(super) fn judge_said(&mut self, id: &NodeId, index: Index, notice: &Notice) -> Broken {
        let t = self.t;
        let ledger = &mut self.ledger;
        match notice {
            Notice::NodeLost { node, why: LostReason::DaemonGone } => self.judge_grace(id, node),
            Notice::NodeLost { node, why: LostReason::Silent { .. } } => self.judge_alone(id, node),
            Notice::FenceRequested { node, .. } => {
                ledger.readings.requested_at.entry(node.clone()).or_insert(t);
                ledger.offs.remove(node);
                None
            }
            Notice::FenceAttempt { node, .. } => {
                ledger.condemned.insert(node.clone());
                None
            }
            Notice::ConfigApplied { .. } => {
                ledger.config_at = t;
                None
            }
            Notice::PathWorks { device, node } => self.judge_path((id, index), device, node),
            Notice::FenceWithdrawn { node } => {
                ledger.readings.requested_at.remove(node);
                let is_sent = ledger.offs.remove(node);
                is_sent
                    .then(|| ("S18", format!("the fence of {node} is withdrawn after an off was asked for")))
            }
            Notice::FenceProven { node, evidence, .. } => {
                let broken = self.judge_evidence(id, node, evidence);
                let broken = broken.or_else(|| self.judge_word(id, node, evidence));
                self.ledger.readings.requested_at.remove(node);
                self.ledger.condemned.remove(node);
                if matches!(evidence, Evidence::ReadOff { .. }) {
                    self.ledger.proven_at.insert(node.clone(), t);
                }
                broken
            }
            Notice::NodeJoined { node, incarnation, .. } => {
                ledger.condemned.remove(node);
                ledger.proven_at.remove(node);
                // The log may tell of it when it is gone again.
                if self.hosts.get(node).is_some_and(|h| h.daemon.is_some() && h.incarnation == *incarnation) {
                    ledger.gone_since.remove(node);
                }
                None
            }
            Notice::Running { node, instance }
            | Notice::Failed { node, instance, .. }
            | Notice::StopFailed { node, instance, .. } => ledger.condemned.contains(node).then(|| {
                let text = notice.text();
                ("S18", format!("{text}: what {node} says of {instance} counts, and it is condemned"))
            }),
            _ => None,
        }
    }

    /// S9: a host without its daemon is not lost before `daemon_grace` is over.
    fn judge_grace(&self, id: &NodeId, gone: &NodeId) -> Broken {
        let grace = self.hosts[id].node()?.config().timing.daemon_grace.as_nanos() as u64;
        let since = self.ledger.gone_since.get(gone)?;
        let ms = (self.t - since) / MS;
        (self.t + MARGIN < since + grace)
            .then(|| ("S9", format!("{gone} is lost {ms} ms after its daemon was, and its host answers")))
    }

    /// Who was asked to lead lately, or could not be because its daemon was just gone, is not asked again so soon.
    fn was_unfit(&self, node: &NodeId, t_lost: u64) -> bool {
        let since = self.t.saturating_sub(t_lost * UNFIT);
        let host = &self.hosts[node];
        let lives = |started: BootNs| host.clock.at(self.t).since(started).as_nanos() as u64;
        let is_new = host.daemon.as_ref().is_none_or(|d| lives(d.started_at) < t_lost * UNFIT);
        is_new || self.ledger.asked_to_lead.get(node).is_some_and(|at| *at > since)
    }

    /// L5: a leader that leads for long and alone misses a node has tried to hand over to a voter that hears it, before the node is lost.
    fn judge_alone(&self, id: &NodeId, lost: &NodeId) -> Broken {
        let config = self.hosts[id].node()?.config();
        let t_lost = config.timing.t_lost.as_nanos() as u64;
        let (_, leader) = self.ledger.leaders.last_key_value()?;
        let tried =
            self.ledger.handed_over.get(lost).is_some_and(|at| self.t < at + t_lost * (HANDED_OVER + SLACK));
        let is_new = self.ledger.led_since + HEARD_FOR > self.t;
        if tried || is_new || !self.hosts[leader].leads() {
            return None;
        }
        // A heartbeat counts where its answer takes the same link.
        let is_on_terms = |a: &NodeId, b: &NodeId| {
            (0..self.shape.links).any(|link| {
                let hears = |a: &NodeId, b: &NodeId| {
                    let heard = self.ledger.hears_well.get(&(a.clone(), b.clone(), link));
                    heard
                        .is_some_and(|(since, last)| since + HEARD_FOR < self.t && self.t < last + t_lost / 4)
                };
                hears(a, b) && hears(b, a)
            })
        };
        let mut voters = self.ledger.voters.iter().filter(|v| *v != leader && *v != lost);
        let hearer = voters.find(|v| {
            let is_unfit = || self.was_unfit(v, t_lost);
            let is_fit = self.hosts[*v].is_awake()
                && !is_unfit()
                && self.hosts[*v].disk.how == crate::act::Disk::Sound
                && self.hosts[*v].disk.free_at + t_lost < self.t; // its log stood still until just now
            is_fit && !self.ledger.condemned.contains(*v) && is_on_terms(leader, v) && is_on_terms(v, lost)
        })?;
        Some((
            "L5",
            format!("{lost} is lost to {leader}, and {hearer}, which hears it, was not asked to lead"),
        ))
    }

    /// S7: a human's word is not taken for a node that is heard.
    fn judge_word(&self, id: &NodeId, node: &NodeId, evidence: &Evidence) -> Broken {
        let Evidence::Confirmed { .. } = evidence else { return None };
        let t_lost = self.hosts[id].node()?.config().timing.t_lost.as_nanos() as u64;
        let asked_at = *self.ledger.confirm_asked.get(node)?;
        let (_, leader) = self.ledger.leaders.last_key_value()?;
        let hears = |a: &NodeId, b: &NodeId| {
            let heard = self.ledger.hears.get(&(a.clone(), b.clone()));
            heard.is_some_and(|(since, last)| since + t_lost / 2 < asked_at && self.t < last + t_lost / 2)
        };
        // The leader knows whom others hear by their heartbeats.
        let tells = |by: &&NodeId| *by == leader || hears(leader, by);
        let voters = self.ledger.voters.iter().filter(|v| *v != node && self.hosts[*v].is_awake());
        let by = voters.filter(tells).find(|by| hears(by, node))?;
        Some(("S7", format!("a human's word is taken for {node}, and {by} hears it")))
    }

    /// Since when `to` has heard `from` without a gap of half of `t_lost`, and when last.
    pub(super) fn note_hearing(&mut self, from: &NodeId, to: &NodeId, link: u8, sent_at: BootNs) {
        let Some(t_lost) = self.hosts[to].node().map(|n| n.config().timing.t_lost.as_nanos() as u64) else {
            return;
        };
        let t = self.t;
        let hear = |(since, last): &mut (u64, u64)| {
            if t > *last + t_lost / 2 {
                *since = t;
            }
            *last = t;
        };
        hear(self.ledger.hears.entry((to.clone(), from.clone())).or_insert((t, t)));
        let age = self.hosts[from].clock.at(t).0.saturating_sub(sent_at.0);
        if age < t_lost / 8 {
            hear(self.ledger.hears_well.entry((to.clone(), from.clone(), link)).or_insert((t, t)));
        }
    }
}
