//! What the crate leaves to its user, or does otherwise, done as our core does it, so that both go on from the same place.

use super::{ELECTION, TRANSFER, Theirs, id};
use crate::net::Link;
use crate::twin::Twin;
use raft::prelude::{Message, MessageType};
use raft::storage::MemStorage;
use raft::{RawNode, StateRole};

/// An answer to a pre-vote that tells for which term it was asked.
pub(super) fn marked(mut message: Message, asked: Option<u64>) -> Message {
    if let (Some(term), MessageType::MsgRequestPreVoteResponse) = (asked, message.get_msg_type()) {
        message.context = term.to_le_bytes().to_vec().into();
    }
    message
}

impl Theirs {
    /// A leader that is no voter any more asks another to lead, as ours does by itself, and the same one: where several
    /// have the whole log, which one is a matter of taste.
    pub(super) fn hand_over_if_removed(&mut self, node: usize) {
        let Some(raw) = self.nodes[node].raw.as_mut() else { return };
        let raft = &raw.raft;
        let state = raft.prs().conf().to_conf_state();
        let leaves = raft.state == StateRole::Leader
            && state.voters_outgoing.is_empty()
            && !state.voters.contains(&raft.id)
            && raft.lead_transferee.is_none();
        if !leaves {
            return;
        }
        let matched = |id: &&u64| (raft.prs().get(**id).map(|p| p.matched), **id);
        let best = state.voters.iter().max_by_key(matched).copied();
        let same = self.successors.get(&raft.term).map(|node| id(*node));
        if let Some(to) = same.filter(|id| state.voters.contains(id)).or(best) {
            self.leaving.insert((node, raft.term));
            raw.transfer_leader(to);
            *self.adapted.entry("a removed leader hands over").or_default() += 1;
        }
    }

    /// A leader that was voted out and whose hand-over was called off steps down, as in ours; there it leads on.
    pub(super) fn end_if_left(&mut self, node: usize) {
        let Some(raw) = &self.nodes[node].raw else { return };
        let (term, is_off) = (raw.raft.term, raw.raft.lead_transferee.is_none());
        if self.leads(node).is_some() && is_off && self.leaving.contains(&(node, term)) {
            self.input(node, |raw| raw.raft.become_follower(term, 0));
            *self.adapted.entry("a removed leader that nobody relieves steps down").or_default() += 1;
        }
    }

    /// An answer counts for the question that is open, as in ours. There a pre-vote that comes late, or a refusal, counts in
    /// the next candidacy too, and the term of a refusal ends a leader.
    pub(super) fn is_unasked(&mut self, to: usize, message: &Message) -> bool {
        let Some(raw) = self.nodes[to].raw.as_ref() else { return false };
        let (state, term) = (raw.raft.state, raw.raft.term);
        let is_open = match message.get_msg_type() {
            MessageType::MsgRequestPreVoteResponse => {
                let is_for_this = *message.context == (term + 1).to_le_bytes();
                state == StateRole::PreCandidate && (is_for_this || message.reject && message.term > term)
            }
            MessageType::MsgRequestVoteResponse => state == StateRole::Candidate,
            _ => true,
        };
        let would_count = state == StateRole::PreCandidate && message.term >= term || message.term > term;
        if !is_open && would_count {
            *self.adapted.entry("an answer to a question that is not open is dropped").or_default() += 1;
        }
        !is_open
    }

    /// The first word of a session: a leader looks anew for where the logs agree, as ours does.
    pub(super) fn begin_session(&mut self, node: usize, peer: usize) {
        if !self.heard.insert((node, peer)) || self.leads(node).is_none() {
            return;
        }
        self.input(node, |raw| {
            let last = raw.raft.raft_log.last_index();
            if let Some(progress) = raw.raft.mut_prs().get_mut(id(peer)) {
                progress.become_probe();
                progress.next_idx = last + 1;
                raw.raft.send_append(id(peer));
            }
        });
    }

    /// Whether one that asks for votes is told that a leader lives, by a message that brings no entry; or anybody, too late.
    pub(super) fn note_told(&mut self, from: usize, to: usize, message: &Message) {
        if message.get_msg_type() != MessageType::MsgAppend || self.term(to) > Some(message.term) {
            return;
        }
        if self.leads(from) != Some(message.term) {
            self.is_late = true;
        } else if message.entries.is_empty() && self.asks(to) {
            self.told.insert(to);
        }
    }

    /// Who stands has heard all that do not lead, as ours.
    pub(super) fn hear_all(&mut self, node: usize) {
        for other in (0..self.nodes.len()).filter(|n| *n != node) {
            let is_heard = self.nodes[other].raw.is_some()
                && self.leads(other).is_none()
                && self.net.link(other, node) != Link::Cut;
            if is_heard {
                self.heard.insert((node, other));
            }
        }
    }

    /// A leader that was answered from a higher term stands above it at once, as ours does, in spite of its own lease.
    pub(super) fn stand_again(&mut self, node: usize, term: u64) {
        let stands = |raw: &RawNode<MemStorage>| {
            let raft = &raw.raft;
            raft.state == StateRole::Follower && raft.term > term && raft.leader_id == 0 && raft.promotable()
        };
        if self.nodes[node].raw.as_ref().is_some_and(stands) {
            self.input(node, |raw| raw.raft.campaign(TRANSFER));
            let now = self.nodes[node].raw.as_ref().map_or(0, |raw| raw.raft.term);
            self.tokens.insert((node, now), term);
            *self.adapted.entry("a leader that meets a higher term stands again").or_default() += 1;
        }
    }

    /// A hand-over opens the promises to the leader that began it, as in ours; there it opens any.
    pub(super) fn is_promised(&self, from: usize, to: usize, message: &Message) -> bool {
        let is_transfer =
            message.get_msg_type() == MessageType::MsgRequestVote && message.context == TRANSFER;
        let Some(raw) = self.nodes[to].raw.as_ref().filter(|_| is_transfer) else { return false };
        let of = self.tokens.get(&(from, message.term)).copied().unwrap_or(message.term - 1);
        let raft = &raw.raft;
        raft.leader_id != 0 && raft.election_elapsed < ELECTION && raft.term != of
    }

    /// The stream to a peer is new: a leader sends at once from what is known to match, as ours does.
    pub(super) fn reset(&mut self, node: usize, peer: usize) {
        self.input(node, |raw| {
            let leads = raw.raft.state == StateRole::Leader;
            if let Some(progress) = raw.raft.mut_prs().get_mut(id(peer)).filter(|_| leads) {
                progress.become_probe();
                raw.raft.send_append(id(peer));
            }
        });
    }
}
