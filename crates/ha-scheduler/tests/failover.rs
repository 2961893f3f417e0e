//! Loss, fencing, forming: what may start where, and what must come first.

mod common;
use common::*;
use ha_model::*;
use ha_scheduler::*;

const A: &str = "address/10.0.0.100";

fn shop() -> Cluster {
    cluster(&["alpha", "beta", "gamma"])
        .resource("vip", &[A])
        .resource("web", &[])
        .group("front", &["vip", "web"])
}

fn running() -> Cluster {
    shop().runs("vip", "alpha").runs("web", "alpha")
}

#[test]
fn a_stable_cluster_is_left_alone() {
    let plan = running().plan();
    assert!(plan.is_settled(), "{:?}", steps(&plan));
    assert_eq!((why(&plan, "vip"), why(&plan, "web")), (String::new(), String::new()));
    assert!(plan.report.nodes.is_empty());
}

#[test]
fn a_cold_start_in_order() {
    let plan = shop().plan();
    assert_eq!(steps(&plan), ["start vip alpha", "start web alpha < start vip alpha"]);
    assert_eq!(plan.roots().map(|(_, a)| name(a)).collect::<Vec<_>>(), ["start vip alpha"]);
}

#[test]
fn a_lost_owner_is_fenced_before_anything_is_recovered() {
    // S2
    let plan = running().status("alpha", NodeStatus::Lost).plan();
    assert_eq!(
        steps(&plan),
        ["fence alpha", "start vip beta < fence alpha", "start web beta < start vip beta"]
    );
    assert_eq!(why(&plan, "vip"), "starts on beta once alpha is proven off");
    assert!(matches!(&plan.actions[0].kind, ActionKind::Fence { reason: FenceReason::Lost }));
}

#[test]
fn a_fence_under_way_is_waited_for_and_not_repeated() {
    let mut c = running().status("alpha", NodeStatus::Condemned);
    c.n("alpha").fence_open = true;
    let plan = c.plan();
    assert!(plan.actions.is_empty(), "{:?}", steps(&plan));
    assert_eq!(plan.waiting.len(), 2);
    assert!(why(&plan, "vip").contains("hactl fence confirm alpha"), "{}", why(&plan, "vip"));
}

#[test]
fn after_the_proof_the_start_is_free() {
    let mut c = running().status("alpha", NodeStatus::Off);
    c.snapshot.may_run.clear();
    assert_eq!(steps(&c.plan()), ["start vip beta", "start web beta < start vip beta"]);
}

#[test]
fn a_lost_node_that_held_nothing_is_not_fenced() {
    let plan = running().status("gamma", NodeStatus::Lost).plan();
    assert!(plan.is_settled(), "{:?}", steps(&plan));
}

#[test]
fn a_node_lost_before_it_was_probed_may_hold_everything() {
    let mut c = shop().status("gamma", NodeStatus::Lost);
    c.snapshot.observed.get_mut(&inst("vip")).expect("seen").remove(&node("gamma"));
    let plan = c.plan();
    assert_eq!(steps(&plan)[..2], ["fence gamma", "start vip alpha < fence gamma"]);
}

#[test]
fn without_a_fence_path_the_report_says_what_to_type() {
    let mut c = running().status("alpha", NodeStatus::Lost);
    c.config.levels.clear();
    let plan = c.plan();
    assert!(plan.actions.is_empty(), "{:?}", steps(&plan));
    assert_eq!(
        why(&plan, "vip"),
        "alpha has no fence path and is lost while it may hold something; once it is surely off: \
         hactl fence confirm alpha"
    );
    assert!(plan.report.nodes[&node("alpha")].contains("hactl fence confirm alpha"));
}

#[test]
fn a_forming_cluster_says_for_whom_it_waits() {
    let mut c = shop().status("gamma", NodeStatus::Unseen);
    c.n("gamma").is_awaited = true;
    let plan = c.plan();
    assert!(plan.actions.is_empty(), "{:?}", steps(&plan));
    assert_eq!(why(&plan, "vip"), "forming: waiting for gamma");
    assert_eq!(plan.report.nodes[&node("gamma")], "forming: waiting for gamma");

    c.n("gamma").is_awaited = false;
    let plan = c.plan();
    assert_eq!(steps(&plan)[..2], ["fence gamma", "start vip alpha < fence gamma"]);
    assert!(matches!(&plan.actions[0].kind, ActionKind::Fence { reason: FenceReason::NeverSeen }));
}

#[test]
fn what_is_not_exclusive_does_not_wait_for_the_unseen() {
    let mut c = cluster(&["alpha", "beta"]).resource("vip", &[A]).resource("job", &[]);
    c = c.status("beta", NodeStatus::Unseen);
    c.n("beta").is_awaited = true;
    assert_eq!(steps(&c.plan()), ["start job alpha"]);
}

#[test]
fn a_witness_is_neither_probed_nor_fenced_nor_waited_for() {
    let mut c = shop().status("gamma", NodeStatus::Unseen);
    c.config.nodes.get_mut(&node("gamma")).expect("known").role = Role::Witness;
    assert_eq!(steps(&c.plan())[0], "start vip alpha");
}

