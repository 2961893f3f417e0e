//! What was done to a cluster, and which cut of power it can explain.
//!
//! A deed explains a cut only where it could have caused it: of that host, begun before, not over for too long, not used
//! up by an earlier cut, and not one that a cluster must bear by itself. Must not know: the cluster's own word. Pure.

use crate::switches::Opened;
use ha_lab::{PowerEffect, PowerRecord};

/// A fence that nothing holds up is done so long after its fault: `t_lost` (1 s), an election, and an attempt.
pub const REACH_NS: u64 = 6_000_000_000;
/// The same with room for a busy machine: the last cut for a deed that was alone.
const ALONE_NS: u64 = 10_000_000_000;
/// The last cut after the end of whatever held it up: an attempt that failed is followed by the next one after
/// `fence_retry_max` (30 s), and an agent is waited for 20 s.
const HELD_NS: u64 = 60_000_000_000;

/// What a deed can do to the hosts that it met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nature {
    /// Loses them, once: what was done ends with the boot it was done to.
    Once,
    /// Loses them for as long as it lasts, the next boot too.
    Lasting,
    /// Takes one way of several. That costs nobody's power (`one_link_of_two_is_shown_and_changes_nothing`,
    /// `an_owner_that_the_leader_alone_does_not_hear_stays`) unless something else is wrong at the same time.
    Partial,
    /// An operator ordered the cut.
    Order,
    /// Loses nobody by itself: too short, or a daemon that is back at once.
    Light,
    /// The switch does not do what it is asked to, or does it late.
    Switch,
}

/// Something that was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deed {
    /// The hosts that may lose their power for it.
    pub hosts: Vec<String>,
    /// Boot-clock nanoseconds at which it began.
    pub from_ns: u64,
    /// At which it was over.
    pub until_ns: u64,
    /// What it can do.
    pub nature: Nature,
}

/// All that happened in a life.
#[derive(Debug)]
pub struct Deeds<'a> {
    all: &'a [Deed],
    /// Which hosts were dark, and when: a host without power is a disturbance, whoever took it.
    dark: Vec<(String, u64, u64)>,
}

impl<'a> Deeds<'a> {
    /// These, and the hosts that were dark.
    pub fn of(all: &'a [Deed], power: &[PowerRecord]) -> Self {
        let of = |at: usize, effect| {
            let later = power[at..].iter().find(|r| r.host == power[at].host && r.effect == effect);
            later.map_or(u64::MAX - HELD_NS, |r| r.t_ns)
        };
        let offs = power.iter().enumerate().filter(|(_, r)| r.effect == PowerEffect::Off);
        let dark = offs.map(|(at, r)| (r.host.clone(), r.t_ns, of(at, PowerEffect::On))).collect();
        Self { all, dark }
    }

    /// Whether any of them is a reason for this cut. `before`: the host's cut before this one; it used up what had
    /// begun until then.
    pub fn explain(&self, cut: &Opened, before: Option<u64>) -> bool {
        (0..self.all.len()).any(|at| self.explains(at, cut, before))
    }

    fn explains(&self, at: usize, cut: &Opened, before: Option<u64>) -> bool {
        let deed = &self.all[at];
        if !deed.hosts.contains(&cut.host) || cut.t_ns < deed.from_ns {
            return false;
        }
        let is_used = before.is_some_and(|before| deed.from_ns <= before);
        let last_ns = match deed.nature {
            Nature::Light | Nature::Switch => return false,
            Nature::Once | Nature::Order if is_used => return false,
            // It was in force for the next boot as well.
            Nature::Lasting | Nature::Partial if is_used => deed.until_ns + REACH_NS,
            Nature::Once | Nature::Order | Nature::Lasting | Nature::Partial => self.last_cut_for(at, cut),
        };
        cut.t_ns <= last_ns && (deed.nature != Nature::Partial || self.is_joined(at, cut))
    }

    /// The time until which a deed may have its fence: what began before that could be done may have held it up.
    fn last_cut_for(&self, at: usize, cut: &Opened) -> u64 {
        let deed = &self.all[at];
        let mut held_ns = deed.until_ns;
        let mut is_alone = true;
        loop {
            let near =
                |(from, until): &(u64, u64)| *from <= held_ns + REACH_NS && *until + REACH_NS >= deed.from_ns;
            let dark = self.dark_before(cut, |host| host != cut.host);
            let others = self.others(at, cut, |_| true).chain(dark).filter(near);
            let Some(end) = others.map(|(_, until)| until).max() else { break };
            is_alone = false;
            if end <= held_ns {
                break;
            }
            held_ns = end;
        }
        held_ns + if is_alone { ALONE_NS } else { HELD_NS }
    }

    /// Whether something else was wrong with the nodes at the time of this deed.
    fn is_joined(&self, at: usize, cut: &Opened) -> bool {
        let deed = &self.all[at];
        let overlaps =
            |(from, until): (u64, u64)| from <= deed.until_ns + REACH_NS && until + REACH_NS >= deed.from_ns;
        let others = self.others(at, cut, |nature| nature != Nature::Switch);
        others.chain(self.dark_before(cut, |_| true)).any(overlaps)
    }

