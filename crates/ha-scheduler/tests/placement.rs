//! Scores, moves, failures, groups: where things run and why.

mod common;
use common::*;
use ha_model::*;
use ha_scheduler::*;

const A: &str = "address/10.0.0.100";

fn one() -> Cluster {
    cluster(&["alpha", "beta"]).resource("web", &["lock/web"])
}

fn front() -> Cluster {
    cluster(&["alpha", "beta"]).resource("vip", &[A]).resource("web", &[]).group("front", &["vip", "web"])
}

fn running() -> Cluster {
    front().runs("vip", "alpha").runs("web", "alpha")
}

fn sum(plan: &Plan, name: &str, on: &str) -> Score {
    total(&plan.report.instances[&inst(name)].scores[&node(on)])
}

#[test]
fn ties_go_to_the_emptiest_node_then_to_the_first() {
    let plan = one().resource("b", &[]).resource("c", &[]).plan();
    assert_eq!(wanted(&plan, "web").as_deref(), Some("alpha"));
    assert_eq!(wanted(&plan, "b").as_deref(), Some("beta"));
    assert_eq!(wanted(&plan, "c").as_deref(), Some("alpha"));
}

#[test]
fn higher_priority_is_placed_first() {
    let mut c = one().resource("b", &[]);
    c.r("b").priority = 5;
    let plan = c.plan();
    assert_eq!(wanted(&plan, "b").as_deref(), Some("alpha"));
    assert_eq!(wanted(&plan, "web").as_deref(), Some("beta"));
}

#[test]
fn a_preference_beats_stickiness_only_when_it_is_larger() {
    let mut c = one().runs("web", "beta");
    c.prefer("web", "alpha", 10);
    c.r("web").stickiness = Some(20);
    assert!(c.plan().is_settled());
    c.r("web").stickiness = Some(5);
    let plan = c.plan();
    assert_eq!(steps(&plan), ["stop web beta", "start web alpha < stop web beta"]);
    assert_eq!(sum(&plan, "web", "alpha"), 10);
    assert_eq!(sum(&plan, "web", "beta"), 5);
    let term = &plan.report.instances[&inst("web")].scores[&node("alpha")][0];
    assert_eq!((term.why.as_str(), &term.origin), ("web prefers it", &line(30)));
}

#[test]
fn nothing_moves_without_a_reason() {
    let mut c = one().runs("web", "beta");
    c.config.stickiness = 0;
    assert!(c.plan().is_settled());
}

#[test]
fn a_move_holds_until_its_time_and_leaves_no_rule() {
    let mut c = running();
    c.move_to("web", "beta");
    let plan = c.plan();
    assert_eq!(
        steps(&plan),
        [
            "stop vip alpha < stop web alpha",
            "start vip beta < stop vip alpha, stop web alpha",
            "stop web alpha",
            "start web beta < start vip beta, stop web alpha",
        ]
    );
    let terms = &plan.report.instances[&inst("web")].scores[&node("beta")];
    assert!(terms.iter().any(|t| t.why == "web was moved here until 2026-11-22 11:16:50 UTC"), "{terms:?}");
    c.snapshot.now = WallMs(NOW.0 + 1000);
    assert!(c.plan().is_settled());
}

#[test]
fn a_move_to_a_node_that_cannot_run_it_moves_nothing() {
    let mut c = running();
    c.move_to("vip", "beta");
    c.n("beta").standby = Some(by());
    assert!(c.plan().is_settled());
}

#[test]
fn a_healthy_instance_is_not_stopped_for_a_start_that_cannot_follow() {
    let mut c = cluster(&["alpha", "beta", "gamma"]).resource("vip", &[A]).runs("vip", "alpha");
    c.move_to("vip", "beta");
    let mut c = c.status("gamma", NodeStatus::Unseen);
    c.n("gamma").is_awaited = true;
    let plan = c.plan();
    assert!(plan.actions.is_empty(), "{:?}", steps(&plan));
    assert_eq!(
        why(&plan, "vip"),
        "moves to beta, which scores higher, but waits: forming: waiting for gamma"
    );
    // Standby empties the node all the same.
    c.n("alpha").standby = Some(by());
    assert_eq!(steps(&c.plan()), ["stop vip alpha"]);
}

