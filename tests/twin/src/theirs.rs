//! The crate `raft`, driven by the script.
//!
//! Pre-vote and check-quorum are on, as in our core. Its time-outs are drawn from the process's randomness; each is
//! replaced by one that never runs out, but where the script says so.

mod adapt;
mod words;

use crate::net::{Link, Net};
use crate::trace::{is_on, say};
use crate::twin::{Question, Twin, drain};
use crate::watch::Watch;
use protobuf::Message as _;
use raft::prelude::{
    ConfChangeSingle, ConfChangeTransition, ConfChangeType, ConfChangeV2, ConfState, Entry, EntryType,
    HardState, Message, MessageType,
};
use raft::storage::MemStorage;
use raft::{Config, RawNode, StateRole};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use words::{is_beat, question, state, words};

/// Ticks of an election time-out.
const ELECTION: usize = 10;
/// A time-out that never runs out by itself.
const NEVER: usize = 1 << 40;

/// How the crate marks an election that a leader asked for.
const TRANSFER: &[u8] = b"CampaignTransfer";

/// What one `Ready` wants written.
struct Write {
    number: u64,
    entries: Vec<Entry>,
    hard: Option<HardState>,
    /// To be sent once it is.
    messages: Vec<Message>,
}

#[derive(Default)]
struct Disk {
    hard: HardState,
    log: Vec<Entry>,
}

impl Disk {
    fn write(&mut self, write: &mut Write) {
        if let Some(hard) = write.hard.take() {
            self.hard = hard;
        }
        if let Some(first) = write.entries.first().map(|e| e.index) {
            self.log.retain(|e| e.index < first);
            self.log.append(&mut write.entries);
        }
    }
}

struct Node {
    raw: Option<RawNode<MemStorage>>,
    disk: Disk,
    writing: VecDeque<Write>,
    is_stalled: bool,
    applied: Vec<u64>,
}

/// All nodes of the crate.
pub struct Theirs {
    nodes: Vec<Node>,
    formation: ConfState,
    net: Net<Message>,
    watch: Watch,
    /// Whom our leaders chose when they were voted out, by term.
    pub successors: BTreeMap<u64, usize>,
    /// Leaders that stood again: node and new term, with the term that they gave up.
    tokens: BTreeMap<(usize, u64), u64>,
    /// Who was heard by whom since both started: hearer and speaker.
    heard: BTreeSet<(usize, usize)>,
    /// Who asked for votes, since this was last taken, and got a message without entries of one that leads.
    pub told: BTreeSet<usize>,
    /// Since this was last taken, a message of one that leads no more came to somebody.
    pub is_late: bool,
    /// The term of the pre-vote that is being answered.
    asked: Option<u64>,
    /// Leaders that are no voters any more and hand over: node and term.
    leaving: BTreeSet<(usize, u64)>,
    /// What the crate leaves to its user and ours does by itself, done here as ours does it; how often.
    pub adapted: BTreeMap<&'static str, usize>,
}

fn id(node: usize) -> u64 {
    node as u64 + 1
}

fn number(id: u64) -> usize {
    usize::try_from(id - 1).expect("nodes are few")
}

impl Theirs {
    /// `voters` of `nodes`, all empty.
    pub fn new(nodes: usize, voters: usize) -> Self {
        let mut formation = ConfState::default();
        formation.set_voters((0..voters).map(id).collect());
        formation.set_learners((voters..nodes).map(id).collect());
        let node = |_| Node {
            raw: None,
            disk: Disk::default(),
            writing: VecDeque::new(),
            is_stalled: false,
            applied: Vec::new(),
        };
        let nodes_new = (0..nodes).map(node).collect();
        let mut theirs = Self {
            nodes: nodes_new,
            formation,
            net: Net::default(),
            watch: Watch::default(),
            successors: BTreeMap::new(),
            adapted: BTreeMap::new(),
            tokens: BTreeMap::new(),
            heard: BTreeSet::new(),
            told: BTreeSet::new(),
            is_late: false,
            asked: None,
            leaving: BTreeSet::new(),
        };
        for node in 0..nodes {
            theirs.restart(node);
        }
        theirs
    }

    /// One input, and all that comes of it.
    fn input<T>(&mut self, node: usize, what: impl FnOnce(&mut RawNode<MemStorage>) -> T) -> Option<T> {
        let raw = self.nodes[node].raw.as_mut()?;
        let before = is_on().then(|| state(raw));
        let out = what(raw);
        if before.is_some_and(|before| before != state(raw)) {
            say(|| format!("  theirs {node}: {}", state(raw)));
        }
        raw.raft.set_randomized_election_timeout(NEVER);
        while self.nodes[node].raw.as_ref().is_some_and(RawNode::has_ready) {
            self.ready(node);
        }
        if let Some(term) = self.leads(node) {
            self.watch.leads(term, node);
        }
        Some(out)
    }

