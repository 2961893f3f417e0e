//! Snapshots in few words, for tests.
#![allow(dead_code, reason = "each test file uses its part")]

pub mod world;

use ha_model::*;
use ha_scheduler::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

pub const NOW: WallMs = WallMs(1_795_346_209_000);

/// A snapshot under construction. Nodes: ready members with a fence path; resources: probed and stopped.
#[derive(Clone)]
pub struct Cluster {
    pub config: ClusterConfig,
    pub snapshot: Snapshot,
    pub history: History,
}

pub fn line(line: u32) -> Origin {
    Origin::File { name: "shop.toml".to_owned(), line, column: 1 }
}

pub fn node(name: &str) -> NodeId {
    NodeId::from(name)
}

pub fn inst(name: &str) -> InstanceId {
    InstanceId::from(name)
}

pub fn incarnation(n: u128) -> Incarnation {
    Incarnation(n)
}

pub fn cluster(nodes: &[&str]) -> Cluster {
    let config = ClusterConfig {
        name: "shop".to_owned(),
        profile: Profile::Default,
        timing: Timing::derive(Profile::Default),
        nodes: BTreeMap::new(),
        devices: BTreeMap::new(),
        levels: BTreeMap::new(),
        resources: BTreeMap::new(),
        groups: BTreeMap::new(),
        stickiness: 1,
        waivers: BTreeMap::new(),
        sha256: [0; 32],
    };
    let snapshot = Snapshot {
        config: Arc::new(config.clone()),
        nodes: BTreeMap::new(),
        observed: BTreeMap::new(),
        may_run: BTreeMap::new(),
        failures: BTreeMap::new(),
        wishes: Wishes::default(),
        attributes: BTreeMap::new(),
        now: NOW,
    };
    let mut c = Cluster { config, snapshot, history: History::default() };
    for name in nodes {
        c.add_node(name);
    }
    c
}

impl Cluster {
    pub fn add_node(&mut self, name: &str) {
        let position = u32::try_from(self.config.nodes.len()).expect("few");
        let config = NodeConfig {
            role: Role::Member,
            links: vec![],
            watchdog: None,
            votes: true,
            position,
            origin: line(10 + position),
        };
        self.config.nodes.insert(node(name), config);
        let level = FenceLevel { devices: vec![DeviceId::from("pdu-a")], origin: line(5) };
        self.config.levels.insert(node(name), vec![level]);
        let view = NodeView {
            status: NodeStatus::Member,
            incarnation: Some(incarnation(u128::from(position) + 1)),
            is_ready: true,
            standby: None,
            is_held: false,
            no_exclusive: None,
            fence_open: false,
            is_awaited: false,
        };
        self.snapshot.nodes.insert(node(name), view);
    }

    /// Objects named; none: not exclusive.
    pub fn resource(mut self, name: &str, objects: &[&str]) -> Self {
        self.add_resource(name, objects);
        for n in self.config.nodes.keys().cloned().collect::<Vec<_>>() {
            self.see(name, n.as_str(), InstanceState::Stopped);
        }
        self
    }

    pub fn add_resource(&mut self, name: &str, objects: &[&str]) {
        let position = u32::try_from(self.config.resources.len()).expect("few");
        let resource = ResourceConfig {
            agent: AgentName::from("exec"),
            options: BTreeMap::new(),
            monitor: MonitorConfig { interval: Duration::from_secs(1), timeout: Duration::from_secs(3) },
            start_timeout: Duration::from_secs(20),
            stop_timeout: Duration::from_secs(20),
            objects: objects.iter().map(|o| ObjectId::from(*o)).collect(),
            prefer: BTreeMap::new(),
            stickiness: None,
            migration_threshold: 3,
            failure_timeout: Duration::from_secs(600),
            priority: 0,
            enabled: true,
            position,
            origin: line(20 + position),
        };
        self.config.resources.insert(ResourceId::from(name), resource);
    }

    pub fn group(mut self, name: &str, members: &[&str]) -> Self {
        let group = GroupConfig {
            members: members.iter().map(|m| ResourceId::from(*m)).collect(),
            prefer: BTreeMap::new(),
            stickiness: None,
            origin: line(40),
        };
        self.config.groups.insert(GroupId::from(name), group);
        self
    }

    pub fn change(mut self, f: impl FnOnce(&mut Self)) -> Self {
        f(&mut self);
        self
    }

