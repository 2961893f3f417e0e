//! What is done with a watchdog, and when it is left to fire.

use super::S;
use super::world::World;
use ha_model::{AdminReply, AdminRequest, InstanceState, NodeId, Notice};
use std::time::Duration;

/// Three nodes with watchdogs; web runs on alpha, and every watchdog is known to be armed.
fn armed() -> World {
    let mut world = World::with_watchdogs("watchdog");
    world.run_until(10 * S, "web runs", |w| w.owner("web").is_some());
    let all_known = |w: &mut World| {
        let leader = w.leader();
        w.core(&leader).state().nodes.values().all(|record| record.watchdog.is_some())
    };
    world.run(S);
    assert!(all_known(&mut world), "{:?}", world.told());
    world
}

fn limit(world: &World, node: &str) -> Duration {
    world.pets[&node.into()].since(world.now().boot)
}

/// Nobody reaches alpha, nobody can cut it, and what runs there does not stop.
fn alone_with_what_does_not_stop(world: &mut World) {
    world.switch_is_dead = true;
    for instance in ["web", "vip"] {
        world.stop_fails.insert(("alpha".into(), instance.to_owned()));
    }
    for other in ["beta", "gamma"] {
        world.cut(&"alpha".into(), &other.into());
    }
}

#[test]
fn a_watchdog_is_armed_told_of_and_kept_quiet() {
    let mut world = armed();
    let is_told = |n: &Notice| matches!(n, Notice::WatchdogArmed { node, watchdog } if *node == "beta".into() && watchdog.timeout_ms == 10_000);
    assert!(world.saw(is_told), "{:?}", world.told());
    for _ in 0..50 {
        world.run(S / 5);
        for node in ["alpha", "beta", "gamma"] {
            let left = limit(&world, node);
            assert!(left > Duration::ZERO && left <= Duration::from_secs(2), "{node}: {left:?}");
        }
    }
    assert_eq!(world.log_of("arm").len(), 3, "armed once each: {:?}", world.log_of("arm"));
}

#[test]
fn s4_what_does_not_stop_without_a_grant_is_left_to_the_watchdog() {
    let mut world = armed();
    alone_with_what_does_not_stop(&mut world);
    let stop = world.core(&"alpha".into()).config().resources[&"web".into()].stop_timeout;
    let cut_at = world.now().boot;
    world.run(Duration::from_secs(60));
    let limit = world.pets[&"alpha".into()];
    let t_grant = world.core(&"alpha".into()).config().timing.t_grant;
    assert!(limit <= cut_at + t_grant + stop, "written to until {limit:?}, cut at {cut_at:?}");
    assert!(self::limit(&world, "beta") > Duration::ZERO, "who has a grant lives on");
}

#[test]
fn who_has_stopped_everything_in_time_is_not_reset() {
    let mut world = armed();
    world.switch_is_dead = true;
    for other in ["beta", "gamma"] {
        world.cut(&"alpha".into(), &other.into());
    }
    world.run(Duration::from_secs(60));
    assert_eq!(world.owner("web"), None, "alpha has stopped it, and nobody can cut alpha");
    assert!(limit(&world, "alpha") > Duration::ZERO);
}

/// A daemon that starts alone does not know yet what it will find; what it finds and cannot stop is left to the watchdog too.
#[test]
fn s4_what_a_new_daemon_finds_and_cannot_stop_is_left_to_the_watchdog() {
    let mut world = armed();
    alone_with_what_does_not_stop(&mut world);
    world.restart_daemon("alpha");
    world.run(Duration::from_secs(60));
    let state = world.core(&"alpha".into()).local.state_of(&"web".into());
    assert_eq!(state, Some(InstanceState::StopFailed));
    assert_eq!(limit(&world, "alpha"), Duration::ZERO);
}

#[test]
fn a_watchdog_is_disarmed_when_the_configuration_in_force_no_longer_names_it() {
    let mut world = armed();
    let AdminReply::Config { text, .. } = world.ask("alpha", AdminRequest::ConfigShow) else { panic!() };
    let mut parts = text.splitn(2, "watchdog = \"/dev/watchdog\"\n");
    let new = format!("{}{}", parts.next().unwrap(), parts.next().unwrap());
    let request = AdminRequest::ConfigApply { name: "new.toml".into(), text: new };
    world.ask("alpha", request);
    world.run(S);
    assert_eq!(world.log_of("disarm"), ["alpha"]);
    let leader = world.leader();
    let counted = |w: &mut World, n: &str| {
        let record = w.core(&leader).state().node(&n.into()).cloned();
        record.is_some_and(|r| r.watchdog.is_some())
    };
    assert!(!counted(&mut world, "alpha") && counted(&mut world, "beta"));
}

#[test]
fn a_device_that_cannot_be_had_is_an_alarm_and_nobody_counts_on_it() {
    let mut world = World::with_watchdogs("none");
    world.run_until(10 * S, "web runs", |w| w.owner("web").is_some());
    world.run(S);
    let leader = world.leader();
    let record = world.core(&leader).state().node(&"beta".into()).cloned();
    assert!(record.is_some_and(|r| r.watchdog.is_none()));
    let AdminReply::Status(view) = world.ask("alpha", AdminRequest::Status) else { panic!("status") };
    let beta: NodeId = "beta".into();
    let warned = view
        .warnings
        .iter()
        .any(|(node, _, text)| *node == beta && text.contains("its watchdog cannot be used"));
    assert!(warned, "{:?}", view.warnings);
}
