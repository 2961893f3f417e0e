//! The state of everything in an operator's words. Reads, never decides.

use super::Node;
use super::links::mark_own_links;
use crate::state::{InstanceRecord, NodeRecord, Power};
use ha_membership::Presence;
use ha_model::{
    FenceRow, InstanceId, InstanceState, NodeConfig, NodeId, NodeRow, Notice, Now, PathView, Phase,
    ResourceId, ResourceRow, Role, StatusView, length, moved,
};
use ha_scheduler::NodeStatus;

impl Node {
    /// The cluster file with which this daemon was started: its name and its text then.
    #[must_use]
    pub fn cluster_file(&self) -> (&str, &str) {
        (&self.setup.file_name, &self.setup.file_text)
    }

    /// What `hactl status` shows.
    #[must_use]
    pub fn status(&self, now: Now) -> StatusView {
        let mut warnings: Vec<_> =
            self.warnings.list().into_iter().map(|(l, t)| (self.setup.me.clone(), l, t)).collect();
        if let Some(lead) = &self.lead {
            for (node, list) in lead.warnings.iter().filter(|(n, _)| **n != self.setup.me) {
                warnings.extend(list.iter().map(|(l, t)| (node.clone(), *l, t.clone())));
            }
        }
        let mut nodes: Vec<_> = self.config.nodes.iter().map(|(id, c)| self.node_row(now, id, c)).collect();
        mark_own_links(&mut nodes, &self.setup.me);
        StatusView {
            cluster: self.config.name.clone(),
            seen_by: self.setup.me.clone(),
            at: now.wall,
            state: self.phase(now),
            leader: self.leader_now(now).cloned(),
            term: self.raft.term(),
            voters: self.raft.membership().voter_nodes().into_iter().collect(),
            nodes,
            resources: self.config.resources.keys().map(|id| self.resource_row(now, id)).collect(),
            fences: self.fence_rows(now),
            paths: self.path_views(None),
            waivers: self
                .config
                .waivers
                .iter()
                .map(|(w, origin)| (w.word().to_owned(), origin.to_string()))
                .collect(),
            warnings,
            own_view: None,
        }
    }

    pub(super) fn phase(&self, now: Now) -> Phase {
        if self.leader_now(now).is_none() {
            let voters = self.raft.membership().voter_nodes();
            let heard = voters
                .iter()
                .filter(|v| **v == self.setup.me || self.membership.is_present(v, now.boot))
                .cloned()
                .collect();
            return Phase::NoQuorum {
                heard,
                needed: u32::try_from(voters.len() / 2 + 1).unwrap_or(u32::MAX),
            };
        }
        match &self.lead {
            Some(lead) if lead.hold.is_some() => Phase::Hold { why: lead.hold.clone().unwrap_or_default() },
            Some(lead) if self.is_forming() => {
                let remaining = self.formation_ends().map_or(0, |e| e.since(now.boot).as_millis());
                Phase::Forming {
                    waits_for: lead.awaited.iter().cloned().collect(),
                    remaining_ms: u64::try_from(remaining).unwrap_or(u64::MAX),
                }
            }
            Some(_) | None => Phase::Active,
        }
    }

    /// Members are awaited and nothing was ever permitted to run: the first placement is still to come.
    pub(super) fn is_forming(&self) -> bool {
        self.lead.as_ref().is_some_and(|l| !l.awaited.is_empty()) && self.state.may_run.is_empty()
    }

    fn node_row(&self, now: Now, id: &NodeId, config: &NodeConfig) -> NodeRow {
        let record = self.state.node(id).cloned().unwrap_or_default();
        let is_me = *id == self.setup.me;
        let presence = if is_me { Presence::Present } else { self.membership.presence(id, now.boot) };
        let (state, why) = self.node_state(now, id, &record, presence);
        let votes = self.raft.membership().is_voter(id);
        NodeRow {
            name: id.clone(),
            role: if config.role == Role::Member { "member" } else { "witness" }.to_owned(),
            vote: if votes { "voter" } else { "learner" }.to_owned(),
            state,
            boot: record.incarnation.map(|i| i.to_string()),
            links: (0u8..)
                .zip(&config.links)
                .map(|(n, address)| (*address, is_me || self.membership.is_link_up(id, n, now.boot)))
                .collect(),
            why,
        }
    }