    fn ready(&mut self, node: usize) {
        let durable = self.nodes[node].disk.hard.term;
        let Some(raw) = self.nodes[node].raw.as_mut() else { return };
        let mut ready = raw.ready();
        let asked = self.asked;
        // What our core sends without waiting for the disk does not wait here either: answers to heartbeats, as our beats, if
        // their term is durable; and the question for votes that binds nobody.
        let waits = |m: &Message| match m.get_msg_type() {
            MessageType::MsgHeartbeatResponse => m.term != durable,
            MessageType::MsgRequestPreVote => false,
            _ => true,
        };
        let mark = |m| adapt::marked(m, asked);
        let (later, free): (Vec<_>, Vec<_>) =
            ready.take_persisted_messages().into_iter().map(mark).partition(waits);
        let at_once = ready.take_messages().into_iter().chain(free);
        let committed = ready.take_committed_entries();
        let write = Write {
            number: ready.number(),
            entries: ready.take_entries(),
            hard: ready.hs().cloned(),
            messages: later,
        };
        let store = raw.store().clone();
        store.wl().append(&write.entries).expect("entries follow one another");
        if let Some(hard) = &write.hard {
            store.wl().set_hardstate(hard.clone());
        }
        // Where only the commit index moved nothing has to be durable; ours does not even write it.
        let waits_for_nothing = !ready.must_sync();
        raw.advance_append_async(ready);
        for message in at_once {
            self.send(node, message);
        }
        if waits_for_nothing && self.nodes[node].writing.is_empty() {
            self.written(node, write);
        } else {
            self.nodes[node].writing.push_back(write);
        }
        for entry in committed {
            self.apply(node, &entry);
        }
    }

    /// Sends; a beat is a datagram, as in ours: where the link is slow it is lost, not late.
    fn send(&mut self, node: usize, message: Message) {
        say(|| format!("  theirs     {node} to {}: {}", number(message.to), words(&message)));
        let to = number(message.to);
        if !is_beat(&message) || self.net.is_open(node, to) {
            self.net.send(node, to, message);
        }
    }

    fn apply(&mut self, node: usize, entry: &Entry) {
        let host = &mut self.nodes[node];
        let Some(raw) = host.raw.as_mut() else { return };
        let mut payload = None;
        match entry.get_entry_type() {
            EntryType::EntryConfChangeV2 => {
                let mut change = ConfChangeV2::default();
                change.merge_from_bytes(&entry.data).expect("it was written by this program");
                let state = raw.apply_conf_change(&change).expect("a change that was accepted applies");
                raw.store().wl().set_conf_state(state);
            }
            EntryType::EntryConfChange => unreachable!("only changes of the second kind are proposed"),
            EntryType::EntryNormal => {
                payload = <[u8; 8]>::try_from(&*entry.data).ok().map(u64::from_le_bytes);
            }
        }
        host.applied.extend(payload);
        raw.advance_apply_to(entry.index);
        self.hand_over_if_removed(node);
        self.watch.committed(node, (entry.index, entry.term, payload));
    }

    /// A write is durable: what waited for it goes.
    fn written(&mut self, node: usize, mut write: Write) {
        self.nodes[node].disk.write(&mut write);
        for message in write.messages {
            self.send(node, message);
        }
        if let Some(raw) = self.nodes[node].raw.as_mut() {
            raw.on_persist_ready(write.number);
        }
    }

    fn write(&mut self, node: usize) {
        while !self.nodes[node].is_stalled
            && let Some(write) = self.nodes[node].writing.pop_front()
        {
            self.written(node, write);
            self.input(node, |_| ());
        }
    }
}

impl Twin for Theirs {
    fn time_out(&mut self, nodes: &[usize]) {
        for node in nodes {
            if self.leads(*node).is_some() {
                continue;
            }
            self.hear_all(*node);
            self.input(*node, |raw| {
                raw.raft.set_randomized_election_timeout(ELECTION);
                (0..ELECTION).any(|_| raw.tick());
            });
        }
    }

