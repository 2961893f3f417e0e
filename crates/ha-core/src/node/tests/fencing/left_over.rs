//! Attempts and executors of leaders that are gone: nobody waits for them for ever (L3).

use super::super::world::World;
use super::super::{S, formed};
use ha_model::{AdminReply, AdminRequest, Notice};

fn is_attempted(world: &World, node: &str) -> bool {
    world.saw(|n| matches!(n, Notice::FenceAttempt { node: of, .. } if of.as_str() == node))
}

fn is_proven(world: &World, node: &str) -> bool {
    world.saw(|n| matches!(n, Notice::FenceProven { node: of, .. } if of.as_str() == node))
}

/// Alpha leads, runs web, and has the power of gamma cut; it is gone before the switch has answered.
fn gone_while_it_cuts() -> World {
    let mut world = formed();
    world.lead_by("alpha");
    world.answer_delay = 3 * S;
    world.ask_only("alpha", AdminRequest::FenceOff { node: "gamma".into() });
    world.run_until(2 * S, "gamma is condemned", |w| is_attempted(w, "gamma"));
    world.power_off("alpha");
    world.answer_delay = S / 100;
    world
}

#[test]
fn l3_an_attempt_of_a_leader_that_is_gone_is_not_under_way_for_ever() {
    let mut world = gone_while_it_cuts();
    world.run_until(10 * S, "another leads", |w| !w.leaders_but(&"alpha".into()).is_empty());
    // Nothing tells that the order to cut gamma is over before its longest time is.
    world.run_until(90 * S, "alpha is proven off", |w| is_proven(w, "alpha"));
    world.run_until(30 * S, "web runs", |w| w.owner("web").is_some());
}

#[test]
fn no_second_voter_is_cut_while_an_attempt_of_a_leader_that_is_gone_may_be_under_way() {
    let mut world = gone_while_it_cuts();
    world.run(15 * S);
    assert!(world.power_of("gamma") && !is_attempted(&world, "alpha"), "{:?}", world.told());
}

#[test]
fn l3_where_all_that_live_are_condemned_the_leader_cuts_by_itself() {
    let mut world = formed();
    world.switch_is_dead = true;
    world.lead_by("alpha");
    for other in ["beta", "gamma"] {
        world.freeze(other);
        let asked = world.ask_only("alpha", AdminRequest::FenceOff { node: other.into() });
        world.run(S / 4);
        world.thaw(other);
        world.run(S / 4);
        assert!(world.reply("alpha", asked).is_some());
    }
    world.run_until(60 * S, "both are condemned", |w| is_attempted(w, "beta") && is_attempted(w, "gamma"));
    assert_eq!(world.leader(), "alpha".into());
    world.power_off("alpha");
    world.run(5 * S);
    world.switch_is_dead = false;
    world.run_until(60 * S, "alpha is proven off", |w| is_proven(w, "alpha"));
    world.run_until(90 * S, "alpha is back", |w| w.is_member("alpha"));
}

/// The one node that is left to run agents has called whatever outlet off: its word does not count, though another's would.
#[test]
fn l3_where_nobody_is_left_whose_word_counts_a_human_is_asked() {
    let mut world = formed();
    world.lead_by("alpha");
    world.switch.broken_agents.insert("gamma".into());
    world.ask_only("alpha", AdminRequest::FenceTest { node: None });
    world.run(S);
    world.switch.broken_agents.clear();
    world.switch_is_dead = true;
    world.freeze("alpha");
    world.run_until(5 * S, "another leads", |w| !w.leaders_but(&"alpha".into()).is_empty());
    world.run_until(5 * S, "alpha is condemned", |w| is_attempted(w, "alpha"));
    world.thaw("alpha");
    world.power_off("beta");
    world.run(20 * S);
    world.switch_is_dead = false;
    assert_eq!(world.leader(), "gamma".into());
    let AdminReply::Status(view) = world.ask("gamma", AdminRequest::Status) else { panic!("no status") };
    let why = view.fences.iter().find(|f| f.node == "alpha".into()).and_then(|f| f.why.clone());
    assert!(why.is_some_and(|w| w.contains("type: hactl fence confirm alpha")), "{:?}", view.fences);
    assert!(!is_attempted(&world, "beta"), "{:?}", world.told());
}

#[test]
fn l3_no_voter_is_cut_by_a_leader_that_is_being_cut_where_the_third_would_be_left_alone() {
    let mut world = formed();
    world.lead_by("alpha");
    world.refuse_hand_over(&"alpha".into());
    world.stop_fails.insert(("alpha".into(), "web".into()));
    world.answer_delay = 2 * S;
    world.ask_only("alpha", AdminRequest::NodeStandby { node: "alpha".into() });
    world.run_until(5 * S, "alpha is to be cut", |w| is_attempted(w, "alpha"));
    world.ask_only("alpha", AdminRequest::FenceOff { node: "gamma".into() });
    world.run(S);
    assert!(world.leader() == "alpha".into() && world.power_of("alpha"), "its cut is under way");
    assert!(!is_attempted(&world, "gamma"), "{:?}", world.told());
    world.run_until(30 * S, "web runs", |w| w.owner("web").is_some_and(|n| n != "alpha".into()));
}
