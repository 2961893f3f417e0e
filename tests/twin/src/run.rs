//! One script on both, then the comparison.

use crate::net::Link;
use crate::ours::Ours;
use crate::rules::{Apart, Rule, excuse};
use crate::script::{Script, Step};
use crate::theirs::Theirs;
use crate::trace::say;
use crate::twin::{Twin, drain, leader};
use std::collections::{BTreeMap, BTreeSet};

/// The marker that is proposed last: it commits only where a leader serves.
const LAST: u64 = 1 << 60;
/// Tries of the end to find a leader: each node more than once.
const TRIES: usize = 24;

/// Tenths of a time-out after which a leader without a quorum leads no more: the crate looks once in a time-out whether it was
/// answered since it last looked, so up to twice that.
const LEADER_ENDS: usize = 22;
/// And after which those who heard it may vote again.
const PROMISE_ENDS: usize = 12;

/// What one implementation made of a script.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Made {
    /// Payloads committed, in order.
    pub payloads: Vec<u64>,
    /// Voters at the end.
    pub voters: BTreeSet<usize>,
    /// Rules broken.
    pub broken: Vec<String>,
}

/// What came of a schedule.
#[derive(Debug, Default)]
pub struct Compared {
    /// Ours.
    pub ours: Made,
    /// Theirs.
    pub theirs: Made,
    /// Things that happened, counted over all schedules.
    pub seen: BTreeMap<&'static str, usize>,
    /// Of what happened, with its step; for one schedule that is looked at.
    pub journal: Vec<String>,
    apart: Vec<Apart>,
}

/// How a schedule ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The same was committed, and the same nodes vote.
    Equal,
    /// It was not, and a rule permits that.
    Excused(Rule),
    /// It was not, or one of them broke a promise of its own.
    Differs(String),
}

impl Compared {
    /// Judges.
    pub fn verdict(&self) -> Verdict {
        for (whose, made) in [("ours", &self.ours), ("theirs", &self.theirs)] {
            if let Some(broken) = made.broken.first() {
                return Verdict::Differs(format!("{whose}: {broken}"));
            }
        }
        if self.ours == self.theirs {
            return Verdict::Equal;
        }
        let what = if self.ours.voters == self.theirs.voters { "payloads" } else { "voters" };
        excuse(&self.apart).map_or_else(|| Verdict::Differs(format!("{what} differ")), Verdict::Excused)
    }
}

struct Both<'a> {
    script: &'a Script,
    ours: Ours,
    theirs: Theirs,
    out: Compared,
}

/// Runs one script on both.
pub fn compare(script: &Script) -> Compared {
    let (ours, theirs) = (Ours::new(script.nodes, script.voters), Theirs::new(script.nodes, script.voters));
    let mut both = Both { script, ours, theirs, out: Compared::default() };
    both.note("begin".into());
    for step in &script.steps {
        say(|| format!("== {step:?}"));
        both.step(step);
        both.note(format!("{step:?}"));
    }
    both.mend();
    both.out.seen.extend(both.theirs.adapted);
    both.out
}

