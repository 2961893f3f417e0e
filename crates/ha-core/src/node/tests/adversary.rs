//! Single unlucky moments, each the smallest story in which one rule would be broken.

use super::world::World;
use super::{S, formed};
use crate::effect::Effect;
use crate::input::Input;
use crate::message::{ExecJob, ExecOrder, PeerMessage};
use crate::node::jobs::Job;
use ha_fencing::{DevicePlan, LevelPlan};
use ha_model::{AdminReply, AdminRequest, Index, Notice, Term, TimelineEvent};
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);

#[test]
fn a_request_that_a_deposed_leader_proposed_is_done_by_the_next_one() {
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
    world.run(S);
    assert_eq!(world.reply(leader.as_str(), asked), None, "it may be taken yet");
    assert!(!world.is_standby(node.as_str()));
    world.heal();
    world.run(4 * S);
    let reply = world.reply(leader.as_str(), asked).expect("answered by now");
    assert!(matches!(reply, AdminReply::Done { .. }), "another entry stands at its index: {reply:?}");
    assert!(world.is_standby(node.as_str()), "{reply:?}");
}

/// The entry of a leader that was deposed before it saw it taken may still be the one that counts.
#[test]
fn a_request_that_is_taken_though_its_leader_was_deposed_is_done() {
    let mut world = formed();
    world.lead_by("gamma"); // which runs nothing
    let before = world.applied();
    let asked = world.ask_only("gamma", AdminRequest::NodeStandby { node: "beta".into() });
    for other in ["alpha", "beta"] {
        world.cut_way(other, "gamma"); // its entry arrives, no answer does
    }
    world.run_until(5 * S, "another leads", |w| w.leaders_but(&"gamma".into()).len() == 1);
    assert_eq!(world.reply("gamma", asked), None, "gamma does not know");
    world.heal();
    world.run(2 * S);
    let reply = world.reply("gamma", asked).expect("answered by now");
    assert!(matches!(reply, AdminReply::Done { .. }), "{reply:?}");
    assert!(world.is_standby("beta"));
    let asked = |n: &&TimelineEvent| matches!(&n.notice, Notice::Asked { .. });
    let times = world.leading().state().events.iter().filter(|e| e.index.0 > before).filter(asked).count();
    assert_eq!(times, 1, "it was not asked for anew");
}

