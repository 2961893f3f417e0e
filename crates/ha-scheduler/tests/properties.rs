//! Whatever the snapshot: no panic, no cycle, the same plan twice. Whatever happens to a cluster: S1 and S17 hold
//! after every step, and when the trouble ends, carrying plans out ends too (L2, L6).

mod common;
use common::world::World;
use common::*;
use ha_model::*;
use ha_scheduler::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

const NODES: [&str; 3] = ["alpha", "beta", "gamma"];
const NAMES: [&str; 5] = ["vip", "web", "db", "job", "twin"];

/// vip and web are a group; db is exclusive, job is not; twin wants db's object.
fn shop(has_twin: bool, stickiness: Score) -> Cluster {
    let mut c = cluster(&NODES)
        .resource("vip", &["address/1"])
        .resource("web", &["lock/web"])
        .resource("db", &["disk/1", "disk/2"])
        .resource("job", &[])
        .group("front", &["vip", "web"]);
    if has_twin {
        c = c.resource("twin", &["disk/2"]);
    }
    c.config.stickiness = stickiness;
    c
}

#[derive(Clone, Debug)]
enum Step {
    /// The leader plans and sends that root.
    Send(usize),
    /// That order comes back.
    Deliver(usize, bool),
    Lose(usize),
    ComeBack(usize),
    Report(usize, bool),
    Fail(usize, usize),
    Standby(usize, bool),
    Enabled(usize, Option<bool>),
    Restart(usize),
    Move(usize, Option<usize>),
    Prefer(usize, usize, Score),
    Exclusive(usize, bool),
}

fn step() -> impl Strategy<Value = Step> {
    let (node, name) = (0..3usize, 0..4usize);
    prop_oneof![
        30 => (0..8usize).prop_map(Step::Send),
        30 => (0..8usize, prop::bool::weighted(0.85)).prop_map(|(f, ok)| Step::Deliver(f, ok)),
        3 => node.clone().prop_map(Step::Lose),
        4 => node.clone().prop_map(Step::ComeBack),
        5 => (node.clone(), prop::bool::weighted(0.3)).prop_map(|(n, f)| Step::Report(n, f)),
        3 => (name.clone(), node.clone()).prop_map(|(i, n)| Step::Fail(i, n)),
        2 => (node.clone(), any::<bool>()).prop_map(|(n, on)| Step::Standby(n, on)),
        2 => (name.clone(), any::<Option<bool>>()).prop_map(|(i, e)| Step::Enabled(i, e)),
        1 => name.clone().prop_map(Step::Restart),
        2 => (name.clone(), prop::option::of(0..3usize)).prop_map(|(i, n)| Step::Move(i, n)),
        1 => (name, node.clone(), -50..200i64).prop_map(|(i, n, s)| Step::Prefer(i, n, s)),
        1 => (node, any::<bool>()).prop_map(|(n, e)| Step::Exclusive(n, e)),
    ]
}

fn apply(w: &mut World, step: &Step) {
    match step {
        Step::Send(ix) => {
            let plan = w.c.plan();
            let roots: Vec<&Action> = plan.roots().map(|(_, a)| a).collect();
            if !roots.is_empty() {
                w.send(roots[ix % roots.len()]);
            }
        }
        Step::Deliver(ix, ok) if !w.flights.is_empty() => w.deliver(ix % w.flights.len(), *ok),
        Step::Deliver(..) => {}
        Step::Lose(n) => w.lose(&node(NODES[*n])),
        Step::ComeBack(n) => w.come_back(&node(NODES[*n])),
        Step::Report(n, forgets) => w.report(&node(NODES[*n]), *forgets),
        Step::Fail(i, n) => w.fail(&inst(NAMES[*i]), &node(NODES[*n])),
        Step::Standby(n, on) => w.c.n(NODES[*n]).standby = on.then(by),
        Step::Enabled(i, Some(on)) => {
            w.c.snapshot.wishes.enabled.insert(ResourceId::from(NAMES[*i]), (*on, by()));
        }
        Step::Enabled(i, None) => {
            w.c.snapshot.wishes.enabled.remove(&ResourceId::from(NAMES[*i]));
        }
        Step::Restart(i) => {
            w.c.snapshot.wishes.restart.insert(ResourceId::from(NAMES[*i]), by());
        }
        Step::Move(i, Some(n)) => w.c.move_to(NAMES[*i], NODES[*n]),
        Step::Move(i, None) => {
            w.c.snapshot.wishes.moves.remove(&ResourceId::from(NAMES[*i]));
        }
        Step::Prefer(i, n, score) => w.c.prefer(NAMES[*i], NODES[*n], *score),
        Step::Exclusive(n, may) => {
            w.c.n(NODES[*n]).no_exclusive = (!may).then(|| "never read on".to_owned());
        }
    }
}

fn has_cycle(plan: &Plan) -> bool {
    let mut left: BTreeSet<u32> = (0u32..).take(plan.actions.len()).collect();
    loop {
        let free: Vec<u32> = left
            .iter()
            .copied()
            .filter(|a| !plan.edges.iter().any(|(b, x)| x.0 == *a && left.contains(&b.0)))
            .collect();
        if free.is_empty() {
            return !left.is_empty();
        }
        left.retain(|a| !free.contains(a));
    }
}

