//! Judgement from outside: answers and MACs, the ledger, the power switch's journal of what it truly did.
//!
//! The rule of every takeover is here once (`fenced_at`): the old owner's outlet was switched off, its power was gone, and
//! only then somebody else was seen. A host that a test darkened by its button is not fenced by that: nobody but the test
//! knows, and a frozen one looks the same.
//! Must not know: the cluster's own word. Pure over the records, so that its own tests can show that it condemns.

use crate::cluster::Cluster;
use crate::sights::Answer;
use crate::switches::Opened;
use ha_lab::{AliveRound, ArpRound, LedgerRecord, PowerEffect, PowerRecord};
use std::collections::BTreeSet;
use std::fmt;

/// One boot of one host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owner {
    /// Host.
    pub host: String,
    /// Incarnation.
    pub incarnation: String,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:.8})", self.host, self.incarnation)
    }
}

/// What must never be seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Violation {
    /// Two MACs answered for the address in one round. S1.
    TwoMacs(ArpRound),
    /// After the new owner's first block came one of the old owner's writer, which had not ended. S1.
    OldBlock {
        /// The block.
        block: LedgerRecord,
        /// Who had written before it.
        after: Owner,
    },
    /// After the new owner's first answer the old owner's service, the same process, answered again. S1.
    OldAnswer {
        /// The answer.
        answer: Answer,
        /// Who had answered before it.
        after: Owner,
    },
    /// The same service lived in two incarnations at one instant, by the process table. S1.
    TwoAlive {
        /// Which service.
        service: String,
        /// The first such instant, boot-clock nanoseconds.
        t_ns: u64,
        /// In which boots.
        owners: Vec<Owner>,
    },
    /// Somebody took over from a host whose power had not been cut. S2.
    NotCut(Takeover),
    /// Somebody took over from a host that was dark, by its button, before its switch had been asked to make sure. S2.
    NotFenced(Takeover),
    /// A watch did not look while others saw something: it would not have seen a second owner either.
    Unwatched {
        /// Which watch.
        watch: String,
        /// The longest time from its last look to what another witness saw, nanoseconds; none: it never looked.
        longest_ns: Option<u64>,
    },
    /// The watch over processes looked and did not see a service that answered or wrote.
    Unseen {
        /// Which service.
        service: String,
        /// Whose.
        owner: Owner,
    },
}

impl Violation {
    /// The rule that it breaks, or that a witness was missing.
    pub fn rule(&self) -> &'static str {
        match self {
            Self::TwoMacs(_) | Self::OldBlock { .. } | Self::OldAnswer { .. } | Self::TwoAlive { .. } => "S1",
            Self::NotCut(_) | Self::NotFenced(_) => "S2",
            Self::Unwatched { .. } | Self::Unseen { .. } => "watch",
        }
    }
}

/// A change of owner that came too early.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Takeover {
    /// The old owner.
    pub old: Owner,
    /// The new owner.
    pub new: Owner,
    /// When the new one was first seen, boot-clock nanoseconds.
    pub seen_ns: u64,
    /// When it would have been right, if ever.
    pub right_ns: Option<u64>,
}

/// The records of the outside observers.
#[derive(Debug, Clone, Default)]
pub struct Judge {
    /// Rounds of the watch over the address.
    pub rounds: Vec<ArpRound>,
    /// Blocks on the disk, in order of arrival.
    pub ledger: Vec<LedgerRecord>,
    /// The client's answers, in the order in which they were asked.
    pub answers: Vec<Answer>,
    /// What the power switch did.
    pub power: Vec<PowerRecord>,
    /// Outlets that a switch opened, whether or not the host on them was still on.
    pub opened: Vec<Opened>,
    /// Which services lived where; empty where no watch looked (`Plan::watches_processes`).
    pub alive: Vec<AliveRound>,
    /// Until then (boot-clock nanoseconds) the owner changed in order, by an operator's wish.
    pub orderly_until_ns: u64,
}

