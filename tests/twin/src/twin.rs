//! What the runner asks of either implementation.

use crate::net::Link;
use crate::watch::Watch;
use std::collections::BTreeSet;

/// One implementation: all its nodes, their disks, and the streams between them.
pub trait Twin {
    /// The election time-outs of these nodes run out.
    fn time_out(&mut self, nodes: &[usize]);
    /// One hop of all messages under way, then the writes that are not held up.
    fn round(&mut self);
    /// Whether nothing is under way.
    fn is_quiet(&self) -> bool;
    /// So many tenths of a time-out pass, with beats.
    fn pass(&mut self, tenths: usize);
    /// Whether a node leads, and is not handing over.
    fn may_propose(&self, node: usize) -> bool;
    /// Proposes to a node; false where it refuses.
    fn propose(&mut self, node: usize, value: u64) -> bool;
    /// Asks a node for a change of voters; false where it refuses.
    fn change(&mut self, node: usize, voters: &[usize]) -> bool;
    /// Sets a link.
    fn link(&mut self, from: usize, to: usize, link: Link);
    /// Stops a node.
    fn crash(&mut self, node: usize);
    /// Starts it.
    fn restart(&mut self, node: usize);
    /// Its writes wait, or go on.
    fn stall(&mut self, node: usize, is_stalled: bool);
    /// The term in which a node leads, if it runs and believes that it does.
    fn leads(&self, node: usize) -> Option<u64>;
    /// The payloads that a node has applied, in order.
    fn applied(&self, node: usize) -> &[u64];
    /// The voters in force at a node that runs, and those that they replace while a change is under way.
    fn in_force(&self, node: usize) -> Option<(BTreeSet<usize>, BTreeSet<usize>)>;
    /// Whether the words of a node arrive at another.
    fn reaches(&self, from: usize, to: usize) -> bool;
    /// Where the log of a node that runs ends: term and index.
    fn last(&self, node: usize) -> Option<(u64, u64)>;
    /// The term of a node that runs.
    fn term(&self, node: usize) -> Option<u64>;
    /// Whether a node that runs and does not lead votes for nobody now, because of a leader that it heard.
    fn is_bound(&self, node: usize) -> bool;
    /// Whether a node asks for votes, or whether it would get them.
    fn asks(&self, node: usize) -> bool;
    /// What is under way and may elect: between whom, and what it asks or grants.
    fn questions(&self) -> Vec<(usize, usize, Question)>;
    /// What was seen.
    fn watch(&mut self) -> &mut Watch;
}

/// What a message on the way to an election asks or grants.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Question {
    /// Asks whether a vote would be given.
    PreVote,
    /// It would.
    WouldVote,
    /// Asks for a vote.
    Vote,
    /// It is given.
    Voted,
    /// Asks to stand.
    Stand,
}

/// Most rounds until nothing is under way: beyond them something goes on for ever.
pub const ROUNDS_MAX: usize = 300;

/// Rounds until nothing is under way.
pub fn drain(twin: &mut dyn Twin) {
    for _ in 0..ROUNDS_MAX {
        if twin.is_quiet() {
            return;
        }
        twin.round();
    }
    twin.watch().broken.push(format!("messages are still under way after {ROUNDS_MAX} rounds"));
}

/// Who leads in the highest term, of those that run.
pub fn leader(twin: &dyn Twin, nodes: usize) -> Option<usize> {
    (0..nodes).filter(|n| twin.leads(*n).is_some()).max_by_key(|n| twin.leads(*n))
}
