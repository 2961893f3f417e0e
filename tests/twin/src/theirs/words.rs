//! What messages and nodes of the crate say, for comparison and for whom looks at a schedule.

use super::number;
use crate::twin::Question;
use raft::RawNode;
use raft::prelude::{Message, MessageType};
use raft::storage::MemStorage;

/// What a node believes, in a line.
pub(super) fn state(raw: &RawNode<MemStorage>) -> String {
    let (raft, log) = (&raw.raft, &raw.raft.raft_log);
    let (last, commit) = (format!("{}/{}", log.last_index(), log.last_term()), log.committed);
    let number = |id: u64| (id > 0).then(|| number(id));
    let (voted, leader) = (number(raft.vote), number(raft.leader_id));
    format!(
        "{:?} in {}, vote {voted:?}, leader {leader:?}, log to {last}, commit {commit}",
        raft.state, raft.term
    )
}

/// What our core has beats for.
pub(super) fn is_beat(m: &Message) -> bool {
    matches!(m.get_msg_type(), MessageType::MsgHeartbeat | MessageType::MsgHeartbeatResponse)
}

/// A message, in a line.
pub(super) fn words(m: &Message) -> String {
    let (kind, entries) = (m.get_msg_type(), m.entries.len());
    format!(
        "{} {kind:?} index {} of {}, {entries} entries, commit {}, reject {}",
        m.term, m.index, m.log_term, m.commit, m.reject
    )
}

/// What a message asks or grants.
pub(super) fn question(m: &Message) -> Option<Question> {
    match m.get_msg_type() {
        MessageType::MsgRequestPreVote => Some(Question::PreVote),
        MessageType::MsgRequestPreVoteResponse => (!m.reject).then_some(Question::WouldVote),
        MessageType::MsgRequestVote => Some(Question::Vote),
        MessageType::MsgRequestVoteResponse => (!m.reject).then_some(Question::Voted),
        MessageType::MsgTimeoutNow => Some(Question::Stand),
        _ => None,
    }
}
