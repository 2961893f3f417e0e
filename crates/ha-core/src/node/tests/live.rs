//! What would stop a cluster for ever though a majority of it is well: a leader that gets nothing done, a hand-over
//! that nobody takes up, an executor that does not answer, a daemon that goes by an old file.

use super::world::World;
use super::{S, formed};
use crate::message::PeerMessage;
use ha_consensus::Body;
use ha_model::{AdminReply, AdminRequest, NodeId, Notice};
use std::time::Duration;

/// The bound at which a disk that hangs counts as lost, one silence, an election.
const JUDGED: Duration = Duration::from_secs(13);

/// alpha runs the service, and `leader` leads.
fn led_by(leader: &str) -> World {
    let mut world = formed();
    if world.leader() != leader.into() {
        let from = world.leader();
        world.transfer(&from, &leader.into());
    }
    world.run(S);
    world
}

fn others(world: &World, node: &NodeId) -> Vec<NodeId> {
    world.names().into_iter().filter(|n| n != node).collect()
}

fn web_runs_again(world: &World) -> bool {
    world.owner("web").is_some()
}

#[test]
fn l1_a_leader_whose_disk_hangs_lets_another_lead() {
    let mut world = led_by("beta");
    world.hang_disk(&"beta".into());
    world.kill_process("alpha", "web");
    world.run_until(JUDGED, "web runs again", web_runs_again);
    assert_ne!(world.leader(), "beta".into());
    assert!(world.log_of("stop").is_empty(), "its grant never ended: {:?}", world.journal);
    world.run(S);
    world.mend_disks();
    world.run(20 * S);
    assert!(world.is_member("beta"), "nothing ran there: it is not fenced");
    assert_eq!(world.log_of("cut"), Vec::<String>::new());
}

#[test]
fn l1_a_leader_whose_streams_carry_nothing_lets_another_lead() {
    let mut world = led_by("beta");
    let beta = "beta".into();
    for other in others(&world, &beta) {
        world.break_streams(&beta, &other);
    }
    world.kill_process("alpha", "web");
    world.run_until(JUDGED, "web runs again", web_runs_again);
    assert_ne!(world.leader(), beta);
    assert_eq!(world.log_of("stop"), Vec::<String>::new());
}

/// Nobody could be elected: without a leader all grants would end.
#[test]
fn where_no_stream_carries_anything_the_leader_stays_and_what_runs_goes_on() {
    let mut world = led_by("beta");
    let names = world.names();
    for (i, a) in names.iter().enumerate() {
        for b in &names[i + 1..] {
            world.break_streams(a, b);
        }
    }
    let (asked, owner) =
        (world.ask_only("beta", AdminRequest::NodeStandby { node: "gamma".into() }), "alpha");
    world.run(40 * S);
    assert_eq!((world.leader(), world.owner("web")), ("beta".into(), Some(owner.into())));
    assert_eq!(world.log_of("stop"), Vec::<String>::new());
    world.mend_streams();
    world.run(S);
    assert!(world.is_standby("gamma"), "{:?}", world.reply("beta", asked));
}

/// All log disks are on one array that stands still for a while.
#[test]
fn where_all_disks_hang_the_leader_stays() {
    let mut world = led_by("alpha");
    let term = world.term();
    for name in world.names() {
        world.hang_disk(&name);
    }
    world.ask_only("alpha", AdminRequest::NodeStandby { node: "gamma".into() });
    world.run(20 * S);
    assert_eq!((world.leader(), world.term()), ("alpha".into(), term));
    world.mend_disks();
    world.run(5 * S);
    assert_eq!((world.leader(), world.log_of("stop").len()), ("alpha".into(), 0));
}

/// It cannot take over what it is never asked to take over.
fn loses_hand_overs(_: &NodeId, message: &PeerMessage) -> bool {
    matches!(message, PeerMessage::Raft(m) if matches!(m.body, Body::TransferNow { .. }))
}

/// alpha leads alone; delta, without a vote, is heard by beta and gamma.
fn alone_with_two_hearers() -> World {
    let mut world = World::four();
    world.run_until(10 * S, "web runs", |w| w.owner("web").is_some());
    let from = world.leader();
    if from != "alpha".into() {
        world.transfer(&from, &"alpha".into());
    }
    world.run(S);
    world.cut(&"alpha".into(), &"delta".into());
    world
}

#[test]
fn l3_hand_overs_that_fail_neither_end_grants_nor_save_the_lost_for_ever() {
    let mut world = alone_with_two_hearers();
    world.heal();
    let AdminReply::Config { text, .. } = world.ask("alpha", AdminRequest::ConfigShow) else { panic!() };
    // The shortest time that is accepted: two hand-overs in a row would outlast it.
    let text = text.replace("[timing]", "[timing]\nt_grant = \"2100ms\"");
    let reply = world.ask("alpha", AdminRequest::ConfigApply { name: "new.toml".into(), text });
    assert!(matches!(reply, AdminReply::Done { .. }), "{reply:?}");
    world.run(S);
    world.loses = loses_hand_overs;
    world.cut(&"alpha".into(), &"delta".into());
    let is_lost =
        |w: &World| w.saw(|n| matches!(n, Notice::NodeLost { node, .. } if *node == "delta".into()));
    world.run_until(5 * S, "delta is lost", is_lost);
    world.run(10 * S);
    assert_eq!(world.log_of("stop"), Vec::<String>::new(), "{:?}", world.journal);
    assert_eq!((world.leader(), world.owner("web")), ("alpha".into(), Some("alpha".into())));
}

#[test]
fn s9_where_one_does_not_take_over_the_next_is_asked() {
    let mut world = alone_with_two_hearers();
    world.hang_disk(&"beta".into()); // its vote for itself is never written
    world.run_until(5 * S, "gamma leads", |w| w.leaders_but(&"alpha".into()) == ["gamma".into()]);
    world.mend_disks();
    world.run(5 * S);
    assert!(!world.saw(|n| matches!(n, Notice::NodeLost { node, .. } if *node == "delta".into())));
    assert_eq!(world.log_of("cut"), Vec::<String>::new());
}
