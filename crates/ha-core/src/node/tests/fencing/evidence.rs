//! What must lie behind an "off" that proves something: the outlet was read on, and nothing speaks against it since.

use super::super::world::World;
use super::super::{S, formed};
use super::web_runs_elsewhere;
use ha_model::{AdminReply, AdminRequest, Notice};

fn test_paths(world: &mut World) {
    let reply = world.ask("beta", AdminRequest::FenceTest { node: None });
    assert!(matches!(reply, AdminReply::FenceTest { .. }), "{reply:?}");
}

fn is_proven(world: &World) -> bool {
    world.saw(|n| matches!(n, Notice::FenceProven { .. }))
}

/// Alpha falls silent and lives: nothing may be taken from it, and its power is left alone.
fn nothing_comes_of_its_silence(world: &mut World) {
    world.freeze("alpha");
    world.run(30 * S);
    assert!(!is_proven(world), "{:?}", world.journal);
    assert!(world.log_of("cut").is_empty(), "an off that proves nothing is not sent: {:?}", world.journal);
    assert_eq!(world.log_of("start").len(), 2, "a frozen owner lives: {:?}", world.journal);
}

#[test]
fn s7_an_outlet_that_reads_off_while_its_node_lives_proves_nothing_later() {
    for leader in ["alpha", "beta"] {
        let mut world = formed();
        world.lead_by(leader);
        world.switch.dead_outlets.insert("1".into()); // alpha hangs on another by now
        test_paths(&mut world);
        world.run(S);
        assert_eq!(world.owner("web"), Some("alpha".into()), "what it runs, it keeps");
        nothing_comes_of_its_silence(&mut world);
        let asked = world.leader();
        let AdminReply::Status(view) = world.ask(asked.as_str(), AdminRequest::Status) else {
            panic!("no status")
        };
        let why = view.fences.iter().find_map(|f| f.why.clone()).expect("a request is open");
        assert!(why.contains("reads off although the node is up") && why.contains("confirm alpha"), "{why}");
    }
}

#[test]
fn an_outlet_that_is_put_right_proves_again() {
    let mut world = formed();
    world.lead_by("beta");
    world.switch.dead_outlets.insert("1".into());
    test_paths(&mut world);
    let is_told = |n: &Notice| matches!(n, Notice::PathBroken { node, .. } if *node == "alpha".into());
    assert!(world.saw(is_told), "while another executor's test had passed");
    world.switch.dead_outlets.clear();
    world.run(10 * S);
    world.freeze("alpha");
    world.run_until(10 * S, "web runs elsewhere", web_runs_elsewhere);
    assert!(world.fenced_before_start("alpha"), "{:?}", world.journal);
}

#[test]
fn an_outlet_that_reads_off_because_it_was_cut_is_not_doubted() {
    let mut world = formed();
    world.lead_by("beta");
    world.power_off("alpha"); // by hand, at the switch
    world.ask_only("beta", AdminRequest::FenceTest { node: None });
    world.run_until(10 * S, "web runs elsewhere", web_runs_elsewhere);
    assert!(is_proven(&world));
}

/// A test that was under way when the off was sent reads what that did; the node may live on its charge.
#[test]
fn an_outlet_that_reads_off_because_we_cut_it_is_not_doubted() {
    let mut world = formed();
    world.lead_by("beta");
    world.lie = true;
    world.answer_delay = S / 50;
    world.ask_only("beta", AdminRequest::FenceTest { node: None });
    world.ask_only("beta", AdminRequest::FenceOff { node: "alpha".into() });
    world.run(S);
    let told = |n: &Notice| matches!(n, Notice::FenceFailed { why, .. } if why.contains("goes on sending"));
    assert!(world.saw(told), "{:?}", world.journal);
    world.lie = false;
    world.run_until(5 * S, "its proof", is_proven);
}

#[test]
fn s7_an_agent_that_calls_everything_off_since_its_upgrade_proves_nothing() {
    let mut world = formed();
    world.lead_by("beta");
    world.switch.broken_agents.extend(world.names());
    test_paths(&mut world);
    nothing_comes_of_its_silence(&mut world);
}

#[test]
fn an_agent_that_is_broken_on_one_node_leaves_the_fence_to_another() {
    let mut world = formed();
    world.lead_by("beta");
    world.switch.broken_agents.insert("beta".into());
    test_paths(&mut world);
    let t0 = world.now_ms();
    world.freeze("alpha");
    world.run_until(10 * S, "web runs elsewhere", web_runs_elsewhere);
    assert!(world.fenced_before_start("alpha"), "{:?}", world.journal);
    assert!(world.now_ms() - t0 < 1400, "the first attempt is the other's");
}

#[test]
fn s7_a_controller_that_does_not_look_at_the_outlet_proves_nothing_of_two_nodes() {
    let mut world = World::three();
    world.switch.is_alphas = true;
    world.run(60 * S);
    assert!(world.log_of("start").is_empty(), "fencing beta would cut alpha: {:?}", world.journal);
    let AdminReply::Status(view) = world.ask("beta", AdminRequest::Status) else { panic!("no status") };
    let why = view.paths.iter().find(|p| p.node == "beta".into()).and_then(|p| p.why.clone());
    assert!(why.is_some_and(|w| w.contains("does not look at the outlet")), "{:?}", view.paths);
}

/// Evidence lapses with the device's configuration. The next reading must not wait for the next regular test: the node
/// could be lost before it.
#[test]
fn a_path_that_is_configured_anew_is_read_on_again_at_once() {
    for (leader, is_test_under_way) in [("alpha", false), ("beta", false), ("beta", true)] {
        let mut world = formed();
        world.lead_by(leader);
        let AdminReply::Config { text, .. } = world.ask("beta", AdminRequest::ConfigShow) else { panic!() };
        let text = text.replace("10.0.9.1", "10.0.9.2");
        if is_test_under_way {
            world.ask_only(leader, AdminRequest::FenceTest { node: None });
        }
        let reply = world.ask(leader, AdminRequest::ConfigApply { name: "new.toml".into(), text });
        assert!(matches!(reply, AdminReply::Done { .. }), "{reply:?}");
        world.run(S / 2);
        world.power_off("alpha");
        world.run_until(10 * S, "web runs elsewhere", web_runs_elsewhere);
        assert!(is_proven(&world), "led by {leader}");
    }
}
