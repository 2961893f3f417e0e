//! What is kept of a scenario's life: what was said, with its time, for `expect`; who truly ran what and had power, for
//! `facts`.
//!
//! Must not know: what anybody thinks of it. Invariant: the spans are taken from the world after each event, never from a
//! node's word.

use super::reply;
use crate::act::{Act, Order};
use crate::world::{S, World};
use ha_core::AgentOutcome;
use ha_fencing::CallOutcome;
use ha_model::{AdminReply, AdminRequest, InstanceId, NodeId, Notice};
use std::collections::{BTreeMap, BTreeSet};

/// Lines of a journal at most: a scenario is to be read.
const LINES_MAX: usize = 2_000;

/// From when until when, in the world's nanoseconds since power-on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span {
    /// Its beginning.
    pub from: u64,
    /// Its end; `None`: it lasts.
    pub to: Option<u64>,
}

impl Span {
    /// Whether it covers a time.
    #[must_use]
    pub fn covers(&self, t: u64) -> bool {
        self.from <= t && self.to.is_none_or(|to| t < to)
    }
}

/// Times in which something held, in their order.
pub type Spans = Vec<Span>;

/// An operator's order.
#[derive(Clone, Debug)]
pub struct Asked {
    id: u64,
    at: NodeId,
    /// In words of a scenario.
    pub words: String,
    /// What was asked.
    pub request: AdminRequest,
    /// What was answered.
    pub reply: Option<AdminReply>,
}

/// What is kept.
#[derive(Clone, Debug, Default)]
pub struct Recorder {
    /// Lines of the journal.
    pub lines: Vec<String>,
    /// Nothing is written into the journal.
    pub is_quiet: bool,
    /// Everything that was said.
    pub notices: Vec<Notice>,
    /// Orders of operators.
    pub orders: Vec<Asked>,
    /// Answers of fence agents.
    pub calls: Vec<CallOutcome>,
    /// Answers of agents of resources.
    pub outcomes: Vec<AgentOutcome>,
    /// Acts that had nobody to be done to, or changed nothing.
    pub idle: Vec<String>,
    /// Who ran what.
    pub runs: BTreeMap<(String, NodeId), Spans>,
    /// When a host had power.
    pub power: BTreeMap<NodeId, Spans>,
    /// When a host stood still.
    pub frozen: BTreeMap<NodeId, Spans>,
    /// When a host was the only one that led.
    pub leads: BTreeMap<NodeId, Spans>,
    /// When a switch was told to take a host's power, and did; and whether it had any.
    pub cuts: Vec<(u64, NodeId, bool)>,
    /// Who votes, as committed.
    pub voters: Vec<NodeId>,
    /// The newest time.
    pub t: u64,
    pub(super) width: usize,
    /// Of each host at the last look: power, standing still, leading, what runs.
    pub(super) last: Vec<(bool, bool, bool, BTreeSet<InstanceId>)>,
}

fn holds(spans: &Spans) -> bool {
    spans.last().is_some_and(|s| s.to.is_none())
}

fn note(spans: &mut Spans, t: u64, is: bool) {
    match (holds(spans), is) {
        (false, true) => spans.push(Span { from: t, to: None }),
        (true, false) => spans.iter_mut().next_back().into_iter().for_each(|s| s.to = Some(t)),
        (true, true) | (false, false) => {}
    }
}

impl Recorder {
    pub(crate) fn new(world: &World) -> Self {
        let width = world.hosts.keys().map(|n| n.as_str().len()).max().unwrap_or(0);
        let mut recorder = Self { width, ..Self::default() };
        recorder.look(world);
        recorder
    }

    /// Takes down what is so after an event.
    pub(crate) fn look(&mut self, world: &World) {
        let t = world.t - S;
        self.t = t;
        self.take_replies(world);
        if self.voters != world.ledger.voters {
            self.voters.clone_from(&world.ledger.voters);
        }
        // Most events change nothing of it.
        let mut same = self.last.iter();
        let is_same = world.hosts.values().all(|host| {
            let is = (host.is_on, host.is_frozen, host.leads());
            same.next().is_some_and(|s| (s.0, s.1, s.2) == is && s.3 == host.alive())
        });
        if is_same {
            return;
        }
        let of = |h: &crate::world::Host| (h.is_on, h.is_frozen, h.leads(), h.alive());
        self.last = world.hosts.values().map(of).collect();
        self.take_spans(t, world);
    }