impl Judge {
    pub(crate) fn of(cluster: &Cluster) -> Self {
        Self {
            rounds: cluster.arp().rounds().expect("the watch's records"),
            ledger: cluster.lab().ledger().expect("the ledger"),
            answers: cluster.answers_since(0),
            power: cluster.lab().power_journal().expect("the power journal"),
            opened: cluster.opened_outlets(),
            alive: cluster.alive_rounds(),
            orderly_until_ns: cluster.orderly_until_ns(),
        }
    }

    /// Two owners of the address or of the disk, ever. Holds in every scenario.
    pub fn two_owners(&self) -> Vec<Violation> {
        let doubles = self.rounds.iter().filter(|r| r.macs.len() > 1).cloned().map(Violation::TwoMacs);
        let seen = doubles.chain(self.old_blocks()).chain(self.old_answers());
        seen.chain(self.two_alive()).collect()
    }

    /// The same, and every change of owner that no fence of the old owner came before. For scenarios without orderly
    /// moves after `place_owner`.
    pub fn fenced_takeovers(&self) -> Vec<Violation> {
        let mut all = self.cut_takeovers();
        let early = self.earlier_than(|old| self.fenced_at(old));
        all.extend(early.into_iter().filter(|t| self.is_cut_before(t)).map(Violation::NotFenced));
        all
    }

    /// The same where a human's word stands for the switch's: the old owner's power was gone, by whatever hand.
    pub fn cut_takeovers(&self) -> Vec<Violation> {
        let mut all = self.two_owners();
        all.extend(self.earlier_than(|old| self.cut_at(old)).into_iter().map(Violation::NotCut));
        all
    }

    /// The same records as they were then: for what follows a takeover in order (a move back to who is preferred).
    pub fn until(&self, t_ns: u64) -> Self {
        let mut before = self.clone();
        before.rounds.retain(|r| r.t_ns <= t_ns);
        before.ledger.retain(|b| b.t_ns <= t_ns);
        before.answers.retain(|a| a.end_ns <= t_ns);
        before.power.retain(|r| r.t_ns <= t_ns);
        before.opened.retain(|o| o.t_ns <= t_ns);
        before.alive.retain(|r| r.t_ns <= t_ns);
        before
    }

    /// When the power of that incarnation was truly gone, by its outlet or by its button.
    pub fn cut_at(&self, owner: &Owner) -> Option<u64> {
        self.end_of(owner).map(|at| self.power[at].t_ns)
    }

    /// When that incarnation was fenced: when its outlet took its power; or, where its button had taken it before, when
    /// its outlet was opened as well. A new boot of its host is as good: it ends the one before.
    pub fn fenced_at(&self, owner: &Owner) -> Option<u64> {
        let at = self.end_of(owner)?;
        let (end, later) = (&self.power[at], &self.power[at + 1..]);
        if end.outlet.is_some() {
            return Some(end.t_ns);
        }
        let opened = self.opened.iter().filter(|o| o.host == owner.host).map(|o| o.t_ns);
        let boots = later.iter().filter(|r| r.host == owner.host && r.effect == PowerEffect::On);
        opened.filter(|t| *t >= end.t_ns).chain(boots.map(|r| r.began_ns)).min()
    }

    fn end_of(&self, owner: &Owner) -> Option<usize> {
        let is_it = |r: &PowerRecord| {
            r.effect == PowerEffect::Off
                && r.host == owner.host
                && r.boot_id.as_deref() == Some(&owner.incarnation)
        };
        self.power.iter().position(is_it)
    }

    /// How often the power of a host was truly cut.
    pub fn cuts_of(&self, host: &str) -> usize {
        self.power.iter().filter(|r| r.effect == PowerEffect::Off && r.host == host).count()
    }

    /// Every owner since the last orderly move, in the order in which it was first seen, by answer or block, with that
    /// time.
    pub fn owners(&self) -> Vec<(Owner, u64)> {
        let answers = self.answers.iter().map(|a| (owner(&a.host, &a.incarnation), a.end_ns));
        let blocks = self.ledger.iter().map(|b| (owner(&b.host, &b.incarnation), b.t_ns));
        let mut all: Vec<_> = answers.chain(blocks).collect();
        all.retain(|(_, t)| *t >= self.orderly_until_ns);
        all.sort_by_key(|(_, t)| *t);
        let mut seen = BTreeSet::new();
        all.retain(|(o, _)| seen.insert(o.clone()));
        all
    }