    fn round(&mut self) {
        for (from, to, message) in self.net.arrived() {
            say(|| format!("  theirs {from} at {to}: {}", words(&message)));
            if self.is_promised(from, to, &message) || self.is_unasked(to, &message) {
                continue;
            }
            self.begin_session(to, from);
            self.note_told(from, to, &message);
            self.asked = (message.get_msg_type() == MessageType::MsgRequestPreVote).then_some(message.term);
            let answers = [MessageType::MsgAppendResponse, MessageType::MsgHeartbeatResponse];
            let led = self.leads(to).filter(|_| answers.contains(&message.get_msg_type()));
            // An error is a message that this node has no use for.
            self.input(to, |raw| drop(raw.step(message)));
            self.asked = None;
            if let Some(term) = led {
                self.stand_again(to, term);
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
            for node in 0..self.nodes.len() {
                self.input(node, |raw| raw.tick());
                self.end_if_left(node);
            }
            drain(self);
        }
    }

    fn may_propose(&self, node: usize) -> bool {
        let leads = |raw: &RawNode<MemStorage>| {
            raw.raft.state == StateRole::Leader && raw.raft.lead_transferee.is_none()
        };
        self.nodes[node].raw.as_ref().is_some_and(leads)
    }

    fn propose(&mut self, node: usize, value: u64) -> bool {
        self.leads(node).is_some()
            && self.input(node, |raw| raw.propose(Vec::new(), value.to_le_bytes().to_vec()).is_ok())
                == Some(true)
    }

    fn change(&mut self, node: usize, voters: &[usize]) -> bool {
        let Some((now, _)) = self.in_force(node) else { return false };
        let wanted: BTreeSet<usize> = voters.iter().copied().collect();
        let step = |kind, node: &usize| {
            let mut single = ConfChangeSingle::default();
            single.set_change_type(kind);
            single.node_id = id(*node);
            single
        };
        let added = wanted.difference(&now).map(|n| step(ConfChangeType::AddNode, n));
        let removed = now.difference(&wanted).map(|n| step(ConfChangeType::AddLearnerNode, n));
        let mut change = ConfChangeV2::default();
        change.set_transition(ConfChangeTransition::Implicit);
        change.set_changes(added.chain(removed).collect::<Vec<_>>().into());
        self.input(node, |raw| raw.propose_conf_change(Vec::new(), change).is_ok()) == Some(true)
    }

    fn link(&mut self, from: usize, to: usize, link: Link) {
        let was = self.net.link(from, to);
        if link != Link::Open {
            self.net.lose(from, to, is_beat);
        }
        self.net.set(from, to, link);
        if was == Link::Cut && link != Link::Cut {
            self.reset(from, to);
            self.reset(to, from);
        }
    }

    fn crash(&mut self, node: usize) {
        let host = &mut self.nodes[node];
        host.raw = None;
        host.writing.clear();
        host.is_stalled = false;
        self.net.broke(node);
    }

    fn restart(&mut self, node: usize) {
        let host = &mut self.nodes[node];
        if host.raw.is_some() {
            return;
        }
        let store = MemStorage::new_with_conf_state(self.formation.clone());
        store.wl().append(&host.disk.log).expect("what the disk holds is whole");
        store.wl().set_hardstate(host.disk.hard.clone());
        let config = Config {
            id: id(node),
            election_tick: ELECTION,
            heartbeat_tick: 1,
            max_election_tick: NEVER + 1,
            check_quorum: true,
            pre_vote: true,
            // Followers learn what is committed by the next message or heartbeat, as ours do.
            skip_bcast_commit: true,
            max_size_per_msg: 1 << 20,
            ..Config::default()
        };
        let logger = slog::Logger::root(slog::Discard, slog::o!());
        host.applied.clear();
        self.heard.retain(|(hearer, speaker)| *hearer != node && *speaker != node);
        host.raw = Some(RawNode::new(&config, store, &logger).expect("the configuration is sound"));
        self.input(node, |_| ());
        for other in (0..self.nodes.len()).filter(|n| *n != node) {
            self.reset(other, node);
        }
    }

    fn stall(&mut self, node: usize, is_stalled: bool) {
        self.nodes[node].is_stalled = is_stalled && self.nodes[node].raw.is_some();
    }

    fn leads(&self, node: usize) -> Option<u64> {
        let raw = self.nodes[node].raw.as_ref()?;
        (raw.raft.state == StateRole::Leader).then_some(raw.raft.term)
    }

    fn applied(&self, node: usize) -> &[u64] {
        &self.nodes[node].applied
    }

    fn in_force(&self, node: usize) -> Option<(BTreeSet<usize>, BTreeSet<usize>)> {
        let state = self.nodes[node].raw.as_ref()?.raft.prs().conf().to_conf_state();
        let set = |ids: &[u64]| ids.iter().map(|v| number(*v)).collect();
        Some((set(&state.voters), set(&state.voters_outgoing)))
    }

    fn reaches(&self, from: usize, to: usize) -> bool {
        self.net.is_open(from, to) && self.nodes[from].raw.is_some()
    }

    fn last(&self, node: usize) -> Option<(u64, u64)> {
        let log = &self.nodes[node].raw.as_ref()?.raft.raft_log;
        Some((log.last_term(), log.last_index()))
    }

    fn term(&self, node: usize) -> Option<u64> {
        Some(self.nodes[node].raw.as_ref()?.raft.term)
    }

    fn is_bound(&self, node: usize) -> bool {
        let binds = |raw: &RawNode<MemStorage>| {
            let raft = &raw.raft;
            raft.state != StateRole::Leader && raft.leader_id != 0 && raft.election_elapsed < ELECTION
        };
        self.nodes[node].raw.as_ref().is_some_and(binds)
    }

    fn asks(&self, node: usize) -> bool {
        let asks = |raw: &RawNode<MemStorage>| {
            matches!(raw.raft.state, StateRole::PreCandidate | StateRole::Candidate)
        };
        self.nodes[node].raw.as_ref().is_some_and(asks)
    }

    fn questions(&self) -> Vec<(usize, usize, Question)> {
        let mut all: Vec<_> =
            self.net.all().filter_map(|(from, to, m)| Some((*from, *to, question(m)?))).collect();
        all.sort_unstable();
        all
    }

    fn watch(&mut self) -> &mut Watch {
        &mut self.watch
    }
}
