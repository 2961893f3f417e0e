//! Our core, driven by the script.
//!
//! What is set so that both stand, vote and forget at the same steps, with the reason beside it:
//! - Time passes only where the script lets it. A node whose time-out runs out jumps ahead by its own clock, past every
//!   wait of its own; the others' promises stay.
//! - Only leaders, and who stands, hear beats of all, and nobody a leader of the past: without a quorum heard nobody else
//!   stands by itself. That none does is checked.
//! - Beats to a leader answer its own: there they are answers.
//! - Beats name no missed voters: the preference among candidates ([`ha_consensus`]'s `hearing`) has no twin.
//! - A beat comes with the leader's entries, and one with the answer: there each message promises, here only beats do.
//! - A start takes longer than a node's wait before its first vote.

mod signs;

use crate::net::{Link, Net};
use crate::rules::Rule;
use crate::trace::{is_on, say};
use crate::twin::{Question, Twin, drain};
use crate::watch::Watch;
use ha_consensus::{
    Body, Entry, HardState, LogPos, Membership, Message, Payload, PeerMemory, Persist, Raft, Restored, Role,
    Settings, Snapshot, SnapshotMeta, Voter, VoterSet,
};
use ha_model::{BootNs, NodeId, SessionId, StoreId};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

const T_LOST: Duration = Duration::from_secs(1);
/// Longest wait of a candidate; so long that only the script ends one.
const RETRY: Duration = Duration::from_secs(1000);
/// Past every wait of a node.
const JUMP: Duration = Duration::from_secs(20_000);
/// A tenth of `T_LOST`: beats are exchanged once in it.
const SLICE: Duration = Duration::from_millis(100);

struct Disk {
    hard: HardState,
    log: Vec<Entry<u64>>,
    peers: Vec<PeerMemory>,
}

impl Disk {
    fn write(&mut self, p: Persist<u64>) {
        (self.hard, self.peers) = (p.hard, p.peers);
        if let Some(from) = p.truncate_from {
            self.log.retain(|e| e.index < from);
        }
        self.log.extend(p.append);
    }
}

struct Node {
    raft: Option<Raft<u64>>,
    disk: Disk,
    writing: VecDeque<Persist<u64>>,
    is_stalled: bool,
    now: BootNs,
    session: u128,
    applied: Vec<u64>,
}

/// All nodes of our core.
pub struct Ours {
    nodes: Vec<Node>,
    formation: Membership,
    net: Net<Message<u64>>,
    watch: Watch,
    /// Whom a leader chose when it was voted out, by term.
    pub successors: BTreeMap<u64, usize>,
    /// Whose time-out runs out just now: nobody else stands by itself.
    standing: Option<usize>,
    /// Who is asked for its vote just now.
    overtaken: Option<usize>,
    /// What happened since this was last taken that has no twin there and may part them.
    pub signs: BTreeSet<Rule>,
    /// Who asked for votes, since this was last taken, and got a message without entries of one that leads.
    pub told: BTreeSet<usize>,
}

fn id(node: usize) -> NodeId {
    NodeId::from(["a", "b", "c", "d", "e", "f", "g"][node])
}

fn store(node: usize) -> StoreId {
    StoreId(node as u128 + 1)
}

fn number(node: &NodeId) -> usize {
    usize::from(node.as_str().as_bytes()[0] - b'a')
}

impl Ours {
    /// `voters` of `nodes`, all empty.
    pub fn new(nodes: usize, voters: usize) -> Self {
        let names: Vec<NodeId> = (0..nodes).map(id).collect();
        // The stores are bound from the beginning: the other implementation has nothing to bind.
        let mut formation = Membership::formed(&names[..voters], &names[voters..]);
        for (node, bound) in &mut formation.voters {
            *bound = Some(store(number(node)));
        }
        let node = |_| Node {
            raft: None,
            disk: Disk { hard: HardState::default(), log: Vec::new(), peers: Vec::new() },
            writing: VecDeque::new(),
            is_stalled: false,
            now: BootNs(1),
            session: 0,
            applied: Vec::new(),
        };
        let nodes_new = (0..nodes).map(node).collect();
        let mut ours = Self {
            nodes: nodes_new,
            formation,
            net: Net::default(),
            watch: Watch::default(),
            successors: BTreeMap::new(),
            standing: None,
            overtaken: None,
            signs: BTreeSet::new(),
            told: BTreeSet::new(),
        };
        for node in 0..nodes {
            ours.restart(node);
        }
        ours
    }

