//! What the judge makes of the watch over processes: services that live in two incarnations at once, and takeovers from
//! a host that had not let go. For runs in which owners change in order as well: there a takeover without a cut is right,
//! and only the process table tells it from one that came too early.
//!
//! A watch that did not look excuses nothing: `watched` condemns that.
//! Must not know: why an owner changed. Pure over the records, as the judge is.

use crate::judge::{Judge, Owner, Takeover, Violation};
use ha_lab::AliveRound;
use std::collections::BTreeSet;

/// The service that answers, as the watch names it.
pub(crate) const WEB: &str = "web";
/// The service that writes.
pub(crate) const WRITER: &str = "writer";

/// The time in which one process answered or wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenure {
    /// Whose.
    pub owner: Owner,
    /// First seen, boot-clock nanoseconds.
    pub first_ns: u64,
    /// Last seen.
    pub last_ns: u64,
}

impl Judge {
    /// Each service that lived in two incarnations at one instant, once for each pair. S1.
    pub(crate) fn two_alive(&self) -> Vec<Violation> {
        let mut found = Vec::new();
        let mut told = BTreeSet::new();
        for round in &self.alive {
            for service in [WEB, WRITER] {
                let mine = round.alive.iter().filter(|process| process.service == service);
                let boots: BTreeSet<&str> = mine.map(|process| process.incarnation.as_str()).collect();
                if boots.len() > 1 && told.insert((service, boots.clone())) {
                    let owners = boots.into_iter().map(|boot| self.owner_of_boot(boot)).collect();
                    found.push(Violation::TwoAlive { service: service.into(), t_ns: round.t_ns, owners });
                }
            }
        }
        found
    }

    /// Two owners, ever; and every takeover from a host that was neither fenced before nor had let go: its service had
    /// not ended, by the process table, while it had power. S1 S2. Also a watch that was blind meanwhile.
    pub fn unproven_takeovers(&self) -> Vec<Violation> {
        let mut all = self.two_owners();
        all.extend(self.unwatched());
        let of = |service, tenures: Vec<Tenure>| {
            let pairs: Vec<_> = tenures.windows(2).filter(|w| w[0].owner != w[1].owner).collect();
            pairs.into_iter().filter_map(|w| self.wrong(service, &w[0], &w[1])).collect::<Vec<_>>()
        };
        all.extend(of(WEB, self.answering()));
        all.extend(of(WRITER, self.writing()));
        all
    }

    /// The processes that answered, in the order in which each was first heard.
    pub fn answering(&self) -> Vec<Tenure> {
        let mut out: Vec<(Tenure, u32)> = Vec::new();
        for answer in &self.answers {
            let owner = Owner { host: answer.host.clone(), incarnation: answer.incarnation.clone() };
            match out.iter_mut().find(|(tenure, pid)| tenure.owner == owner && *pid == answer.pid) {
                Some((tenure, _)) => {
                    tenure.first_ns = tenure.first_ns.min(answer.end_ns);
                    tenure.last_ns = tenure.last_ns.max(answer.end_ns);
                }
                None => {
                    let tenure = Tenure { owner, first_ns: answer.end_ns, last_ns: answer.end_ns };
                    out.push((tenure, answer.pid));
                }
            }
        }
        let mut tenures: Vec<Tenure> = out.into_iter().map(|(tenure, _)| tenure).collect();
        tenures.sort_by_key(|tenure| tenure.first_ns);
        tenures
    }

    /// The writers, in the order in which the disk met them.
    pub(crate) fn writing(&self) -> Vec<Tenure> {
        let mut out: Vec<Tenure> = Vec::new();
        for block in &self.ledger {
            let owner = Owner { host: block.host.clone(), incarnation: block.incarnation.clone() };
            match out.last_mut().filter(|last| last.owner == owner) {
                Some(last) => last.last_ns = block.t_ns,
                None => out.push(Tenure { owner, first_ns: block.t_ns, last_ns: block.t_ns }),
            }
        }
        out
    }

    fn wrong(&self, service: &str, old: &Tenure, new: &Tenure) -> Option<Violation> {
        let seen_ns = new.first_ns;
        let right_ns = self.fenced_at(&old.owner);
        if right_ns.is_some_and(|right| right <= seen_ns) {
            return None;
        }
        let takeover = Takeover { old: old.owner.clone(), new: new.owner.clone(), seen_ns, right_ns };
        let lives = |round: &AliveRound| {
            let mut all = round.alive.iter();
            all.any(|p| p.service == service && p.incarnation == old.owner.incarnation)
        };
        let cut = self.cut_at(&old.owner).filter(|cut| *cut <= seen_ns);
        let until = cut.unwrap_or(seen_ns);
        // The watch looks often; a process that it never saw had ended before its first look.
        let last = self.alive.iter().rev().find(|round| round.t_ns < until);
        if !last.is_some_and(lives) {
            return None;
        }
        if cut.is_some() {
            return Some(Violation::NotFenced(takeover));
        }
        // It may have ended between that look and the takeover; if the next look finds it, it had not; and
        // without a next look nobody knows.
        let next = self.alive.iter().find(|round| round.t_ns >= seen_ns);
        next.is_none_or(lives).then_some(Violation::NotCut(takeover))
    }