    fn node_state(
        &self,
        now: Now,
        id: &NodeId,
        record: &NodeRecord,
        presence: Presence,
    ) -> (String, Option<String>) {
        let is_awaited = self.lead.as_ref().is_some_and(|l| l.awaited.contains(id));
        let is_gone = self.daemon_gone.contains_key(id) && presence != Presence::Present;
        let config = &self.config;
        let (word, why): (&str, Option<String>) = match record.status {
            NodeStatus::Member if is_gone => (
                "daemon-gone",
                Some(
                    "its daemon died, its host answers: its services run on until the grace ends".to_owned(),
                ),
            ),
            NodeStatus::Member if record.standby.is_some() => {
                ("standby", Some(format!("on standby {}", record.standby.clone().unwrap_or_default())))
            }
            NodeStatus::Member if record.is_held => {
                ("held", Some(format!("fenced too often; type: hactl node online {id}")))
            }
            NodeStatus::Member => match presence {
                Presence::Present if config.members().any(|m| m == id) => {
                    ("online", self.state.why_no_exclusive(config, id))
                }
                Presence::Present => ("online", None),
                Presence::NeverHeard => match self.formation_ends().filter(|end| now.boot < *end) {
                    Some(end) => {
                        let (me, left) = (&self.setup.me, length(end.since(now.boot)));
                        ("silent", Some(format!("not heard since {me} leads; after {left} more it is lost")))
                    }
                    None => ("joining", Some("this node has not heard it yet".to_owned())),
                },
                Presence::Silent { for_ } => ("silent", Some(format!("no heartbeat for {}", length(for_)))),
                Presence::OneWay { .. } => ("silent", Some("it speaks but does not hear us".to_owned())),
                Presence::Stalled { what, age } => {
                    ("silent", Some(format!("{} stands still for {}", what.word(), length(age))))
                }
            },
            NodeStatus::Unseen if is_awaited => {
                ("unseen", Some("the forming cluster waits for it".to_owned()))
            }
            NodeStatus::Unseen => (
                "unseen",
                Some(format!(
                    "never spoke to this cluster; start hanode there, or make sure it is off and type: hactl fence confirm {id}"
                )),
            ),
            NodeStatus::Lost => {
                let next = if self.state.may_run_on(id).next().is_none() {
                    "nothing of the cluster can run there".to_owned()
                } else if config.has_fence_path(id) {
                    "it must be fenced before what it ran can start".to_owned()
                } else {
                    format!("it has no fence path; make sure it is off and type: hactl fence confirm {id}")
                };
                ("lost", Some(self.why_was_lost(id).map_or(next.clone(), |why| format!("{why}; {next}"))))
            }
            NodeStatus::Condemned => ("fencing", Some("off was requested and is not proven yet".to_owned())),
            NodeStatus::Off => {
                let why = match &record.power {
                    _ if record.is_held => format!("proven off and held; type: hactl node online {id}"),
                    Power::Off { returns: true, .. } => "proven off; power comes back soon".to_owned(),
                    Power::Off { level: 0, .. } => "confirmed off; start it by hand".to_owned(),
                    Power::Off { .. } => format!("proven off; type: hactl fence on {id}"),
                    Power::OnRequested { .. } => "power on is requested".to_owned(),
                    Power::On => "power is on; it has not spoken yet".to_owned(),
                    Power::OnFailed { why } => {
                        format!(
                            "power on failed: {why}; it is tried again, at once with: hactl fence on {id}"
                        )
                    }
                    Power::Assumed => "proven off".to_owned(),
                };
                ("off", Some(why))
            }
            NodeStatus::Left => ("left", Some("it left cleanly".to_owned())),
        };
        (word.to_owned(), why)
    }

