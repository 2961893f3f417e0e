//! Re-planning a large cluster. `cargo test --release -p ha-scheduler --test speed -- --nocapture`

mod common;
use common::*;
use ha_model::*;
use ha_scheduler::*;
use std::sync::Arc;
use std::time::Instant;

const NODES: usize = 32;
const GROUPS: usize = 250;
/// Address, disk, file system, service.
const MEMBERS: usize = 4;

fn large() -> Cluster {
    let nodes: Vec<String> = (0..NODES).map(|n| format!("node-{n:02}")).collect();
    let mut c = cluster(&nodes.iter().map(String::as_str).collect::<Vec<_>>());
    for g in 0..GROUPS {
        let members: Vec<String> = (0..MEMBERS).map(|m| format!("r-{g:03}-{m}")).collect();
        for m in &members {
            c = c.resource(m, &[&format!("lock/{m}")]);
        }
        c = c.group(&format!("g-{g:03}"), &members.iter().map(String::as_str).collect::<Vec<_>>());
        c.prefer(&members[0], &nodes[g % NODES], 100);
    }
    c.snapshot.config = Arc::new(c.config.clone());
    c
}

fn measure(what: &str, c: &Cluster) -> Plan {
    let mut times = Vec::new();
    let mut plan = Plan::default();
    for _ in 0..11 {
        let begin = Instant::now();
        plan = plan_with(&c.snapshot, &c.history).expect("a plan");
        times.push(begin.elapsed());
    }
    times.sort();
    println!(
        "{what}: {:?} / {:?} / {:?}; {} actions, {} edges, {} waiting",
        times[0],
        times[5],
        times[10],
        plan.actions.len(),
        plan.edges.len(),
        plan.waiting.len()
    );
    plan
}

#[test]
fn a_thousand_resources_on_thirty_two_nodes() {
    let mut c = large();
    let plan = measure("cold start", &c);
    assert_eq!(plan.actions.len(), GROUPS * MEMBERS);
    for (id, report) in &plan.report.instances {
        let at = report.wanted.as_ref().expect("placed");
        c.see(id.as_str(), at.as_str(), InstanceState::Running);
        c.permit(id.as_str(), at.as_str());
    }
    assert!(measure("all runs", &c).is_settled());
    let lost = c.clone().status("node-07", NodeStatus::Lost);
    let plan = measure("a node is lost", &lost);
    assert!(plan.actions.len() > GROUPS / NODES * MEMBERS);
    c.snapshot.observed.clear();
    measure("nothing is known", &c);
}
