//! Whole clusters of cores in one test: perfect shells, a clock that jumps from deadline to deadline, power that
//! really goes off. What a plausible bug in the core would break is judged from the outside: by who runs what.

mod adversary;
mod alone;
mod clocks;
mod expiry;
mod fencing;
mod halt;
mod hold;
mod live;
mod own_vote;
mod settings;
mod steps;
mod watchdog;
mod world;

use crate::message::{OrderOp, PeerMessage};
use ha_model::{AdminReply, AdminRequest, FenceReason, Notice};
use std::time::Duration;
use world::World;

const S: Duration = Duration::from_secs(1);

fn formed() -> World {
    let mut world = World::three();
    world.run_until(10 * S, "web runs", |w| w.owner("web").is_some());
    world
}

#[test]
fn three_nodes_form_and_start_in_order() {
    let world = formed();
    assert_eq!(world.owner("vip"), Some("alpha".into()), "the preferred node");
    assert_eq!(world.owner("web"), Some("alpha".into()), "the group stays together");
    let starts = world.log_of("start");
    assert_eq!(starts, ["alpha vip", "alpha web"]);
    assert!(world.now_ms() < 3000, "cold start took {} ms", world.now_ms());
}

#[test]
fn power_off_of_the_owner_fences_before_it_moves() {
    let mut world = formed();
    let t0 = world.now_ms();
    world.power_off("alpha");
    world.run_until(10 * S, "web runs elsewhere", |w| w.owner("web").is_some_and(|n| n != "alpha".into()));
    let took = world.now_ms() - t0;
    assert!(took < 1400, "took {took} ms");
    assert!(world.fenced_before_start("alpha"), "{:?}", world.journal);
}

#[test]
fn a_frozen_owner_is_cut_before_anything_starts_elsewhere_and_comes_back_clean() {
    let mut world = formed();
    world.freeze("alpha");
    world.run_until(10 * S, "web runs elsewhere", |w| w.owner("web").is_some_and(|n| n != "alpha".into()));
    assert!(!world.power_of("alpha"), "moved without power off");
    world.run_until(30 * S, "alpha is back", |w| w.is_member("alpha"));
    world.run(5 * S);
    assert_eq!(world.owners("web").len(), 1);
}

#[test]
fn a_lying_switch_is_the_negative_control() {
    let mut world = formed();
    world.lie = true;
    world.freeze("alpha");
    world.run_until(10 * S, "web runs elsewhere", |w| w.owners("web").len() == 2);
    world.thaw("alpha");
    assert_eq!(world.owners("web").len(), 2, "the check of owners must see two");
}

#[test]
fn no_answer_from_the_switch_blocks_recovery_until_confirmed() {
    let mut world = formed();
    world.switch_is_dead = true;
    world.power_off("alpha");
    world.run(20 * S);
    assert_eq!(world.owner("web"), None, "nothing may start without proof");
    assert!(world.saw(|n| matches!(n, Notice::FenceFailed { .. })));
    let reply = world.ask("beta", AdminRequest::FenceConfirm { node: "alpha".into() });
    assert!(matches!(reply, AdminReply::Done { .. }), "{reply:?}");
    world.run_until(5 * S, "web runs", |w| w.owner("web").is_some());
}

#[test]
fn a_confirmation_is_refused_while_the_node_is_heard() {
    let mut world = formed();
    let reply = world.ask("beta", AdminRequest::FenceConfirm { node: "gamma".into() });
    assert!(
        matches!(&reply, AdminReply::Refused { why, .. } if why.contains("hears it")
        || why.contains("answers you")),
        "{reply:?}"
    );
}

#[test]
fn a_broken_word_is_fenced_again_and_the_new_owner_stops_when_that_fails() {
    let mut world = formed();
    world.switch_is_dead = true;
    world.lie = true; // the human's word is the lie here: two owners are what must end
    world.freeze("alpha");
    world.run_until(20 * S, "a failed fence", |w| w.saw(|n| matches!(n, Notice::FenceFailed { .. })));
    let reply = world.ask("beta", AdminRequest::FenceConfirm { node: "alpha".into() });
    assert!(matches!(reply, AdminReply::Done { .. }), "{reply:?}");
    world.run_until(20 * S, "web runs twice", |w| w.owners("web").len() == 2);
    world.thaw("alpha");
    world.run_until(20 * S, "nobody runs web", |w| w.owners("web").is_empty());
    assert!(world.saw(|n| {
        matches!(n, Notice::FenceRequested { reason: FenceReason::HeardAfterConfirmation, .. })
    }));
    world.switch_is_dead = false;
    world.lie = false;
    world.run_until(60 * S, "web runs once", |w| w.owners("web").len() == 1);
}

