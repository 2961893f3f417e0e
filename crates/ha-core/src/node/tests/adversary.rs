//! Single unlucky moments, each the smallest story in which one rule would be broken.

use super::world::World;
use super::{S, formed};
use crate::message::{ExecJob, ExecOrder, PeerMessage};
use ha_fencing::{DevicePlan, LevelPlan};
use ha_model::{AdminReply, AdminRequest, Notice, Term};
use std::time::Duration;

#[test]
fn a_request_that_a_deposed_leader_proposed_is_not_called_done() {
    let mut world = formed();
    world.switch_is_dead = true;
    let leader = world.leader();
    let others: Vec<_> = world.names().into_iter().filter(|n| *n != leader).collect();
    for other in &others {
        world.cut(&leader, other);
    }
    let node = others[0].clone();
    let asked = world.ask_only(leader.as_str(), AdminRequest::NodeStandby { node: node.clone() });
    world.run_until(5 * S, "another leads", |w| w.leaders_but(&leader).len() == 1);
    let standby = |on: bool| if on { "standby" } else { "not asked for" };
    world.run(S);
    world.heal();
    world.run(4 * S);
    let reply = world.reply(leader.as_str(), asked).expect("answered by now");
    let is_standby = world.is_standby(node.as_str());
    let is_done = matches!(reply, AdminReply::Done { .. });
    assert!(!is_done || is_standby, "{reply:?}, but {node} is {}", standby(is_standby));
}

#[test]
fn an_order_to_a_node_that_is_then_fenced_by_hand_blocks_nothing() {
    let mut world = formed();
    world.leave_leading("alpha");
    world.run(S);
    let asker = world.leader();
    world.freeze("alpha");
    world.ask(asker.as_str(), AdminRequest::ResourceRestart { resource: "web".into() });
    let reply = world.ask(asker.as_str(), AdminRequest::FenceOff { node: "alpha".into() });
    assert!(matches!(reply, AdminReply::Done { .. }), "{reply:?}");
    assert!(!world.saw(|n| matches!(n, Notice::NodeLost { .. })), "too late: it was lost before");
    world.run_until(10 * S, "web runs elsewhere", |w| w.owner("web").is_some_and(|n| n != "alpha".into()));
}

#[test]
fn a_late_question_of_an_older_term_does_not_deafen_a_node() {
    let mut world: World = formed();
    let leader = world.leader();
    let other = if leader == "beta".into() { "gamma" } else { "beta" };
    world.deliver(leader.as_str(), other, PeerMessage::ReportWanted { term: Term(0) });
    let to = Some(other.into());
    world.ask(other, AdminRequest::ResourceMove { resource: "web".into(), to, for_s: 60 });
    world.run_until(5 * S, "web moved", |w| w.owner("web") == Some(other.into()));
}

#[test]
fn s4_a_daemon_that_restarts_without_quorum_stops_what_was_left_running() {
    let mut world = formed();
    world.switch_is_dead = true;
    for other in ["beta", "gamma"] {
        world.cut(&"alpha".into(), &other.into());
    }
    world.restart_daemon("alpha");
    world.run_until(10 * S, "alpha stopped them", |w| w.owner("vip").is_none() && w.owner("web").is_none());
    world.heal();
    world.run_until(30 * S, "web runs again", |w| w.owner("web").is_some());
    assert!(!world.saw(|n| matches!(n, Notice::StopFailed { .. })));
}

#[test]
fn an_executor_whose_devices_are_configured_otherwise_touches_none_of_them() {
    let mut world = formed();
    let leader = world.leader();
    let executor = world.names().into_iter().find(|n| *n != leader && *n != "alpha".into()).expect("a third");
    let plan = |path_hash| DevicePlan {
        device: "pdu".into(),
        path_hash,
        plugs: vec!["1".into()],
        timeout: S,
        off_settle: Duration::ZERO,
    };
    let ours = world.path_hash("pdu");
    for (job, path_hash, is_cut) in [(9001, [7; 32], false), (9002, ours, true)] {
        let what = ExecJob::Cut(vec![LevelPlan { level: 1, devices: vec![plan(path_hash)] }]);
        let order = ExecOrder { term: world.term(), job, target: "alpha".into(), what };
        world.deliver(leader.as_str(), executor.as_str(), PeerMessage::ExecOrder(order));
        world.run(S / 2);
        assert_eq!(!world.power_of("alpha"), is_cut, "job {job}: {:?}", world.journal);
    }
}

#[test]
fn only_a_quorate_leader_takes_the_word_of_a_human() {
    let mut world = formed();
    world.switch_is_dead = true;
    let leader = world.leader();
    let others: Vec<_> = world.names().into_iter().filter(|n| *n != leader).collect();
    world.power_off(others[0].as_str());
    world.run(3 * S);
    assert_eq!(world.leader(), leader, "two of three go on");
    world.cut(&leader, &others[1]);
    world.run(Duration::from_millis(850));
    assert_eq!(world.leader(), leader, "it has not given up yet");
    let asked = world.ask_only(leader.as_str(), AdminRequest::FenceConfirm { node: others[0].clone() });
    let reply = world.reply(leader.as_str(), asked);
    assert!(matches!(reply, Some(AdminReply::Unavailable { .. })), "{reply:?}");
}

#[test]
fn a_daemon_that_restarts_late_in_the_day_is_not_fenced_for_its_first_word() {
    let mut world = formed();
    world.run(30 * S); // past every wait of the formation
    for name in world.names().into_iter().filter(|n| *n != world.leader()).collect::<Vec<_>>() {
        world.restart_daemon(name.as_str());
        world.run(8 * S);
    }
    assert!(!world.saw(|n| matches!(n, Notice::NodeLost { .. } | Notice::FenceRequested { .. })));
}

#[test]
fn leadership_stays_where_it_is_when_a_node_is_lost_for_all() {
    for node in [0, 1] {
        let mut world = formed();
        let leader = world.leader();
        let others: Vec<_> = world.names().into_iter().filter(|n| *n != leader).collect();
        world.power_off(others[node].as_str());
        world.run(2 * S);
        assert!(world.saw(|n| matches!(n, Notice::NodeLost { .. })));
        assert_eq!(world.leader(), leader, "hearsay of {} was older than its loss", others[node]);
    }
}
