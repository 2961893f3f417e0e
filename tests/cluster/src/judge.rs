//! Judgement from outside: answers and MACs, the ledger, the power switch's journal of what it truly did.
//!
//! Must not know: the cluster's own word. Pure over the records, so that its own tests can show that it condemns.

use crate::cluster::Cluster;
use crate::sights::Answer;
use ha_lab::{ArpRound, LedgerRecord, PowerEffect, PowerRecord};
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
    /// Somebody took over from a host whose power had not been cut. S2.
    NotCut {
        /// The old owner.
        old: Owner,
        /// The new owner.
        new: Owner,
        /// When the new one was first seen, boot-clock nanoseconds.
        seen_ns: u64,
        /// When the old one's power went, if ever.
        cut_ns: Option<u64>,
    },
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
            orderly_until_ns: cluster.orderly_until_ns(),
        }
    }

    /// Two owners of the address or of the disk, ever. Holds in every scenario.
    pub fn two_owners(&self) -> Vec<Violation> {
        let doubles = self.rounds.iter().filter(|r| r.macs.len() > 1).cloned().map(Violation::TwoMacs);
        doubles.chain(self.old_blocks()).chain(self.old_answers()).collect()
    }

    /// The same, and every change of owner without a cut of the old owner's power before it. For scenarios without
    /// orderly moves after `place_owner`.
    pub fn fenced_takeovers(&self) -> Vec<Violation> {
        let mut all = self.two_owners();
        all.extend(self.not_cut());
        all
    }

    /// When the power of that incarnation was truly gone.
    pub fn cut_at(&self, owner: &Owner) -> Option<u64> {
        let is_it = |r: &&PowerRecord| {
            r.effect == PowerEffect::Off
                && r.host == owner.host
                && r.boot_id.as_deref() == Some(&owner.incarnation)
        };
        self.power.iter().find(is_it).map(|r| r.t_ns)
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

    fn not_cut(&self) -> Vec<Violation> {
        let owners = self.owners();
        let pairs = owners.windows(2).map(|w| (&w[0].0, &w[1].0, w[1].1));
        let judged = pairs.map(|(old, new, seen_ns)| (old, new, seen_ns, self.cut_at(old)));
        judged
            .filter(|(.., seen_ns, cut_ns)| cut_ns.is_none_or(|cut| cut > *seen_ns))
            .map(|(old, new, seen_ns, cut_ns)| Violation::NotCut {
                old: old.clone(),
                new: new.clone(),
                seen_ns,
                cut_ns,
            })
            .collect()
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

    fn off(t_ns: u64, host: &str) -> PowerRecord {
        let text = format!(
            r#"{{"t_ns":{t_ns},"began_ns":{t_ns},"pdu":null,"outlet":null,"host":"{host}","effect":"off",
               "cause":"outlet","boot_id":"{host}-1"}}"#
        );
        serde_json::from_str(&text).expect("a record")
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

    #[test]
    fn a_takeover_needs_a_cut_before_it() {
        let taken = |power| Judge { power, ..ledger(&[("a", 1), ("b", 1)]) };
        assert_eq!(taken(vec![off(15, "a")]).fenced_takeovers(), []);
        for wrong in [vec![], vec![off(25, "a")], vec![off(15, "b")]] {
            assert!(matches!(taken(wrong).fenced_takeovers()[..], [Violation::NotCut { .. }]));
        }
        // An orderly move before that is none.
        let moved = ledger(&[("c", 1), ("a", 1), ("b", 1)]);
        assert_eq!(Judge { power: vec![off(25, "a")], orderly_until_ns: 20, ..moved }.fenced_takeovers(), []);
    }
}