    /// Why a node was lost the last time, in the words of the timeline, while that still has them.
    fn why_was_lost(&self, id: &NodeId) -> Option<String> {
        self.state.events.iter().rev().find_map(|event| match &event.notice {
            Notice::NodeLost { node, why } if node == id => Some(why.text()),
            _ => None,
        })
    }

    fn resource_row(&self, now: Now, id: &ResourceId) -> ResourceRow {
        let instance = InstanceId::from(id.as_str());
        let report = self.lead.as_ref().and_then(|l| l.report.instances.get(&instance));
        let by_node = self.state.instances.get(&instance);
        // What a node said before it was lost is no knowledge of what runs there now.
        let is_here = |id: &NodeId| self.state.node(id).is_some_and(|r| r.status == NodeStatus::Member);
        let best: Option<(&NodeId, &InstanceRecord)> = by_node
            .and_then(|n| n.iter().filter(|(id, _)| is_here(id)).max_by_key(|(_, r)| prominence(r.state())));
        let active = best.filter(|(_, r)| prominence(r.state()) > 0);
        let holder = self.state.may_run.values().find(|m| m.instance == instance);
        let (state, node) = match (active, holder) {
            (Some((node, r)), _) => (state_word(r.state()), Some(node.clone())),
            (None, Some(m)) => (if is_here(&m.node) { "starting" } else { "blocked" }, Some(m.node.clone())),
            (None, None) => {
                let wanted = report.and_then(|r| r.wanted.clone());
                (if wanted.is_some() { "blocked" } else { "stopped" }, wanted)
            }
        };
        let disabled = self.why_disabled(id);
        let is_wanted = disabled.is_none();
        let mut why = disabled.or_else(|| report.map(|r| r.why.clone()).filter(|w| !w.is_empty()));
        let pause = node.as_ref().and_then(|n| self.start_pause(now, &instance, n));
        if let ("blocked", Some((until, failures)), Some(node)) = (state, pause, &node) {
            let left = length(until.since(now.boot));
            why = Some(format!("it failed {failures} times on {node} and is started there again in {left}"));
        }
        if why.is_none() && state != "running" {
            why = active.and_then(|(_, r)| r.observation.why.clone());
        }
        let mut state = state;
        if let Some((known, reason)) = node.as_ref().and_then(|n| self.known_here(now, &instance, n)) {
            (state, why) = (known, reason.or(why));
        }
        why = self.with_pin(id, self.with_move(now, id, why));
        let spec = self.spec_of(&instance);
        let failures = self.state.failure_views(&self.config, now.wall);
        ResourceRow {
            name: instance,
            group: self.config.group_of(id).map(|(g, _)| g.to_string()),
            agent: spec.map_or_else(String::new, |s| s.agent.to_string()),
            state: state.to_owned(),
            is_wanted,
            node,
            failures: failures
                .get(id)
                .map(|n| n.iter().map(|(node, f)| (node.clone(), f.count)).collect())
                .unwrap_or_default(),
            why,
        }
    }

    /// What is wrong with a resource, if anything, and where an operator moved it, while that wish holds.
    fn with_move(&self, now: Now, id: &ResourceId, why: Option<String>) -> Option<String> {
        let wish = self.state.wishes.moves.get(id).filter(|(_, until, _)| now.wall < *until);
        let Some((to, until, by)) = wish else { return why };
        Some(and(why, moved(to, by, *until)))
    }

    /// What is wrong with a resource, if anything, and that it runs over the file, if it does.
    fn with_pin(&self, id: &ResourceId, why: Option<String>) -> Option<String> {
        let Some((true, by)) = self.state.wishes.enabled.get(id) else { return why };
        let pin = format!(
            "started as asked ({by}), though the cluster file disables it; hactl resource stop {id} takes that back"
        );
        Some(and(why, pin))
    }