    /// One input, and all that comes of it.
    fn input<T>(&mut self, node: usize, what: impl FnOnce(&mut Raft<u64>, BootNs) -> T) -> Option<T> {
        let host = &mut self.nodes[node];
        let raft = host.raft.as_mut()?;
        let before = is_on().then(|| signs::state(raft));
        let (role, term) = (raft.role(), raft.term());
        let out = what(raft, host.now);
        let ready = raft.take_ready();
        let stands = raft.role() == Role::PreCandidate && (role, term) != (Role::PreCandidate, raft.term());
        let asked = matches!(role, Role::PreCandidate | Role::Candidate);
        if stands && asked && self.overtaken == Some(node) {
            self.signs.insert(Rule::Overtaken);
        } else if stands && self.standing != Some(node) {
            self.watch
                .broken
                .push(format!("node {node} stands, though the script let no time-out of it run out"));
        }
        if before.is_some_and(|before| before != signs::state(raft)) {
            say(|| format!("  ours   {node}: {}", signs::state(raft)));
        }
        if raft.is_leader() {
            self.watch.leads(raft.term().0, node);
        }
        if let Some(to) = raft.transferring() {
            self.successors.insert(raft.term().0, number(to));
        }
        host.writing.extend(ready.persist);
        for (to, message) in ready.messages {
            say(|| format!("  ours       {node} to {}: {} {:?}", number(&to), message.term, message.body));
            self.net.send(node, number(&to), message);
        }
        for entry in ready.committed {
            let payload = if let Payload::App(value) = entry.payload { Some(value) } else { None };
            host.applied.extend(payload);
            self.watch.committed(node, (entry.index.0, entry.term.0, payload));
        }
        Some(out)
    }

    fn write(&mut self, node: usize) {
        while !self.nodes[node].is_stalled
            && let Some(persist) = self.nodes[node].writing.pop_front()
        {
            let id = persist.id;
            self.nodes[node].disk.write(persist);
            self.input(node, |raft, now| raft.persisted(now, id));
        }
    }

    /// A beat, unless it is of a leader that its receiver has left behind: it would count as a voter heard, and who hears a
    /// quorum stands by itself.
    fn beat(&mut self, from: usize, to: usize) {
        let term = self.nodes[to].raft.as_ref().map(|raft| raft.term().0);
        let is_past = self.leads(to).is_none() && self.leads(from).is_some_and(|led| Some(led) < term);
        if self.net.is_open(from, to) && !is_past {
            self.hear(from, to);
        }
    }

    fn hear(&mut self, from: usize, to: usize) {
        let host = &self.nodes[from];
        let Some(raft) = &host.raft else { return };
        let (mut part, sent_at) = (raft.beat_parts(host.now)(&id(to)), host.now);
        part.misses.clear();
        self.input(to, |raft, now| raft.beat(now, &id(from), &part, sent_at));
    }

    /// Leaders are heard by all, and hear all; the newest first.
    fn beats(&mut self) {
        let mut leaders: Vec<usize> = (0..self.nodes.len()).filter(|n| self.leads(*n).is_some()).collect();
        leaders.sort_by_key(|n| std::cmp::Reverse(self.leads(*n)));
        for leader in &leaders {
            for other in (0..self.nodes.len()).filter(|n| n != leader) {
                if self.leads(*leader).is_some() {
                    self.beat(*leader, other);
                }
            }
        }
        for leader in leaders {
            for other in (0..self.nodes.len()).filter(|n| *n != leader) {
                // There they are answers to the leader's.
                if self.leads(leader).is_some() && self.net.is_open(leader, other) {
                    self.beat(other, leader);
                }
            }
        }
    }