    pub fn r(&mut self, name: &str) -> &mut ResourceConfig {
        self.config.resources.get_mut(&ResourceId::from(name)).expect("known")
    }

    pub fn n(&mut self, name: &str) -> &mut NodeView {
        self.snapshot.nodes.get_mut(&node(name)).expect("known")
    }

    pub fn see(&mut self, name: &str, on: &str, state: InstanceState) {
        let view = ObservedView { state, why: None, in_flight: false };
        self.snapshot.observed.entry(inst(name)).or_default().insert(node(on), view);
    }

    pub fn view(&mut self, name: &str, on: &str) -> &mut ObservedView {
        self.snapshot.observed.get_mut(&inst(name)).and_then(|o| o.get_mut(&node(on))).expect("seen")
    }

    /// In a state, with the permission that goes with it.
    pub fn permit(&mut self, name: &str, on: &str) {
        let Some(incarnation) = self.snapshot.nodes[&node(on)].incarnation else { return };
        let objects = self.config.resources[&ResourceId::from(name)].objects.clone();
        for object in objects {
            let view = MayRunView { instance: inst(name), node: node(on), incarnation };
            self.snapshot.may_run.insert(object, view);
        }
        self.history.last_ran.insert(inst(name), node(on));
    }

    pub fn runs(mut self, name: &str, on: &str) -> Self {
        self.see(name, on, InstanceState::Running);
        self.permit(name, on);
        self
    }

    pub fn in_state(mut self, name: &str, on: &str, state: InstanceState) -> Self {
        self.see(name, on, state);
        self
    }

    pub fn status(mut self, name: &str, status: NodeStatus) -> Self {
        let view = self.n(name);
        view.status = status;
        if status != NodeStatus::Member {
            view.incarnation = None;
            view.is_ready = false;
        }
        self
    }

    pub fn fails(&mut self, name: &str, on: &str, count: u32) {
        let view = FailureView {
            count,
            last_op: FailedOp::Monitor,
            last_at: NOW,
            why: "its process exited".to_owned(),
        };
        self.snapshot.failures.entry(ResourceId::from(name)).or_default().insert(node(on), view);
    }

    pub fn prefer(&mut self, name: &str, on: &str, score: Score) {
        let preference = Preference { score, origin: line(30) };
        self.r(name).prefer.insert(node(on), preference);
    }

    pub fn move_to(&mut self, name: &str, to: &str) {
        let wish = MoveWish { to: node(to), until: WallMs(NOW.0 + 1000), origin: by() };
        self.snapshot.wishes.moves.insert(ResourceId::from(name), wish);
    }

    pub fn plan(&mut self) -> Plan {
        self.snapshot.config = Arc::new(self.config.clone());
        plan_with(&self.snapshot, &self.history).expect("a plan")
    }
}

pub fn by() -> Origin {
    Origin::Admin { who: "root@alpha".to_owned(), when: NOW, until: None }
}

pub fn name(a: &Action) -> String {
    let kind = match &a.kind {
        ActionKind::Fence { .. } => return format!("fence {}", a.node),
        kind => format!("{kind:?}").to_lowercase(),
    };
    format!("{kind} {} {}", a.instance.as_ref().expect("an instance"), a.node)
}

/// The actions, each with what it comes after: "start web beta < start vip beta, fence alpha".
pub fn steps(plan: &Plan) -> Vec<String> {
    plan.actions
        .iter()
        .zip(0u32..)
        .map(|(a, ix)| {
            let before: Vec<String> = plan
                .edges
                .iter()
                .filter(|(_, after)| *after == ActionIx(ix))
                .map(|(b, _)| name(&plan.actions[b.0 as usize]))
                .collect();
            if before.is_empty() { name(a) } else { format!("{} < {}", name(a), before.join(", ")) }
        })
        .collect()
}

/// What waits: "start vip beta: forming: waiting for gamma".
pub fn waits(plan: &Plan) -> Vec<String> {
    plan.waiting.iter().map(|w| format!("{}: {}", name(&w.action), w.until)).collect()
}

pub fn why(plan: &Plan, name: &str) -> String {
    plan.report.instances[&inst(name)].why.clone()
}

pub fn wanted(plan: &Plan, name: &str) -> Option<String> {
    plan.report.instances[&inst(name)].wanted.as_ref().map(ToString::to_string)
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let s = &self.snapshot;
        write!(f, "{:#?} {:#?} {:#?} {:#?}", s.nodes, s.observed, s.may_run, s.wishes)
    }
}
