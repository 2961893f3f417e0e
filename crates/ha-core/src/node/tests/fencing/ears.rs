//! A proof waits for the silence of its target; the ears of all nodes count, and cost nothing where it is silent.

use super::super::world::World;
use super::super::{S, formed};
use super::web_runs_elsewhere;
use ha_model::{AdminReply, AdminRequest, Notice};
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);

fn is_proven(world: &World) -> bool {
    world.saw(|n| matches!(n, Notice::FenceProven { .. }))
}

/// Beta leads and does not hear alpha any more, gamma does; alpha is to be cut.
fn only_gamma_hears_alpha(is_one_way: bool, is_lie: bool) -> World {
    let mut world = formed();
    world.lead_by("beta");
    world.lie = is_lie; // its outlet feeds another machine
    world.cut(&"alpha".into(), &"beta".into());
    if is_one_way {
        world.cut_way("gamma", "alpha");
    }
    world.refuse_hand_over(&"beta".into());
    world.run(S / 2);
    let reply = world.ask("beta", AdminRequest::FenceOff { node: "alpha".into() });
    assert!(matches!(reply, AdminReply::Done { .. }), "{reply:?}");
    world
}

#[test]
fn s7_a_node_that_others_hear_was_not_cut_whatever_its_outlet_reads() {
    for is_one_way in [false, true] {
        let mut world = only_gamma_hears_alpha(is_one_way, true);
        world.run(20 * S);
        let told = |n: &Notice| matches!(n, Notice::FenceFailed { why, .. } if why.contains("goes on sending heartbeats, which gamma"));
        assert!(world.saw(told), "one way {is_one_way}: {:?}", world.journal);
        assert!(!is_proven(&world), "one way {is_one_way}");
        assert_eq!(world.log_of("start").len(), 2, "nothing was started elsewhere: {:?}", world.journal);
    }
}

#[test]
fn a_node_that_others_heard_until_it_was_cut_is_proven_off_as_soon_as_they_do_not() {
    let mut world = only_gamma_hears_alpha(false, false);
    world.run_until(S, "its proof", is_proven);
    assert!(!world.saw(|n| matches!(n, Notice::FenceFailed { .. })), "{:?}", world.journal);
    world.run_until(5 * S, "web runs elsewhere", web_runs_elsewhere);
}

#[test]
fn s7_a_node_that_speaks_one_way_was_not_cut_whatever_its_outlet_reads() {
    let mut world = formed();
    world.lead_by("beta");
    world.lie = true;
    world.cut_way("beta", "alpha");
    world.cut(&"alpha".into(), &"gamma".into());
    world.run_until(5 * S, "the lie", |w| !w.log_of("cut").is_empty());
    world.run(5 * S);
    assert!(world.saw(|n| matches!(n, Notice::FenceFailed { .. })), "{:?}", world.journal);
    assert!(!is_proven(&world));
}

#[test]
fn what_was_silent_is_proven_off_without_a_wait() {
    for leader in ["alpha", "beta"] {
        let mut world = formed();
        world.lead_by(leader);
        world.freeze("alpha");
        world.run_until(10 * S, "the cut", |w| !w.log_of("cut").is_empty());
        // The answer to off, two readings, the log; a beat is 100 ms.
        world.run_until(40 * MS, "its proof", is_proven);
    }
}

/// A follower that lags behind the newest configuration numbers the nodes as all do: what it hears counts.
#[test]
fn s7_who_lags_behind_the_configuration_is_heard_all_the_same() {
    let mut world = World::with_one_voter();
    world.run_until(10 * S, "web runs", |w| w.owner("web") == Some("alpha".into()));
    world.switch_is_dead = true;
    world.without_stream.insert("gamma".into());
    let AdminReply::Config { text, .. } = world.ask("beta", AdminRequest::ConfigShow) else { panic!() };
    let text = text.replace("interval = \"1s\"", "interval = \"5s\"");
    let reply = world.ask("beta", AdminRequest::ConfigApply { name: "new.toml".into(), text });
    assert!(matches!(reply, AdminReply::Done { .. }), "{reply:?}");
    world.cut(&"alpha".into(), &"beta".into());
    world.cut_way("gamma", "alpha");
    world.run_until(5 * S, "it is lost", |w| w.saw(|n| matches!(n, Notice::NodeLost { .. })));
    world.run(S);
    let asked = world.ask_only("beta", AdminRequest::FenceConfirm { node: "alpha".into() });
    world.run(S);
    let reply = world.reply("beta", asked);
    let is_refused =
        matches!(&reply, Some(AdminReply::Refused { why, .. }) if why.contains("gamma hears it"));
    assert!(is_refused, "{reply:?}");
}
