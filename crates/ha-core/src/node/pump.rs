//! Between votes and everything else: carries out what the vote core is ready for, applies what is committed.

use super::lead::{Key, Lead};
use super::warnings::About;
use super::{Node, Write};
use crate::effect::Effect;
use crate::message::PeerMessage;
use ha_consensus::{Event, Payload, PersistId};
use ha_model::sabotage::{self, Sabotage};
use ha_model::{EffectId, Entry, Index, Level, LogEntry, Now, TimelineEvent};
use std::sync::Arc;

impl Node {
    pub(super) fn raft_is_quiet(&mut self) -> bool {
        let ready = self.raft.take_ready();
        let is_quiet = ready.is_empty();
        if !is_quiet {
            self.carry_out(self.local.now, ready);
        }
        is_quiet
    }

    pub(super) fn pump(&mut self, now: Now) {
        loop {
            let ready = self.raft.take_ready();
            if ready.is_empty() {
                return;
            }
            self.carry_out(now, ready);
        }
    }

    fn carry_out(&mut self, now: Now, ready: ha_consensus::Ready<LogEntry>) {
        if let Some(persist) = ready.persist {
            let id = self.effect_id();
            self.writes.push_back((id, Write::Votes(persist.id), now.boot));
            self.out.push(Effect::Persist { id, votes: Some(Box::new(persist)), acted: None });
        }
        for (to, message) in ready.messages {
            self.send(&to, PeerMessage::Raft(message));
        }
        if let Some(snapshot) = ready.install_snapshot {
            self.install(&snapshot);
        }
        if self.halted.is_some() {
            return;
        }
        for entry in ready.committed {
            self.applied = entry.index;
            if let Payload::App(log_entry) = &entry.payload {
                self.apply(now, entry.index, log_entry);
            }
            self.note_applied(entry.term);
        }
        for event in ready.events {
            self.raft_event(now, event);
        }
    }

    fn install(&mut self, snapshot: &ha_consensus::Snapshot) {
        if snapshot.data.is_empty() {
            return;
        }
        match self.setup.codec.read(&snapshot.data) {
            Ok(state) => {
                self.state = state;
                self.applied = snapshot.meta.pos.index;
                // It may tell of any of them.
                self.life_applied =
                    self.state.nodes.keys().map(|n| (n.clone(), self.local.now.boot)).collect();
                self.tests_applied.clear(); // of any age
                self.config_is_new();
            }
            // What follows it would be applied to the state before it.
            Err(why) => {
                self.halted = Some(format!(
                    "the leader's snapshot cannot be read ({why}): the leader runs a newer hanode; upgrade hanode on this node"
                ));
            }
        }
    }

    /// The only effect of a node that halted; the rest of its step, and what it hears after it, is void.
    pub(super) fn halt(&mut self) -> Option<Vec<Effect>> {
        let why = self.halted.clone()?;
        self.out.clear();
        Some(vec![Effect::Halt { why }])
    }

    fn apply(&mut self, now: Now, index: Index, log_entry: &LogEntry) {
        let mut log_entry = log_entry;
        let own;
        if sabotage::is(Sabotage::ClockInState) {
            own = LogEntry { at: now.wall, ..log_entry.clone() };
            log_entry = &own;
        }
        let applied = self.state.apply(index, log_entry);
        for notice in applied.notices {
            self.out.push(Effect::Tell(TimelineEvent { index, at: log_entry.at, notice }));
        }
        if applied.is_config_new {
            self.config_is_new();
        }
        if index > self.known_at_start {
            self.note_life(now, &log_entry.entry);
            self.note_test(now, &log_entry.entry);
        }
        self.halt_at_what_cannot_be_read(&log_entry.entry);
        self.applied_as_leader(now, index, log_entry);
    }

    /// The leader has read it before it was proposed: going on without it would be another state than the others'.
    fn halt_at_what_cannot_be_read(&mut self, entry: &Entry) {
        if let Entry::Config { name, text, .. } = entry
            && let Err(why) = ha_config::parse(name, text)
        {
            let why = why.render(false);
            self.halted = Some(format!(
                "the configuration that the cluster took cannot be read here: the leader runs another hanode; upgrade \
                 hanode on this node:\n{why}"
            ));
        }
    }