    fn owner_of_boot(&self, boot: &str) -> Owner {
        let record = self.power.iter().find(|r| r.boot_id.as_deref() == Some(boot));
        Owner { host: record.map_or("?".into(), |r| r.host.clone()), incarnation: boot.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sights::Answer;
    use ha_lab::{Alive, ArpRound, LedgerRecord, PowerEffect, PowerRecord};

    /// Rounds at each tenth nanosecond from 10; the hosts in which both services live.
    fn rounds(hosts: &[&[&str]]) -> Vec<AliveRound> {
        let process = |service: &str, host: &str| Alive {
            service: service.into(),
            incarnation: format!("{host}-1"),
            pid: 1,
            started: 1,
        };
        let all = |hosts: &[&str]| {
            hosts.iter().flat_map(|host| [WEB, WRITER].map(|service| process(service, host))).collect()
        };
        (1..).zip(hosts).map(|(n, hosts)| AliveRound { t_ns: n * 10, alive: all(hosts) }).collect()
    }

    fn answer(t_ns: u64, host: &str) -> Answer {
        let incarnation = format!("{host}-1");
        Answer { t_ns: t_ns - 1, end_ns: t_ns, host: host.into(), incarnation, pid: 7, mac: None }
    }

    fn block(t_ns: u64, host: &str, block: u64) -> LedgerRecord {
        LedgerRecord { arrival: t_ns, t_ns, host: host.into(), incarnation: format!("{host}-1"), block }
    }

    fn off(t_ns: u64, host: &str, outlet: Option<u32>) -> PowerRecord {
        PowerRecord {
            t_ns,
            began_ns: t_ns,
            pdu: None,
            outlet,
            host: host.into(),
            effect: PowerEffect::Off,
            cause: String::new(),
            boot_id: Some(format!("{host}-1")),
        }
    }

    /// `a` is seen at 12 and 22, `b` from 45 on.
    fn moved(hosts: &[&[&str]], power: &[PowerRecord]) -> Judge {
        Judge {
            answers: vec![answer(12, "a"), answer(22, "a"), answer(45, "b")],
            ledger: vec![block(12, "a", 1), block(22, "a", 2), block(46, "b", 1)],
            alive: rounds(hosts),
            rounds: vec![ArpRound { t_ns: 10, ..ArpRound::default() }],
            power: power.to_vec(),
            ..Judge::default()
        }
    }

    #[test]
    fn who_let_go_or_was_cut_is_taken_over_from() {
        let in_order: &[&[&str]] = &[&["a"], &["a"], &[], &["b"], &["b"]];
        assert_eq!(moved(in_order, &[]).unproven_takeovers(), []);
        let until_the_cut: &[&[&str]] = &[&["a"], &["a"], &["a"], &["b"], &["b"]];
        assert_eq!(moved(until_the_cut, &[off(35, "a", Some(1))]).unproven_takeovers(), []);
        // It ended between the look before the takeover and the one after it.
        let quickly: &[&[&str]] = &[&["a"], &["a"], &["a"], &["a"], &["b"]];
        assert_eq!(moved(quickly, &[]).unproven_takeovers(), []);
        // Let go, then darkened by its button: nothing was left to make sure of.
        assert_eq!(moved(in_order, &[off(38, "a", None)]).unproven_takeovers(), []);
    }

    #[test]
    fn who_lived_is_not_taken_over_from() {
        let both: &[&[&str]] = &[&["a"], &["a"], &["a"], &["a"], &["a", "b"]];
        let found = moved(both, &[]).unproven_takeovers();
        let count = |is: fn(&Violation) -> bool| found.iter().filter(|v| is(v)).count();
        assert_eq!(count(|v| matches!(v, Violation::TwoAlive { .. })), 2, "{found:?}");
        assert_eq!(count(|v| matches!(v, Violation::NotCut(_))), 2, "{found:?}");
        assert_eq!(found.len(), 4);
        // A cut that came after the takeover came too late.
        let late = moved(both, &[off(60, "a", Some(1))]).unproven_takeovers();
        assert!(late.iter().any(|v| matches!(v, Violation::NotCut(_))), "{late:?}");
    }

    #[test]
    fn who_lived_until_its_button_darkened_it_must_be_fenced_as_well() {
        let hosts: &[&[&str]] = &[&["a"], &["a"], &["a"], &[], &["b"]];
        let found = moved(hosts, &[off(38, "a", None)]).unproven_takeovers();
        assert!(matches!(found[..], [Violation::NotFenced(_), Violation::NotFenced(_)]), "{found:?}");
    }

    #[test]
    fn each_pair_is_told_once() {
        let hosts: &[&[&str]] = &[&["a", "b"], &["a", "b"], &["a"]];
        let judge = Judge { alive: rounds(hosts), power: vec![off(99, "a", None)], ..Judge::default() };
        let found = judge.two_alive();
        assert_eq!(found.len(), 2, "one for each service: {found:?}");
        let Violation::TwoAlive { t_ns: 10, owners, .. } = &found[0] else { panic!("{found:?}") };
        assert_eq!(owners.iter().map(|o| o.host.as_str()).collect::<Vec<_>>(), ["a", "?"]);
    }
}
