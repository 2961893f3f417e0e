//! What will happen in a life, drawn from seed and number before it begins: the cluster, and faults with their times.
//!
//! Must not know: how a fault is done. Pure: the same seed and life give the same schedule. What follows from it is not the
//! same: real processes take their own time.

use super::rng::Rng;
use std::fmt;

/// Names of the hosts of the largest cluster.
pub const NAMES: [&str; 5] = ["alpha", "beta", "gamma", "delta", "epsilon"];
/// Fewest and most faults of a life.
const FAULTS: (u64, u64) = (3, 8);
/// Longest pause between two faults, milliseconds.
const PAUSE_MS: u64 = 5_000;

/// Whom a fault meets; the name is known when it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// Who answered last.
    Owner,
    /// Who leads.
    Leader,
    /// One that does neither.
    Bystander,
    /// This host.
    Host(usize),
}

/// How the power switch is disturbed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// It answers nothing.
    Unreachable,
    /// It looks at each request this much later (ms).
    Slow(u64),
    /// It answers with errors.
    Failing,
    /// It does not know the state of any outlet.
    Unknown,
    /// It acts at once and answers after the agent has given up.
    ActsOnTimeout,
    /// It accepts commands and never carries them out.
    Stuck,
}

/// A fault, or an operator's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Its button, off; and on at the end.
    PowerOff(Who),
    /// Every process of the host stands still.
    Freeze(Who),
    /// Cut from everything, clients and disk and switch included.
    CutAll(Who),
    /// Cut from the other nodes only.
    CutNodes(Who),
    /// What it sends to the other nodes is lost.
    Mute(Who),
    /// What the other nodes send to it is lost.
    Deaf(Who),
    /// Cut from the leader only.
    CutLeader(Who),
    /// The cluster falls in two, so many hosts on the smaller side.
    Split(usize),
    /// A cable is pulled: of the public link, or of the private one.
    Cable(Who, bool),
    /// So many percent of what passes its links are lost.
    Loss(Who, u8),
    /// Its daemon is killed; its init starts it again at once.
    KillDaemon(Who),
    /// Its daemon is stopped (SIGTERM) and kept from starting.
    StopDaemon(Who),
    /// Its daemon stands still (SIGSTOP), its services go on.
    StallDaemon(Who),
    /// The service that answers dies.
    KillWeb,
    /// The writer dies.
    KillWriter,
    /// The switch has a fault.
    Switch(Trouble),
    /// Its daemon's syncs fail.
    Disk(Who),
    /// An operator empties a node, and takes it back at the end.
    Standby(Who),
    /// An operator moves the service to a node.
    Move(Who),
    /// An operator stops the service that answers, and starts it at the end.
    Stop,
    /// An operator restarts it.
    Restart,
    /// An operator applies a cluster file with this stickiness.
    Apply(u32),
    /// An operator cuts a node's power, and restores it at the end.
    FenceOff(Who),
}

/// A line of the schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// Milliseconds from the moment at which the cluster serves.
    pub at_ms: u64,
    /// How long it lasts; 0 where it is over at once.
    pub for_ms: u64,
    /// What.
    pub act: Act,
}

/// A life before it is lived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// How many hosts, all members.
    pub hosts: usize,
    /// The switch is used by HTTP, not by SNMP.
    pub is_http: bool,
    /// The disk is taken before the address, not after the service: no check of the address stands before it.
    pub is_disk_first: bool,
    /// The faults, by their times.
    pub faults: Vec<Fault>,
}

/// Draws an act of one kind in a cluster of so many hosts.
type Draw = fn(&mut Rng, usize) -> Act;