/// Ends all trouble: every node is there, every order succeeds.
fn calm(w: &mut World) {
    for n in NODES {
        w.come_back(&node(n));
        if !w.c.snapshot.nodes[&node(n)].is_ready {
            w.report(&node(n), true);
        }
        w.c.n(n).is_awaited = false;
    }
}

/// Plans and carries out until nothing is left; fails after many rounds.
fn settle(w: &mut World) -> Plan {
    for _ in 0..60 {
        calm(w);
        while !w.flights.is_empty() {
            w.deliver(0, true);
        }
        let plan = w.c.plan();
        if plan.is_settled() {
            return plan;
        }
        let roots: Vec<Action> = plan.roots().map(|(_, a)| a.clone()).collect();
        for action in &roots {
            w.send(action);
        }
    }
    let plan = w.c.plan();
    panic!("does not settle: {:?} waiting {:?}", steps(&plan), waits(&plan));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn safe_at_every_step_and_settled_in_the_end(
        has_twin in any::<bool>(),
        stickiness in prop_oneof![Just(0), Just(1), Just(100)],
        chaos in prop::collection::vec(step(), 0..120),
    ) {
        let mut w = World::new(shop(has_twin, stickiness));
        for s in &chaos {
            apply(&mut w, s);
            prop_assert!(!has_cycle(&w.c.plan()));
        }
        let plan = settle(&mut w);
        for (i, report) in &plan.report.instances {
            let at: Vec<&NodeId> = w.truth.iter().filter(|(x, _)| x == i).map(|(_, n)| n).collect();
            prop_assert_eq!(at, report.wanted.iter().collect::<Vec<_>>(), "{} {}", i, report.why);
            prop_assert_eq!(report.why.is_empty(), report.wanted.is_some(), "{}: {}", i, report.why);
        }
        prop_assert_eq!(&plan, &w.c.plan());
    }

    #[test]
    fn any_snapshot_gives_a_plan_that_keeps_the_rules(c in anything()) {
        let mut c = c;
        let plan = c.plan();
        prop_assert!(!has_cycle(&plan));
        let planned: BTreeSet<_> =
            plan.actions.iter().filter(|a| a.instance.is_none()).map(|a| a.node.clone()).collect();
        let needs = fence_needs(&c.snapshot, &c.history).expect("as the plan");
        let needed: BTreeSet<_> = needs.into_iter().map(|n| n.node).collect();
        prop_assert_eq!(planned, needed, "a hold must fence what a plan would");
        for resource in c.config.resources.values_mut() {
            resource.objects.reverse();
        }
        prop_assert_eq!(&plan, &c.plan(), "the order of objects means nothing");
        for a in plan.actions.iter().chain(plan.waiting.iter().map(|w| &w.action)) {
            let is_carried_out = match a.kind {
                ActionKind::Probe | ActionKind::Start | ActionKind::Stop => a.instance.is_some(),
                ActionKind::Fence { .. } => a.instance.is_none(),
                ActionKind::Promote
                | ActionKind::Demote
                | ActionKind::MigrateTo { .. }
                | ActionKind::MigrateFrom { .. }
                | ActionKind::Notify
                | ActionKind::Reload
                | ActionKind::Monitor
                | ActionKind::Unfence => false,
            };
            prop_assert!(is_carried_out, "the core cannot carry out {a:?}");
        }
        for (a, ix) in plan.actions.iter().zip(0u32..) {
            let before: Vec<&Action> = plan
                .edges
                .iter()
                .filter(|(_, after)| after.0 == ix)
                .map(|(b, _)| &plan.actions[b.0 as usize])
                .collect();
            if let Some(i) = &a.instance {
                let view = &c.snapshot.nodes[&a.node];
                prop_assert!(view.status == NodeStatus::Member && view.is_ready && !view.fence_open);
                let seen = c.snapshot.observed.get(i).and_then(|o| o.get(&a.node));
                prop_assert!(seen.is_none_or(|o| !o.in_flight), "{} although one is under way", name(a));
                if a.kind == ActionKind::Start {
                    start_is_safe(&c, a, i, &before)?;
                }
            } else {
                prop_assert!(!c.snapshot.nodes[&a.node].fence_open, "fenced twice");
                prop_assert!(before.is_empty(), "a fence waits for nothing");
            }
        }
    }
}