#[test]
fn a_dead_process_is_restarted_in_place() {
    let mut world = formed();
    world.kill_process("alpha", "web");
    world.run_until(S, "web runs again", |w| {
        w.owner("web") == Some("alpha".into()) && w.log_of("start").len() == 3
    });
    assert_eq!(world.log_of("start"), ["alpha vip", "alpha web", "alpha web"], "the address did not move");
}

#[test]
fn what_fails_again_and_again_in_place_is_started_ever_more_slowly() {
    let mut world = World::without_migration();
    world.start_fails.insert("web".into());
    world.run_until(10 * S, "the address runs", |w| w.owner("vip").is_some());
    world.run(60 * S);
    let tries = world.log_of("try").len();
    assert!((6..=12).contains(&tries), "{tries} tries in a minute");
    let AdminReply::Status(view) = world.ask("alpha", AdminRequest::Status) else { panic!("no status") };
    let row = view.resources.iter().find(|r| r.name.as_str() == "web").expect("configured");
    assert!(row.why.as_ref().is_some_and(|w| w.contains("is started there again in")), "{row:?}");
    world.start_fails.clear();
    world.run_until(31 * S, "web runs", |w| w.owner("web").is_some());
}

#[test]
fn a_failed_stop_fences_the_node() {
    let mut world = formed();
    world.stop_fails.insert(("alpha".into(), "web".into()));
    world.ask("beta", AdminRequest::NodeStandby { node: "alpha".into() });
    world.run_until(20 * S, "web runs elsewhere", |w| w.owner("web").is_some_and(|n| n != "alpha".into()));
    assert!(world.fenced_before_start("alpha"), "{:?}", world.journal);
}

#[test]
fn standby_moves_and_online_does_not_move_back_against_stickiness() {
    let mut world = formed();
    world.ask("beta", AdminRequest::NodeStandby { node: "alpha".into() });
    world.run_until(5 * S, "web moved", |w| w.owner("web").is_some_and(|n| n != "alpha".into()));
    let there = world.owner("web");
    world.ask("beta", AdminRequest::NodeOnline { node: "alpha".into() });
    world.run(5 * S);
    assert_eq!(world.owner("web"), there, "preference 10 is weaker than stickiness 100");
}

#[test]
fn a_cut_that_only_the_leader_feels_fences_nobody() {
    let mut world = formed();
    let leader = world.leader();
    let other = world.names().into_iter().find(|n| *n != leader).expect("three nodes");
    world.cut(&leader, &other);
    world.run(10 * S);
    assert!(!world.saw(|n| matches!(n, Notice::FenceRequested { .. })), "a healthy node was fenced");
    assert_eq!(world.owners("web").len(), 1);
}

#[test]
fn the_leader_dies_between_off_and_proof() {
    let mut world = formed();
    let leader = world.leader();
    let owner = world.owner("web").expect("formed");
    if leader == owner {
        world.transfer_away(&owner);
    }
    let leader = world.leader();
    world.answer_delay = Duration::from_millis(300);
    world.freeze(owner.as_str());
    world.run_until(5 * S, "off was asked", |w| w.journal.iter().any(|l| l.contains("off")));
    world.power_off(leader.as_str());
    world.run(2 * S);
    world.power_on(leader.as_str());
    world.run_until(60 * S, "web runs again", |w| w.owner("web").is_some());
    let running = world.owners("web");
    assert!(running.len() <= 1, "{running:?}");
    assert!(world.fenced_before_start(owner.as_str()), "{:?}", world.journal);
}

