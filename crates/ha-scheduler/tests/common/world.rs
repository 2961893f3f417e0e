//! A small world that carries plans out: truth, what the leader knows of it, orders under way. It fails the test
//! as soon as an exclusive object is active twice (S1) or is ordered to start while permitted elsewhere (S17).

use super::*;
use std::collections::BTreeSet;

/// An order under way.
#[derive(Clone, Debug)]
pub struct Flight {
    pub action: Action,
}

/// Truth and knowledge.
#[derive(Clone)]
pub struct World {
    pub c: Cluster,
    /// What truly runs.
    pub truth: BTreeSet<(InstanceId, NodeId)>,
    pub flights: Vec<Flight>,
    next_boot: u128,
}

impl World {
    pub fn new(c: Cluster) -> Self {
        Self { c, truth: BTreeSet::new(), flights: Vec::new(), next_boot: 1000 }
    }

    fn objects(&self, i: &InstanceId) -> Vec<ObjectId> {
        self.c.config.resources[&ResourceId::from(i.as_str())].objects.clone()
    }

    fn becomes_active(&mut self, i: &InstanceId, n: &NodeId) {
        for object in self.objects(i) {
            let other =
                self.truth.iter().find(|(o, at)| (o, at) != (i, n) && self.objects(o).contains(&object));
            assert_eq!(other, None, "S1: {i} starts on {n}");
        }
        self.truth.insert((i.clone(), n.clone()));
    }

    /// A member starts where the one before it is known to run, and stops after the one behind it.
    fn keeps_group_order(&self, kind: &ActionKind, i: &InstanceId, n: &NodeId) {
        let resource = ResourceId::from(i.as_str());
        let Some((_, group)) = self.c.config.group_of(&resource) else { return };
        let at = group.members.iter().position(|m| *m == resource).expect("a member");
        let seen = |m: &ResourceId| {
            let by_node = self.c.snapshot.observed.get(&inst(m.as_str()));
            by_node.and_then(|o| o.get(n)).map(|o| (o.state, o.in_flight))
        };
        if *kind == ActionKind::Start && at > 0 {
            let before = seen(&group.members[at - 1]);
            assert_eq!(before, Some((InstanceState::Running, false)), "{i} starts too early on {n}");
        }
        if let (ActionKind::Stop, Some(behind)) = (kind, group.members.get(at + 1)) {
            let runs = self.truth.contains(&(inst(behind.as_str()), n.clone()));
            let is_stuck = matches!(seen(behind), Some((InstanceState::StopFailed, _)));
            assert!(!runs || is_stuck, "{i} stops on {n} under {behind}");
        }
    }

    /// Sends an order: a start takes effect at once, the worst case for S1.
    pub fn send(&mut self, action: &Action) {
        let (n, i) = (&action.node, action.instance.as_ref());
        if let Some(i) = i {
            self.keeps_group_order(&action.kind, i, n);
        }
        match (&action.kind, i) {
            (ActionKind::Fence { .. }, _) => {
                let view = self.c.n(n.as_str());
                assert!(!view.fence_open, "fenced twice");
                view.fence_open = true;
                view.status = match view.status {
                    NodeStatus::Unseen => NodeStatus::Unseen,
                    _ => NodeStatus::Condemned,
                };
                self.drop_flights(n);
            }
            (ActionKind::Start, Some(i)) => {
                for object in self.objects(i) {
                    let open = self.c.snapshot.may_run.get(&object);
                    assert!(
                        open.is_none_or(|m| (&m.instance, &m.node) == (i, n)),
                        "S17: {i} on {n}: {open:?}"
                    );
                }
                self.c.permit(i.as_str(), n.as_str());
                self.becomes_active(i, n);
            }
            (ActionKind::Stop | ActionKind::Probe, Some(_)) => {}
            other => panic!("not planned yet: {other:?}"),
        }
        if let Some(i) = i {
            let view = self.c.snapshot.nodes[n].clone();
            assert!(
                view.status == NodeStatus::Member && view.is_ready,
                "ordered to {n}, which takes no order"
            );
            let by_node = self.c.snapshot.observed.entry(i.clone()).or_default();
            let unknown = ObservedView { state: InstanceState::Unknown, why: None, in_flight: false };
            let view = by_node.entry(n.clone()).or_insert(unknown);
            assert!(!view.in_flight, "two orders at once for {i} on {n}");
            view.in_flight = true;
        }
        self.flights.push(Flight { action: action.clone() });
    }

