//! What can happen next in a state.
//!
//! Whatever is under way happens at once, unless it is held: then it happens at some later moment, or never. Time goes on only
//! when nothing is under way that is not held. So a delay is a choice, and what a path may contain of choices is its budget.

use super::cluster::{ALL, At, Cluster, INSTANCE, MS};
use super::faults::Fault;
use super::host::Stage;
use super::power::Word;
use super::scopes::Scope;
use super::world::{World, pair_of};
use ha_core::{AgentOp, AgentOutcome, Input};
use ha_fencing::CallAction;
use ha_model::EffectId;
use std::fmt;

/// Something under way, in the order in which it happens where that is not a choice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Item {
    /// A heartbeat that cannot wait.
    Beat(At),
    /// The oldest write becomes durable.
    Write(At),
    /// The oldest message from one to another arrives.
    Message(At, At),
    /// The switch acts for this node, or answers it.
    Call(At, EffectId),
    /// An agent of the resource ends.
    Agent(At, EffectId),
}

/// What a path may still contain.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, Debug)]
pub struct Budget {
    /// Faults.
    pub faults: u8,
    /// Ends of faults.
    pub mends: u8,
    /// Things that are held.
    pub holds: u8,
    /// Answers of the switch that are not what is so.
    pub words: u8,
    /// Agents that fail.
    pub fails: u8,
}

/// One step of a path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Move {
    /// It happens.
    Do(Item),
    /// It is held.
    Hold(Item),
    /// What was held happens now.
    Release(Item),
    /// The agent of the switch says something else.
    Say(At, EffectId, Word),
    /// The resource's agent fails: its work is done as badly as can be.
    Fail(At, EffectId),
    /// A fault, or its end.
    Fault(Fault),
    /// Nothing happens until the next moment.
    Time,
}

impl World {
    /// Everything under way, in order.
    #[must_use]
    pub fn under_way(&self) -> Vec<Item> {
        let mut items = Vec::new();
        for at in ALL {
            let host = self.host(at);
            let Some(daemon) = host.awake() else { continue };
            if daemon.is_beat_urgent {
                items.push(Item::Beat(at));
            }
            if !host.disk.writes.is_empty() {
                items.push(Item::Write(at));
            }
            items.extend(
                ALL.into_iter().filter(|from| self.arrives(*from, at)).map(|from| Item::Message(from, at)),
            );
            items.extend(daemon.calls.keys().map(|id| Item::Call(at, *id)));
            items.extend(daemon.runs.keys().map(|id| Item::Agent(at, *id)));
        }
        items.sort_unstable();
        items
    }

    fn arrives(&self, from: At, to: At) -> bool {
        if from == to || self.links[usize::from(from)][usize::from(to)].is_empty() || self.is_cut(from, to) {
            return false;
        }
        let of_stream = self.pairs[pair_of(from, to)].stream.map(|(a, b)| if to < from { a } else { b });
        of_stream == self.host(to).session()
    }

    /// Every move, the undisturbed one first.
    #[must_use]
    pub fn moves(&self, scope: &Scope) -> Vec<Move> {
        let mut moves = Vec::new();
        if self.broken.is_some() {
            return moves;
        }
        let (held, now): (Vec<Item>, Vec<Item>) =
            self.under_way().into_iter().partition(|item| self.held.contains(item));
        let is_quiet = now.is_empty();
        let open: &[Item] = if scope.is_interleaved { &now } else { &now[..now.len().min(1)] };
        moves.extend(open.iter().map(|item| Move::Do(*item)));
        if is_quiet && self.t < self.ends_at {
            moves.push(Move::Time);
            moves.extend(held.into_iter().map(Move::Release));
        }
        for item in open {
            if self.left.holds > 0 && scope.holds(*item) {
                moves.push(Move::Hold(*item));
            }
            if self.left.words > 0
                && let Item::Call(at, id) = item
            {
                moves.extend(
                    self.words(*at, *id, scope.has_liar).iter().map(|word| Move::Say(*at, *id, *word)),
                );
            }
            if self.left.fails > 0
                && let Item::Agent(at, id) = item
            {
                moves.push(Move::Fail(*at, *id));
            }
        }
        let mut faults = Vec::new();
        if self.left.faults > 0 && (is_quiet || !scope.are_faults_quiet) && self.t < self.ends_at {
            for (kind, who) in scope.faults {
                self.faults(*kind, *who, &mut faults);
            }
        }
        if self.left.mends > 0 && is_quiet && self.t < self.ends_at {
            self.mends(&mut faults);
        }
        moves.extend(faults.into_iter().map(Move::Fault));
        moves
    }