/// Kinds with their weights. Swarm testing (Groce et al., Swarm testing, 2012): a life that leaves most kinds out goes
/// deeper into the others.
const KINDS: [(u64, Draw); 23] = [
    (10, |rng, n| Act::PowerOff(who(rng, n))),
    (10, |rng, n| Act::Freeze(who(rng, n))),
    (6, |rng, n| Act::CutAll(who(rng, n))),
    (8, |rng, n| Act::CutNodes(who(rng, n))),
    (5, |rng, n| Act::Mute(who(rng, n))),
    (5, |rng, n| Act::Deaf(who(rng, n))),
    (6, |rng, n| Act::CutLeader(who(rng, n))),
    (5, |rng, n| Act::Split(rng.range(1, n as u64 / 2) as usize)),
    (4, |rng, n| Act::Cable(who(rng, n), rng.percent(50))),
    (5, |rng, n| Act::Loss(who(rng, n), rng.pick(&[5, 15, 30]))),
    (7, |rng, n| Act::KillDaemon(who(rng, n))),
    (6, |rng, n| Act::StopDaemon(who(rng, n))),
    (6, |rng, n| Act::StallDaemon(who(rng, n))),
    (4, |_, _| Act::KillWeb),
    (4, |_, _| Act::KillWriter),
    (16, |rng, _| Act::Switch(trouble(rng))),
    (5, |rng, n| Act::Disk(who(rng, n))),
    (5, |rng, n| Act::Standby(who(rng, n))),
    (6, |rng, n| Act::Move(who(rng, n))),
    (3, |_, _| Act::Stop),
    (3, |_, _| Act::Restart),
    (3, |rng, _| Act::Apply(rng.range(1, 999) as u32)),
    (3, |rng, n| Act::FenceOff(who(rng, n))),
];

/// What makes a failover for certain; each life begins with one of them, for its owner.
const HARD: [fn(Who) -> Act; 6] =
    [Act::PowerOff, Act::Freeze, Act::CutAll, Act::CutNodes, Act::Mute, Act::StallDaemon];

impl Schedule {
    /// The schedule of a life. Lives with odd numbers have three hosts, the others five.
    pub fn of(seed: u64, life: u32) -> Self {
        let mut rng = Rng::new(seed, life);
        let hosts = if life % 2 == 1 { 3 } else { 5 };
        let is_http = rng.percent(25);
        let is_disk_first = rng.percent(30);
        let mut taste: Vec<_> = KINDS.iter().filter(|_| rng.percent(60)).collect();
        if taste.len() < 6 {
            taste = KINDS.iter().collect();
        }
        let total: u64 = taste.iter().map(|(weight, _)| weight).sum();
        let mut faults: Vec<Fault> = Vec::new();
        let mut at_ms = rng.range(0, 1_000);
        for number in 0..rng.range(FAULTS.0, FAULTS.1) {
            let act = if number == 0 {
                rng.pick(&HARD)(Who::Owner)
            } else {
                let mut left = rng.range(0, total - 1);
                let drawn = taste.iter().find(|(weight, _)| {
                    let is_it = left < *weight;
                    left = left.saturating_sub(*weight);
                    is_it
                });
                let (_, draw) = drawn.expect("the draw is below the sum of the weights");
                draw(&mut rng, hosts)
            };
            let for_ms = length_ms(act, number == 0, &mut rng);
            faults.push(Fault { at_ms, for_ms, act });
            at_ms += rng.range(200, PAUSE_MS);
            // Two at a time.
            if let [.., before, _] = faults[..] {
                at_ms = at_ms.max(before.at_ms + before.for_ms);
            }
        }
        Self { hosts, is_http, is_disk_first, faults }
    }

    /// The same as the negative control needs it: a lie about a host that goes on speaking is seen through, and so is
    /// one about a frozen host where its address is looked at first (its kernel still answers).
    pub fn for_lies(&mut self, act: Act, for_ms: u64) {
        self.is_disk_first = true;
        if let Some(first) = self.faults.first_mut() {
            (first.act, first.for_ms) = (act, for_ms);
        }
    }
}

fn who(rng: &mut Rng, hosts: usize) -> Who {
    match rng.range(0, 9) {
        0..=3 => Who::Owner,
        4..=6 => Who::Leader,
        7 => Who::Bystander,
        _ => Who::Host(rng.range(0, hosts as u64 - 1) as usize),
    }
}

