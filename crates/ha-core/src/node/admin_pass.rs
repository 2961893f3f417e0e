//! Requests passed on to the leader: how long its answer is waited for, and what is said when none comes.
//!
//! A question can be answered here at any time, so a leader that is out of reach for a moment is left at once. An order
//! cannot: after a stall of this host, or of the line, the answer is often under way already.

use super::Node;
use super::admin::{Asker, Pending, WAIT, WAIT_READ, WAIT_TESTS, Wait};
use super::alone::is_question;
use crate::message::PeerMessage;
use ha_model::{AdminReply, AdminRequest, BootNs, NodeId, Now, OwnView, Term, length};
use std::time::Duration;

/// A request that the leader has.
#[derive(Clone, PartialEq, Debug, Hash)]
pub(super) struct Passed {
    leader: NodeId,
    who: String,
    request: AdminRequest,
    limit: Duration,
    /// Since when the leader is out of our reach, as far as it is.
    out_of_reach: Option<BootNs>,
}

impl Passed {
    fn is_question(&self) -> bool {
        is_question(&self.request)
    }

    /// When the leader has been out of reach for too long.
    pub fn given_up_at(&self, t_lost: Duration) -> Option<BootNs> {
        let patience = if self.is_question() { Duration::ZERO } else { t_lost };
        self.out_of_reach.map(|since| since + patience)
    }

    /// Asking twice does no more than asking once.
    fn is_repeatable(&self) -> bool {
        matches!(self.request, AdminRequest::FenceTest { .. })
    }
}

impl Node {
    pub(super) fn pass_on(
        &mut self,
        now: Now,
        asker: Asker,
        leader: &NodeId,
        who: String,
        request: AdminRequest,
    ) {
        let limit = match request {
            AdminRequest::FenceTest { .. } => WAIT_TESTS,
            _ if is_question(&request) => WAIT_READ,
            _ => WAIT,
        };
        let passed = Passed { leader: leader.clone(), who, request, limit, out_of_reach: None };
        self.hand_on(asker, passed, now.boot + limit);
    }

    /// An order that comes while nobody leads waits: an election fits into a grant. Without a quorum, or with a leader that
    /// others hear and we do not, there is nothing to wait for.
    pub(super) fn wait_for_leader(
        &mut self,
        now: Now,
        asker: Asker,
        who: String,
        request: AdminRequest,
        but: Option<(NodeId, Term)>,
    ) {
        // Whoever said that it does not lead may still be heard as the leader.
        let is_led =
            but.is_none() && self.leader_now(now).is_some_and(|leader| self.speaks_to(now, leader).is_some());
        let mut until = now.boot + self.config.timing.t_grant;
        if let Asker::Here(_, end) = &asker {
            until = until.min(*end);
        }
        if self.is_without_quorum(now) || is_led || now.boot >= until {
            let why = self.why_not_taken(now);
            return self.answer(asker, AdminReply::Unavailable { why });
        }
        self.enlist(asker, Wait::Election { who, request, but }, until);
    }

    fn why_not_taken(&self, now: Now) -> String {
        if self.raft.is_leader() {
            "the log takes no entries now: nothing was done; ask again".to_owned()
        } else {
            self.why_no_leader(now)
        }
    }

    /// Orders that wait for somebody to lead: to us, to whom leads now, or back.
    pub(super) fn pass_on_the_waiting(&mut self, now: Now) {
        let waits = |p: &Pending| matches!(p.wait, Wait::Election { .. });
        let waiting: Vec<u64> =
            self.desk.pending.iter().filter(|(_, p)| waits(p)).map(|(id, _)| *id).collect();
        for id in waiting {
            let Some(Pending { wait: Wait::Election { but, .. }, until, .. }) = self.desk.pending.get(&id)
            else {
                continue;
            };
            let term = self.raft.term();
            let is_new = |l: &NodeId| but.as_ref().is_none_or(|(by, of)| by != l || *of != term);
            let leader = self.raft.leader().filter(|l| is_new(l) && self.is_reachable(now, l)).cloned();
            let leads = self.raft.is_leader() && is_new(&self.setup.me);
            let is_led = leads || leader.is_some();
            if !is_led && now.boot < *until && !self.is_without_quorum(now) {
                continue;
            }
            let Some(Pending { asker, wait: Wait::Election { who, request, .. }, .. }) =
                self.desk.pending.remove(&id)
            else {
                continue;
            };
            match leader {
                _ if leads && self.serves() => self.carry_out_request(now, asker, who, request),
                _ if leads => {
                    self.enlist(asker, Wait::Serving { who, request }, now.boot + WAIT_READ);
                }
                Some(leader) => self.pass_on(now, asker, &leader, who, request),
                None => {
                    let why = self.why_not_taken(now);
                    self.answer(asker, AdminReply::Unavailable { why });
                }
            }
        }
    }