    /// What was heard before this may be of a boot that is over: only what lived after it can be another one.
    fn note_life(&mut self, now: Now, entry: &Entry) {
        let node = match entry {
            Entry::NodeJoined { node, .. } => node,
            Entry::FenceProven { proof, .. } | Entry::FenceConfirmed { proof } => &proof.target,
            Entry::Config { .. }
            | Entry::NodeLost { .. }
            | Entry::NodeReturned { .. }
            | Entry::NodeLeft { .. }
            | Entry::FenceRequested { .. }
            | Entry::FenceWithdrawn { .. }
            | Entry::FenceAttempt { .. }
            | Entry::FenceFailed { .. }
            | Entry::PathTested { .. }
            | Entry::PowerOnRequested { .. }
            | Entry::PowerOnEnded { .. }
            | Entry::MayRun { .. }
            | Entry::Observed { .. }
            | Entry::Leads { .. }
            | Entry::Wish { .. }
            | Entry::WatchdogArmed { .. }
            | Entry::Expired => return,
        };
        self.life_applied.insert(node.clone(), now.boot);
        // A life that another leader let in has a grace of its own, from when its own daemon is gone.
        if let Entry::NodeJoined { .. } = entry {
            self.daemon_gone.remove(node);
        }
    }

    fn config_is_new(&mut self) {
        let Some(config) = self.state.parsed() else { return };
        self.config = Arc::clone(config);
        self.positions = Self::positions_in(config);
        self.membership.set_timing(config.timing);
        self.out.push(Effect::ConfigInForce(Arc::clone(config)));
        self.forget_tests();
        self.adopt_all_times(self.local.now);
    }

    fn raft_event(&mut self, now: Now, event: Event) {
        match event {
            Event::BecameLeader { term } => {
                self.lead = Some(Lead::new(term, now.boot));
                self.is_beat_urgent = true;
                let leader = self.setup.me.clone();
                self.propose(now, Key::Leads, Entry::Leads { leader, term });
            }
            Event::SteppedDown { .. } => {
                let lead = self.lead.take();
                for missed in lead.into_iter().flat_map(|l| l.handover_at.into_keys()) {
                    self.note_hand_over(now, missed);
                }
                self.is_beat_urgent = true;
            }
            Event::LeaderChanged { term, leader } => {
                self.is_beat_urgent = true;
                if let Some(leader) = leader {
                    self.follow(term, &leader);
                }
            }
            Event::VotersChanged { membership, .. } => self.voters_changed(&membership),
            Event::TransferFailed { .. } => {}
            Event::VoteBarred { node, why, .. } => self.warn_of_vote(node, why),
            Event::NoVote(why) => self.note_no_vote(why),
            Event::SnapshotWanted if sabotage::is(Sabotage::NeverCompact) => {}
            Event::SnapshotWanted => {
                let bytes = (self.setup.codec.encode_state)(&self.state);
                // A refusal means that a newer snapshot came in meanwhile: nothing is lost.
                let _ = self.raft.snapshot_taken(self.applied, bytes);
            }
        }
    }

    pub(super) fn persisted(&mut self, now: Now, id: EffectId) {
        let Some((expected, write, _)) = self.writes.pop_front() else { return };
        assert_eq!(expected, id, "S16: writes were confirmed out of order");
        match write {
            Write::Votes(id) => self.raft.persisted(now.boot, id),
            Write::Acted(term, plan) => self.acted_durable(now, (term, plan)),
        }
    }

    pub(super) fn persist_failed(&mut self, now: Now, why: String) {
        if self.write_failed.is_none() {
            self.warn(
                About::Disk,
                Level::Alarm,
                format!(
                    "writing the log failed ({why}): this node acknowledges nothing any more and has no vote; free space \
                     or replace the disk, then restart hanode"
                ),
            );
        }
        self.write_failed = Some(why);
        self.writes.clear();
        self.raft.persist_failed(now.boot, PersistId(0));
    }
}
