//! What each request of an operator means, checked by the leader before anything is proposed.

use super::Node;
use super::admin::{Outcome, refused};
use ha_config::{PACE_ANEW, nearest, parse};
use ha_model::sabotage::{self, Sabotage};
use ha_model::{
    AdminReply, AdminRequest, ClusterConfig, Entry, Evidence, FenceProof, FenceReason, NodeId, Notice, Now,
    Origin, ProofScope, ResourceId, WallMs, Wish,
};
use ha_scheduler::NodeStatus;

impl Node {
    pub(super) fn execute(&mut self, now: Now, who: &str, request: AdminRequest) -> Outcome {
        let origin = |until| Origin::Admin { who: who.to_owned(), when: now.wall, until };
        if let Some(refusal) = self.unknown_name(&request) {
            return refusal;
        }
        match request {
            AdminRequest::Status => Outcome::Reply(AdminReply::Status(Box::new(self.status(now)))),
            AdminRequest::Timeline { limit } => {
                Outcome::Reply(AdminReply::Timeline { events: self.events(limit, |_| true), own_view: None })
            }
            AdminRequest::FenceHistory { node } => {
                let events = self.events(u32::MAX, |n| is_fence_of(n, node.as_ref()));
                Outcome::Reply(AdminReply::FenceHistory { events, own_view: None })
            }
            AdminRequest::ConfigShow => self.show_config(),
            AdminRequest::ConfigApply { name, text } => self.apply_config(now, origin(None), name, text),
            AdminRequest::NodeStandby { node } => {
                let message = format!("{node} is on standby: its resources move away");
                self.wish(now, origin(None), Wish::Standby { node, on: true }, message)
            }
            AdminRequest::NodeOnline { node } => self.node_online(now, origin(None), node),
            AdminRequest::ResourceStart { resource } => {
                let message = match self.is_enabled_in_file(&resource) {
                    true => format!("{resource} shall run, as the file says"),
                    false => {
                        format!(
                            "{resource} shall run, though the file disables it, until: hactl resource stop {resource}"
                        )
                    }
                };
                self.wish(now, origin(None), Wish::Enabled { resource, enabled: true }, message)
            }
            AdminRequest::ResourceStop { resource } => {
                let message = match self.is_enabled_in_file(&resource) {
                    true => format!("{resource} shall not run until: hactl resource start {resource}"),
                    false => format!("{resource} shall not run, as the file says"),
                };
                self.wish(now, origin(None), Wish::Enabled { resource, enabled: false }, message)
            }
            AdminRequest::ResourceRestart { resource } => {
                if let Some(why) = self.state.why_not_restart(&resource) {
                    return refused(
                        why,
                        format!("hactl status says why; to have it run: hactl resource start {resource}"),
                    );
                }
                let message = format!("{resource} is stopped and started once");
                self.wish(now, origin(None), Wish::Restart { resource }, message)
            }
            AdminRequest::ResourceMove { resource, to, for_s } => {
                self.move_resource(now, &origin, resource, to, for_s)
            }
            AdminRequest::ResourceCleanup { resource, node } => {
                let message = "failures are forgotten".to_owned();
                self.wish(now, origin(None), Wish::Cleanup { resource, node }, message)
            }
            AdminRequest::FenceOff { node } => self.fence_off(now, who, &node),
            AdminRequest::FenceOn { node } => self.fence_on(now, &node),
            AdminRequest::FenceConfirm { node } => self.fence_confirm(now, who, &node),
            AdminRequest::FenceTest { node } => {
                let keys = self.ask_tests(now, node.as_ref());
                if keys.is_empty() {
                    return refused(
                        "there is no path that can be tested now",
                        "hactl status says which nodes are up",
                    );
                }
                Outcome::Testing(keys, node)
            }
        }
    }

    fn wish(&mut self, now: Now, origin: Origin, wish: Wish, message: String) -> Outcome {
        self.propose_request(now, Entry::Wish { origin, wish }, message)
    }

    fn is_enabled_in_file(&self, resource: &ResourceId) -> bool {
        self.config.resources.get(resource).is_some_and(|r| r.enabled)
    }

