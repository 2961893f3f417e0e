//! What must hold in every state, judged from outside: by what truly runs, has power, is durable and was said, never by a
//! node's opinion. The rules are those of `crate::check`; here the ledger is part of the state.
//!
//! Must not know: why a core did what it did.

use super::cluster::{ALL, At, Cluster, MS};
use super::digest;
use super::milestones::Milestones;
use super::world::World;
use ha_consensus::{Body, Message};
use ha_core::state::NodeRecord;
use ha_core::{AgentOp, BeatBody, Effect, ExecJob, Order, OrderOp, PeerMessage};
use ha_model::{BootNs, Incarnation, Index, LogEntry, NodeId, Notice, SessionId, TimelineEvent};
use ha_scheduler::NodeStatus;
use std::collections::{BTreeMap, BTreeSet};

/// How long something may run on after its grant: agents end at once here, or are held.
const STOP_BOUND: u64 = 1000 * MS;

/// What was seen.
#[derive(Clone, Default, Hash, Debug)]
pub struct Ledger {
    /// Who led in each term.
    pub leaders: BTreeMap<u64, At>,
    /// Of which term each entry is that somebody applied.
    pub entries: BTreeMap<u64, u64>,
    /// What was known after each entry at which somebody stood.
    pub states: BTreeMap<u64, u128>,
    /// The log was told through here, at whoever applied it first.
    pub told: u64,
    /// Boots that the log says are over, or condemned.
    pub ended: BTreeSet<(NodeId, Incarnation)>,
    /// The newest heartbeat of each daemon that another has taken.
    pub heard: [Option<(SessionId, BootNs)>; 3],
    /// How far the failover of the first owner is.
    pub milestones: Milestones,
}

impl World {
    /// After each step of a core.
    pub fn judge(&mut self, cluster: &Cluster, at: At) {
        self.judge_leader(cluster, at);
        self.judge_log(cluster, at);
        self.judge_running(cluster, at);
    }

    /// S5: one leader a term, and it has whatever was applied anywhere. S3: one lease at a time.
    fn judge_leader(&mut self, cluster: &Cluster, at: At) {
        if !self.host(at).leads() {
            return;
        }
        let other = ALL.into_iter().find(|o| *o != at && self.has_lease(*o));
        if let Some(other) = other.filter(|_| self.has_lease(at)) {
            return self
                .fail("S3", format!("{} and {} both have a lease", cluster.name(at), cluster.name(other)));
        }
        let Some(node) = self.host(at).node() else { return };
        let term = node.votes().term().0;
        match self.ledger.leaders.get(&term) {
            Some(leader) if *leader == at => {}
            Some(leader) => {
                let (one, other) = (cluster.name(*leader), cluster.name(at));
                self.fail("S5", format!("{one} and {other} lead in term {term}"));
            }
            None => {
                let votes = node.votes();
                let has =
                    |(index, term): (&u64, &u64)| votes.term_at(Index(*index)).is_none_or(|t| t.0 == *term);
                let last = votes.last_log().index.0;
                let lacks = self.ledger.entries.iter().find(|e| *e.0 > last || !has(*e)).map(|(i, _)| *i);
                if let Some(lacks) = lacks {
                    let who = cluster.name(at);
                    return self.fail(
                        "S5",
                        format!("{who} leads in term {term} without entry {lacks}, which was applied"),
                    );
                }
                self.tell(|| format!("    {} leads in term {term}", cluster.name(at)));
                let ledger = self.ledger.edit();
                ledger.leaders.insert(term, at);
                ledger.milestones.leader_changed();
            }
        }
    }

    /// Who stands still believes what it likes: that is what fencing is for. Its clock runs on: when it is thawed the lease is
    /// over by itself.
    fn has_lease(&self, at: At) -> bool {
        let host = self.host(at);
        let leads = host.awake().map(|d| d.node.votes()).filter(|v| v.is_leader());
        leads.and_then(|v| v.lease_until()).is_some_and(|until| until > host.clock(self.t))
    }

    /// S5: what is applied is the same everywhere. S10: voter sets are odd. S15: the same entries make the same state.
    fn judge_log(&mut self, cluster: &Cluster, at: At) {
        let Some(daemon) = &self.host(at).daemon else { return };
        let (checked, applied, votes) = (daemon.checked, daemon.node.applied().0, daemon.node.votes());
        if votes.membership().voters.len().is_multiple_of(2) {
            let members = format!("{:?}", votes.membership());
            return self.fail("S10", format!("{} counts an even set: {members}", cluster.name(at)));
        }
        // A leader may know too early; what others know changes only with what they apply.
        if applied == checked && !self.host(at).leads() {
            return;
        }
        let new: Vec<(u64, u64)> =
            (checked + 1..=applied).filter_map(|i| Some((i, votes.term_at(Index(i))?.0))).collect();
        let state = digest::of(daemon.node.state());
        let ended = daemon.node.state().nodes.iter();
        let ended: Vec<_> = ended.flat_map(|(n, r)| r.ended.iter().map(move |i| (n.clone(), *i))).collect();
        let ledger = self.ledger.edit();
        let mut broken = None;
        for (index, term) in new {
            let known = *ledger.entries.entry(index).or_insert(term);
            if known != term {
                broken = Some((
                    "S5",
                    format!("entry {index} of {} is of term {term}, was of {known}", cluster.name(at)),
                ));
            }
        }
        if *ledger.states.entry(applied).or_insert(state) != state {
            broken = Some((
                "S15",
                format!("{} knows something else than others after entry {applied}", cluster.name(at)),
            ));
        }
        ledger.ended.extend(ended);
        ledger.told = ledger.told.max(applied);
        if let Some(daemon) = &mut self.edit(at).daemon {
            daemon.checked = applied;
        }
        if let Some((rule, what)) = broken {
            self.fail(rule, what);
        }
    }