/// Passed on to who leads no more: it comes back untaken, and goes to who does.
#[test]
fn a_request_that_is_passed_to_who_leads_no_more_goes_to_the_next_leader() {
    let mut world = formed();
    let old = world.leader();
    let others: Vec<_> = world.names().into_iter().filter(|n| *n != old).collect();
    let (asker, next) = (others[0].clone(), others[1].clone());
    world.cut(&asker, &next); // the asker goes on believing
    world.transfer(&old, &next);
    assert_eq!(world.leader_of(&asker), Some(old.clone()), "it has not heard of it");
    let asked = world.ask_only(asker.as_str(), AdminRequest::NodeStandby { node: old.clone() });
    world.run(Duration::from_millis(20));
    world.heal();
    world.run(2 * S);
    let reply = world.reply(asker.as_str(), asked).expect("answered by now");
    assert!(matches!(reply, AdminReply::Done { .. }), "{reply:?}");
    assert!(world.is_standby(old.as_str()));
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
fn an_executor_cuts_nobody_by_other_devices_or_by_an_order_that_comes_late() {
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
    let (late, soon) = (world.time() - MS, world.time() + 3 * S);
    // Of an entry that the executor does not have yet it cannot know better; of one that it has, it knows that no request
    // is open.
    let (unknown, known) = (Index(u64::MAX), Index(1));
    for (job, path_hash, valid_until, position, is_cut) in [
        (9001, [7; 32], soon, unknown, false),
        (9002, ours, late, unknown, false),
        (9003, ours, soon, known, false),
        (9004, ours, soon, unknown, true),
    ] {
        let what = ExecJob::Cut(vec![LevelPlan { level: 1, devices: vec![plan(path_hash)] }]);
        let order =
            ExecOrder { term: world.term(), job, target: "alpha".into(), valid_until, position, what };
        world.deliver(leader.as_str(), executor.as_str(), PeerMessage::ExecOrder(order));
        world.run(S / 2);
        assert_eq!(!world.power_of("alpha"), is_cut, "job {job}: {:?}", world.journal);
    }
}

/// S3: a leader that nobody answers may be none any more; what it has to order waits for its lease.
#[test]
fn s3_a_job_leaves_only_with_a_lease() {
    let mut world = formed();
    let leader = world.leader();
    let others: Vec<_> = world.names().into_iter().filter(|n| *n != leader).collect();
    others.iter().for_each(|other| world.cut(&leader, other));
    world.run(Duration::from_millis(850));
    assert_eq!(world.leader(), leader, "it has not given up yet");
    let now = world.now_at(&leader);
    let node = world.node_mut(&leader);
    let job = Job::PowerOn { target: others[0].clone() };
    node.give_job(now, &others[1], &others[0], job, ExecJob::PowerOn(vec![]));
    let is_ordered = |effects: &[Effect]| {
        effects.iter().any(
            |e| matches!(e, Effect::Send { message, .. } if matches!(**message, PeerMessage::ExecOrder(_))),
        )
    };
    let effects = node.step(now, Input::Tick);
    assert!(!is_ordered(&effects), "{effects:?}");
    assert_eq!(node.lead.as_ref().map(|l| l.to_order.len()), Some(1), "it is not lost");
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

#[test]
fn s7_a_node_that_goes_on_speaking_was_not_cut_whatever_its_outlet_reads() {
    let mut world = formed();
    world.leave_leading("alpha");
    world.run(S);
    world.lie = true; // its outlet feeds another machine
    let reply = world.ask("beta", AdminRequest::FenceOff { node: "alpha".into() });
    assert!(matches!(reply, AdminReply::Done { .. }), "{reply:?}");
    world.run(20 * S);
    let told = |n: &Notice| matches!(n, Notice::FenceFailed { why, .. } if why.contains("goes on sending"));
    assert!(world.saw(told), "which outlet is wrong is told: {:?}", world.journal);
    assert!(!world.saw(|n| matches!(n, Notice::FenceProven { .. })));
    assert_eq!(world.log_of("start").len(), 2, "nothing was started elsewhere: {:?}", world.journal);
}

#[test]
fn l1_two_voters_of_three_that_cannot_be_cut_do_not_unseat_the_leader() {
    let mut world = formed();
    world.switch_is_dead = true;
    let leader = world.leader();
    let others: Vec<_> = world.names().into_iter().filter(|n| *n != leader).collect();
    let elections = |w: &World| w.count(|n| matches!(n, Notice::LeaderElected { .. }));
    for other in &others {
        world.freeze(other.as_str());
        let reply = world.ask_only(leader.as_str(), AdminRequest::FenceOff { node: other.clone() });
        world.run(S / 4);
        world.thaw(other.as_str());
        world.run(S / 4);
        assert!(world.reply(leader.as_str(), reply).is_some());
    }
    let before = elections(&world);
    world.run(30 * S);
    let attempted = |w: &World, id| w.saw(|n| matches!(n, Notice::FenceAttempt { node, .. } if node == id));
    assert!(others.iter().all(|o| attempted(&world, o)), "both are condemned");
    assert_eq!(elections(&world), before, "and both vote");
    world.switch_is_dead = false;
    for other in &others {
        world.run_until(60 * S, "its proof", |w| {
            w.saw(|n| matches!(n, Notice::FenceProven { node, .. } if node == other))
        });
        assert_eq!(world.leader(), leader, "two voters are never cut at once");
        world.power_on(other.as_str());
        world.run_until(10 * S, "it is back", |w| w.is_member(other.as_str()));
    }
    world.run_until(10 * S, "web runs", |w| w.owner("web").is_some());
}

#[test]
fn l3_two_voters_of_three_are_cut_one_after_the_other() {
    let mut world = formed();
    let leader = world.leader();
    let others: Vec<_> = world.names().into_iter().filter(|n| *n != leader).collect();
    for other in &others {
        world.ask_only(leader.as_str(), AdminRequest::FenceOff { node: other.clone() });
    }
    world.run(20 * S);
    let off: Vec<_> = others.iter().filter(|o| !world.power_of(o.as_str())).collect();
    let [first] = off[..] else { panic!("of two one waits: {off:?} are off") };
    assert_eq!(world.leader(), leader);
    let AdminReply::Status(view) = world.ask(leader.as_str(), AdminRequest::Status) else {
        panic!("no status")
    };
    let waits = view.fences.iter().find_map(|f| f.why.clone()).expect("one is open");
    assert!(waits.contains(first.as_str()) && waits.contains("quorum"), "{waits}");
    world.power_on(first.as_str());
    world.run_until(20 * S, "the other is off", |w| {
        others.iter().any(|o| o != first && !w.power_of(o.as_str()))
    });
    assert_eq!(world.leader(), leader);
}

#[test]
fn a_leader_that_must_be_cut_lets_another_lead_first() {
    let mut world = formed();
    if world.leader() != "alpha".into() {
        world.transfer_away(&world.leader());
    }
    assert_eq!(world.leader(), "alpha".into());
    world.stop_fails.insert(("alpha".into(), "web".into()));
    world.ask("beta", AdminRequest::NodeStandby { node: "alpha".into() });
    let t0 = world.now_ms();
    world.run_until(20 * S, "web runs elsewhere", |w| w.owner("web").is_some_and(|n| n != "alpha".into()));
    let took = world.now_ms() - t0;
    assert!(took < 1000, "it took {took} ms, as if its end had to be noticed first");
}

#[test]
fn s8_the_last_word_of_an_earlier_boot_does_not_take_the_place_of_a_later_one() {
    let mut world = formed();
    while world.leader() != "beta".into() {
        world.transfer_away(&world.leader());
    }
    let (alpha, beta, gamma) = ("alpha".into(), "beta".into(), "gamma".into());
    world.run(S);
    let reply = world.ask("beta", AdminRequest::FenceOff { node: "gamma".into() });
    assert!(matches!(reply, AdminReply::Done { .. }), "{reply:?}");
    world.run_until(5 * S, "gamma is off", |w| !w.power_of("gamma") && !w.is_member("gamma"));
    world.run(3 * S);
    world.cut(&beta, &gamma);
    world.power_on("gamma");
    let earlier = world.boot_of("gamma").expect("it runs");
    world.run(S / 2); // alpha hears it, the leader does not
    world.power_off("gamma");
    world.heal();
    world.cut(&alpha, &gamma);
    world.power_on("gamma");
    world.run_until(S / 2, "the later boot takes part", |w| w.is_member("gamma"));
    world.transfer_away(&beta);
    assert_eq!(world.leader(), alpha, "it heard the earlier boot less than t_lost ago");
    world.run(3 * S);
    let joined = |n: &Notice| matches!(n, Notice::NodeJoined { incarnation, .. } if *incarnation == earlier);
    assert!(!world.saw(joined), "the later boot was declared over while it ran");
}