    /// Surely nothing was done: whoever leads now is asked, or next.
    pub(super) fn not_taken(&mut self, now: Now, asker: Asker, who: String, request: AdminRequest) {
        match asker {
            Asker::There(node, id) => self.send(&node, PeerMessage::AdminNotTaken { id }),
            Asker::Here(..) if is_question(&request) => {
                let own = self.own_view(now);
                self.answer_alone(now, asker, request, own);
            }
            Asker::Here(..) => {
                let but = Some((self.setup.me.clone(), self.raft.term()));
                self.wait_for_leader(now, asker, who, request, but);
            }
        }
    }

    /// Whom we took for the leader says that it did nothing.
    pub(super) fn admin_not_taken(&mut self, now: Now, id: u64) {
        let Some(Pending { asker, wait: Wait::Leader(passed), until }) = self.desk.pending.remove(&id) else {
            return;
        };
        if passed.is_question() {
            let why = format!("{} leads no more", passed.leader);
            return self.ask_again(now, asker, passed, until, why);
        }
        let Passed { leader, who, request, .. } = passed;
        let but = Some((leader, self.raft.term()));
        self.wait_for_leader(now, asker, who, request, but);
    }

    fn hand_on(&mut self, asker: Asker, passed: Passed, until: BootNs) {
        let Passed { leader, who, request, .. } = passed.clone();
        let Some(id) = self.enlist(asker, Wait::Leader(passed), until) else { return };
        self.send(&leader, PeerMessage::Admin { id, who, request });
    }

    pub(super) fn admin_reply(&mut self, id: u64, reply: AdminReply) {
        let Some(Pending { asker, wait, until }) = self.desk.pending.remove(&id) else { return };
        match (wait, reply) {
            (Wait::Leader(passed), AdminReply::Unavailable { .. }) if passed.is_question() => {
                let why = format!("{} leads no more", passed.leader);
                self.ask_again(self.local.now, asker, passed, until, why);
            }
            (_, reply) => self.answer(asker, reply),
        }
    }

    /// Requests whose leader leads no more, cannot be reached any more, or did not answer in time.
    pub(super) fn leave_silent_leaders(&mut self, now: Now) {
        self.note_reach(now);
        let t_lost = self.config.timing.t_lost;
        let current = self.raft.leader();
        let is_over = |until: BootNs, passed: &Passed| {
            let is_given_up = passed.given_up_at(t_lost).is_some_and(|at| now.boot >= at);
            let is_deposed = current.is_some_and(|l| *l != passed.leader) && passed.is_question();
            now.boot >= until || is_given_up || is_deposed
        };
        let over: Vec<u64> = self
            .desk
            .pending
            .iter()
            .filter(|(_, p)| matches!(&p.wait, Wait::Leader(passed) if is_over(p.until, passed)))
            .map(|(id, _)| *id)
            .collect();
        for id in over {
            if let Some(Pending { asker, wait: Wait::Leader(passed), until }) = self.desk.pending.remove(&id)
            {
                let why = if passed.out_of_reach.is_none() {
                    format!("the leader {} gave no answer within {}", passed.leader, length(passed.limit))
                } else {
                    format!("cannot reach the leader {}", passed.leader)
                };
                self.give_up(now, asker, passed, until, why);
            }
        }
    }

    fn give_up(&mut self, now: Now, asker: Asker, passed: Passed, until: BootNs, why: String) {
        if passed.is_question() {
            self.ask_again(now, asker, passed, until, why);
        } else {
            let why = format!("{why}; what was asked may still happen: look at hactl timeline");
            self.answer(asker, AdminReply::Unavailable { why });
        }
    }

    /// Notes which leaders are out of reach; one that is in reach again is asked again for what may be asked twice.
    fn note_reach(&mut self, now: Now) {
        let mut again = Vec::new();
        let mut pending = std::mem::take(&mut self.desk.pending);
        for (id, Pending { wait, .. }) in &mut pending {
            let Wait::Leader(passed) = wait else { continue };
            if !self.is_reachable(now, &passed.leader) {
                passed.out_of_reach.get_or_insert(now.boot);
            } else if passed.out_of_reach.take().is_some() && passed.is_repeatable() {
                again.push((*id, passed.clone()));
            }
        }
        self.desk.pending = pending;
        for (id, Passed { leader, who, request, .. }) in again {
            self.send(&leader, PeerMessage::Admin { id, who, request });
        }
    }

    /// A question whose leader did not answer: by another leader where there is one, else by us.
    fn ask_again(&mut self, now: Now, asker: Asker, passed: Passed, until: BootNs, why: String) {
        let Passed { leader, request: question, .. } = passed;
        let other = self.raft.leader().filter(|l| **l != leader && self.is_reachable(now, l)).cloned();
        if self.serves() {
            self.carry_out_request(now, asker, String::new(), question);
        } else if let Some(other) = other.filter(|_| now.boot < until) {
            let (who, limit) = (String::new(), until.since(now.boot)); // nothing is done in anybody's name
            self.hand_on(
                asker,
                Passed { leader: other, who, request: question, limit, out_of_reach: None },
                until,
            );
        } else {
            let own = OwnView { leader: Some(leader), why, ..self.own_view(now) };
            self.answer_alone(now, asker, question, own);
        }
    }
}