fn trouble(rng: &mut Rng) -> Trouble {
    let slow = Trouble::Slow(rng.range(200, 2_500));
    rng.pick(&[
        Trouble::Unreachable,
        slow,
        Trouble::Failing,
        Trouble::Unknown,
        Trouble::ActsOnTimeout,
        Trouble::Stuck,
    ])
}

/// Some end before anybody is lost, some long after.
fn length_ms(act: Act, is_first: bool, rng: &mut Rng) -> u64 {
    match act {
        Act::KillDaemon(_) | Act::KillWeb | Act::KillWriter | Act::Move(_) | Act::Restart | Act::Apply(_) => {
            0
        }
        // `write_age_max` is 10 s.
        Act::Disk(_) => rng.range(2_000, 16_000),
        _ if is_first => rng.range(5_000, 10_000),
        _ if rng.percent(25) => rng.range(200, 900),
        _ => rng.range(1_000, 10_000),
    }
}

impl Act {
    /// Name of its kind, for the table.
    pub fn kind(self) -> &'static str {
        match self {
            Self::PowerOff(_) => "power off and on",
            Self::Freeze(_) => "host frozen and thawed",
            Self::CutAll(_) => "cut from everything",
            Self::CutNodes(_) => "cut from the other nodes",
            Self::Mute(_) | Self::Deaf(_) => "cut one way",
            Self::CutLeader(_) => "cut from the leader only",
            Self::Split(_) => "cluster split in two",
            Self::Cable(..) => "one cable pulled",
            Self::Loss(..) => "datagrams lost",
            Self::KillDaemon(_) => "daemon killed",
            Self::StopDaemon(_) => "daemon stopped (SIGTERM)",
            Self::StallDaemon(_) => "daemon stands still (SIGSTOP)",
            Self::KillWeb | Self::KillWriter => "service killed",
            Self::Switch(_) => "power switch disturbed",
            Self::Disk(_) => "disk fails",
            Self::Standby(_) => "operator: standby, online",
            Self::Move(_) => "operator: move",
            Self::Stop => "operator: stop, start",
            Self::Restart => "operator: restart",
            Self::Apply(_) => "operator: new cluster file",
            Self::FenceOff(_) => "operator: fence off, on",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>6} ms, for {:>5} ms: {:?}", self.at_ms, self.for_ms, self.act)
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let face = if self.is_http { "HTTP" } else { "SNMP" };
        let order = if self.is_disk_first { "disk, address, service" } else { "address, service, disk" };
        writeln!(f, "{} hosts, switch by {face}, {order}", self.hosts)?;
        self.faults.iter().try_for_each(|fault| writeln!(f, "{fault}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_seed_and_a_life_are_one_schedule() {
        for life in 1..40 {
            assert_eq!(Schedule::of(7, life), Schedule::of(7, life));
            assert_ne!(Schedule::of(7, life), Schedule::of(8, life));
            assert_ne!(Schedule::of(7, life).faults, Schedule::of(7, life + 2).faults);
        }
    }

    #[test]
    fn every_life_has_its_faults_in_order_two_at_a_time() {
        let mut kinds = BTreeSet::new();
        for life in 1..400 {
            let schedule = Schedule::of(1, life);
            let faults = &schedule.faults;
            assert!((3..=8).contains(&faults.len()), "{schedule}");
            assert!(faults.is_sorted_by_key(|fault| fault.at_ms), "{schedule}");
            for fault in faults {
                let is_active = |f: &&Fault| f.at_ms < fault.at_ms && fault.at_ms < f.at_ms + f.for_ms;
                assert!(faults.iter().filter(is_active).count() < 2, "{schedule}");
                kinds.insert(fault.act.kind());
            }
        }
        assert_eq!(kinds.len(), 21, "{kinds:?}");
    }
}