    /// S4: nothing runs on for long once its grant is over.
    fn judge_running(&mut self, cluster: &Cluster, at: At) {
        let host = self.host(at);
        let Some(daemon) = host.awake().filter(|_| host.runs && !host.has_stop_failed) else { return };
        let now = host.clock(self.t);
        let t_grant = cluster.config.timing.t_grant;
        let until = daemon.grant.unwrap_or_default().max(daemon.started_at + t_grant).max(host.thawed_at);
        let is_stopping = daemon.runs.values().any(|r| r.run.op == AgentOp::Stop);
        if now.0 > until.0 + STOP_BOUND && !is_stopping {
            let ms = (now.0 - until.0) / MS;
            self.fail("S4", format!("it runs on {} without a grant since {ms} ms", cluster.name(at)));
        }
    }

    /// S4: a grant ends T_grant after what it answers was sent; counted from when somebody else has heard it.
    pub fn judge_new_grant(&mut self, at: At, until: BootNs) {
        let host = self.host(at);
        let Some(node) = host.node() else { return };
        let t_grant = node.config().timing.t_grant;
        let heard =
            self.ledger.heard[usize::from(at)].filter(|(session, _)| host.session() == Some(*session));
        let longest = heard.map_or(host.clock(self.t), |(_, sent_at)| sent_at) + t_grant;
        if until > longest {
            self.fail("S4", format!("a grant until {until:?} where {longest:?} is the longest"));
        }
    }

    /// S18: nothing is granted but to members, in the boot that the log knows.
    pub fn judge_bodies(&mut self, cluster: &Cluster, at: At, bodies: &[(NodeId, BeatBody)]) {
        let Some(node) = self.host(at).node() else { return };
        let is_no_member = |(to, body): &&(NodeId, BeatBody)| {
            body.granted.is_some_and(|boot| {
                let is_member =
                    |r: &NodeRecord| r.status == NodeStatus::Member && r.incarnation == Some(boot);
                node.state().node(to).is_none_or(|r| !is_member(r) || r.has_ended(boot))
            })
        };
        if let Some((to, _)) = bodies.iter().find(is_no_member) {
            self.fail("S18", format!("{} grants to a boot of {to} that is no member", cluster.name(at)));
        }
    }

    /// S2, S8: what starts here is nowhere else where there is power, and was looked for here before.
    pub fn judge_start(&mut self, at: At) {
        if !self.host(at).daemon.as_ref().is_some_and(|d| d.is_known) {
            self.fail("S8", "a start without a probe in this session".to_owned());
        }
        if ALL.into_iter().any(|o| o != at && self.host(o).has_any_of_it()) {
            self.fail("S2", "a start while another that has it is not proven off".to_owned());
        }
    }

    /// S1: one owner.
    pub fn begins(&mut self, cluster: &Cluster, at: At) {
        if let Some(other) = ALL.into_iter().find(|o| *o != at && self.host(*o).runs) {
            self.fail("S1", format!("it runs on {} and on {}", cluster.name(at), cluster.name(other)));
        }
        self.tell(|| format!("    it RUNS on {}", cluster.name(at)));
        self.edit(at).runs = true;
        self.ledger.edit().milestones.runs_on(at);
    }

    /// S3: nothing begins to be cut that no committed request is for, as far as the executor can know: its own log is behind
    /// the one of who ordered it at most until it hears more. (The order itself is judged when it leaves.)
    pub fn judge_off(&mut self, cluster: &Cluster, at: At, target: At) {
        let target = cluster.name(target);
        let is_asked = |h: At| self.host(h).node().is_some_and(|n| n.state().fence_of(target).is_some());
        if !ALL.into_iter().any(is_asked) {
            self.fail("S3", format!("{} cuts {target}, and no fence is open for it", cluster.name(at)));
        }
    }

