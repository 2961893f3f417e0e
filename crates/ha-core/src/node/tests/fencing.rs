//! Fencing in whole clusters of cores: levels, late offs, power that does not come back, words of humans.

mod ears;
mod evidence;
mod left_over;
mod reasons;

use super::world::World;
use super::{S, formed};
use ha_model::{AdminReply, AdminRequest, FenceReason, Notice};
use std::time::Duration;

fn web_runs_elsewhere(world: &World) -> bool {
    world.owner("web").is_some_and(|n| n != "alpha".into())
}

fn is_confirmed(world: &mut World, by: &str, node: &str) -> bool {
    let reply = world.ask(by, AdminRequest::FenceConfirm { node: node.into() });
    assert!(matches!(reply, AdminReply::Done { .. } | AdminReply::Refused { .. }), "{reply:?}");
    matches!(reply, AdminReply::Done { .. })
}

/// Beta leads; a human calls alpha off, which is frozen and may write on: web runs twice.
fn called_off_alive() -> World {
    let mut world = formed();
    world.lead_by("beta");
    world.switch_is_dead = true;
    world.lie = true; // the human's word is the lie
    world.freeze("alpha");
    world.run(3 * S);
    assert!(is_confirmed(&mut world, "beta", "alpha"));
    world.run_until(5 * S, "web runs twice", |w| w.owners("web").len() == 2);
    world
}

fn is_broken_word(notice: &Notice) -> bool {
    matches!(notice, Notice::FenceRequested { reason: FenceReason::HeardAfterConfirmation, .. })
}

#[test]
fn a_level_that_can_prove_nothing_does_not_keep_the_next_from_its_turn() {
    let mut world = World::with_a_useless_first_level();
    world.run_until(10 * S, "web runs", |w| w.owner("web") == Some("alpha".into()));
    world.freeze("alpha");
    world.run_until(10 * S, "web runs elsewhere", web_runs_elsewhere);
    assert!(world.fenced_before_start("alpha"), "{:?}", world.journal);
}

#[test]
fn an_off_that_comes_too_late_is_called_off_when_the_next_boot_is_here() {
    let mut world = formed();
    world.lead_by("beta");
    world.answer_delay = 3 * S;
    world.power_off("alpha");
    world.run_until(5 * S, "off is requested", |w| w.saw(|n| matches!(n, Notice::FenceAttempt { .. })));
    world.power_on("alpha"); // by itself: a crash, not a fence
    world.run_until(2 * S, "its next boot is here", |w| w.is_member("alpha"));
    world.run(10 * S);
    assert!(world.log_of("cut").is_empty(), "a healthy boot was cut: {:?}", world.journal);
}

#[test]
fn power_that_does_not_come_back_is_switched_on_again() {
    let mut world = formed();
    world.on_fails = 3;
    world.freeze("alpha");
    world.run_until(10 * S, "web runs elsewhere", web_runs_elsewhere);
    world.run_until(60 * S, "alpha is back", |w| w.is_member("alpha"));
    assert_eq!(world.count(|n| matches!(n, Notice::PowerOnEnded { failed: Some(_), .. })), 3);
}

#[test]
fn a_leader_that_never_heard_a_member_which_others_hear_lets_one_of_them_lead() {
    let mut world = formed();
    world.lead_by("gamma");
    world.run(30 * S); // past every wait of the formation
    world.cut(&"alpha".into(), &"beta".into());
    world.restart_daemon("beta");
    world.run(3 * S);
    world.lead_by("beta");
    world.run(30 * S);
    assert_eq!(world.owner("web"), Some("alpha".into()), "{:?}", world.journal);
    assert_eq!(world.log_of("start").len(), 2, "its grant never ended: {:?}", world.journal);
    assert!(!world.saw(|n| matches!(n, Notice::FenceRequested { .. })));
}

#[test]
fn s7_a_node_that_speaks_without_hearing_is_not_off_whatever_a_human_says() {
    for only_gamma_hears_it in [false, true] {
        let mut world = World::without_fencing();
        world.run_until(10 * S, "web runs", |w| w.owner("web") == Some("alpha".into()));
        world.lead_by("beta");
        for other in ["beta", "gamma"] {
            world.cut_way(other, "alpha");
        }
        if only_gamma_hears_it {
            world.cut_way("alpha", "beta");
        }
        world.run_until(10 * S, "it is lost", |w| w.saw(|n| matches!(n, Notice::NodeLost { .. })));
        world.lead_by("beta"); // it may have handed over to gamma, which heard alpha last
        let reply = world.ask("beta", AdminRequest::FenceConfirm { node: "alpha".into() });
        let by = if only_gamma_hears_it { "gamma" } else { "beta" };
        let is_refused = matches!(&reply, AdminReply::Refused { why, .. } if why.contains("hears it"));
        assert!(is_refused, "{by} hears it: {reply:?}");
        world.power_off("alpha");
        world.run(2 * S);
        assert!(is_confirmed(&mut world, "beta", "alpha"));
        world.run_until(5 * S, "web runs elsewhere", web_runs_elsewhere);
    }
}

