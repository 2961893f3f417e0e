//! Operators' requests: answered here, passed on to the leader, or answered after what was proposed is applied.

use super::Node;
use super::admin_pass::Passed;
use super::alone::is_question;
use super::lead::Key;
use crate::effect::Effect;
use crate::message::PeerMessage;
use ha_model::{
    AdminReply, AdminRequest, BootNs, DeviceId, Entry, Index, NodeId, Notice, Now, Term, TimelineEvent,
    length,
};
use std::collections::BTreeMap;
use std::time::Duration;

/// Requests under way at one node; more are refused at once.
const PENDING_MAX: usize = 64;

/// How long a request waits for the leader or for its entry to commit.
pub(super) const WAIT: Duration = Duration::from_secs(10);

/// How long a question waits for the leader, which answers it in one step: past that, what is known here is told.
pub(super) const WAIT_READ: Duration = Duration::from_secs(2);

/// How long a test of fence paths may take before what is known is answered.
pub(super) const WAIT_TESTS: Duration = Duration::from_secs(60);

/// Where an answer goes.
#[derive(Clone, PartialEq, Debug, Hash)]
pub(super) enum Asker {
    /// An operator at this node; however often leadership moves, the request is asked on for no longer than until then.
    Here(u64, BootNs),
    There(NodeId, u64),
}

/// What an answer waits for.
#[derive(Clone, PartialEq, Debug, Hash)]
pub(super) enum Wait {
    /// The leader's answer.
    Leader(Passed),
    /// Somebody that leads: an order that came while nobody did.
    Election {
        who: String,
        request: AdminRequest,
        /// Who said that it does not lead in this term: not asked again before the next.
        but: Option<(NodeId, Term)>,
    },
    /// Our own first entry as leader, before which we do not know the newest state.
    Serving {
        who: String,
        request: AdminRequest,
    },
    /// The entry that was proposed in this term.
    Applied {
        index: Index,
        term: Term,
        who: String,
        request: AdminRequest,
        message: String,
    },
    Tests {
        keys: Vec<(DeviceId, NodeId, NodeId)>,
        node: Option<NodeId>,
    },
}

impl Wait {
    fn given_up_at(&self, t_lost: Duration) -> Option<BootNs> {
        let Wait::Leader(passed) = self else { return None };
        passed.given_up_at(t_lost)
    }
}

#[derive(Clone, Debug, Hash)]
pub(super) struct Pending {
    pub asker: Asker,
    pub wait: Wait,
    pub until: BootNs,
}

/// Requests under way.
#[derive(Clone, Debug, Default, Hash)]
pub(super) struct Desk {
    pub pending: BTreeMap<u64, Pending>,
    next: u64,
}

impl Desk {
    pub fn next_deadline(&self, t_lost: Duration) -> Option<BootNs> {
        let given_up = self.pending.values().filter_map(|p| p.wait.given_up_at(t_lost));
        self.pending.values().map(|p| p.until).chain(given_up).min()
    }
}

/// What carrying out a request came to.
pub(super) enum Outcome {
    Reply(AdminReply),
    /// Proposed: answer with this sentence when it is applied.
    Proposed(Option<Index>, String),
    /// Paths are being tested.
    Testing(Vec<(DeviceId, NodeId, NodeId)>, Option<NodeId>),
}

pub(super) fn refused(why: impl Into<String>, help: impl Into<String>) -> Outcome {
    let help: String = help.into();
    Outcome::Reply(AdminReply::Refused { why: why.into(), help: (!help.is_empty()).then_some(help) })
}

impl Node {
    pub(super) fn admin(&mut self, now: Now, id: u64, who: String, request: AdminRequest) {
        let who = format!("{who} on {}", self.setup.me);
        let asker = Asker::Here(id, now.boot + WAIT);
        if self.serves() {
            return self.carry_out_request(now, asker, who, request);
        }
        if self.raft.is_leader() {
            self.enlist(asker, Wait::Serving { who, request }, now.boot + WAIT_READ);
            return;
        }
        let leader = self.raft.leader().filter(|l| self.is_reachable(now, l)).cloned();
        match leader {
            Some(leader) => self.pass_on(now, asker, &leader, who, request),
            None if is_question(&request) => {
                let own = self.own_view(now);
                self.answer_alone(now, asker, request, own);
            }
            None => self.wait_for_leader(now, asker, who, request, None),
        }
    }

    pub(super) fn admin_forwarded(
        &mut self,
        now: Now,
        from: &NodeId,
        id: u64,
        who: String,
        request: AdminRequest,
    ) {
        let asker = Asker::There(from.clone(), id);
        if self.serves() {
            self.carry_out_request(now, asker, who, request);
        } else if self.raft.is_leader() {
            self.enlist(asker, Wait::Serving { who, request }, now.boot + WAIT_READ);
        } else {
            self.not_taken(now, asker, who, request);
        }
    }

    /// Requests that came before our first entry as leader was applied: it is, or we do not lead after all.
    fn serve_the_early(&mut self, now: Now) {
        let (serves, leads) = (self.serves(), self.raft.is_leader());
        let is_over =
            |p: &Pending| matches!(p.wait, Wait::Serving { .. }) && (serves || !leads || now.boot >= p.until);
        let over: Vec<_> = self.desk.pending.iter().filter(|(_, p)| is_over(p)).map(|(id, _)| *id).collect();
        for id in over {
            if let Some(Pending { asker, wait: Wait::Serving { who, request }, .. }) =
                self.desk.pending.remove(&id)
            {
                if serves {
                    self.carry_out_request(now, asker, who, request);
                } else {
                    self.not_taken(now, asker, who, request);
                }
            }
        }
    }

    pub(super) fn serves(&self) -> bool {
        self.lead.as_ref().is_some_and(|l| l.is_serving)
    }

