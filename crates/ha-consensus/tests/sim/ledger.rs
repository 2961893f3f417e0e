//! The judge: what must hold after every event, kept from what nodes did and said, never from what they believe.

use super::host::{Disk, Host, MS, chain};
use ha_consensus::{BeatPart, Body, Entry, Membership, Message, Snapshot, StepDown};
use ha_model::{Index, NodeId, StoreId, Term};
use std::collections::{BTreeMap, BTreeSet};

/// One claim to the lease: by whom, in which term, until when (world time).
#[derive(Clone, Debug)]
struct Claim {
    term: Term,
    until: u64,
}

#[derive(Default)]
pub struct Ledger {
    leaders: BTreeMap<Term, NodeId>,
    votes: BTreeMap<(NodeId, StoreId, Term), NodeId>,
    committed: Vec<Entry<u64>>,
    hashes: Vec<u64>,
    members: BTreeMap<Index, Membership>,
    claims: BTreeMap<NodeId, Claim>,
    /// Stores that some leader's log named a voter.
    named: BTreeSet<(NodeId, StoreId)>,
    /// Commit index of each leader, as last seen; at first, as it was elected.
    commits: BTreeMap<Term, Index>,
    pub elections: u64,
    /// Those that another node won than the one before.
    pub moves: u64,
    last_leader: Option<NodeId>,
    pub installs: u64,
    pub changes: u64,
    pub transfers_failed: u64,
    pub outvoted: u64,
}

impl Ledger {
    pub fn committed_len(&self) -> usize {
        self.committed.len()
    }

    /// S5: one leader per term; it holds all that leaders of earlier terms committed. One whose votes come late may
    /// win a term that is over: what was committed since it need not hold, and it can commit nothing.
    pub fn became_leader(&mut self, t: u64, host: &Host, term: Term) {
        self.elections += 1;
        self.moves += u64::from(self.last_leader.as_ref() != Some(&host.id));
        self.last_leader = Some(host.id.clone());
        let first = self.leaders.entry(term).or_insert_with(|| host.id.clone());
        assert_eq!(*first, host.id, "S5: two leaders in term {term}");
        for (other, claim) in &self.claims {
            assert!(
                *other == host.id || claim.until <= t || claim.term > term,
                "{} is elected in term {term} within the lease of {other} in term {} ({} ms left)",
                host.id,
                claim.term,
                (claim.until - t) / MS
            );
        }
        let raft = host.raft.as_ref().unwrap();
        let earlier = self.commits.range(..term).map(|(_, index)| *index).max().unwrap_or_default();
        self.commits.insert(term, raft.commit_index());
        assert!(
            raft.last_log().index >= earlier,
            "S5: {} leads term {term} and lacks committed entries",
            host.id
        );
        for entry in self.committed.iter().rev().filter(|e| e.index <= earlier).take(40) {
            if let Some(own) = raft.entry(entry.index) {
                assert_eq!(own, entry, "S5: {} leads term {term} with another entry", host.id);
            }
        }
    }

    /// S5: what is committed at an index is the same for all and for ever.
    pub fn applied(&mut self, host: &Host, entry: &Entry<u64>) {
        let at = usize::try_from(entry.index.0).unwrap() - 1;
        if at == self.committed.len() {
            self.committed.push(entry.clone());
            let before = self.hashes.last().copied().unwrap_or(0);
            self.hashes.push(chain(before, entry));
        }
        assert_eq!(&self.committed[at], entry, "S5: {} applied another entry at {}", host.id, entry.index);
        assert_eq!(self.hashes[at], host.hash, "S5: {} has another state at {}", host.id, entry.index);
        let on_disk = host.disk.last().index >= entry.index;
        assert!(on_disk, "S16: {} applied {} before it was durable there", host.id, entry.index);
    }

    pub fn installed(&mut self, host: &Host, snapshot: &Snapshot, hash: u64) {
        self.installs += 1;
        let index = snapshot.meta.pos.index;
        let want = index.0.checked_sub(1).map_or(0, |i| self.hashes[usize::try_from(i).unwrap()]);
        assert_eq!(hash, want, "S5: {} installed another state at {index}", host.id);
    }

    /// S10: odd sets; from one set to another only through both.
    pub fn members_changed(&mut self, host: &Host, index: Index, new: &Membership) {
        let seen = self.members.entry(index).or_insert_with(|| new.clone());
        assert_eq!(seen, new, "S10: {} sees other members at {index}", host.id);
        let odd = new.voters.len() % 2 == 1 && new.outgoing.as_ref().is_none_or(|o| o.len() % 2 == 1);
        assert!(odd, "S10: an even set of voters at {index}: {new:?}");
        let Some((_, old)) = self.members.range(..index).next_back() else { return };
        self.changes += 1;
        match (&old.outgoing, &new.outgoing) {
            (None, Some(from)) => assert_eq!(*from, old.voters, "S10: joint from another set"),
            (Some(_), None) => assert_eq!(new.voters, old.voters, "S10: joint left for another set"),
            (Some(_), Some(_)) => panic!("S10: joint after joint at {index}"),
            (None, None) => {
                let same = old
                    .voters
                    .iter()
                    .zip(&new.voters)
                    .all(|(a, b)| a.0 == b.0 && (a.1 == b.1 || a.1.is_none()));
                assert!(same && old.voters.len() == new.voters.len(), "S10: voters changed in one step");
            }
        }
    }