    fn reset(&mut self, node: usize, peer: usize) {
        self.input(node, |raft, now| raft.peer_reset(now, &id(peer)));
    }
}

impl Twin for Ours {
    fn time_out(&mut self, nodes: &[usize]) {
        for node in nodes {
            if self.nodes[*node].raft.is_none() || self.leads(*node).is_some() {
                continue;
            }
            self.standing = Some(*node);
            self.nodes[*node].now = self.nodes[*node].now + JUMP;
            for other in (0..self.nodes.len()).filter(|n| n != node) {
                // Not those of a leader: the time-out would not have run out. A slow stream does not hold up beats; without
                // them nobody would ask whose question is answered late.
                if self.leads(other).is_none() && self.net.link(other, *node) != Link::Cut {
                    self.hear(other, *node);
                }
            }
            self.input(*node, |raft, now| raft.tick(now));
            self.standing = None;
            let role = self.nodes[*node].raft.as_ref().map(Raft::role);
            let votes =
                self.in_force(*node).is_some_and(|(now, before)| now.contains(node) || before.contains(node));
            match role {
                Some(Role::Follower) => self.signs.insert(Rule::NobodyHeard),
                Some(Role::Learner) if votes => self.signs.insert(Rule::EmptyLog),
                Some(Role::PreCandidate | Role::Candidate | Role::Leader) if !votes => {
                    self.signs.insert(Rule::LeftOut)
                }
                _ => false,
            };
        }
    }

    fn round(&mut self) {
        for (from, to, message) in self.net.arrived() {
            say(|| format!("  ours   {from} at {to}: {} {:?}", message.term, message.body));
            self.nodes[to].now = self.nodes[to].now + Duration::from_nanos(1);
            let is_leading = matches!(message.body, Body::Append { .. } | Body::Chunk { .. });
            self.note_signs(from, to, &message);
            let votes = matches!(message.body, Body::Vote { .. });
            let is_new = |raft: &Raft<u64>| raft.is_leader() && raft.lease_until().is_none();
            let was_new = votes && self.nodes[to].raft.as_ref().is_some_and(is_new);
            let is_answer = matches!(message.body, Body::AppendAck { .. } | Body::ChunkAck { .. });
            self.overtaken = if votes { Some(to) } else { None };
            self.input(to, |raft, now| raft.receive(now, &id(from), message));
            self.overtaken = None;
            if was_new && self.leads(to).is_none() {
                self.signs.insert(Rule::NewLeader);
            }
            if is_leading && self.leads(from).is_some() || is_answer && self.leads(to).is_some() {
                self.beat(from, to);
            }
        }
        for node in 0..self.nodes.len() {
            self.write(node);
        }
    }

    fn is_quiet(&self) -> bool {
        self.net.is_quiet() && self.nodes.iter().all(|n| n.is_stalled || n.writing.is_empty())
    }

    fn pass(&mut self, tenths: usize) {
        for _ in 0..tenths {
            for node in &mut self.nodes {
                node.now = node.now + SLICE;
            }
            self.beats();
            for node in 0..self.nodes.len() {
                self.input(node, |raft, now| raft.tick(now));
            }
            drain(self);
        }
    }

    fn may_propose(&self, node: usize) -> bool {
        let raft = self.nodes[node].raft.as_ref();
        raft.is_some_and(|raft| raft.is_leader() && raft.transferring().is_none())
    }

    fn propose(&mut self, node: usize, value: u64) -> bool {
        self.input(node, |raft, now| raft.propose(now, vec![value]).is_ok()) == Some(true)
    }