#[test]
fn nothing_exclusive_starts_before_every_member_was_asked() {
    let mut c = shop();
    c.see("vip", "beta", InstanceState::Unknown);
    let plan = c.plan();
    assert_eq!(steps(&plan)[..2], ["probe vip beta", "start vip alpha < probe vip beta"]);
    c.see("vip", "beta", InstanceState::Probing);
    let plan = c.plan();
    assert!(plan.actions.is_empty(), "{:?}", steps(&plan));
    assert_eq!(why(&plan, "vip"), "beta is asked whether vip runs");
}

#[test]
fn a_member_that_has_not_reported_is_ordered_nothing() {
    let mut c = shop();
    c.see("vip", "beta", InstanceState::Unknown);
    c.n("beta").is_ready = false;
    let plan = c.plan();
    assert!(plan.actions.is_empty(), "{:?}", steps(&plan));
    assert!(why(&plan, "vip").contains("beta has not said"), "{}", why(&plan, "vip"));
}

#[test]
fn a_failed_stop_fences_the_node_and_only_then_recovers() {
    let mut c = running().in_state("web", "alpha", InstanceState::StopFailed);
    c.view("web", "alpha").why = Some("the stop did not end within its time-out".to_owned());
    let plan = c.plan();
    assert_eq!(
        steps(&plan),
        ["fence alpha", "start vip beta < fence alpha", "start web beta < start vip beta"]
    );
    let ActionKind::Fence { reason: FenceReason::StopFailed { what } } = &plan.actions[0].kind else {
        panic!("{:?}", plan.actions[0])
    };
    assert_eq!(what, "web: the stop did not end within its time-out");
}

#[test]
fn a_failed_stop_without_a_fence_path_blocks_that_instance_alone() {
    let mut c = cluster(&["alpha", "beta"])
        .resource("vip", &[A])
        .resource("db", &["disk/1"])
        .runs("vip", "alpha")
        .runs("db", "alpha")
        .in_state("db", "alpha", InstanceState::StopFailed);
    c.config.levels.clear();
    let plan = c.plan();
    assert!(plan.actions.is_empty(), "{:?}", steps(&plan));
    assert_eq!(why(&plan, "vip"), "");
    assert!(why(&plan, "db").contains("hactl fence confirm alpha"), "{}", why(&plan, "db"));
}

#[test]
fn a_permission_that_is_open_elsewhere_blocks_the_start() {
    // S17: reported stopped, but an order sent earlier may still be carried out.
    let mut c = shop();
    c.permit("vip", "beta");
    c.history = History::default();
    c.move_to("vip", "alpha");
    let plan = c.plan();
    assert_eq!(steps(&plan)[..2], ["stop vip beta", "start vip alpha < stop vip beta"]);

    c.view("vip", "beta").in_flight = true;
    let plan = c.plan();
    assert!(plan.actions.is_empty(), "{:?}", steps(&plan));

    c.view("vip", "beta").in_flight = false;
    c.n("beta").is_ready = false;
    let plan = c.plan();
    assert!(plan.actions.is_empty(), "{:?}", steps(&plan));
}

#[test]
fn a_permission_of_an_earlier_boot_of_the_same_node_blocks_it_too() {
    let mut c = shop();
    c.permit("vip", "alpha");
    c.n("alpha").incarnation = Some(incarnation(99));
    let plan = c.plan();
    assert!(plan.actions.is_empty(), "{:?}", steps(&plan));
    assert!(why(&plan, "vip").contains("earlier boot of alpha"), "{}", why(&plan, "vip"));
}

#[test]
fn a_start_under_way_is_waited_for_wherever_it_is() {
    // The leader that ordered it may be gone; the next one must not start it elsewhere.
    let mut c = shop().in_state("vip", "beta", InstanceState::Starting);
    c.permit("vip", "beta");
    let plan = c.plan();
    assert!(plan.actions.is_empty(), "{:?}", steps(&plan));
    assert_eq!(wanted(&plan, "vip").as_deref(), Some("beta"));
    assert_eq!(why(&plan, "vip"), "starting on beta");
    assert_eq!(why(&plan, "web"), "vip is starting on beta");
}

#[test]
fn an_instance_that_runs_twice_is_stopped_everywhere_first() {
    let plan = cluster(&["alpha", "beta"])
        .resource("vip", &[A])
        .runs("vip", "alpha")
        .in_state("vip", "beta", InstanceState::Running)
        .plan();
    assert_eq!(
        steps(&plan),
        ["stop vip alpha", "stop vip beta", "start vip alpha < stop vip alpha, stop vip beta"]
    );
}

#[test]
fn what_is_not_configured_any_more_is_stopped_before_its_object_is_used() {
    let mut c = cluster(&["alpha", "beta"]).resource("old", &[A]).runs("old", "beta");
    c.config.resources.clear();
    c.history = History::default();
    let plan = c.resource("vip", &[A]).plan();
    assert_eq!(steps(&plan), ["start vip alpha < stop old beta", "stop old beta"]);
}

#[test]
fn an_error_names_the_phase() {
    let mut c = shop();
    c.snapshot.nodes.remove(&node("beta"));
    c.snapshot.config = std::sync::Arc::new(c.config.clone());
    let error = plan(&c.snapshot).expect_err("refused");
    assert_eq!(error.phase(), PlanPhase::Validate);
    assert_eq!(
        error.to_string(),
        "planning failed in validate: the snapshot does not say where node beta stands"
    );
    let mut c = shop().group("other", &["web"]);
    c.snapshot.config = std::sync::Arc::new(c.config.clone());
    assert!(matches!(plan(&c.snapshot), Err(PlanError::MemberTwice { .. })));
}