    pub(super) fn enlist(&mut self, asker: Asker, wait: Wait, until: BootNs) -> Option<u64> {
        if self.desk.pending.len() >= PENDING_MAX {
            let why = format!("{PENDING_MAX} requests are under way at this node; ask again in a moment");
            self.answer(asker, AdminReply::Unavailable { why });
            return None;
        }
        self.desk.next += 1;
        let id = self.desk.next;
        self.desk.pending.insert(id, Pending { asker, wait, until });
        Some(id)
    }

    pub(super) fn carry_out_request(&mut self, now: Now, asker: Asker, who: String, request: AdminRequest) {
        match self.execute(now, &who, request.clone()) {
            Outcome::Reply(reply) => self.answer(asker, reply),
            Outcome::Proposed(None, _) => self.not_taken(now, asker, who, request),
            Outcome::Proposed(Some(index), message) => {
                let term = self.raft.term();
                let wait = Wait::Applied { index, term, who, request, message };
                self.enlist(asker, wait, now.boot + WAIT);
            }
            Outcome::Testing(keys, node) => {
                self.enlist(asker, Wait::Tests { keys, node }, now.boot + WAIT_TESTS);
            }
        }
    }

    pub(super) fn answer(&mut self, asker: Asker, reply: AdminReply) {
        match asker {
            Asker::Here(id, _) => self.out.push(Effect::AdminReply { id, reply: Box::new(reply) }),
            Asker::There(node, id) => self.send(&node, PeerMessage::AdminReply { id, reply }),
        }
    }

    pub(super) fn desk_duties(&mut self, now: Now) {
        self.pass_on_the_waiting(now);
        self.serve_the_early(now);
        self.leave_silent_leaders(now);
        self.leave_what_was_replaced(now);
        let mut done = Vec::new();
        for (id, pending) in &self.desk.pending {
            let reply = match &pending.wait {
                Wait::Applied { index, message, .. } if self.applied >= *index => {
                    Some(self.reply_applied(*index, message))
                }
                Wait::Tests { keys, node } if keys.iter().all(|k| !self.is_test_open(k)) => {
                    Some(AdminReply::FenceTest { paths: self.path_views(node.as_ref()) })
                }
                Wait::Tests { node, .. } if now.boot >= pending.until => {
                    Some(AdminReply::FenceTest { paths: self.path_views(node.as_ref()) })
                }
                Wait::Applied { .. } if now.boot >= pending.until => {
                    let why = format!(
                        "the log did not take it within {}; what was asked may still happen: look at hactl timeline",
                        length(WAIT)
                    );
                    Some(AdminReply::Unavailable { why })
                }
                Wait::Leader(_)
                | Wait::Election { .. }
                | Wait::Serving { .. }
                | Wait::Applied { .. }
                | Wait::Tests { .. } => None,
            };
            done.extend(reply.map(|r| (*id, pending.asker.clone(), r)));
        }
        for (id, asker, reply) in done {
            self.desk.pending.remove(&id);
            self.answer(asker, reply);
        }
    }

    /// What was proposed and of which it is known now that it was not taken, or will not be known: another entry stands
    /// at its index, or a snapshot covers it. While that is not known a deposed leader waits: its entry may commit yet.
    fn leave_what_was_replaced(&mut self, now: Now) {
        let mut over = Vec::new();
        for (id, pending) in &self.desk.pending {
            let Wait::Applied { index, term, .. } = &pending.wait else { continue };
            if self.applied < *index {
                continue;
            }
            let stands = self.raft.term_at(*index).or_else(|| self.lead.as_ref().map(|l| l.term));
            if stands != Some(*term) {
                over.push((*id, stands.is_some()));
            }
        }
        for (id, is_replaced) in over {
            let Some(Pending { asker, wait: Wait::Applied { who, request, .. }, .. }) =
                self.desk.pending.remove(&id)
            else {
                continue;
            };
            if is_replaced {
                self.not_taken(now, asker, who, request);
            } else {
                let why =
                    "leadership has just moved; what was asked may have happened: look at hactl timeline";
                self.answer(asker, AdminReply::Unavailable { why: why.to_owned() });
            }
        }
    }

    /// An entry without effect says why; all else is done.
    fn reply_applied(&self, index: Index, message: &str) -> AdminReply {
        let void =
            self.state.events.iter().rev().take_while(|e| e.index >= index).find_map(|e| match &e.notice {
                Notice::EntryVoid { why, .. } if e.index == index => Some(why.clone()),
                _ => None,
            });
        match void {
            Some(why) => AdminReply::Refused { why, help: None },
            None => AdminReply::Done { message: message.to_owned() },
        }
    }

    fn is_test_open(&self, key: &(DeviceId, NodeId, NodeId)) -> bool {
        let (device, target, executor) = key;
        let is_proposed = self.is_proposed(&Key::Path(device.clone(), target.clone(), executor.clone()));
        is_proposed
            || self
                .lead
                .as_ref()
                .is_some_and(|l| l.paths.get(key).is_some_and(|c| c.is_asked || c.is_running))
    }

    pub(super) fn propose_request(&mut self, now: Now, entry: Entry, message: String) -> Outcome {
        self.desk.next += 1;
        let key = Key::Admin(self.desk.next);
        Outcome::Proposed(self.propose(now, key, entry), message)
    }

    pub(super) fn events(&self, limit: u32, which: impl Fn(&Notice) -> bool) -> Vec<TimelineEvent> {
        let chosen: Vec<_> = self.state.events.iter().filter(|e| which(&e.notice)).collect();
        let skip = chosen.len().saturating_sub(limit as usize);
        chosen.into_iter().skip(skip).cloned().collect()
    }
}