    fn change(&mut self, node: usize, voters: &[usize]) -> bool {
        let learners = (0..self.nodes.len()).filter(|n| !voters.contains(n)).map(id).collect();
        let voters = voters.iter().map(|n| Voter { node: id(*n), store: None }).collect();
        let set = VoterSet { voters, learners };
        self.input(node, |raft, now| raft.change_voters(now, set).is_ok()) == Some(true)
    }

    fn link(&mut self, from: usize, to: usize, link: Link) {
        let was = self.net.link(from, to);
        self.net.set(from, to, link);
        if was == Link::Cut && link != Link::Cut {
            self.reset(from, to);
            self.reset(to, from);
        }
    }

    fn crash(&mut self, node: usize) {
        let host = &mut self.nodes[node];
        host.raft = None;
        host.writing.clear();
        host.is_stalled = false;
        self.net.broke(node);
    }

    fn restart(&mut self, node: usize) {
        if self.nodes[node].raft.is_some() {
            return;
        }
        let meta = SnapshotMeta { pos: LogPos::default(), membership: self.formation.clone() };
        let snapshot = Snapshot { meta, data: Arc::from([]) };
        let host = &mut self.nodes[node];
        host.session += 1;
        let session = SessionId((node as u128) << 64 | host.session);
        let mut settings = Settings::derived(id(node), store(node), session, T_LOST, |_| 8);
        (settings.rank_delay, settings.retry_max) = (Duration::ZERO, RETRY);
        let restored = Restored::Intact {
            hard: host.disk.hard.clone(),
            snapshot,
            log: host.disk.log.clone(),
            peers: host.disk.peers.clone(),
        };
        host.applied.clear();
        let raft = Raft::new(settings, restored, host.now, node as u64);
        host.raft = Some(raft.expect("what the disk holds is whole"));
        host.now = host.now + 3 * T_LOST;
        self.input(node, |raft, now| raft.tick(now));
        for other in (0..self.nodes.len()).filter(|n| *n != node) {
            self.reset(other, node);
            self.reset(node, other);
        }
    }

    fn stall(&mut self, node: usize, is_stalled: bool) {
        self.nodes[node].is_stalled = is_stalled && self.nodes[node].raft.is_some();
    }

    fn leads(&self, node: usize) -> Option<u64> {
        let raft = self.nodes[node].raft.as_ref()?;
        raft.is_leader().then_some(raft.term().0)
    }

    fn applied(&self, node: usize) -> &[u64] {
        &self.nodes[node].applied
    }

    fn in_force(&self, node: usize) -> Option<(BTreeSet<usize>, BTreeSet<usize>)> {
        let members = self.nodes[node].raft.as_ref()?.membership();
        let outgoing = members.outgoing.iter().flat_map(|set| set.keys());
        Some((members.voters.keys().map(number).collect(), outgoing.map(number).collect()))
    }

    fn reaches(&self, from: usize, to: usize) -> bool {
        self.net.is_open(from, to) && self.nodes[from].raft.is_some()
    }

    fn last(&self, node: usize) -> Option<(u64, u64)> {
        let last = self.nodes[node].raft.as_ref()?.last_log();
        Some((last.term.0, last.index.0))
    }

    fn term(&self, node: usize) -> Option<u64> {
        Some(self.nodes[node].raft.as_ref()?.term().0)
    }

    fn is_bound(&self, node: usize) -> bool {
        let Node { raft, now, .. } = &self.nodes[node];
        raft.as_ref().is_some_and(|raft| !raft.is_leader() && *now < raft.promised_until())
    }

    fn asks(&self, node: usize) -> bool {
        let role = self.nodes[node].raft.as_ref().map(Raft::role);
        matches!(role, Some(Role::PreCandidate | Role::Candidate))
    }

    fn questions(&self) -> Vec<(usize, usize, Question)> {
        let mut all: Vec<_> = self
            .net
            .all()
            .filter_map(|(from, to, m)| Some((*from, *to, signs::question(&m.body)?)))
            .collect();
        all.sort_unstable();
        all
    }

    fn watch(&mut self) -> &mut Watch {
        &mut self.watch
    }
}
