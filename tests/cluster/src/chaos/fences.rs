//! Whether each cut that the power switch carried out has its reason in what was done to the cluster. Guards S9, L5.
//!
//! Must not know: the cluster's own word. Pure over the records.

use crate::switches::Opened;
use ha_lab::{ArpRound, PowerEffect, PowerRecord};
use std::collections::BTreeMap;
use std::fmt;

/// Bound of the cuts of one node within an hour, after which it is held (S9).
const CUTS_MAX: usize = 3;
/// A fault may have its fence so long after its end: a switch that does not answer is asked again and again.
const TAIL_NS: u64 = 60_000_000_000;
/// A watch that did not get its turn for so long tells of a machine that stood still.
const STALL_NS: u64 = 400_000_000;
/// A stall this long before a cut may be its reason: `t_lost`, and what an attempt takes.
const STALL_REACH_NS: u64 = 6_000_000_000;

/// What was done to a host, so that its loss or its cut would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Harm {
    /// The host.
    pub host: String,
    /// Boot-clock nanoseconds at which it began.
    pub from_ns: u64,
    /// At which it was over.
    pub until_ns: u64,
    /// An operator ordered the cut.
    pub is_order: bool,
}

/// A cut without a reason, or one too many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wrong {
    /// Nothing was done to this host that would lose it.
    Unjustified {
        /// The cut.
        cut: Opened,
        /// Longest time in which the machine stood still before it, milliseconds; not long enough to be the reason.
        stall_ms: u64,
    },
    /// One host was cut more often than a fence loop may.
    TooMany {
        /// The host.
        host: String,
        /// How often, without what operators ordered.
        cuts: usize,
    },
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unjustified { cut, stall_ms } => write!(
                f,
                "S9: {} was cut at {} ns and nothing had been done to it (longest stall before: {stall_ms} ms)",
                cut.host, cut.t_ns
            ),
            Self::TooMany { host, cuts } => write!(f, "S9: {host} was cut {cuts} times"),
        }
    }
}

/// The cuts of a life, judged.
#[derive(Debug, Default)]
pub struct Cuts {
    /// Cuts that the switch carried out, dark hosts included.
    pub all: usize,
    /// Those without another reason than that the machine stood still.
    pub stalled: usize,
    /// What is wrong with them.
    pub wrong: Vec<Wrong>,
}

/// Judges them. `healed_ns`: from then on what was held is let in again, and counted anew.
pub fn judge(
    opened: &[Opened],
    power: &[PowerRecord],
    harms: &[Harm],
    rounds: &[ArpRound],
    healed_ns: u64,
) -> Cuts {
    let mut cuts = Cuts { all: opened.len(), ..Cuts::default() };
    for cut in opened {
        let explains =
            |h: &&Harm| h.host == cut.host && h.from_ns <= cut.t_ns && cut.t_ns <= h.until_ns + TAIL_NS;
        if harms.iter().any(|harm| explains(&harm)) {
            continue;
        }
        let stall = stall_before(rounds, cut.t_ns);
        if stall >= STALL_NS {
            cuts.stalled += 1;
        } else {
            cuts.wrong.push(Wrong::Unjustified { cut: cut.clone(), stall_ms: stall / 1_000_000 });
        }
    }
    let mut counts: BTreeMap<(&str, bool), usize> = BTreeMap::new();
    let lost = power.iter().filter(|r| r.effect == PowerEffect::Off && r.outlet.is_some());
    for record in lost {
        *counts.entry((&record.host, record.t_ns >= healed_ns)).or_default() += 1;
    }
    for ((host, is_after), count) in counts {
        let orders = harms.iter().filter(|h| h.is_order && h.host == host && !is_after).count();
        let count = count.saturating_sub(orders);
        if count > CUTS_MAX {
            cuts.wrong.push(Wrong::TooMany { host: host.into(), cuts: count });
        }
    }
    cuts
}

/// The longest pause between two rounds of the watch in the seconds before.
fn stall_before(rounds: &[ArpRound], t_ns: u64) -> u64 {
    let near: Vec<u64> =
        rounds.iter().map(|r| r.t_ns).filter(|t| *t + STALL_REACH_NS >= t_ns && *t <= t_ns).collect();
    near.windows(2).map(|w| w[1] - w[0]).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn cut(at: u64, host: &str) -> Opened {
        Opened { t_ns: at * SECOND, host: host.into() }
    }

    fn harm(host: &str, from: u64, until: u64) -> Harm {
        Harm { host: host.into(), from_ns: from * SECOND, until_ns: until * SECOND, is_order: false }
    }

    fn lost(at: u64, host: &str) -> PowerRecord {
        PowerRecord {
            t_ns: at * SECOND,
            began_ns: at * SECOND,
            pdu: Some("pdu-a".into()),
            outlet: Some(1),
            host: host.into(),
            effect: PowerEffect::Off,
            cause: "outlet".into(),
            boot_id: None,
        }
    }

    fn steady() -> Vec<ArpRound> {
        (0..2_000).map(|n| ArpRound { t_ns: n * SECOND / 50, ..ArpRound::default() }).collect()
    }

    #[test]
    fn a_cut_needs_what_was_done_to_that_host() {
        let judge = |opened: &[Opened], harms: &[Harm]| judge(opened, &[], harms, &steady(), 99 * SECOND);
        assert_eq!(judge(&[cut(12, "a")], &[harm("a", 10, 15)]).wrong, []);
        assert_eq!(judge(&[cut(40, "a")], &[harm("a", 10, 15)]).wrong, []);
        for harms in [&[][..], &[harm("b", 10, 15)], &[harm("a", 13, 15)]] {
            let found = judge(&[cut(12, "a")], harms);
            assert!(matches!(found.wrong[..], [Wrong::Unjustified { .. }]), "{found:?}");
        }
        assert_eq!(judge(&[cut(80, "a")], &[harm("a", 10, 15)]).wrong.len(), 1, "long after its fault");
    }

    #[test]
    fn a_machine_that_stood_still_is_told_apart() {
        let mut rounds = steady();
        rounds.retain(|r| !(9 * SECOND..9 * SECOND + SECOND / 2).contains(&r.t_ns));
        let found = judge(&[cut(12, "a")], &[], &[], &rounds, 99 * SECOND);
        assert_eq!((found.wrong.len(), found.stalled, found.all), (0, 1, 1));
        assert_eq!(judge(&[cut(30, "a")], &[], &[], &rounds, 99 * SECOND).wrong.len(), 1, "too long ago");
    }

    #[test]
    fn a_loop_of_fences_is_seen() {
        let power: Vec<_> = (1..=4).map(|at| lost(at, "a")).collect();
        let count =
            |healed: u64, orders: &[Harm]| judge(&[], &power, orders, &[], healed * SECOND).wrong.len();
        assert_eq!(count(99, &[]), 1);
        assert_eq!(count(4, &[]), 0, "an operator let it in again");
        assert_eq!(count(99, &[Harm { is_order: true, ..harm("a", 1, 2) }]), 0, "one was ordered");
    }
}