#[test]
fn standby_moves_a_group_in_reverse_and_in_order() {
    let mut c = running();
    c.n("alpha").standby = Some(by());
    let plan = c.plan();
    assert_eq!(
        steps(&plan),
        [
            "stop vip alpha < stop web alpha",
            "start vip beta < stop vip alpha, stop web alpha",
            "stop web alpha",
            "start web beta < start vip beta, stop web alpha",
        ]
    );
    assert!(why(&plan, "vip").contains("alpha is in standby (by root@alpha)"), "{}", why(&plan, "vip"));
}

#[test]
fn a_failed_instance_restarts_in_place_below_the_limit() {
    let mut c = running().in_state("web", "alpha", InstanceState::Failed);
    c.fails("web", "alpha", 2);
    assert_eq!(steps(&c.plan()), ["stop web alpha", "start web alpha < stop web alpha"]);
}

#[test]
fn a_failed_instance_moves_at_the_limit_and_says_how_to_forget() {
    let mut c = one().runs("web", "alpha").in_state("web", "alpha", InstanceState::Failed);
    c.fails("web", "alpha", 3);
    assert_eq!(steps(&c.plan()), ["stop web alpha", "start web beta < stop web alpha"]);
    c.n("beta").standby = Some(by());
    let plan = c.plan();
    assert_eq!(steps(&plan), ["stop web alpha"]);
    assert_eq!(
        why(&plan, "web"),
        "no node can run it (alpha: failed 3 times on alpha (last: check: its process exited), limit 3; expires \
         at 2026-11-22 11:26:49 UTC, or hactl resource cleanup web; beta: is in standby (by root@alpha)); stops \
         on alpha"
    );
}

#[test]
fn it_comes_back_in_place_although_planning_starts_afresh_after_the_stop() {
    let mut c = one().runs("web", "beta").in_state("web", "beta", InstanceState::Stopped);
    c.snapshot.may_run.clear();
    assert_eq!(steps(&c.plan()), ["start web beta"]);
    c.history = History::default();
    c.fails("web", "beta", 1);
    assert_eq!(steps(&c.plan()), ["start web beta"], "the newest failure tells as much");
}

#[test]
fn when_an_earlier_member_restarts_the_later_ones_follow() {
    let c = running().in_state("vip", "alpha", InstanceState::Failed);
    assert_eq!(
        steps(&c.clone().plan()),
        [
            "stop vip alpha < stop web alpha",
            "start vip alpha < stop vip alpha, stop web alpha",
            "stop web alpha",
            "start web alpha < start vip alpha, stop web alpha",
        ]
    );
    // The same when it is found stopped.
    let plan = c.in_state("vip", "alpha", InstanceState::Stopped).plan();
    assert_eq!(
        steps(&plan),
        [
            "start vip alpha < stop web alpha",
            "stop web alpha",
            "start web alpha < start vip alpha, stop web alpha"
        ]
    );
}

#[test]
fn a_member_that_is_merely_unknown_stops_nobody() {
    // A daemon that restarted probes first.
    let plan = running().in_state("vip", "alpha", InstanceState::Unknown).plan();
    assert_eq!(steps(&plan), ["probe vip alpha", "start vip alpha < probe vip alpha"]);
    assert_eq!(wanted(&plan, "vip").as_deref(), Some("alpha"));
}

#[test]
fn a_later_member_that_can_run_nowhere_leaves_the_earlier_ones_running() {
    let mut c = running().in_state("web", "alpha", InstanceState::Stopped);
    c.fails("web", "alpha", 3);
    c.fails("web", "beta", 3);
    let plan = c.plan();
    assert!(plan.actions.is_empty(), "{:?}", steps(&plan));
    assert_eq!(why(&plan, "vip"), "");
    assert!(
        why(&plan, "web").starts_with("no node can run it (alpha: failed 3 times"),
        "{}",
        why(&plan, "web")
    );
}