    fn words(&self, at: At, id: EffectId, has_liar: bool) -> &'static [Word] {
        let call = self.host(at).daemon.as_ref().and_then(|d| d.calls.get(&id));
        match call.filter(|c| !c.is_cancelled).map(|c| (c.run.action, c.stage)) {
            Some((CallAction::Status, _)) if has_liar => &[Word::Off],
            Some((CallAction::Off, Stage::Asked)) if has_liar => &[Word::Early],
            Some((CallAction::Status, _)) => &[Word::Unknown, Word::TimedOut],
            Some((CallAction::Off | CallAction::On, Stage::Asked)) => &[Word::Refused, Word::Early],
            Some((CallAction::Off | CallAction::On, Stage::Acted)) => &[Word::TimedOut],
            None => &[],
        }
    }

    /// Makes the move.
    pub fn make(&mut self, cluster: &Cluster, next: Move) {
        match next {
            Move::Do(item) => self.happen(cluster, item),
            Move::Hold(item) => {
                self.left.holds -= 1;
                self.held.insert(item);
            }
            Move::Release(item) => {
                self.held.remove(&item);
                self.happen(cluster, item);
            }
            Move::Say(at, id, word) => {
                self.left.words -= 1;
                self.say(cluster, at, id, word);
            }
            Move::Fail(at, id) => {
                self.left.fails -= 1;
                self.agent(cluster, at, id, true);
            }
            Move::Fault(fault @ (Fault::Thaw(_) | Fault::Heal)) => {
                self.left.mends -= 1;
                self.befall(cluster, fault);
            }
            Move::Fault(fault) => {
                self.left.faults -= 1;
                self.befall(cluster, fault);
            }
            Move::Time => self.tick(cluster),
        }
        if !self.held.is_empty() {
            let under_way = self.under_way();
            // Behind a cut, or at a host that stands still, it is held none the less.
            let is_out_of_reach = |item: &Item| match item {
                Item::Message(from, to) => !self.links[usize::from(*from)][usize::from(*to)].is_empty(),
                Item::Beat(at) | Item::Write(at) | Item::Call(at, _) | Item::Agent(at, _) => {
                    self.host(*at).is_frozen
                }
            };
            let held = self.held.iter().copied();
            self.held = held.filter(|item| under_way.contains(item) || is_out_of_reach(item)).collect();
        }
    }

    fn happen(&mut self, cluster: &Cluster, item: Item) {
        match item {
            Item::Beat(at) => self.urgent_beat(cluster, at),
            Item::Write(at) => {
                let host = self.edit(at);
                let disk = std::sync::Arc::make_mut(&mut host.disk);
                if let Some(write) = disk.writes.pop_front() {
                    let id = write.id;
                    disk.write(write);
                    self.step(cluster, at, Input::Persisted(id));
                }
            }
            Item::Message(from, to) => {
                let packet = self.links[usize::from(from)][usize::from(to)].remove(0);
                let message = Box::new(packet.message.clone());
                self.step(cluster, to, Input::Message { from: cluster.name(from).clone(), message });
            }
            Item::Call(at, id) => self.call(cluster, at, id),
            Item::Agent(at, id) => self.agent(cluster, at, id, false),
        }
    }

    /// An agent of the resource ends: what it did, and what it says.
    fn agent(&mut self, cluster: &Cluster, at: At, id: EffectId, fails: bool) {
        let now = self.host(at).clock(self.t);
        let Some(daemon) = &mut self.edit(at).daemon else { return };
        let Some(run) = daemon.runs.remove(&id) else { return };
        let has_grant = daemon.grant.is_some_and(|until| now < until);
        let runs = self.host(at).runs;
        let failed = || AgentOutcome::Failed { why: "it failed".into() };
        let outcome = match run.run.op {
            AgentOp::Start if run.run.needs_grant && !has_grant && !runs => AgentOutcome::GrantLapsed,
            // One that fails, or is cancelled, has done its work all the same.
            AgentOp::Start => {
                self.begins(cluster, at);
                if run.is_cancelled {
                    AgentOutcome::Cancelled
                } else if fails {
                    failed()
                } else {
                    AgentOutcome::Running
                }
            }
            AgentOp::Stop if run.is_cancelled => AgentOutcome::Cancelled,
            AgentOp::Stop if fails => {
                self.edit(at).has_stop_failed = true;
                failed()
            }
            AgentOp::Stop => {
                self.tell(|| format!("    it stopped on {}", cluster.name(at)));
                self.edit(at).runs = false;
                AgentOutcome::NotRunning
            }
            AgentOp::Monitor | AgentOp::Probe if run.is_cancelled => AgentOutcome::Cancelled,
            AgentOp::Monitor | AgentOp::Probe if fails => failed(),
            AgentOp::Monitor | AgentOp::Probe if runs => AgentOutcome::Running,
            AgentOp::Monitor | AgentOp::Probe => AgentOutcome::NotRunning,
        };
        self.step(cluster, at, Input::AgentDone { id, outcome });
    }

    /// A move in words, before it is made.
    #[must_use]
    pub fn words_of(&self, next: Move) -> String {
        match next {
            Move::Do(item) => self.words_of_item(item),
            Move::Hold(item) => format!("HOLD: {}", self.words_of_item(item)),
            Move::Release(item) => format!("at last: {}", self.words_of_item(item)),
            Move::Say(at, id, word) => {
                format!("the switch says {word:?} instead: {}", self.words_of_item(Item::Call(at, id)))
            }
            Move::Fail(at, id) => format!("FAILS: {}", self.words_of_item(Item::Agent(at, id))),
            Move::Fault(fault) => fault.to_string(),
            Move::Time => format!("{} ms pass", (self.next_moment() - self.t) / MS),
        }
    }

    fn words_of_item(&self, item: Item) -> String {
        let n = |at: At| format!("n{}", at + 1);
        let daemon = |at: At| self.host(at).daemon.as_ref();
        match item {
            Item::Beat(at) => format!("{} sends a heartbeat at once", n(at)),
            Item::Write(at) => format!("a write of {} is durable", n(at)),
            Item::Message(from, to) => {
                let packet = self.links[usize::from(from)][usize::from(to)].first();
                let what = packet.map_or_else(String::new, |p| brief(&format!("{:?}", p.message)));
                format!("{} hears {}: {what}", n(to), n(from))
            }
            Item::Call(at, id) => {
                let call = daemon(at).and_then(|d| d.calls.get(&id));
                let what = call.map_or_else(String::new, |c| {
                    format!("{:?} of {}, {:?}", c.run.action, c.run.target, c.stage)
                });
                format!("call {id} of {} to the switch: {what}", n(at))
            }
            Item::Agent(at, id) => {
                let run = daemon(at).and_then(|d| d.runs.get(&id));
                let what = run.map_or_else(String::new, |r| format!("{:?}", r.run.op));
                format!("{what} of {INSTANCE} on {} ends", n(at))
            }
        }
    }
}

/// The beginning of a long line.
fn brief(text: &str) -> String {
    const LONGEST: usize = 140;
    if text.chars().count() <= LONGEST {
        text.to_owned()
    } else {
        text.chars().take(LONGEST).chain("…".chars()).collect()
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { faults, mends, holds, words, fails } = self;
        write!(f, "{faults} faults, {mends} mended, {holds} held, {words} answers, {fails} failures")
    }
}