#[test]
fn a_broken_word_that_only_a_follower_hears_of_is_acted_on() {
    let mut world = called_off_alive();
    world.cut(&"alpha".into(), &"beta".into());
    world.thaw("alpha");
    world.run_until(3 * S, "the leader acts", |w| w.saw(is_broken_word));
    world.run_until(20 * S, "web runs nowhere", |w| w.owners("web").is_empty());
}

#[test]
fn a_broken_word_is_acted_on_though_power_was_switched_on_since() {
    let mut world = called_off_alive();
    world.switch_is_dead = false;
    let reply = world.ask("beta", AdminRequest::FenceOn { node: "alpha".into() });
    assert!(matches!(reply, AdminReply::Done { .. }), "{reply:?}");
    world.run(3 * S);
    world.thaw("alpha"); // its power was never gone
    world.run_until(3 * S, "the leader acts", |w| w.saw(is_broken_word));
}

#[test]
fn an_address_is_checked_at_length_after_a_humans_word_and_quickly_otherwise() {
    let mut world = formed();
    world.lead_by("beta");
    assert!(world.quick_checks["vip"], "at formation all were asked");
    world.power_off("alpha");
    world.run_until(10 * S, "web runs elsewhere", web_runs_elsewhere);
    let owner = world.owner("web").expect("it runs");
    assert!(world.quick_checks["vip"], "its power was read off");
    world.run_until(60 * S, "alpha is back", |w| w.is_member("alpha"));
    world.run(5 * S);
    world.switch_is_dead = true;
    world.power_off(owner.as_str());
    world.run(5 * S);
    let asker = world.leader();
    assert!(is_confirmed(&mut world, asker.as_str(), owner.as_str()));
    world.run_until(10 * S, "web runs again", |w| w.owner("web").is_some());
    assert!(!world.quick_checks["vip"], "nobody read the power of {owner} off");
}

#[test]
fn a_broken_word_stops_what_it_freed_where_there_is_no_fence_path() {
    let mut world = World::without_fencing();
    world.run_until(10 * S, "web runs", |w| w.owner("web") == Some("alpha".into()));
    world.lead_by("beta");
    world.lie = true; // the human's word is the lie
    world.freeze("alpha");
    world.run(3 * S);
    assert!(is_confirmed(&mut world, "beta", "alpha"));
    world.run_until(5 * S, "web runs twice", |w| w.owners("web").len() == 2);
    world.thaw("alpha");
    world.run_until(Duration::from_secs(20), "web runs nowhere", |w| w.owners("web").is_empty());
}

#[test]
fn a_warning_stands_as_long_as_what_it_tells() {
    let mut world = formed();
    world.lead_by("beta");
    world.lie = true; // its outlet feeds nothing
    world.freeze("alpha");
    world.run_until(10 * S, "web runs twice", |w| w.owners("web").len() == 2);
    world.run(2 * S);
    world.thaw("alpha");
    let warns = |world: &mut World| {
        let AdminReply::Status(view) = world.ask("beta", AdminRequest::Status) else { panic!("no status") };
        view.warnings.iter().any(|(_, _, text)| text.contains("is heard although its power was read off"))
    };
    world.run(S);
    assert!(warns(&mut world), "alpha is alive");
    world.power_off("alpha");
    world.run(3 * S);
    assert!(!warns(&mut world), "it was cut by hand");
}

#[test]
fn a_cut_that_would_end_the_quorum_is_refused_with_whom_to_wait_for() {
    let mut world = formed();
    world.lead_by("beta");
    world.power_off("gamma");
    world.run(2 * S);
    let reply = world.ask("beta", AdminRequest::FenceOff { node: "alpha".into() });
    let names_gamma = |why: &str| why.contains("quorum") && why.contains("gamma");
    assert!(matches!(&reply, AdminReply::Refused { why, .. } if names_gamma(why)), "{reply:?}");
    assert!(world.power_of("alpha"));
}
