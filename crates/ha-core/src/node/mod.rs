//! One node: the step that routes inputs, and the order of work within it.
//!
//! Must not know: any shell. Invariants: effects that depend on a write leave only after its `Persisted`; the same
//! inputs give the same effects (S15); duties of a leader run only while this node leads and has applied an entry
//! of its own term.

mod admin;
mod admin_pass;
mod admin_wish;
mod alone;
mod beats;
mod executor;
mod fence_by;
mod fence_drive;
mod formation;
mod hold;
mod jobs;
mod lead;
mod links;
mod local;
mod orders;
mod pace;
mod paths;
mod power;
mod pump;
mod setup;
mod silence;
mod stuck;
#[cfg(test)]
mod tests;
mod view;
mod voters;
mod warnings;
mod watch;
mod watchdog;

pub use setup::{Codec, Restored, Setup};

use crate::effect::Effect;
use crate::input::Input;
use crate::message::PeerMessage;
use crate::state::ClusterState;
use admin::Desk;
use executor::Executor;
use ha_consensus::{PersistId, Raft, Settings, StartError, TransferError};
use ha_membership::{Grant, Membership};
use ha_model::{
    BootNs, ClusterConfig, EffectId, Incarnation, Index, Level, LogEntry, NodeId, Now, PlanId, SessionId,
    Term,
};
use lead::Lead;
use local::Local;
use paths::PathKey;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use warnings::{About, Warnings};
use watchdog::Watchdog;

/// Most steps have no more effects.
const EFFECTS: usize = 8;

/// A write under way.
#[derive(Clone, Copy, Debug, Hash)]
enum Write {
    Votes(PersistId),
    Acted(Term, PlanId),
}

/// One node.
#[derive(Clone, Debug, Hash)]
pub struct Node {
    setup: Setup,
    config: Arc<ClusterConfig>,
    raft: Raft<LogEntry>,
    state: ClusterState,
    applied: Index,
    membership: Membership,
    grant: Grant,
    told_grant: Option<BootNs>,
    local: Local,
    executor: Executor,
    lead: Option<Lead>,
    desk: Desk,
    /// Each with when it was handed out.
    writes: VecDeque<(EffectId, Write, BootNs)>,
    next_effect: u64,
    out: Vec<Effect>,
    loopback: VecDeque<PeerMessage>,
    /// Newest sending time of each peer that was seen here, in which boot of its: its clock starts anew with each.
    core_acks: BTreeMap<NodeId, (Incarnation, BootNs)>,
    streams: BTreeSet<NodeId>,
    /// What positions stand for in the configuration in force.
    positions: [u8; 4],
    /// To whom each peer has a stream, by position in the configuration in force there.
    peer_streams: BTreeMap<NodeId, u32>,
    daemon_gone: BTreeMap<NodeId, BootNs>,
    /// On whose account leadership came here or went from here: until then it does not go on for the same.
    handed_over: BTreeMap<NodeId, BootNs>,
    /// When a boot that is over or condemned was last heard: it is not off, whatever a human says (S7).
    heard_ended: BTreeMap<NodeId, BootNs>,
    /// When the log last said something here about which boot of a node counts.
    life_applied: BTreeMap<NodeId, BootNs>,
    /// When the log last told here of a test of a path.
    tests_applied: BTreeMap<PathKey, BootNs>,
    /// Newest entry of the store at our start: what it says was so before we heard anybody.
    known_at_start: Index,
    /// The newest configuration that the log of the store held at our start, and where.
    stored: Option<(Index, Arc<ClusterConfig>)>,
    warnings: Warnings,
    watchdog: Watchdog,
    is_beat_urgent: bool,
    write_failed: Option<String>,
    /// Why this node takes no further part.
    halted: Option<String>,
}

