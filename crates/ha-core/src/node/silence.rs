//! No proof of a target that speaks: what was read off may be another machine's outlet (S7).
//!
//! Must not know: devices. Invariants: a target that was silent already, to us and to others, is waited for not at all;
//! whoever is known to have spoken after it was read off is not proven off.

use super::Node;
use super::fence_drive::FenceClock;
use ha_model::{BootNs, FenceId, FenceMarks, FenceProof, NodeId, Now, ProofScope};

/// A target that was heard within so many heartbeats before it was read off could still speak: for as many the
/// proof waits, in which an answer to a heartbeat of ours would come.
const LAST_WORD_BEATS: u32 = 3;

/// Where only others hear the target: what they say of it is as old as a last word, and comes with their next heartbeat
/// but one. Whom they still hear after so many heartbeats spoke after it was read off.
const HEARSAY_BEATS: u32 = 2 * LAST_WORD_BEATS;

/// A proof of a target that was heard until just before.
#[derive(Clone, Debug, Hash)]
pub(super) struct Held {
    pub attempt: u32,
    pub proof: FenceProof,
    pub marks: FenceMarks,
    read_at: BootNs,
    by: Ears,
}

/// Who heard the target until just before it was read off.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
enum Ears {
    /// We: our own ears tell whether it is silent now.
    Ours,
    /// Only others.
    Others,
}

impl Held {
    pub fn new(now: Now, attempt: u32, proof: FenceProof, marks: FenceMarks) -> Self {
        Self { attempt, proof, marks, read_at: now.boot, by: Ears::Ours }
    }
}

impl Node {
    /// A proof of power off is taken at once where the target was silent already, to us and to others; else when it has
    /// stayed silent.
    pub(super) fn hold_or_prove(&mut self, now: Now, id: FenceId, held: Held) {
        let target = &held.proof.target;
        let last_word = self.config.timing.beat * LAST_WORD_BEATS;
        let is_heard = self.membership.last_word(target).is_some_and(|at| now.boot.since(at) < last_word);
        let (by, wait) = if is_heard || *target == self.setup.me {
            (Ears::Ours, last_word)
        } else {
            (Ears::Others, self.config.timing.beat * HEARSAY_BEATS)
        };
        let was_heard = by == Ears::Ours || self.speaks_to(now, target).is_some();
        if !was_heard || held.proof.scope != ProofScope::Everything {
            self.prove(now, id, held);
        } else if let Some(lead) = &mut self.lead {
            let held = Some(Box::new(Held { by, ..held }));
            lead.fences.insert(id, FenceClock { held, ..FenceClock::wait_until(now.boot + wait) });
            self.is_beat_urgent = true; // its echo would come the sooner
        }
    }

    /// S7: whoever has heard what we sent after it was read off is not off; its outlet feeds another machine. Nor is who
    /// goes on speaking without hearing us, or to others.
    pub(super) fn judge_silence(&mut self, now: Now, id: FenceId, target: &NodeId, held: Held) {
        let wakes_at = self.lead.as_ref().and_then(|l| l.fences.get(&id)).map_or(now.boot, |c| c.wakes_at);
        // A word that answers nothing may have been under way when the power went: for half of the wait.
        let under_way = held.read_at + self.config.timing.beat * LAST_WORD_BEATS / 2;
        let speaks_to_us = *target == self.setup.me
            || self.membership.lived_after(target).is_some_and(|at| at > held.read_at)
            || self.membership.last_word(target).is_some_and(|at| at > under_way);
        let speaks_to = if speaks_to_us {
            Some(self.setup.me.clone())
        } else {
            self.speaks_to(now, target).filter(|_| held.by == Ears::Others)
        };
        let is_over = now.boot >= wakes_at;
        match speaks_to {
            Some(by) if speaks_to_us || is_over => {
                let why = format!(
                    "its outlet was read off, yet {target} goes on sending heartbeats, which {by} hears: correct the \
                     outlets of {target} in the cluster file"
                );
                self.attempt_failed(now, id, held.attempt, why);
            }
            None if is_over || held.by == Ears::Others => self.prove(now, id, held),
            Some(_) | None => {}
        }
    }
}