impl Both<'_> {
    fn each(&mut self, mut what: impl FnMut(&mut dyn Twin)) {
        what(&mut self.ours);
        self.theirs.successors.clone_from(&self.ours.successors);
        what(&mut self.theirs);
    }

    fn see(&mut self, what: &'static str) {
        *self.out.seen.entry(what).or_default() += 1;
    }

    fn leaders(&self) -> (Option<usize>, Option<usize>) {
        (leader(&self.ours, self.script.nodes), leader(&self.theirs, self.script.nodes))
    }

    fn note(&mut self, step: String) {
        let nodes = self.script.nodes;
        let state = |twin: &dyn Twin| {
            let of = |n| match twin.leads(n) {
                Some(term) => format!("{}*{term}", twin.applied(n).len()),
                None => twin.applied(n).len().to_string(),
            };
            (0..nodes).map(of).collect::<Vec<_>>().join(" ")
        };
        let mut signs = std::mem::take(&mut self.ours.signs);
        if std::mem::take(&mut self.ours.told) != std::mem::take(&mut self.theirs.told) {
            signs.insert(Rule::Told);
        }
        if std::mem::take(&mut self.theirs.is_late) {
            signs.insert(Rule::LatePromise);
        }
        let apart = Apart::now(&self.ours, &self.theirs, nodes, signs);
        let differ = format!("{:?} {:?}", apart.parts, apart.signs).replace("{}", "");
        let line = format!("{step:<28} | {:<28} | {:<28} | {differ}", state(&self.ours), state(&self.theirs));
        self.out.journal.push(line);
        self.out.apart.push(apart);
    }

    fn step(&mut self, step: &Step) {
        let nodes = self.script.nodes;
        match step {
            Step::TimeOut(who) => self.each(|t| t.time_out(who)),
            Step::Rounds(n) => self.each(|t| (0..*n).for_each(|_| t.round())),
            Step::Drain => self.each(drain),
            Step::Pass => self.each(|t| pass(t, nodes)),
            Step::Propose(value) => self.propose(*value),
            Step::ProposeAt(node, value) => self.each(|t| {
                t.propose(*node, *value);
            }),
            Step::Link(from, to, link) => self.each(|t| t.link(*from, *to, *link)),
            Step::Part(some) => self.each(|t| {
                for (a, b) in pairs(nodes).filter(|(a, b)| some.contains(a) != some.contains(b)) {
                    t.link(a, b, Link::Cut);
                }
            }),
            Step::Heal => self.each(|t| pairs(nodes).for_each(|(a, b)| t.link(a, b, Link::Open))),
            Step::Crash(node) => self.each(|t| t.crash(*node)),
            Step::Restart(node) => self.each(|t| t.restart(*node)),
            Step::Stall(node) => self.each(|t| t.stall(*node, true)),
            Step::Resume(node) => self.each(|t| t.stall(*node, false)),
            Step::Voters(voters) => self.change(voters),
        }
    }

    fn propose(&mut self, value: u64) {
        let (o, t) = self.leaders();
        self.see(match (o, t) {
            (None, None) => "proposals without a leader",
            (Some(a), Some(b)) if a == b => "proposals to the same leader",
            _ => "proposals to different leaders",
        });
        let refused =
            o.is_some_and(|o| !self.ours.may_propose(o)) || t.is_some_and(|t| !self.theirs.may_propose(t));
        if refused {
            self.see("proposals kept back while a leader hands over");
            return;
        }
        if let Some(node) = o {
            self.ours.propose(node, value);
        }
        if let Some(node) = t {
            self.theirs.propose(node, value);
        }
    }

    fn change(&mut self, voters: &[usize]) {
        let (Some(o), Some(t)) = self.leaders() else { return };
        if !self.ours.change(o, voters) {
            self.see("changes refused by ours");
        } else if self.theirs.change(t, voters) {
            self.see("changes begun");
        } else {
            self.see("changes refused by theirs");
        }
    }

    /// All is mended; the script's last order of candidates finds a leader in each, and all settle.
    fn mend(&mut self) {
        let nodes = self.script.nodes;
        self.each(|t| {
            for node in 0..nodes {
                t.stall(node, false);
                t.restart(node);
            }
            pairs(nodes).for_each(|(a, b)| t.link(a, b, Link::Open));
            drain(t);
            pass(t, nodes);
        });
        self.note("mended".into());
        for turn in 0..TRIES {
            if let (Some(_), Some(_)) = self.leaders() {
                break;
            }
            let who = self.script.order[turn % nodes];
            self.each(|t| {
                pass(t, nodes);
                t.time_out(&[who]);
                drain(t);
            });
            self.note(format!("end: {who} stands"));
        }
        let (o, t) = self.leaders();
        for (twin, leader) in [(&mut self.ours as &mut dyn Twin, o), (&mut self.theirs, t)] {
            if let Some(leader) = leader {
                twin.propose(leader, LAST);
            }
            drain(twin);
            pass(twin, nodes);
            pass(twin, nodes);
        }
        self.note("quiet".into());
        self.out.ours = made(&mut self.ours, nodes);
        self.out.theirs = made(&mut self.theirs, nodes);
    }
}

fn pairs(nodes: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..nodes).flat_map(move |a| (0..nodes).filter(move |b| *b != a).map(move |b| (a, b)))
}

/// Time passes until nobody is bound by what was before: what is under way arrives, leaders without a quorum end, and then
/// the promises to them.
fn pass(twin: &mut dyn Twin, nodes: usize) {
    drain(twin);
    twin.pass(LEADER_ENDS);
    unanswered(twin, nodes);
    twin.pass(PROMISE_ENDS);
}

/// A leader that no quorum can have answered for a whole pass leads no more.
fn unanswered(twin: &mut dyn Twin, nodes: usize) {
    for node in 0..nodes {
        let (Some(term), Some((voters, outgoing))) = (twin.leads(node), twin.in_force(node)) else {
            continue;
        };
        let answers = |n: &&usize| **n == node || twin.reaches(node, **n) && twin.reaches(**n, node);
        let is_short =
            |set: &BTreeSet<usize>| !set.is_empty() && set.iter().filter(answers).count() <= set.len() / 2;
        if is_short(&voters) || is_short(&outgoing) {
            let what = format!("node {node} leads on in term {term}, though no quorum can have answered");
            twin.watch().broken.push(what);
        }
    }
}

fn made(twin: &mut dyn Twin, nodes: usize) -> Made {
    let mut broken = std::mem::take(&mut twin.watch().broken);
    let payloads = twin.watch().payloads();
    for node in 0..nodes {
        if twin.applied(node) != payloads {
            broken.push(format!("node {node} has applied {:?} of {payloads:?}", twin.applied(node)));
        }
    }
    if payloads.last() != Some(&LAST) {
        broken.push("the last proposal is not committed".into());
    }
    let voters = leader(twin, nodes).and_then(|l| twin.in_force(l)).unwrap_or_default();
    let voters = if voters.1.is_empty() { voters.0 } else { BTreeSet::new() };
    if voters.is_empty() {
        broken.push("no leader that knows its voters".into());
    }
    Made { payloads, voters, broken }
}
