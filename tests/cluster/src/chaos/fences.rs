//! Whether each cut that the power switch carried out has its reason in what was done to the cluster. Guards S9, L5.
//!
//! Must not know: the cluster's own word. Pure over the records.

use super::harm::{Deed, Deeds, Nature, REACH_NS};
use crate::switches::Opened;
use ha_lab::{ArpRound, PowerEffect, PowerRecord};
use std::collections::BTreeMap;
use std::fmt;

/// Bound of the cuts of one node within an hour, after which it is held (S9).
const CUTS_MAX: usize = 3;
/// A watch that did not get its turn for so long tells of a machine that stood still.
const STALL_NS: u64 = 400_000_000;

/// A cut without a reason, or one too many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wrong {
    /// Nothing was done to this host that would lose it, or an earlier cut was for that.
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
                "S9: {} was cut at {} ns and nothing had been done to it that this cut was for (longest stall before: {stall_ms} ms)",
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
    deeds: &[Deed],
    rounds: &[ArpRound],
    healed_ns: u64,
) -> Cuts {
    let mut cuts = Cuts { all: opened.len(), ..Cuts::default() };
    let all = Deeds::of(deeds, power);
    let mut last: BTreeMap<&str, u64> = BTreeMap::new();
    for cut in opened {
        let before = last.get(&*cut.host).copied();
        // Of a host that is dark since: the same cut, asked for again.
        if before.is_some_and(|before| !is_on_between(power, &cut.host, before, cut.t_ns)) {
            continue;
        }
        last.insert(&cut.host, cut.t_ns);
        if all.explain(cut, before) {
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
        let orders = deeds.iter().filter(|d| d.nature == Nature::Order && d.hosts.iter().any(|h| h == host));
        let orders = orders.count() * usize::from(!is_after);
        let count = count.saturating_sub(orders);
        if count > CUTS_MAX {
            cuts.wrong.push(Wrong::TooMany { host: host.into(), cuts: count });
        }
    }
    cuts
}

/// Whether the host got its power back between these two cuts.
fn is_on_between(power: &[PowerRecord], host: &str, from_ns: u64, until_ns: u64) -> bool {
    let is_it = |r: &PowerRecord| r.effect == PowerEffect::On && r.host == host;
    power.iter().any(|r| is_it(r) && from_ns < r.t_ns && r.began_ns <= until_ns)
}

/// The longest pause between two rounds of the watch in the seconds before.
fn stall_before(rounds: &[ArpRound], t_ns: u64) -> u64 {
    let near: Vec<u64> =
        rounds.iter().map(|r| r.t_ns).filter(|t| *t + REACH_NS >= t_ns && *t <= t_ns).collect();
    near.windows(2).map(|w| w[1] - w[0]).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn cut(at: u64, host: &str) -> Opened {
        Opened { t_ns: at * SECOND, host: host.into() }
    }

    fn deed(host: &str, from: u64, until: u64) -> Deed {
        let hosts = vec![host.into()];
        Deed { hosts, from_ns: from * SECOND, until_ns: until * SECOND, nature: Nature::Once }
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

    fn on(at: u64, host: &str) -> PowerRecord {
        PowerRecord { effect: PowerEffect::On, ..lost(at, host) }
    }

    fn steady() -> Vec<ArpRound> {
        (0..2_000).map(|n| ArpRound { t_ns: n * SECOND / 50, ..ArpRound::default() }).collect()
    }

    #[test]
    fn a_cut_needs_what_was_done_to_that_host() {
        let judge = |opened: &[Opened], deeds: &[Deed]| judge(opened, &[], deeds, &steady(), 99 * SECOND);
        assert_eq!(judge(&[cut(12, "a")], &[deed("a", 10, 15)]).wrong, []);
        for deeds in [&[][..], &[deed("b", 10, 15)], &[deed("a", 13, 15)]] {
            let found = judge(&[cut(12, "a")], deeds);
            assert!(matches!(found.wrong[..], [Wrong::Unjustified { .. }]), "{found:?}");
        }
        assert_eq!(judge(&[cut(80, "a")], &[deed("a", 10, 15)]).wrong.len(), 1, "long after its fault");
    }

    #[test]
    fn one_deed_is_a_reason_for_one_cut() {
        let twice = [cut(12, "a"), cut(18, "a")];
        let wrong = |power: &[PowerRecord], deeds: &[Deed]| {
            let found = judge(&twice, power, deeds, &steady(), 99 * SECOND);
            assert_eq!(found.all, 2);
            found.wrong.len()
        };
        let back = [lost(12, "a"), on(17, "a"), lost(18, "a")];
        assert_eq!(wrong(&back, &[deed("a", 10, 15)]), 1, "the second one was for nothing");
        assert_eq!(wrong(&back, &[deed("a", 10, 15), deed("a", 17, 19)]), 0);
        assert_eq!(wrong(&[lost(12, "a")], &[deed("a", 10, 15)]), 0, "asked for again while it was dark");
        assert_eq!(wrong(&[lost(12, "a"), on(14, "b")], &[deed("a", 10, 15)]), 0, "another host came back");
        assert_eq!(wrong(&back, &[]), 2);
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
            |healed: u64, orders: &[Deed]| judge(&[], &power, orders, &[], healed * SECOND).wrong.len();
        assert_eq!(count(99, &[]), 1);
        assert_eq!(count(4, &[]), 0, "an operator let it in again");
        assert_eq!(count(99, &[Deed { nature: Nature::Order, ..deed("a", 1, 2) }]), 0, "one was ordered");
    }
}