    /// A name that does not exist, with the nearest that does.
    fn unknown_name(&self, request: &AdminRequest) -> Option<Outcome> {
        let (node, resource) = match request {
            AdminRequest::NodeStandby { node }
            | AdminRequest::NodeOnline { node }
            | AdminRequest::FenceOff { node }
            | AdminRequest::FenceOn { node }
            | AdminRequest::FenceConfirm { node } => (Some(node), None),
            AdminRequest::FenceTest { node } | AdminRequest::FenceHistory { node } => (node.as_ref(), None),
            AdminRequest::ResourceStart { resource }
            | AdminRequest::ResourceStop { resource }
            | AdminRequest::ResourceRestart { resource } => (None, Some(resource)),
            AdminRequest::ResourceMove { resource, to, .. } => (to.as_ref(), Some(resource)),
            AdminRequest::ResourceCleanup { resource, node } => (node.as_ref(), resource.as_ref()),
            AdminRequest::Status
            | AdminRequest::Timeline { .. }
            | AdminRequest::ConfigShow
            | AdminRequest::ConfigApply { .. } => (None, None),
        };
        let config = &self.config;
        if let Some(node) = node.filter(|n| !config.nodes.contains_key(*n)) {
            return Some(no_such("node", node.as_str(), config.nodes.keys().map(NodeId::as_str)));
        }
        if let Some(resource) = resource.filter(|r| !config.resources.contains_key(*r)) {
            let names = config.resources.keys().map(ResourceId::as_str);
            return Some(no_such("resource", resource.as_str(), names));
        }
        None
    }

    fn show_config(&self) -> Outcome {
        let Some(config) = &self.state.config else {
            return refused(
                "no configuration is in force yet: the cluster is forming",
                "look at: hactl status",
            );
        };
        let sha256 = self.config.sha256.iter().map(|b| format!("{b:02x}")).collect();
        let (name, text) = (config.name.clone(), config.text.clone());
        Outcome::Reply(AdminReply::Config { name, text, sha256, own_view: None })
    }

    fn apply_config(&mut self, now: Now, origin: Origin, name: String, text: String) -> Outcome {
        let new = match parse(&name, &text) {
            Ok(parsed) => parsed.config,
            Err(diagnostics) => {
                return refused(
                    diagnostics.render(false),
                    format!("check it with: hactl config check {name}"),
                );
            }
        };
        if self.state.config.is_none() {
            // Nothing says yet what it would be a change of: the nodes that form a cluster stay in it.
            let why = "the cluster is just forming, with the file of its leader".to_owned();
            return refused(why, "apply it again in a moment".to_owned());
        }
        let why_not = self.state.why_not_config(&new).or_else(|| self.why_not_pace(&new));
        if let Some((why, help)) = why_not.or_else(|| self.why_not_yet(&new)) {
            return refused(why, help);
        }
        let message = format!("{name} is in force");
        self.propose_request(now, Entry::Config { name, text, origin }, message)
    }

    /// The votes' lease is what every voter was started with: one that changes on some of them protects nobody.
    fn why_not_pace(&self, new: &ClusterConfig) -> Option<(String, String)> {
        let (started, new) = (self.setup.config.timing, new.timing);
        ((started.t_lost, started.t_lease) != (new.t_lost, new.t_lease)).then(|| {
            (
                "t_lost and t_lease cannot change while the cluster runs: the votes rest on them".to_owned(),
                PACE_ANEW.to_owned(),
            )
        })
    }

    fn node_online(&mut self, now: Now, origin: Origin, node: NodeId) -> Outcome {
        let is_held = self.state.node(&node).is_some_and(|r| r.is_held);
        if is_held {
            let release =
                Entry::Wish { origin: origin.clone(), wish: Wish::ReleaseHold { node: node.clone() } };
            let message = String::new();
            if let Outcome::Proposed(None, _) = self.propose_request(now, release, message) {
                return Outcome::Proposed(None, String::new());
            }
        }
        let message = format!("{node} may run resources");
        self.wish(now, origin, Wish::Standby { node, on: false }, message)
    }

    fn move_resource(
        &mut self,
        now: Now,
        origin: &impl Fn(Option<WallMs>) -> Origin,
        resource: ResourceId,
        to: Option<NodeId>,
        for_s: u64,
    ) -> Outcome {
        let Some(to) = to.or_else(|| self.other_place(&resource)) else {
            return refused(
                format!("there is no other node on which {resource} could run"),
                "hactl status says why each node cannot",
            );
        };
        if !self.is_member_role(&to) {
            return refused(format!("{to} is a witness: it runs nothing"), "name a member");
        }
        let until =
            WallMs(now.wall.0.saturating_add(i64::try_from(for_s).unwrap_or(i64::MAX).saturating_mul(1000)));
        let message = format!("{resource} is to move to {to}; if it does not, hactl status says why");
        let wish = Wish::Move { resource, to: Some(to), until };
        self.wish(now, origin(Some(until)), wish, message)
    }

    /// The best node but the present one, by the scores of the last plan.
    fn other_place(&self, resource: &ResourceId) -> Option<NodeId> {
        let report = self.lead.as_ref()?.report.instances.get(&resource.as_str().into())?;
        let sum = |terms: &Vec<ha_scheduler::ScoreTerm>| terms.iter().map(|t| t.score).sum::<i64>();
        report
            .scores
            .iter()
            .filter(|(id, terms)| {
                Some(*id) != report.wanted.as_ref() && sum(terms) > -ha_model::SCORE_INFINITY
            })
            .max_by_key(|(_, terms)| sum(terms))
            .map(|(id, _)| id.clone())
    }