    /// An order comes back.
    pub fn deliver(&mut self, ix: usize, succeeds: bool) {
        let Flight { action } = self.flights.remove(ix);
        let n = action.node.clone();
        let Some(i) = action.instance.clone() else {
            if succeeds {
                self.proven_off(&n);
            } else {
                self.flights.push(Flight { action });
            }
            return;
        };
        let is_running = self.truth.contains(&(i.clone(), n.clone()));
        let state = match (&action.kind, succeeds) {
            (ActionKind::Start, true) => InstanceState::Running,
            (ActionKind::Start, false) => {
                self.count_failure(&i, &n);
                InstanceState::Failed
            }
            (ActionKind::Stop, true) => {
                self.truth.remove(&(i.clone(), n.clone()));
                InstanceState::Stopped
            }
            (ActionKind::Stop, false) => InstanceState::StopFailed,
            (_, _) if is_running => InstanceState::Running,
            (_, _) => InstanceState::Stopped,
        };
        self.c.see(i.as_str(), n.as_str(), state);
        if state == InstanceState::Stopped {
            self.c.snapshot.may_run.retain(|_, m| (&m.instance, &m.node) != (&i, &n));
            self.c.snapshot.wishes.restart.remove(&ResourceId::from(i.as_str()));
        }
    }

    fn proven_off(&mut self, n: &NodeId) {
        self.truth.retain(|(_, at)| at != n);
        self.c.snapshot.may_run.retain(|_, m| m.node != *n);
        for by_node in self.c.snapshot.observed.values_mut() {
            by_node.remove(n);
        }
        let view = self.c.n(n.as_str());
        view.fence_open = false;
        view.is_ready = false;
        view.incarnation = None;
        view.status = NodeStatus::Off;
    }

    fn drop_flights(&mut self, n: &NodeId) {
        self.flights.retain(|f| f.action.node != *n || f.action.instance.is_none());
        for by_node in self.c.snapshot.observed.values_mut() {
            if let Some(view) = by_node.get_mut(n) {
                view.in_flight = false;
            }
        }
    }

    pub fn count_failure(&mut self, i: &InstanceId, n: &NodeId) {
        let before = self.c.snapshot.failures.get(&ResourceId::from(i.as_str()));
        let count = before.and_then(|f| f.get(n)).map_or(0, |f| f.count);
        self.c.fails(i.as_str(), n.as_str(), count + 1);
    }

    /// What runs fails, and is seen to.
    pub fn fail(&mut self, i: &InstanceId, n: &NodeId) {
        let view = self.c.snapshot.observed.get(i).and_then(|o| o.get(n));
        if view.is_some_and(|v| v.state == InstanceState::Running && !v.in_flight) {
            self.c.see(i.as_str(), n.as_str(), InstanceState::Failed);
            self.count_failure(i, n);
        }
    }

    /// The node falls silent; what runs there goes on.
    pub fn lose(&mut self, n: &NodeId) {
        if self.c.snapshot.nodes[n].status == NodeStatus::Member && !self.c.snapshot.nodes[n].fence_open {
            self.drop_flights(n);
            let view = self.c.n(n.as_str());
            view.status = NodeStatus::Lost;
            view.is_ready = false;
        }
    }

    /// The node comes back: the same boot if nothing was sent to it, a new one after a proof.
    pub fn come_back(&mut self, n: &NodeId) {
        let status = self.c.snapshot.nodes[n].status;
        match status {
            NodeStatus::Off => {
                self.next_boot += 1;
                let boot = incarnation(self.next_boot);
                self.c.n(n.as_str()).incarnation = Some(boot);
            }
            NodeStatus::Lost if !self.c.snapshot.nodes[n].fence_open => {}
            _ => return,
        }
        self.c.n(n.as_str()).status = NodeStatus::Member;
    }

    /// The node reports what it sees, or its daemon restarts and must probe first.
    pub fn report(&mut self, n: &NodeId, forgets: bool) {
        if self.c.snapshot.nodes[n].status != NodeStatus::Member {
            return;
        }
        self.drop_flights(n);
        self.c.n(n.as_str()).is_ready = true;
        for i in self.c.config.resources.keys().map(|r| inst(r.as_str())).collect::<Vec<_>>() {
            let is_running = self.truth.contains(&(i.clone(), n.clone()));
            let seen = self.c.snapshot.observed.get(&i).and_then(|o| o.get(n)).map(|v| v.state);
            let is_bad = matches!(seen, Some(InstanceState::Failed | InstanceState::StopFailed));
            let state = match (forgets, is_running, seen) {
                (true, _, _) | (false, false, None) => InstanceState::Unknown,
                (false, true, Some(state)) if is_bad => state,
                (false, true, _) => InstanceState::Running,
                (false, false, _) => InstanceState::Stopped,
            };
            self.c.see(i.as_str(), n.as_str(), state);
            if state == InstanceState::Stopped {
                self.c.snapshot.may_run.retain(|_, m| (&m.instance, &m.node) != (&i, n));
            }
        }
    }
}