    /// A writer process numbers its blocks from 1: whoever takes the disk (back) begins with 1, and a block with
    /// another number after somebody else's is from a writer that had not ended.
    fn old_blocks(&self) -> Vec<Violation> {
        let pairs = self.ledger.windows(2).filter(|w| w[0].host != w[1].host && w[1].block != 1);
        pairs
            .map(|w| Violation::OldBlock { block: w[1].clone(), after: owner(&w[0].host, &w[0].incarnation) })
            .collect()
    }

    /// A service process that answered before somebody else did, and answers a later question.
    fn old_answers(&self) -> Vec<Violation> {
        let mut out = Vec::new();
        let mut gone = BTreeSet::new();
        for pair in self.answers.windows(2) {
            let [before, now] = pair else { continue };
            let key = |a: &Answer| (a.host.clone(), a.incarnation.clone(), a.pid);
            if key(before) == key(now) {
                continue;
            }
            gone.insert(key(before));
            if gone.contains(&key(now)) {
                let after = owner(&before.host, &before.incarnation);
                out.push(Violation::OldAnswer { answer: now.clone(), after });
            }
        }
        out
    }

    /// Changes of owner before the time from which on they are right.
    fn earlier_than(&self, right: impl Fn(&Owner) -> Option<u64>) -> Vec<Takeover> {
        let owners = self.owners();
        let all = owners.windows(2).map(|w| Takeover {
            old: w[0].0.clone(),
            new: w[1].0.clone(),
            seen_ns: w[1].1,
            right_ns: right(&w[0].0),
        });
        all.filter(|t| t.right_ns.is_none_or(|right| right > t.seen_ns)).collect()
    }

    fn is_cut_before(&self, takeover: &Takeover) -> bool {
        self.cut_at(&takeover.old).is_some_and(|cut| cut <= takeover.seen_ns)
    }
}

