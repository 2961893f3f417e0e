//! What occurred, counted: a batch in which something never happened has proven nothing about it.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::AddAssign;

/// Sequences that every batch must contain: name and what it is.
pub const SEQUENCES: [&str; 8] = [
    "leader gone between off and proof",
    "daemon restarted while condemned",
    "cut where only the leader loses a node",
    "freeze between grant check and exec",
    "voter swap during a fence",
    "remove, rename or confirm while unclean",
    "late agent of an old term",
    "switch answers late",
];

/// Counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Lives.
    pub seeds: u64,
    /// Simulated nanoseconds.
    pub simulated_ns: u64,
    /// Events that were carried out.
    pub events: u64,
    /// Messages on streams.
    pub messages: u64,
    /// Faults by kind.
    pub faults: BTreeMap<&'static str, u64>,
    /// The above sequences.
    pub sequences: BTreeMap<&'static str, u64>,
    /// Outlets that were cut.
    pub fences: u64,
    /// Instances that came to run on another node than before.
    pub failovers: u64,
    /// Leaders of a new term.
    pub leader_changes: u64,
    /// Changes of who votes.
    pub voter_changes: u64,
}

impl Tally {
    /// One more of that sequence.
    pub fn sequence(&mut self, name: &'static str) {
        debug_assert!(SEQUENCES.contains(&name), "{name}");
        *self.sequences.entry(name).or_default() += 1;
    }

    /// Rows that are zero although every batch needs them.
    #[must_use]
    pub fn missing(&self) -> Vec<&'static str> {
        let zero = |n: &u64| *n == 0;
        let counts = [
            ("fences", self.fences),
            ("failovers", self.failovers),
            ("leader changes", self.leader_changes),
            ("voter changes", self.voter_changes),
        ];
        let counts = counts.into_iter().filter(|(_, n)| zero(n)).map(|(name, _)| name);
        counts.chain(SEQUENCES.into_iter().filter(|s| self.sequences.get(s).is_none_or(zero))).collect()
    }
}

impl AddAssign<&Tally> for Tally {
    fn add_assign(&mut self, other: &Tally) {
        self.seeds += other.seeds;
        self.simulated_ns += other.simulated_ns;
        self.events += other.events;
        self.messages += other.messages;
        self.fences += other.fences;
        self.failovers += other.failovers;
        self.leader_changes += other.leader_changes;
        self.voter_changes += other.voter_changes;
        for (to, from) in [(&mut self.faults, &other.faults), (&mut self.sequences, &other.sequences)] {
            for (name, n) in from {
                *to.entry(name).or_default() += n;
            }
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut row = |name: &str, n: u64| writeln!(f, "{n:>12}  {name}");
        row("simulated seconds", self.simulated_ns / 1_000_000_000)?;
        row("events", self.events)?;
        row("messages", self.messages)?;
        row("fences", self.fences)?;
        row("failovers", self.failovers)?;
        row("leader changes", self.leader_changes)?;
        row("voter changes", self.voter_changes)?;
        for (name, n) in &self.faults {
            row(&format!("fault: {name}"), *n)?;
        }
        for name in SEQUENCES {
            row(&format!("sequence: {name}"), self.sequences.get(name).copied().unwrap_or(0))?;
        }
        Ok(())
    }
}
