//! What is told of our nodes: signs of what has no twin there, and lines for whom looks at a schedule.

use super::{Ours, number};
use crate::rules::Rule;
use crate::twin::{Question, Twin};
use ha_consensus::{Body, Message, Raft};

/// What a node believes, in a line.
pub(super) fn state(raft: &Raft<u64>) -> String {
    let leader = raft.leader().map(number);
    let (role, term, last, hard) = (raft.role(), raft.term(), raft.last_log(), raft.hard_state());
    let voted = hard.voted_for.as_ref().map(number);
    format!(
        "{role:?} in {term}, vote {voted:?}, leader {leader:?}, log to {}/{}, commit {}",
        last.index,
        last.term,
        raft.commit_index()
    )
}

/// What a message asks or grants.
pub(super) fn question(body: &Body<u64>) -> Option<Question> {
    match body {
        Body::PreVote { .. } => Some(Question::PreVote),
        Body::PreVoteReply { granted, .. } => granted.then_some(Question::WouldVote),
        Body::Vote { .. } => Some(Question::Vote),
        Body::VoteReply { granted } => granted.then_some(Question::Voted),
        Body::TransferNow { .. } => Some(Question::Stand),
        Body::Append { .. }
        | Body::AppendAck { .. }
        | Body::AppendReject { .. }
        | Body::Chunk { .. }
        | Body::ChunkAck { .. } => None,
    }
}

impl Ours {
    /// What there goes otherwise, of a message that arrives.
    pub(super) fn note_signs(&mut self, from: usize, to: usize, message: &Message<u64>) {
        let Some(raft) = &self.nodes[to].raft else { return };
        let (here, end) = (raft.term().0, raft.last_log());
        match &message.body {
            Body::Append { .. } | Body::Chunk { .. } if self.leads(from) != Some(message.term.0) => {
                self.signs.insert(Rule::LatePromise);
            }
            Body::Append { entries, .. } if entries.is_empty() && self.asks(to) && here <= message.term.0 => {
                self.told.insert(to);
            }
            Body::PreVote { last, .. } | Body::Vote { last, .. } => {
                let (is_vote, asked) = match message.body {
                    Body::PreVote { for_term, .. } => (false, for_term.0),
                    _ => (true, message.term.0),
                };
                if !is_vote && asked <= here {
                    self.signs.insert(Rule::KnownTerm);
                }
                if last.index.0 == 0
                    && self.nodes.iter().flat_map(|n| &n.raft).any(|raft| raft.last_log().index.0 > 0)
                {
                    self.signs.insert(Rule::EmptyLog);
                }
                if asked > here && *last >= end && raft.leader().is_none() && self.is_bound(to) {
                    self.signs.insert(Rule::PromiseLasts);
                }
            }
            _ => {}
        }
    }
}