    fn fence_off(&mut self, now: Now, who: &str, node: &NodeId) -> Outcome {
        if !self.config.has_fence_path(node) {
            return refused(
                format!("{node} has no fence device"),
                format!(
                    "add it to the outlets of a [[fence]], or cut it by hand and type: hactl fence confirm {node}"
                ),
            );
        }
        if self.state.fence_of(node).is_some() {
            return refused(format!("a fence of {node} is open already"), "look at: hactl status");
        }
        if let Some(why) = self.why_unprovable(now, node) {
            return refused(
                format!("{node} would not be cut: {why}"),
                format!("while it is up: hactl fence test {node}"),
            );
        }
        if let Some(why) = self.why_not_cut(now, node) {
            return refused(format!("{node} would not be cut: {why}"), "look at: hactl status");
        }
        let incarnation = self.state.node(node).and_then(|r| r.incarnation);
        let reason = FenceReason::Asked { by: who.to_owned() };
        let entry = Entry::FenceRequested { target: node.clone(), incarnation, reason };
        let message = format!("{node} will be cut off and stays off until: hactl fence on {node}");
        self.propose_request(now, entry, message)
    }

    fn fence_on(&mut self, now: Now, node: &NodeId) -> Outcome {
        if self.state.node(node).is_none_or(|r| r.status != NodeStatus::Off) {
            return refused(format!("{node} is not off by a fence"), "look at: hactl status");
        }
        if !self.config.has_fence_path(node) {
            return refused(format!("{node} has no fence device"), "switch it on by hand");
        }
        let Some(executor) = self.executor_for(now, node) else {
            return refused("no node can run the fence agents now", "look at: hactl status");
        };
        let entry = Entry::PowerOnRequested { target: node.clone(), executor };
        self.propose_request(now, entry, format!("power on of {node} is requested; it joins by itself"))
    }

    fn fence_confirm(&mut self, now: Now, who: &str, node: &NodeId) -> Outcome {
        if self.raft.lease_until().is_none_or(|until| until <= now.boot) {
            // Whom the others hear is not known here any more.
            return Outcome::Reply(AdminReply::Unavailable { why: self.why_no_leader(now) });
        }
        if *node == self.setup.me {
            return refused(format!("{node} answers you: it leads the cluster"), "");
        }
        if let Some(by) = self.heard_by(now, node).filter(|_| !sabotage::is(Sabotage::ConfirmWhileHeard)) {
            return refused(
                format!("{node} is not off: {by} hears it"),
                format!("to fence it type: hactl fence off {node}"),
            );
        }
        let record = self.state.node(node).cloned().unwrap_or_default();
        match record.status {
            NodeStatus::Unseen | NodeStatus::Lost | NodeStatus::Condemned => {}
            NodeStatus::Member => {
                return refused(format!("{node} is not lost yet; wait for it"), "look at: hactl status");
            }
            NodeStatus::Off => return refused(format!("{node} is proven off already"), ""),
            NodeStatus::Left => {
                return refused(format!("{node} left cleanly: there is nothing to confirm"), "");
            }
        }
        let proof = FenceProof {
            target: node.clone(),
            incarnation: record.incarnation,
            scope: ProofScope::Everything,
            by: self.setup.me.clone(),
            evidence: Evidence::Confirmed { by: who.to_owned() },
            at: now.wall,
        };
        let message = format!("{node} counts as off; if it is heard again in that boot it is fenced at once");
        self.propose_request(now, Entry::FenceConfirmed { proof }, message)
    }
}

fn no_such<'a>(kind: &str, name: &str, known: impl Iterator<Item = &'a str>) -> Outcome {
    let known: Vec<&str> = known.collect();
    let help = match nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("there are: {}", known.join(", ")),
    };
    refused(format!("there is no {kind} {name}"), help)
}

fn is_fence_of(notice: &Notice, node: Option<&NodeId>) -> bool {
    let of = match notice {
        Notice::FenceRequested { node, .. }
        | Notice::FenceWithdrawn { node }
        | Notice::FenceAttempt { node, .. }
        | Notice::FenceFailed { node, .. }
        | Notice::FenceReadOff { node, .. }
        | Notice::FenceProven { node, .. }
        | Notice::PowerOn { node }
        | Notice::PowerOnEnded { node, .. }
        | Notice::NodeHeld { node, .. } => node,
        _ => return false,
    };
    node.is_none_or(|n| n == of)
}
