//! What occurred, counted: a batch in which something never happened has proven nothing about it.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::AddAssign;

/// Sequences that every batch must contain: name and what it is.
pub const SEQUENCES: [&str; 14] = [
    "leader gone between off and proof",
    "daemon restarted while condemned",
    "cut where only the leader loses a node",
    "freeze between grant check and exec",
    "voter swap during a fence",
    "remove, rename or confirm while unclean",
    "late agent of an old term",
    "switch acts after it was given up",
    "switch acts for an executor that is gone",
    "daemon away beyond its grace",
    "confirm of a living node",
    "fence path changed while unclean",
    "write durable and never acknowledged",
    "watchdog ends a host",
];

/// Kinds of faults: every batch must contain each. They are counted when they have changed the world.
pub const FAULTS: [&str; 43] = [
    "power off",
    "freeze",
    "pause with the clock",
    "core stands still",
    "kill daemon",
    "kill process",
    "cut from all",
    "partial cut",
    "cut of a link",
    "one-way cut",
    "flapping path",
    "flapping link",
    "loss and delay",
    "lossy path",
    "doubling path",
    "slow path",
    "slow disk",
    "hanging disk",
    "failing disk",
    "wiped disk",
    "older copy of a disk",
    "clock drift",
    "wall clock set",
    "switch unreachable",
    "switch slow",
    "switch fails",
    "switch knows nothing",
    "switch acts and times out",
    "switch cycles the power",
    "switch vouches for anything",
    "wrong outlet",
    "switch lies",
    "agents fail",
    "agents hang",
    "stops hang",
    "stops lie",
    "monitors lie",
    "probes lie",
    "the dead are called alive",
    "operator",
    "hand-over",
    "supply holds its charge",
    "watchdog missing",
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
    /// Times in which one node of a cluster that was well was disturbed (L5).
    pub disturbed: u64,
    /// Lives with fewer than three faults, or of one kind, after something had run.
    pub thin: u64,
    /// Healings that needed an operator, by why.
    pub helped: BTreeMap<&'static str, u64>,
    /// The longest healing without one, in seconds.
    pub slowest_s: u64,
    /// Lives in which a switch or a human lied: what rests on their word was not judged from there on.
    pub lied: u64,
    /// While faults come: how much could run, and how much of it somebody served, in instances and looks.
    pub should_run: u64,
    /// See above.
    pub ran: u64,
    /// Lives whose first fault came before anything ran: of the cluster's formation.
    pub formation: u64,
}

impl Tally {
    /// One more of that kind of fault.
    pub fn fault(&mut self, kind: &'static str) {
        debug_assert!(FAULTS.contains(&kind), "{kind}");
        *self.faults.entry(kind).or_default() += 1;
    }

    /// One more of that sequence.
    pub fn sequence(&mut self, name: &'static str) {
        debug_assert!(SEQUENCES.contains(&name), "{name}");
        *self.sequences.entry(name).or_default() += 1;
    }

    /// One more healing that needed an operator.
    pub fn help(&mut self, why: &'static str) {
        *self.helped.entry(why).or_default() += 1;
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
            ("disturbed nodes", self.disturbed),
        ];
        let counts = counts.into_iter().filter(|(_, n)| zero(n)).map(|(name, _)| name);
        let faults = FAULTS.into_iter().filter(|kind| self.faults.get(kind).is_none_or(zero));
        let sequences = SEQUENCES.into_iter().filter(|name| self.sequences.get(name).is_none_or(zero));
        counts.chain(faults).chain(sequences).collect()
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
        self.disturbed += other.disturbed;
        self.thin += other.thin;
        self.formation += other.formation;
        self.lied += other.lied;
        self.slowest_s = self.slowest_s.max(other.slowest_s);
        self.should_run += other.should_run;
        self.ran += other.ran;
        for (to, from) in [
            (&mut self.faults, &other.faults),
            (&mut self.sequences, &other.sequences),
            (&mut self.helped, &other.helped),
        ] {
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
        row("disturbed nodes (L5)", self.disturbed)?;
        row("lives whose first fault came during formation", self.formation)?;
        row("lives not judged by S1, S2, S7, L5 after a lie of a switch or a human", self.lied)?;
        row("lives with fewer than 3 faults of 2 kinds after something ran", self.thin)?;
        row("seconds: the longest healing without an operator", self.slowest_s)?;
        for (why, n) in &self.helped {
            row(&format!("healings that needed an operator: {why}"), *n)?;
        }
        row(
            "percent of the time before mending in which a resource ran",
            self.ran * 100 / self.should_run.max(1),
        )?;
        for name in FAULTS {
            row(&format!("fault: {name}"), self.faults.get(name).copied().unwrap_or(0))?;
        }
        for name in SEQUENCES {
            row(&format!("sequence: {name}"), self.sequences.get(name).copied().unwrap_or(0))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_occurred_is_missing_and_what_did_is_not() {
        let mut tally = Tally::default();
        assert_eq!(tally.missing().len(), 5 + FAULTS.len() + SEQUENCES.len());
        FAULTS.into_iter().for_each(|kind| tally.fault(kind));
        SEQUENCES.into_iter().for_each(|name| tally.sequence(name));
        (tally.fences, tally.failovers, tally.leader_changes, tally.disturbed) = (1, 1, 1, 1);
        assert_eq!(tally.missing(), ["voter changes"]);
    }
}