fn owner(host: &str, incarnation: &str) -> Owner {
    Owner { host: host.into(), incarnation: incarnation.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(arrival: u64, host: &str, block: u64) -> LedgerRecord {
        LedgerRecord {
            arrival,
            t_ns: arrival * 10,
            host: host.into(),
            incarnation: format!("{host}-1"),
            block,
        }
    }

    fn answer(t_ns: u64, host: &str, pid: u32) -> Answer {
        let incarnation = format!("{host}-1");
        Answer { t_ns, end_ns: t_ns + 1, host: host.into(), incarnation, pid, mac: None }
    }

    fn power(
        t_ns: u64,
        host: &str,
        effect: PowerEffect,
        outlet: Option<u32>,
        boot: Option<u32>,
    ) -> PowerRecord {
        PowerRecord {
            t_ns,
            began_ns: t_ns,
            pdu: outlet.map(|_| "pdu-a".into()),
            outlet,
            host: host.into(),
            effect,
            cause: if outlet.is_some() { "outlet".into() } else { "button".into() },
            boot_id: boot.map(|boot| format!("{host}-{boot}")),
        }
    }

    fn off(t_ns: u64, host: &str) -> PowerRecord {
        power(t_ns, host, PowerEffect::Off, Some(1), Some(1))
    }

    fn button(t_ns: u64, host: &str) -> PowerRecord {
        power(t_ns, host, PowerEffect::Off, None, Some(1))
    }

    fn ledger(blocks: &[(&str, u64)]) -> Judge {
        let ledger = (1..).zip(blocks).map(|(n, (host, number))| block(n, host, *number)).collect();
        Judge { ledger, ..Judge::default() }
    }

    #[test]
    fn a_block_of_the_old_writer_is_condemned_and_a_new_writer_on_the_old_host_is_not() {
        assert_eq!(ledger(&[("a", 1), ("a", 2), ("b", 1), ("b", 2), ("a", 1), ("a", 2)]).two_owners(), []);
        let judge = ledger(&[("a", 1), ("a", 2), ("b", 1), ("a", 3), ("b", 2)]);
        let condemned: Vec<_> = judge
            .two_owners()
            .into_iter()
            .map(|v| match v {
                Violation::OldBlock { block, .. } => (block.host, block.block),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(condemned, [("a".to_string(), 3), ("b".to_string(), 2)]);
    }

    #[test]
    fn an_old_process_that_answers_again_is_condemned() {
        let judge = |answers: Vec<Answer>| Judge { answers, ..Judge::default() };
        let moved_there_and_back = vec![answer(1, "a", 7), answer(2, "b", 7), answer(3, "a", 8)];
        assert_eq!(judge(moved_there_and_back).two_owners(), []);
        let both = judge(vec![answer(1, "a", 7), answer(2, "b", 7), answer(3, "a", 7)]);
        assert!(matches!(both.two_owners()[..], [Violation::OldAnswer { .. }]), "{:?}", both.two_owners());
    }

    #[test]
    fn two_macs_in_a_round_are_condemned() {
        let round = |macs: &[&str]| {
            let macs = macs.iter().map(|m| m.to_string()).collect();
            ArpRound { t_ns: 1, macs, ..ArpRound::default() }
        };
        let judge = Judge { rounds: vec![round(&["x"]), round(&[]), round(&["x", "y"])], ..Judge::default() };
        assert_eq!(judge.two_owners(), [Violation::TwoMacs(round(&["x", "y"]))]);
    }

    /// `a` writes at 10, `b` at 20.
    fn taken(power: &[PowerRecord]) -> Judge {
        Judge { power: power.to_vec(), ..ledger(&[("a", 1), ("b", 1)]) }
    }

    #[test]
    fn a_takeover_needs_a_cut_before_it() {
        assert_eq!(taken(&[off(15, "a")]).fenced_takeovers(), []);
        for wrong in [vec![], vec![off(25, "a")], vec![off(15, "b")], vec![button(25, "a")]] {
            let judge = Judge { opened: vec![opened(15, "a")], ..taken(&wrong) };
            assert!(matches!(judge.fenced_takeovers()[..], [Violation::NotCut(_)]), "{wrong:?}");
            assert!(matches!(judge.cut_takeovers()[..], [Violation::NotCut(_)]), "{wrong:?}");
        }
        // An orderly move before that is none.
        let moved = ledger(&[("c", 1), ("a", 1), ("b", 1)]);
        assert_eq!(Judge { power: vec![off(25, "a")], orderly_until_ns: 20, ..moved }.fenced_takeovers(), []);
    }

    fn opened(t_ns: u64, host: &str) -> Opened {
        Opened { t_ns, host: host.into() }
    }

    #[test]
    fn a_host_that_its_button_darkened_is_not_fenced_by_that() {
        let on = |host| power(15, host, PowerEffect::On, None, Some(2));
        let judge = |boots: &[PowerRecord], opened: &[Opened]| {
            let power = [&[button(12, "a")], boots].concat();
            Judge { opened: opened.to_vec(), ..taken(&power) }
        };
        assert_eq!(judge(&[], &[opened(15, "a")]).fenced_takeovers(), []);
        // A new boot ends the old one as surely.
        assert_eq!(judge(&[on("a")], &[]).fenced_takeovers(), []);
        let wrong = [
            judge(&[], &[]),
            judge(&[], &[opened(25, "a")]),
            judge(&[], &[opened(11, "a")]),
            judge(&[], &[opened(15, "b")]),
            judge(&[on("b")], &[]),
        ];
        for judge in wrong {
            assert!(matches!(judge.fenced_takeovers()[..], [Violation::NotFenced(_)]), "{judge:?}");
            // Enough where a human made sure.
            assert_eq!(judge.cut_takeovers(), []);
        }
    }

    #[test]
    fn what_comes_later_does_not_count_for_the_records_until_then() {
        let judge = Judge { power: vec![off(15, "a")], ..ledger(&[("a", 1), ("b", 1), ("c", 1)]) };
        assert!(matches!(judge.fenced_takeovers()[..], [Violation::NotCut(_)]));
        assert_eq!(judge.until(20).fenced_takeovers(), []);
        assert!(matches!(taken(&[off(25, "a")]).until(20).fenced_takeovers()[..], [Violation::NotCut(_)]));
    }
}