    /// From when to when other things were done that began before this cut.
    fn others(
        &self,
        at: usize,
        cut: &Opened,
        is_meant: impl Fn(Nature) -> bool,
    ) -> impl Iterator<Item = (u64, u64)> {
        let deeds = self.all.iter().enumerate().filter(move |(n, deed)| *n != at && is_meant(deed.nature));
        deeds.map(|(_, deed)| (deed.from_ns, deed.until_ns)).filter(|(from, _)| *from < cut.t_ns)
    }

    /// From when to when hosts were dark, from before this cut on.
    fn dark_before(&self, cut: &Opened, is_meant: impl Fn(&str) -> bool) -> impl Iterator<Item = (u64, u64)> {
        let meant = self.dark.iter().filter(move |(host, ..)| is_meant(host));
        meant.map(|(_, from, until)| (*from, *until)).filter(|(from, _)| *from < cut.t_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn deed(nature: Nature, host: &str, from: u64, until: u64) -> Deed {
        Deed { hosts: vec![host.into()], from_ns: from * SECOND, until_ns: until * SECOND, nature }
    }

    fn explains(deeds: &[Deed], at: u64, before: Option<u64>) -> bool {
        let cut = Opened { t_ns: at * SECOND, host: "a".into() };
        Deeds::of(deeds, &[]).explain(&cut, before.map(|at| at * SECOND))
    }

    #[test]
    fn a_deed_explains_what_came_soon_after_it_to_its_host() {
        for nature in [Nature::Once, Nature::Lasting, Nature::Order] {
            assert!(explains(&[deed(nature, "a", 10, 15)], 12, None));
            assert!(explains(&[deed(nature, "a", 10, 15)], 20, None));
            assert!(!explains(&[deed(nature, "a", 10, 15)], 26, None), "long after it");
            assert!(!explains(&[deed(nature, "b", 10, 15)], 12, None), "another host");
            assert!(!explains(&[deed(nature, "a", 13, 15)], 12, None), "before it");
        }
        assert!(!explains(&[deed(Nature::Light, "a", 10, 15)], 12, None));
        assert!(!explains(&[deed(Nature::Switch, "a", 10, 15)], 12, None));
    }

    #[test]
    fn what_held_the_fence_up_lets_it_come_later() {
        let with = |other: Deed, at| explains(&[deed(Nature::Once, "a", 10, 15), other], at, None);
        assert!(with(deed(Nature::Switch, "-", 12, 30), 80));
        assert!(!with(deed(Nature::Switch, "-", 12, 30), 91));
        assert!(with(deed(Nature::Lasting, "b", 8, 30), 80));
        assert!(!with(deed(Nature::Switch, "-", 22, 30), 40), "it was done before the switch was disturbed");
        assert!(!with(deed(Nature::Switch, "-", 1, 3), 40), "the switch was well again");
    }

    #[test]
    fn a_cut_uses_up_what_it_was_for() {
        for nature in [Nature::Once, Nature::Order] {
            assert!(!explains(&[deed(nature, "a", 10, 30)], 20, Some(12)), "its boot is gone");
            assert!(explains(&[deed(nature, "a", 13, 30)], 20, Some(12)), "it was done to the next boot");
        }
        let lasting = [deed(Nature::Lasting, "a", 10, 30)];
        assert!(explains(&lasting, 35, Some(12)), "it met the next boot as well");
        assert!(!explains(&lasting, 37, Some(12)));
    }

    #[test]
    fn one_way_of_several_is_no_reason_by_itself() {
        let partial = deed(Nature::Partial, "a", 10, 20);
        let with = |other: Deed| explains(&[partial.clone(), other], 12, None);
        assert!(!explains(std::slice::from_ref(&partial), 12, None));
        assert!(with(deed(Nature::Light, "b", 11, 11)));
        assert!(with(deed(Nature::Partial, "a", 11, 15)));
        assert!(with(deed(Nature::Once, "b", 1, 5)));
        assert!(!with(deed(Nature::Once, "b", 1, 3)), "long over");
        assert!(!with(deed(Nature::Once, "b", 13, 15)), "it came after the cut");
        assert!(!with(deed(Nature::Switch, "-", 9, 15)), "a switch loses nobody");
    }

    #[test]
    fn a_dark_host_is_a_disturbance() {
        let record = |at: u64, effect| PowerRecord {
            t_ns: at * SECOND,
            began_ns: at * SECOND,
            pdu: None,
            outlet: None,
            host: "b".into(),
            effect,
            cause: String::new(),
            boot_id: None,
        };
        let partial = [deed(Nature::Partial, "a", 50, 60)];
        let cut = Opened { t_ns: 52 * SECOND, host: "a".into() };
        let explained = |power: &[PowerRecord]| Deeds::of(&partial, power).explain(&cut, None);
        assert!(!explained(&[]));
        assert!(explained(&[record(20, PowerEffect::Off)]));
        assert!(explained(&[record(20, PowerEffect::Off), record(45, PowerEffect::On)]));
        assert!(!explained(&[record(20, PowerEffect::Off), record(43, PowerEffect::On)]));
        assert!(!explained(&[record(53, PowerEffect::Off)]));
    }
}