    /// Why a resource should not run: the cluster file says so, and no operator says anything else.
    fn why_disabled(&self, id: &ResourceId) -> Option<String> {
        let spec = self.config.resources.get(id).filter(|spec| !spec.enabled)?;
        let is_started = self.state.wishes.enabled.get(id).is_some_and(|(on, _)| *on);
        (!is_started).then(|| {
            let place = &spec.origin;
            format!("disabled in the cluster file ({place}); start it all the same with: hactl resource start {id}")
        })
    }

    fn fence_rows(&self, now: Now) -> Vec<FenceRow> {
        let rows = self.state.fences.iter().map(|(id, f)| {
            let clock = self.lead.as_ref().and_then(|l| l.fences.get(id));
            let waits = clock.filter(|c| c.running.is_none() && c.wakes_at > now.boot && !f.is_running);
            let help = format!("if it is surely off, type: hactl fence confirm {}", f.target);
            FenceRow {
                node: f.target.clone(),
                reason: f.reason.text(),
                attempts: f.attempts,
                state: match (f.is_running, f.attempts) {
                    (true, _) => "off-sent",
                    (false, 0) => "requested",
                    (false, _) => "waiting",
                }
                .to_owned(),
                why: clock
                    .and_then(|c| c.waits_for.clone())
                    .or_else(|| f.last_failure.as_ref().map(|w| format!("{w}; {help}"))),
                next_ms: waits
                    .map(|c| u64::try_from(c.wakes_at.since(now.boot).as_millis()).unwrap_or(u64::MAX)),
            }
        });
        rows.collect()
    }

    pub(super) fn path_views(&self, only: Option<&NodeId>) -> Vec<PathView> {
        let mut views = Vec::new();
        for (device, spec) in &self.config.devices {
            for target in spec.outlets.keys().filter(|t| only.is_none_or(|o| o == *t)) {
                let record = self.state.paths.get(device).and_then(|n| n.get(target));
                let newest = record.and_then(|p| p.tests.iter().max_by_key(|(_, t)| t.at));
                let passed = record.is_some_and(|p| p.tests.values().any(|t| t.failed.is_none()));
                let has_evidence = self.state.has_evidence(&self.config, device, target);
                let failed = record.and_then(|p| p.tests.values().find_map(|t| t.failed.clone()));
                views.push(PathView {
                    device: device.clone(),
                    node: target.clone(),
                    works: passed && has_evidence,
                    tested_by: newest.map(|(n, _)| n.clone()),
                    at: newest.map(|(_, t)| t.at),
                    why: match (passed && has_evidence, failed) {
                        (true, _) => None,
                        (false, Some(why)) => Some(why),
                        (false, None) => Some("not tested yet".to_owned()),
                    },
                });
            }
        }
        views
    }
}

fn and(why: Option<String>, more: String) -> String {
    match why {
        Some(why) => format!("{why}; {more}"),
        None => more,
    }
}

/// The state that matters most where several nodes know something of an instance.
fn prominence(state: InstanceState) -> u8 {
    match state {
        InstanceState::StopFailed => 6,
        InstanceState::Running => 5,
        InstanceState::Stopping => 4,
        InstanceState::Starting => 3,
        InstanceState::Failed => 2,
        InstanceState::Unknown | InstanceState::Probing | InstanceState::Stopped => 0,
    }
}

pub(super) fn state_word(state: InstanceState) -> &'static str {
    match state {
        InstanceState::Unknown | InstanceState::Probing => "unknown",
        InstanceState::Stopped => "stopped",
        InstanceState::Starting => "starting",
        InstanceState::Running => "running",
        InstanceState::Stopping => "stopping",
        InstanceState::Failed => "failed",
        InstanceState::StopFailed => "stop-failed",
    }
}