/// S1, S2, S17, judged from the snapshot alone: each thing that could be active elsewhere has a predecessor.
fn start_is_safe(c: &Cluster, a: &Action, i: &InstanceId, before: &[&Action]) -> Result<(), TestCaseError> {
    let resource = &c.config.resources[&ResourceId::from(i.as_str())];
    let fenced = |n: &NodeId| before.iter().any(|b| b.instance.is_none() && b.node == *n);
    let ends = |kind: &ActionKind, x: &InstanceId, n: &NodeId| {
        before.iter().any(|b| b.kind == *kind && b.instance.as_ref() == Some(x) && b.node == *n)
    };
    for object in &resource.objects {
        if let Some(m) = c.snapshot.may_run.get(object) {
            let is_own = (&m.instance, &m.node) == (i, &a.node)
                && c.snapshot.nodes[&m.node].incarnation == Some(m.incarnation);
            let is_ended = fenced(&m.node) || ends(&ActionKind::Stop, &m.instance, &m.node);
            prop_assert!(is_own || is_ended, "S17: {} while {:?}", name(a), m);
        }
        let sharers = c.config.resources.iter().filter(|(_, r)| r.objects.contains(object));
        for (other, _) in sharers {
            let other = inst(other.as_str());
            for (n, view) in &c.snapshot.nodes {
                let seen = c.snapshot.observed.get(&other).and_then(|o| o.get(n)).map(|o| o.state);
                let is_ok = match (view.status, seen) {
                    (NodeStatus::Off | NodeStatus::Left, _) => true,
                    (_, _) if fenced(n) => true,
                    (NodeStatus::Unseen, _) => false,
                    (_, Some(InstanceState::Stopped)) => true,
                    (NodeStatus::Lost | NodeStatus::Condemned, _) => false,
                    (NodeStatus::Member, None | Some(InstanceState::Unknown)) => {
                        ends(&ActionKind::Probe, &other, n)
                    }
                    (NodeStatus::Member, Some(InstanceState::Running | InstanceState::Failed)) => {
                        ends(&ActionKind::Stop, &other, n)
                    }
                    (NodeStatus::Member, Some(_)) => false,
                };
                prop_assert!(
                    is_ok,
                    "S1: {} while {} is {:?} on {} {:?}",
                    name(a),
                    other,
                    seen,
                    n,
                    view.status
                );
            }
        }
    }
    Ok(())
}

/// Any combination, also such as no honest history leads to.
fn anything() -> impl Strategy<Value = Cluster> {
    let status = prop_oneof![
        1 => Just(NodeStatus::Unseen),
        5 => Just(NodeStatus::Member),
        1 => Just(NodeStatus::Lost),
        1 => Just(NodeStatus::Condemned),
        1 => Just(NodeStatus::Off),
        1 => Just(NodeStatus::Left),
    ];
    let often = |p| prop::bool::weighted(p);
    let nodes =
        prop::collection::vec((status, often(0.9), often(0.1), often(0.1), often(0.1), often(0.9)), 3);
    let state = prop_oneof![
        1 => Just(InstanceState::Unknown),
        1 => Just(InstanceState::Probing),
        8 => Just(InstanceState::Stopped),
        1 => Just(InstanceState::Starting),
        3 => Just(InstanceState::Running),
        1 => Just(InstanceState::Stopping),
        1 => Just(InstanceState::Failed),
        1 => Just(InstanceState::StopFailed),
    ];
    let seen = prop::collection::vec(prop::option::weighted(0.95, (state, often(0.05))), 15);
    let ledger = prop::collection::vec(prop::option::weighted(0.4, (0..5usize, 0..3usize, often(0.9))), 4);
    let wishes = prop::collection::vec((often(0.1), often(0.1), prop::option::weighted(0.1, 0..3usize)), 5);
    (nodes, seen, ledger, wishes).prop_map(|(nodes, seen, ledger, wishes)| {
        let mut c = shop(true, 1);
        c.snapshot.observed.clear();
        for (name, (status, is_ready, fence_open, standby, awaited, has_path)) in NODES.iter().zip(nodes) {
            let view = c.n(name);
            (view.status, view.is_ready, view.fence_open, view.is_awaited) =
                (status, is_ready, fence_open, awaited);
            view.standby = standby.then(by);
            if !has_path {
                c.config.levels.remove(&node(name));
            }
        }
        let pairs = NAMES.iter().flat_map(|i| NODES.iter().map(move |n| (i, n)));
        for ((i, n), cell) in pairs.zip(seen) {
            if let Some((state, in_flight)) = cell {
                c.see(i, n, state);
                c.view(i, n).in_flight = in_flight;
            }
        }
        for (object, cell) in ["address/1", "lock/web", "disk/1", "disk/2"].iter().zip(ledger) {
            if let Some((i, n, is_present_boot)) = cell {
                let boot = if is_present_boot { c.n(NODES[n]).incarnation } else { None };
                let view = MayRunView {
                    instance: inst(NAMES[i]),
                    node: node(NODES[n]),
                    incarnation: boot.unwrap_or(incarnation(77)),
                };
                c.snapshot.may_run.insert(ObjectId::from(*object), view);
            }
        }
        for (name, (disabled, restart, to)) in NAMES.iter().zip(wishes) {
            if disabled {
                c.snapshot.wishes.enabled.insert(ResourceId::from(*name), (false, by()));
            }
            if restart {
                c.snapshot.wishes.restart.insert(ResourceId::from(*name), by());
            }
            if let Some(n) = to {
                c.move_to(name, NODES[n]);
            }
        }
        c
    })
}
