//! The script of one schedule, drawn from its seed alone: no step depends on what an implementation does.

use crate::net::Link;
use crate::rng::Rng;

/// One step, for both implementations.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// The election time-outs of these nodes run out, at once.
    TimeOut(Vec<usize>),
    /// So many hops of messages; writes take no time unless their disk stands still.
    Rounds(usize),
    /// As many hops as it takes until nothing is under way.
    Drain,
    /// A bit more than the longest time-out passes, with beats; nobody's election time-out runs out.
    Pass,
    /// A client's proposal, to whoever leads in the highest term.
    Propose(u64),
    /// A client's proposal to this node, if it believes that it leads.
    ProposeAt(usize, u64),
    /// One way of a link.
    Link(usize, usize, Link),
    /// All links between these nodes and the others.
    Part(Vec<usize>),
    /// All links open.
    Heal,
    /// A node stops; what was not written is lost.
    Crash(usize),
    /// It starts again.
    Restart(usize),
    /// Its writes wait.
    Stall(usize),
    /// They go on.
    Resume(usize),
    /// The voters shall be these.
    Voters(Vec<usize>),
}

/// A schedule.
#[derive(Clone, Debug)]
pub struct Script {
    /// Nodes, of which the first `voters` vote at first.
    pub nodes: usize,
    /// Voters at first.
    pub voters: usize,
    /// Steps before all is mended.
    pub steps: Vec<Step>,
    /// In which order nodes are tried as leaders in the end.
    pub order: Vec<usize>,
}

struct Drawing {
    rng: Rng,
    steps: Vec<Step>,
    nodes: usize,
    voters: Vec<usize>,
    down: Vec<bool>,
    stalled: Vec<bool>,
    next: u64,
}

impl Script {
    /// The script of a seed.
    pub fn of(seed: u64) -> Script {
        let mut rng = Rng::new(seed);
        let voters = if rng.chance(70) { 3 } else { 5 };
        let nodes = voters + rng.below(3);
        let mut drawing = Drawing {
            rng,
            steps: Vec::new(),
            nodes,
            voters: (0..voters).collect(),
            down: vec![false; nodes],
            stalled: vec![false; nodes],
            next: 1,
        };
        if voters == 3 && drawing.rng.chance(5) {
            drawing.second_candidate();
        } else if drawing.rng.chance(80) {
            // Most schedules begin with a leader.
            let first = drawing.voter();
            drawing.steps.extend([Step::TimeOut(vec![first]), Step::Drain]);
        }
        for _ in 0..6 + drawing.rng.below(25) {
            drawing.step();
        }
        let turn = drawing.rng.below(nodes);
        let order = (0..nodes).map(|n| (n + turn) % nodes).collect();
        Script { nodes, voters, steps: drawing.steps, order }
    }
}

impl Drawing {
    fn voter(&mut self) -> usize {
        self.voters[self.rng.below(self.voters.len())]
    }

    fn node(&mut self) -> usize {
        self.rng.below(self.nodes)
    }

    fn value(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }

    /// Some hops, or all.
    fn settle(&mut self) {
        let step = if self.rng.chance(55) { Step::Drain } else { Step::Rounds(1 + self.rng.below(5)) };
        self.steps.push(step);
    }

    fn step(&mut self) {
        match self.rng.below(100) {
            0..24 => {
                for _ in 0..=self.rng.below(3) {
                    let value = self.value();
                    self.steps.push(Step::Propose(value));
                }
                self.settle();
            }
            24..27 => {
                let (node, value) = (self.voter(), self.value());
                self.steps.push(Step::ProposeAt(node, value));
                self.settle();
            }
            27..48 => self.time_out(),
            48..56 => self.steps.push(Step::Pass),
            56..68 => self.cut(),
            68..78 => self.steps.push(Step::Heal),
            78..88 => self.crash_or_restart(),
            88..95 => self.stall_or_resume(),
            _ => self.change(),
        }
    }

    /// Time passes, so that promises are over, then one or several stand.
    fn time_out(&mut self) {
        if self.rng.chance(70) {
            self.steps.push(Step::Pass);
        }
        let mut nodes = vec![self.voter()];
        while self.rng.chance(25) {
            let other = self.voter();
            if !nodes.contains(&other) {
                nodes.push(other);
            }
        }
        self.steps.push(Step::TimeOut(nodes));
        self.settle();
    }

    /// Two stand in one term, the second with a disk that stands still; when it may ask at last, the voter that elected the
    /// first has restarted, and neither hears it. That is too rare to come by chance.
    fn second_candidate(&mut self) {
        let first = self.rng.below(3);
        let (second, voter) =
            if self.rng.chance(50) { (first + 1, first + 2) } else { (first + 2, first + 1) };
        let (second, voter) = (second % 3, voter % 3);
        self.steps.extend([
            Step::Stall(second),
            Step::TimeOut(vec![first, second]),
            Step::Rounds(4),
            Step::Link(first, voter, Link::Cut),
            Step::Link(first, second, Link::Cut),
            Step::Crash(voter),
            Step::Restart(voter),
            Step::Resume(second),
        ]);
        self.settle();
    }

    fn cut(&mut self) {
        let node = self.node();
        match self.rng.below(4) {
            0 => self.steps.push(Step::Part(vec![node])),
            1 => {
                let other = self.node();
                let pair = if other == node { vec![node] } else { vec![node, other] };
                self.steps.push(Step::Part(pair));
            }
            _ => {
                let other = (node + 1 + self.rng.below(self.nodes - 1)) % self.nodes;
                let link = [Link::Cut, Link::Slow, Link::Open][self.rng.below(3)];
                self.steps.push(Step::Link(node, other, link));
            }
        }
        if self.rng.chance(30) {
            self.steps.push(Step::Pass);
        }
    }

    fn crash_or_restart(&mut self) {
        let node = self.node();
        let is_down = std::mem::replace(&mut self.down[node], true);
        if is_down {
            self.down[node] = false;
            self.steps.push(Step::Restart(node));
            return;
        }
        self.stalled[node] = false;
        self.steps.push(Step::Crash(node));
        // Many come back at once.
        if self.rng.chance(60) {
            self.down[node] = false;
            if self.rng.chance(50) {
                self.settle();
            }
            self.steps.push(Step::Restart(node));
        }
    }

    fn stall_or_resume(&mut self) {
        let node = self.node();
        self.stalled[node] = !self.stalled[node];
        self.steps.push(if self.stalled[node] { Step::Stall(node) } else { Step::Resume(node) });
    }

    /// One voter makes room for a node that has no vote.
    fn change(&mut self) {
        let without: Vec<usize> = (0..self.nodes).filter(|n| !self.voters.contains(n)).collect();
        if without.is_empty() {
            return;
        }
        let at = self.rng.below(self.voters.len());
        let mut voters = self.voters.clone();
        voters[at] = without[self.rng.below(without.len())];
        voters.sort_unstable();
        // Whether it comes to that, only the implementations know; who stands may be neither.
        if self.rng.chance(70) {
            self.voters.clone_from(&voters);
        }
        self.steps.push(Step::Voters(voters));
        self.settle();
    }
}