#[test]
fn a_group_goes_where_more_of_it_can_run() {
    let mut c = running().in_state("web", "alpha", InstanceState::Failed);
    c.fails("web", "alpha", 3);
    let plan = c.plan();
    assert_eq!(wanted(&plan, "vip").as_deref(), Some("beta"));
    assert_eq!(wanted(&plan, "web").as_deref(), Some("beta"));
}

#[test]
fn the_terms_of_each_member_add_up_to_what_placed_the_group() {
    let mut c = running();
    c.r("web").stickiness = Some(7);
    c.prefer("web", "beta", 3);
    let preference = Preference { score: 100, origin: line(41) };
    c.config.groups.get_mut(&GroupId::from("front")).expect("known").prefer.insert(node("alpha"), preference);
    let plan = c.plan();
    for member in ["vip", "web"] {
        assert_eq!((sum(&plan, member, "alpha"), sum(&plan, member, "beta")), (108, 3), "{member}");
    }
}

#[test]
fn what_is_disabled_stops_from_the_end_and_takes_what_follows_with_it() {
    let mut c = running();
    c.snapshot.wishes.enabled.insert(ResourceId::from("vip"), (false, by()));
    let plan = c.plan();
    assert_eq!(steps(&plan), ["stop vip alpha < stop web alpha", "stop web alpha"]);
    assert_eq!(why(&plan, "web"), "needs vip, which does not run; stops on alpha");
    let mut c = running();
    c.r("web").enabled = false;
    let plan = c.plan();
    assert_eq!(steps(&plan), ["stop web alpha"]);
    assert_eq!(why(&plan, "web"), "disabled (shop.toml:21:1); hactl resource start web; stops on alpha");
    c.snapshot.wishes.enabled.insert(ResourceId::from("web"), (true, by()));
    assert!(c.plan().is_settled());
}

#[test]
fn a_restart_stops_and_starts_once() {
    let mut c = running();
    c.snapshot.wishes.restart.insert(ResourceId::from("vip"), by());
    let plan = c.plan();
    assert_eq!(plan.roots().map(|(_, a)| name(a)).collect::<Vec<_>>(), ["stop web alpha"]);
    assert_eq!(wanted(&plan, "vip").as_deref(), Some("alpha"));
}

#[test]
fn a_node_without_a_proven_fence_path_keeps_what_it_runs_and_takes_nothing_new() {
    let mut c = one().resource("vip", &[A]).runs("web", "beta");
    c.n("beta").no_exclusive = Some("its power was never read on".to_owned());
    c.n("alpha").is_held = true;
    let plan = c.plan();
    assert!(plan.actions.is_empty(), "{:?}", steps(&plan));
    assert_eq!(why(&plan, "web"), "");
    assert_eq!(
        why(&plan, "vip"),
        "no node can run it (alpha: is held after too many fencings; release it: hactl node online alpha; beta: \
         may start nothing exclusive: its power was never read on)"
    );
}

#[test]
fn of_two_resources_with_one_object_the_one_that_has_it_keeps_it() {
    let mut c =
        cluster(&["alpha", "beta"]).resource("first", &[A]).resource("second", &[A]).runs("second", "alpha");
    c.r("first").priority = 9;
    let plan = c.plan();
    assert!(plan.actions.is_empty(), "{:?}", steps(&plan));
    assert_eq!(why(&plan, "first"), format!("{A} belongs to second, which has it already"));
    c.r("second").enabled = false;
    let plan = c.plan();
    assert_eq!(steps(&plan), ["start first alpha < stop second alpha", "stop second alpha"]);
}

#[test]
fn a_node_that_has_not_yet_reported_to_a_new_leader_keeps_its_group() {
    let mut c = running().in_state("web", "alpha", InstanceState::Stopped);
    c.n("alpha").is_ready = false;
    let plan = c.plan();
    assert!(plan.actions.is_empty(), "{:?}", steps(&plan));
    assert_eq!(wanted(&plan, "web").as_deref(), Some("alpha"));
    assert_eq!(why(&plan, "web"), "alpha has not reported to the leader yet");
}