    /// S17: no start order leaves without its open permission. S3: who orders a cut leads. S16: nothing is acknowledged before
    /// it is durable.
    pub fn judge_message(&mut self, cluster: &Cluster, at: At, to: &NodeId, message: &PeerMessage) {
        let Some(node) = self.host(at).node() else { return };
        match message {
            PeerMessage::Order(order) if order.op == OrderOp::Start => {
                let is_permitted = order.spec.objects.iter().all(|object| {
                    let may_run = node.state().may_run.get(object);
                    may_run.is_some_and(|m| m.stamp == order.stamp && m.instance == order.instance)
                });
                if !is_permitted || order.spec.objects.is_empty() {
                    self.fail("S17", format!("{} orders a start without a permission", cluster.name(at)));
                }
            }
            PeerMessage::ExecOrder(order) => {
                let leads_later = |h: &At| {
                    self.host(*h)
                        .node()
                        .is_some_and(|n| n.votes().is_leader() && n.votes().term() > order.term)
                };
                if let Some(newer) = ALL.into_iter().find(leads_later) {
                    let (at, newer, term) = (cluster.name(at), cluster.name(newer), order.term);
                    self.fail("S3", format!("{at}, of term {term}, orders a fence job, and {newer} leads"));
                } else if !self.has_lease(at) {
                    self.fail("S3", format!("{} orders a fence job without a lease", cluster.name(at)));
                } else if matches!(order.what, ExecJob::Cut(_))
                    && node.state().fence_of(&order.target).is_none()
                {
                    let (at, target) = (cluster.name(at), &order.target);
                    self.fail("S3", format!("{at} orders a cut of {target}, and no fence is open for it"));
                }
            }
            PeerMessage::Raft(message) => self.judge_promise(cluster, at, to, message),
            PeerMessage::Order(_)
            | PeerMessage::Report(_)
            | PeerMessage::ExecReport(_)
            | PeerMessage::Admin { .. }
            | PeerMessage::AdminReply { .. }
            | PeerMessage::AdminNotTaken { .. }
            | PeerMessage::HandsOver { .. }
            | PeerMessage::ReportWanted { .. } => {}
        }
    }

    fn judge_promise(&mut self, cluster: &Cluster, at: At, to: &NodeId, message: &Message<LogEntry>) {
        let disk = &self.host(at).disk;
        let hard = &disk.stored.hard;
        let broken = match &message.body {
            Body::AppendAck { matched, .. } if matched.0 > disk.durable_through() => {
                Some(format!("acknowledges {matched}, {} is durable", disk.durable_through()))
            }
            Body::VoteReply { granted: true } => {
                let is_written = hard.term == message.term && hard.voted_for.as_ref() == Some(to);
                let is_kept = is_written || hard.term > message.term;
                (!is_kept).then(|| format!("votes for {to} in term {}, durable is {hard:?}", message.term))
            }
            _ => None,
        };
        if let Some(what) = broken {
            self.fail("S16", format!("{} {what}", cluster.name(at)));
        }
    }

    /// S6: what is older than what the host acted on, or is for another life of it, moves nothing. S16: nor does what is not
    /// durable yet. (Judged in the step in which the order arrives.)
    pub fn judge_order(&mut self, at: At, order: &Order, effects: &[Effect]) {
        let op = match order.op {
            OrderOp::Probe => AgentOp::Probe,
            OrderOp::Start => AgentOp::Start,
            OrderOp::Stop => AgentOp::Stop,
        };
        if !effects.iter().any(|e| matches!(e, Effect::RunAgent(r) if r.op == op)) {
            return;
        }
        let (host, stamp) = (self.host(at), order.stamp);
        let acted = host.disk.stored.acted;
        let is_for_it = stamp.incarnation == host.incarnation() && Some(stamp.session) == host.session();
        if !is_for_it || stamp.age_key() < acted {
            self.fail("S6", format!("{op:?} is carried out by {stamp:?}, acted on {acted:?}"));
        } else if acted < stamp.age_key() {
            self.fail("S16", format!("{op:?} is carried out before its order is durable"));
        }
    }

    /// What the log says, at the first node that applies it. S7: what is proven off is off. S8, S18: what was over stays over.
    pub fn told(&mut self, cluster: &Cluster, at: At, event: &TimelineEvent) {
        if event.index.0 <= self.ledger.told {
            return;
        }
        self.tell(|| format!("    {}: {}", cluster.name(at), event.notice.text()));
        match &event.notice {
            Notice::FenceProven { node, .. } => {
                let Some(target) = cluster.at(node) else { return };
                let is_over = self.host(at).node().and_then(|n| n.state().node(node));
                let is_over = is_over.is_some_and(|r| r.has_ended(self.host(target).incarnation()));
                if is_over && self.host(target).is_on {
                    return self.fail("S7", format!("{node} is proven off and has power"));
                }
                self.ledger.edit().milestones.proven(target);
            }
            Notice::NodeJoined { node, incarnation, .. }
                if self.ledger.ended.contains(&(node.clone(), *incarnation)) =>
            {
                self.fail("S8", format!("{node} joins in a boot that is over"));
            }
            Notice::NodeLost { node, .. } => {
                let node = cluster.at(node);
                self.ledger.edit().milestones.lost(node);
            }
            Notice::FenceAttempt { node, .. } => {
                let node = cluster.at(node);
                self.ledger.edit().milestones.ordered(node);
            }
            _ => {}
        }
    }
}