impl Node {
    /// A node at its daemon's start.
    ///
    /// # Errors
    /// What the store gave back contradicts itself, or the times do.
    pub fn new(setup: Setup, restored: Restored, now: Now) -> Result<Self, StartError> {
        let (state, applied) = match &restored.votes {
            ha_consensus::Restored::Intact { snapshot, .. } if !snapshot.data.is_empty() => {
                let state = setup.codec.read(&snapshot.data).map_err(StartError::Unreadable)?;
                (state, snapshot.meta.pos.index)
            }
            ha_consensus::Restored::Intact { .. }
            | ha_consensus::Restored::Fresh { .. }
            | ha_consensus::Restored::Corrupt
            | ha_consensus::Restored::Wiped => (ClusterState::default(), Index(0)),
        };
        // Votes go by the times that are in force, though the file may name others by now.
        let stored = setup::stored_config(&restored.votes);
        let config = state.parsed().map_or_else(|| Arc::clone(&setup.config), Arc::clone);
        let timing = stored.as_ref().map_or(config.timing, |(_, newest)| newest.timing);
        let t_lease = timing.t_lease.min(timing.t_lost * 4 / 5);
        let settings = Settings {
            t_lease,
            start_wait: t_lease.max(setup.config.timing.t_lease),
            rank_delay: timing.rank_delay,
            retry_max: timing.election_retry,
            limits: setup.limits.clone(),
            ..Settings::derived(
                setup.me.clone(),
                setup.store,
                setup.session,
                timing.t_lost,
                setup.codec.entry_size,
            )
        };
        let raft = Raft::new(settings, restored.votes, now.boot, setup.seed)?;
        Ok(Self {
            membership: Membership::new(config.timing),
            positions: Self::positions_in(&config),
            config,
            state,
            applied,
            grant: Grant::default(),
            told_grant: None,
            local: Local::new(restored.acted, now.boot + timing.t_grant),
            executor: Executor::default(),
            lead: None,
            desk: Desk::default(),
            writes: VecDeque::new(),
            next_effect: 1,
            out: Vec::new(),
            loopback: VecDeque::new(),
            core_acks: BTreeMap::new(),
            streams: BTreeSet::new(),
            peer_streams: BTreeMap::new(),
            daemon_gone: BTreeMap::new(),
            heard_ended: BTreeMap::new(),
            handed_over: BTreeMap::new(),
            life_applied: BTreeMap::new(),
            tests_applied: BTreeMap::new(),
            known_at_start: raft.last_log().index,
            stored,
            warnings: Warnings::default(),
            watchdog: Watchdog::default(),
            is_beat_urgent: true,
            write_failed: None,
            halted: None,
            raft,
            setup,
        })
    }

    /// One step.
    pub fn step(&mut self, now: Now, input: Input) -> Vec<Effect> {
        if let Some(halt) = self.halt() {
            return halt;
        }
        self.take(now, input);
        self.raft.tick(now.boot);
        loop {
            self.pump(now);
            self.lead_duties(now);
            self.local_duties(now);
            self.executor_duties(now);
            let is_quiet = self.loopback.is_empty() && self.raft_is_quiet();
            while let Some(message) = self.loopback.pop_front() {
                self.message(now, &self.setup.me.clone(), message);
            }
            if is_quiet {
                break;
            }
        }
        self.desk_duties(now);
        self.end_warnings(now);
        self.grant_and_beats(now);
        self.watchdog_duties(now);
        self.deadline(now);
        if let Some(halt) = self.halt() {
            return halt;
        }
        let mut effects = std::mem::replace(&mut self.out, Vec::with_capacity(EFFECTS));
        effects.sort_by_key(rank);
        effects
    }

    fn take(&mut self, now: Now, input: Input) {
        self.local.now = now;
        match input {
            Input::Tick => {}
            Input::Beats(beats) => beats.into_iter().for_each(|beat| self.beat(now, beat)),
            Input::Message { from, message } => self.message(now, &from, *message),
            Input::PeerUp { node, incarnation: _, session, config } => {
                self.peer_up(now, &node, session, config);
            }
            Input::PeerDown { node } => {
                self.streams.remove(&node);
            }
            Input::PeerReset { node } => {
                self.streams.remove(&node);
                self.daemon_gone.entry(node).or_insert(now.boot);
            }
            Input::Persisted(id) => self.persisted(now, id),
            Input::PersistFailed { id: _, why } => self.persist_failed(now, why),
            Input::AgentDone { id, outcome } => self.agent_done(now, id, outcome),
            Input::ProcessExited { instance, how } => self.process_exited(now, &instance, &how),
            Input::FenceCallDone { id, outcome } => self.fence_call_done(now, id, outcome),
            Input::Admin { id, who, request } => self.admin(now, id, who, request),
            Input::Watchdog(state) => self.watchdog_is(state),
            Input::Warning { level, text } => self.warn(About::Shell(text.clone()), level, text),
        }
    }

