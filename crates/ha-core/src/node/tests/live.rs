//! What would stop a cluster for ever though a majority of it is well: a leader that gets nothing done, a hand-over
//! that nobody takes up, an executor that does not answer, a daemon that goes by an old file.

use super::S;
use super::world::World;
use crate::message::PeerMessage;
use ha_consensus::Body;
use ha_model::{AdminReply, AdminRequest, NodeId, Notice};

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