    /// S5, S16: what a message promises is on the sender's disk; one vote a term.
    pub fn sent(&mut self, host: &Host, to: &NodeId, message: &Message<u64>) {
        let (disk, term) = (&host.disk, message.term);
        let voted_for = match &message.body {
            Body::Vote { .. } => Some(&host.id),
            Body::VoteReply { granted: true } => Some(to),
            Body::AppendAck { matched } => {
                let durable = disk.hard.term > term
                    || (disk.hard.term == term
                        && disk.hard.acked >= *matched
                        && disk.last().index >= *matched);
                assert!(durable, "S16: {} acknowledged {matched} in term {term} unwritten", host.id);
                None
            }
            Body::VoteReply { granted: false }
            | Body::PreVote { .. }
            | Body::PreVoteReply { .. }
            | Body::Append { .. }
            | Body::AppendReject { .. }
            | Body::Chunk { .. }
            | Body::ChunkAck { .. }
            | Body::TransferNow { .. } => None,
        };
        let Some(candidate) = voted_for else { return };
        let key = (host.id.clone(), disk.store, term);
        let first = self.votes.entry(key).or_insert_with(|| candidate.clone());
        assert_eq!(first, candidate, "S5: {} voted twice in term {term}", host.id);
        let durable = disk.hard.term > term
            || (disk.hard.term == term && disk.hard.voted_for.as_ref() == Some(candidate));
        assert!(durable, "S5: the vote of {} in term {term} was told before it was written", host.id);
        let named = disk.hard.no_vote.then(|| self.named.contains(&(host.id.clone(), disk.store)));
        assert!(named != Some(false), "S16: {} voted with a store that was lost and not replaced", host.id);
    }

    pub fn sent_beat(&self, host: &Host, part: &BeatPart) {
        let told = part.last_acked.max(ha_consensus::Mark { term: part.term, index: Index(0) });
        assert!(told <= host.disk.hard.mark(), "S16: a beat of {} tells {told:?}, unwritten", host.id);
        assert!(part.identity.restored <= part.last_acked, "the mark of {} fell", host.id);
    }

    /// What a leader's state shows after each event.
    pub fn leading(&mut self, hosts: &[Host], i: usize) {
        let host = &hosts[i];
        let Some(raft) = host.raft.as_ref().filter(|r| r.is_leader()) else { return };
        let voters = &raft.membership().voters;
        self.named.extend(voters.iter().filter_map(|(node, store)| Some((node.clone(), (*store)?))));
        let (commit, term) = (raft.commit_index(), raft.term());
        let before = self.commits.insert(term, commit).unwrap_or(commit);
        if commit > before {
            let entry = raft.entry(commit).expect("just committed");
            assert_eq!(entry.term, term, "S5: {} committed an earlier term's entry by counting", host.id);
            held_by_quorum(hosts, raft.membership(), entry);
        }
    }

    /// No two leases at once, claims of the dead and the frozen included.
    pub fn leases(&mut self, t: u64, host: &Host) {
        let Some(raft) = &host.raft else { return };
        if raft.transferring().is_some() {
            self.claims.remove(&host.id);
        }
        if !raft.is_leader() {
            assert!(raft.lease_until().is_none(), "{} has a lease and does not lead", host.id);
        }
        let Some(until) = raft.lease_until() else { return };
        let until = host.world_time(until, t);
        for (other, claim) in &self.claims {
            assert!(
                *other == host.id || claim.until <= t,
                "two leases: {} in term {} until {}, {other} in term {} until {} (ms; now {})",
                host.id,
                raft.term(),
                until / MS,
                claim.term,
                claim.until / MS,
                t / MS
            );
        }
        let mine = self.claims.entry(host.id.clone()).or_insert(Claim { term: raft.term(), until });
        mine.term = raft.term();
        mine.until = mine.until.max(until);
    }

    pub fn stepped_down(&mut self, host: &Host, why: StepDown) {
        let stands_again = why == StepDown::HigherTerm
            && host.raft.as_ref().is_some_and(|r| r.role() == ha_consensus::Role::Candidate);
        if stands_again {
            // It gave up its lease of the old term to stand in a higher one.
            self.outvoted += 1;
            self.claims.remove(&host.id);
        }
    }
}

/// S5: an entry is committed only once a majority (of both sets) holds it on disk.
fn held_by_quorum(hosts: &[Host], members: &Membership, entry: &Entry<u64>) {
    for set in std::iter::once(&members.voters).chain(&members.outgoing) {
        let held = |host: &Host, disk: &Disk| {
            let in_snapshot = disk.snapshot.as_ref().is_some_and(|s| s.meta.pos.index >= entry.index);
            let in_log = disk.log.iter().rev().any(|e| e == entry);
            let counts = set.get(&host.id).is_some_and(|s| s.is_none_or(|s| s == disk.store));
            counts && (in_snapshot || in_log)
        };
        // What a disk acknowledged before it was lost may still arrive: that host is one of the minority that may fail.
        let holds = |h: &&Host| std::iter::once(&h.disk).chain(&h.lost_disk).any(|disk| held(h, disk));
        let n = hosts.iter().filter(holds).count();
        assert!(2 * n > set.len(), "S5: {} was committed with {n} of {} disks", entry.index, set.len());
    }
}