    fn message(&mut self, now: Now, from: &NodeId, message: PeerMessage) {
        match message {
            PeerMessage::Raft(message) => self.raft.receive(now.boot, from, message),
            PeerMessage::Order(order) => self.order(now, from, order),
            PeerMessage::Report(report) => self.report(now, from, report),
            PeerMessage::ExecOrder(order) => self.exec_order(now, from, order),
            PeerMessage::ExecReport(report) => self.exec_report(now, from, report),
            PeerMessage::Admin { id, who, request } => self.admin_forwarded(now, from, id, who, request),
            PeerMessage::AdminReply { id, reply } => self.admin_reply(id, reply),
            PeerMessage::HandsOver { missed } => self.note_hand_over(now, missed),
            PeerMessage::AdminNotTaken { id } => self.admin_not_taken(now, id),
            PeerMessage::ReportWanted { term } => self.report_wanted(from, term),
        }
    }

    fn peer_up(&mut self, now: Now, node: &NodeId, session: SessionId, config: [u8; 4]) {
        self.streams.insert(node.clone());
        self.raft.peer_reset(now.boot, node);
        let file = &self.setup.config.sha256[..4];
        if config != file && self.state.config.is_none() {
            self.warn(
                About::FileOf(node.clone()),
                Level::Warning,
                format!("the cluster file of {node} differs from ours; the leader's will be in force"),
            );
        }
        self.stream_is_new(now, node);
        self.repeat_cuts(node, session);
    }

    fn effect_id(&mut self) -> EffectId {
        let id = EffectId(self.next_effect);
        self.next_effect += 1;
        id
    }

    fn send(&mut self, to: &NodeId, message: PeerMessage) {
        if *to == self.setup.me {
            self.out.push(Effect::SaidToSelf { message: Box::new(message.clone()) });
            self.loopback.push_back(message);
        } else {
            self.out.push(Effect::Send { to: to.clone(), message: Box::new(message) });
        }
    }

    fn deadline(&mut self, now: Now) {
        let lead = self.lead.as_ref().and_then(|l| l.next_deadline(now.boot));
        let next = [
            self.raft.next_deadline(),
            self.membership.next_deadline(now.boot),
            self.local.next_deadline(),
            self.watchdog.next_deadline(),
            self.executor.next_deadline(),
            self.desk.next_deadline(self.config.timing.t_lost),
            self.grant.until().filter(|u| *u > now.boot),
            lead,
        ];
        if let Some(next) = next.into_iter().flatten().min() {
            self.out.push(Effect::Deadline(next));
        }
    }

    /// This node's name.
    #[must_use]
    pub fn me(&self) -> &NodeId {
        &self.setup.me
    }

    /// The replicated state as far as applied here.
    #[must_use]
    pub fn state(&self) -> &ClusterState {
        &self.state
    }

    /// The newest entry applied here.
    #[must_use]
    pub fn applied(&self) -> Index {
        self.applied
    }

    /// Votes and log, for reading.
    #[must_use]
    pub fn votes(&self) -> &Raft<LogEntry> {
        &self.raft
    }

    /// The configuration that this node goes by.
    #[must_use]
    pub fn config(&self) -> &ClusterConfig {
        &self.config
    }

    /// What a leader still has to do, in words; `None` where it has nothing to do, or does not lead.
    #[must_use]
    pub fn unfinished(&self) -> Option<String> {
        self.lead.as_ref().and_then(Lead::unfinished)
    }

    /// Asks this leader to let another lead, as before maintenance.
    ///
    /// # Errors
    /// Why it is refused; nothing changed.
    pub fn hand_over(&mut self, now: BootNs, to: &NodeId) -> Result<(), TransferError> {
        self.raft.transfer(now, to)
    }

    /// The longest gap between two heartbeats that counted, of any peer, since the last call.
    pub fn take_longest_gap(&mut self) -> std::time::Duration {
        self.membership.take_longest_gap()
    }
}

/// The written order in which effects of one step are carried out.
fn rank(effect: &Effect) -> u8 {
    match effect {
        Effect::Persist { .. } => 0,
        Effect::Send { .. } | Effect::SaidToSelf { .. } => 1,
        Effect::ConfigInForce(_) => 2,
        Effect::Grant { .. } | Effect::Pet { .. } => 3,
        Effect::Beat { .. } => 4,
        // In the order in which they arose: what begins and is cancelled in one step must not begin after that.
        Effect::CancelAgent { .. }
        | Effect::CancelFence { .. }
        | Effect::Watchdog(_)
        | Effect::RunAgent(_)
        | Effect::RunFence(_) => 5,
        Effect::AdminReply { .. } => 6,
        Effect::Tell(_) | Effect::TellLocal(_) | Effect::KeepPlannerInput(_) => 7,
        Effect::Deadline(_) => 8,
        Effect::Halt { .. } => 9,
    }
}