    fn take_spans(&mut self, t: u64, world: &World) {
        let leader = match world.leaders_now().as_slice() {
            [leader] => Some(leader.clone()),
            _ => None,
        };
        for (id, host) in &world.hosts {
            note(self.power.entry(id.clone()).or_default(), t, host.is_on);
            note(self.frozen.entry(id.clone()).or_default(), t, host.is_frozen);
            note(self.leads.entry(id.clone()).or_default(), t, leader.as_ref() == Some(id));
            for instance in host.alive() {
                note(self.runs.entry((instance.to_string(), id.clone())).or_default(), t, true);
            }
        }
        for ((instance, id), spans) in &mut self.runs {
            let is = world.hosts.get(id).is_some_and(|h| h.alive().iter().any(|r| r.as_str() == instance));
            note(spans, t, is);
        }
    }

    fn take_replies(&mut self, world: &World) {
        for at in 0..self.orders.len() {
            let order = &self.orders[at];
            if order.reply.is_some() {
                continue;
            }
            let daemon = world.hosts.get(&order.at).and_then(|h| h.daemon.as_ref());
            let Some(answer) = daemon.and_then(|d| d.replies.get(&order.id)).cloned() else { continue };
            let (node, words) = (order.at.clone(), order.words.clone());
            for line in reply::lines(&answer) {
                self.line(world.t - S, node.as_str(), "operator", &format!("{words}: {line}"));
            }
            self.orders[at].reply = Some(answer);
        }
    }

    fn line(&mut self, t: u64, node: &str, area: &str, text: &str) {
        if self.is_quiet || self.lines.len() >= LINES_MAX {
            return;
        }
        let (seconds, millis) = (t / S, t % S / 1_000_000);
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let width = self.width;
        self.lines.push(format!("{seconds:>5}.{millis:03}  {node:<width$}  {area:<10}  {text}"));
    }

    /// An act begins.
    pub(crate) fn acted(&mut self, t: u64, act: &Act) {
        self.line(t - S, "", "--", &act.to_string());
    }

    /// Everything is mended.
    pub(crate) fn mended(&mut self, t: u64) {
        self.is_quiet = false;
        self.line(t - S, "", "--", "mend");
    }

    pub(crate) fn was_idle(&mut self, act: &Act) {
        self.idle.push(act.to_string());
    }

    /// An operator asks.
    pub(crate) fn asked(&mut self, id: u64, at: &NodeId, order: &Order, request: &AdminRequest) {
        let (at, words) = (at.clone(), order.to_string());
        self.orders.push(Asked { id, at, words, request: request.clone(), reply: None });
    }

    /// A core says something.
    pub(crate) fn said(&mut self, t: u64, id: &NodeId, notice: &Notice) {
        self.line(t - S, id.as_str(), notice.subsystem(), &notice.text());
        self.notices.push(notice.clone());
    }

    pub(crate) fn called(&mut self, outcome: &CallOutcome) {
        if !self.calls.contains(outcome) {
            self.calls.push(outcome.clone());
        }
    }

    pub(crate) fn ended(&mut self, outcome: &AgentOutcome) {
        if !self.outcomes.contains(outcome) {
            self.outcomes.push(outcome.clone());
        }
    }

    /// A switch takes a host's power.
    pub(crate) fn cut(&mut self, t: u64, id: &NodeId, had_power: bool) {
        self.cuts.push((t - S, id.clone(), had_power));
    }

    /// A watchdog resets its host.
    pub(crate) fn reset(&mut self, t: u64, id: &NodeId) {
        self.line(t - S, id.as_str(), "--", "its watchdog resets it");
    }

    /// Instances that ever ran.
    #[must_use]
    pub fn known(&self) -> BTreeSet<&str> {
        self.runs.keys().map(|(instance, _)| instance.as_str()).collect()
    }
}