#[test]
fn a_learner_votes_in_the_place_of_a_voter_that_is_off() {
    let mut world = World::four();
    world.run_until(10 * S, "web runs", |w| w.owner("web").is_some());
    let voters = |w: &World| w.leading().votes().membership().voters.keys().cloned().collect::<Vec<_>>();
    let (first, leader) = (voters(&world), world.leader());
    let learner = world.names().into_iter().find(|n| !first.contains(n)).expect("four nodes, three voters");
    let off = first.iter().find(|n| **n != leader && Some((*n).clone()) != world.owner("web"));
    let off = off.or(first.iter().find(|n| **n != leader)).expect("three voters").clone();
    world.ask(leader.as_str(), AdminRequest::FenceOff { node: off.clone() });
    world
        .run_until(5 * S, "the learner votes", |w| voters(w).contains(&learner) && !voters(w).contains(&off));
    world.run(S);
    // One of three voters more: with the first set two of three would be gone now.
    let next = voters(&world).into_iter().find(|n| *n != learner).expect("three voters");
    world.power_off(next.as_str());
    world.run_until(10 * S, "web runs on", |w| w.owner("web").is_some_and(|n| n != next));
    world.ask(world.leader().as_str(), AdminRequest::FenceOn { node: off.clone() });
    world.run_until(60 * S, "all are back", |w| w.is_member(off.as_str()) && w.is_member(next.as_str()));
    assert_eq!(voters(&world).len(), 3);
}

#[test]
fn a_daemon_that_restarts_keeps_its_services() {
    let mut world = formed();
    world.restart_daemon("alpha");
    world.run(8 * S);
    assert_eq!(world.owner("web"), Some("alpha".into()));
    assert_eq!(world.log_of("start").len(), 2, "nothing was started again: {:?}", world.journal);
    assert!(!world.saw(|n| matches!(n, Notice::FenceRequested { .. })));
}

#[test]
fn all_power_lost_then_two_come_back() {
    let mut world = formed();
    for n in ["alpha", "beta", "gamma"] {
        world.power_off(n);
    }
    world.run(5 * S);
    world.power_on("beta");
    world.power_on("gamma");
    world.run(3 * S);
    let leader = world.leader();
    let AdminReply::Status(view) = world.ask(leader.as_str(), AdminRequest::Status) else {
        panic!("no status")
    };
    let web = view.resources.iter().find(|r| r.name.as_str() == "web").expect("configured");
    assert_eq!((web.state.as_str(), web.node.as_ref()), ("unknown", Some(&"alpha".into())), "{web:?}");
    let alpha = view.nodes.iter().find(|n| n.name.as_str() == "alpha").expect("configured");
    let why = alpha.why.as_deref().unwrap_or_default();
    assert!(why.starts_with(&format!("not heard since {leader} leads; after ")), "{why}");
    world.run_until(40 * S, "web runs", |w| w.owner("web").is_some());
    assert!(world.fenced_before_start("alpha"), "alpha may still have held the address: {:?}", world.journal);
}

#[test]
fn two_of_three_at_first_formation_wait_and_say_so() {
    let mut world = World::three();
    world.power_off("gamma");
    world.run(60 * S);
    assert_eq!(world.owner("web"), None, "gamma was never seen, its outlet never read on");
    let AdminReply::Status(view) = world.ask("alpha", AdminRequest::Status) else { panic!("no status") };
    let row = view.resources.iter().find(|r| r.name.as_str() == "web").expect("configured");
    assert!(row.why.as_ref().is_some_and(|w| w.contains("gamma")), "{row:?}");
    assert!(world.log_of("cut").is_empty(), "an off that proves nothing is not sent: {:?}", world.journal);
    world.ask("alpha", AdminRequest::FenceConfirm { node: "gamma".into() });
    world.run_until(5 * S, "web runs", |w| w.owner("web").is_some());
}

#[test]
fn an_old_order_is_refused() {
    let mut world = formed();
    let leader = world.leader();
    let owner = if leader == "alpha".into() { "beta" } else { "alpha" };
    world.ask(
        "alpha",
        AdminRequest::ResourceMove { resource: "web".into(), to: Some(owner.into()), for_s: 5 },
    );
    world.run_until(5 * S, "web runs beside no leader", |w| w.owner("web") == Some(owner.into()));
    world.run(S);
    let order = world.last_order(owner).expect("orders were sent");
    assert_eq!(order.op, OrderOp::Start);
    world.ask("alpha", AdminRequest::ResourceStop { resource: "web".into() });
    world.run_until(5 * S, "web stopped", |w| w.owner("web").is_none());
    let starts = world.log_of("start").len();
    world.deliver(leader.as_str(), owner, PeerMessage::Order(order.clone()));
    world.deliver("gamma", owner, PeerMessage::Order(order));
    world.run(S);
    assert_eq!(world.log_of("start").len(), starts);
}

#[test]
fn the_same_inputs_give_the_same_history() {
    let run = || {
        let mut world = formed();
        world.power_off("alpha");
        world.run(20 * S);
        world.journal
    };
    assert_eq!(run(), run());
}
