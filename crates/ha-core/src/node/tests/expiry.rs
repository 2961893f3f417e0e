//! What ends by time alone: a failure is forgotten, a move is over. Nothing else changes then: without a plan made for
//! that very moment nothing would follow from it.

use super::world::World;
use super::{S, formed};
use ha_model::{AdminReply, AdminRequest, ResourceRow, WallMs, utc};
use std::time::Duration;

fn row(world: &mut World, name: &str) -> ResourceRow {
    let leader = world.leader();
    let reply = world.ask(leader.as_str(), AdminRequest::Status);
    let AdminReply::Status(view) = reply else { panic!("no status: {reply:?}") };
    view.resources.into_iter().find(|r| r.name.as_str() == name).expect("configured")
}

/// Asks the leader to move the service to beta for a minute; until when that holds.
fn move_to_beta(world: &mut World) -> WallMs {
    let leader = world.leader();
    let until = WallMs(world.now_at(&leader).wall.0 + 60_000);
    let wish = AdminRequest::ResourceMove { resource: "web".into(), to: Some("beta".into()), for_s: 60 };
    let reply = world.ask(leader.as_str(), wish);
    assert!(matches!(reply, AdminReply::Done { .. }), "{reply:?}");
    until
}

#[test]
fn what_failed_everywhere_is_started_again_as_soon_as_a_failure_is_forgotten() {
    let mut world = World::that_forgets();
    world.start_fails.insert("web".into());
    world.run_until(10 * S, "a first failure", |w| w.log_of("try").len() == 1);
    let first = world.now_ms();
    world.run_until(10 * S, "it failed everywhere", |w| w.log_of("try").len() == 3);
    world.start_fails.clear();
    let left = |world: &World| Duration::from_millis(first + 60_000 - world.now_ms());
    world.run(left(&world) - S);
    assert_eq!(world.owner("web"), None, "{:?}", world.journal);
    assert_eq!(row(&mut world, "web").failures.len(), 3, "one on each node");
    world.run(left(&world));
    assert_eq!(world.owner("web"), None, "before its minute is over: {:?}", world.journal);
    world.run_until(S, "web runs", |w| w.owner("web").is_some());
    world.run(S);
    assert_eq!(row(&mut world, "web").failures, [], "all are a minute old");
}

#[test]
fn a_move_says_until_when_it_holds_and_nothing_after_that() {
    let mut world = formed();
    let by = world.leader();
    let until = move_to_beta(&mut world);
    world.run_until(5 * S, "web moved", |w| w.owner("web") == Some("beta".into()));
    world.run(S);
    let why = row(&mut world, "web").why;
    let ends = utc::seconds(until);
    assert_eq!(why, Some(format!("moved to beta by test on {by}; holds until {ends}")));
    world.run(60 * S);
    assert_eq!(row(&mut world, "web").why, None);
}

#[test]
fn a_move_of_what_does_not_run_says_both() {
    let mut world = World::without_migration();
    world.run_until(10 * S, "web runs", |w| w.owner("web").is_some());
    world.start_fails.insert("web".into());
    let by = world.leader();
    let until = move_to_beta(&mut world);
    world.run(10 * S);
    let why = row(&mut world, "web").why.unwrap_or_default();
    assert!(why.contains("is started there again in"), "{why}");
    let wish = format!("; moved to beta by test on {by}; holds until {}", utc::seconds(until));
    assert!(why.ends_with(&wish), "{why}");
}

/// Whoever leads with a clock that is an hour behind.
fn led_by_who_is_behind(world: &mut World) {
    let next = world.names().into_iter().find(|n| *n != world.leader()).expect("three nodes");
    world.clock_ahead_ms.insert(next.clone(), -3_600_000);
    world.lead_by(next.as_str());
    world.run(S);
}

#[test]
fn a_move_that_has_ended_does_not_come_back_with_a_leader_whose_clock_is_behind() {
    let mut world = formed();
    move_to_beta(&mut world);
    world.run(61 * S);
    assert!(world.saw(|n| n.text() == "the move of web to beta has ended"));
    led_by_who_is_behind(&mut world);
    assert_eq!(row(&mut world, "web").why, None);
}

#[test]
fn a_failure_that_is_forgotten_does_not_come_back_with_a_leader_whose_clock_is_behind() {
    let mut world = World::that_forgets();
    world.start_fails.insert("web".into());
    world.run_until(10 * S, "a first failure", |w| w.log_of("try").len() == 1);
    world.start_fails.clear();
    world.run(62 * S);
    assert_eq!(row(&mut world, "web").failures, [], "a minute old");
    led_by_who_is_behind(&mut world);
    assert_eq!(row(&mut world, "web").failures, []);
}
