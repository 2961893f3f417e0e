//! What comes together in one step: a check that is due when the grant is over, a report when a plan is due.

use super::world::World;
use super::{S, formed};
use crate::effect::{AgentOp, Effect};
use crate::input::Input;
use crate::message::{ExecJob, PeerMessage};
use crate::node::jobs::Job;
use ha_model::{AdminRequest, Entry, FenceReason, LogEntry, Now};
use std::time::Duration;

/// A host that stood still finds its check due and its grant over in the same step: the check must not begin after it was
/// called off, or the stop waits for its end.
#[test]
fn s4_a_check_that_is_due_when_the_grant_ends_does_not_delay_the_stop() {
    let mut world = formed();
    world.run_until(10 * S, "web runs on alpha", |w| w.owner("web") == Some("alpha".into()));
    world.run(S);
    let later = world.now();
    let now = Now { boot: later.boot + 60 * S, ..later };
    let effects = world.core(&"alpha".into()).step(now, Input::Tick);
    let check = effects.iter().enumerate().find_map(|(at, effect)| match effect {
        Effect::RunAgent(run) if run.op == AgentOp::Monitor => Some((at, run.id)),
        _ => None,
    });
    let (begun, check) = check.unwrap_or_else(|| panic!("a check is due: {effects:#?}"));
    let is_its_end = |effect: &Effect| matches!(effect, Effect::CancelAgent { id } if *id == check);
    let cancelled = effects.iter().position(is_its_end);
    assert!(cancelled.is_some_and(|at| at > begun), "{effects:#?}");
}

/// S3: a leader that is to be cut itself lets another lead first; what it has to order does not leave in that step, nor after.
#[test]
fn s3_no_job_leaves_in_the_step_in_which_a_leader_hands_over_before_its_own_cut() {
    let mut world = formed();
    let leader = world.leader();
    let others: Vec<_> = world.names().into_iter().filter(|n| *n != leader).collect();
    let now = world.now_at(&leader);
    let node = world.node_mut(&leader);
    let incarnation = node.state().node(&leader).and_then(|r| r.incarnation);
    let reason = FenceReason::Asked { by: "test".into() };
    let entry = Entry::FenceRequested { target: leader.clone(), incarnation, reason };
    node.state.apply(node.applied, &LogEntry { at: now.wall, entry });
    let job = Job::PowerOn { target: others[0].clone() };
    node.give_job(now, &others[1], &others[0], job, ExecJob::PowerOn(vec![]));
    let effects = node.step(now, Input::Tick);
    assert!(node.votes().transferring().is_some(), "it hands over: {:?}", node.state().fences);
    let is_job = |m: &PeerMessage| matches!(m, PeerMessage::ExecOrder(_));
    let mut sent = effects.iter().filter_map(|effect| match effect {
        Effect::Send { message, .. } | Effect::SaidToSelf { message } => Some(message),
        _ => None,
    });
    assert!(!sent.any(|m| is_job(m)), "{effects:#?}");
    assert_eq!(node.lead.as_ref().map(|l| l.to_order.len()), Some(1), "it is not lost");
}

/// Nobody leads while the owner stops what it has, and a start of the second member of its group is under way. Whoever leads
/// next hears of the stop first by the owner's report, and plans nothing before that is in the log.
#[test]
fn s11_no_plan_is_made_of_what_a_node_was_before_its_first_report() {
    let mut stopped = 0;
    for ms in 0..24 {
        let mut world = formed();
        world.ask("beta", AdminRequest::ResourceStop { resource: "web".into() });
        world.run_until(5 * S, "web stopped", |w| w.owner("web").is_none());
        world.run(S);
        let leader = world.leader();
        world.ask_only(leader.as_str(), AdminRequest::ResourceStart { resource: "web".into() });
        world.run(Duration::from_millis(ms));
        cut_all(&mut world);
        world.run(6 * S);
        stopped += usize::from(world.owner("vip").is_none());
        world.heal();
        world.run_until(30 * S, "web runs", |w| w.owner("web").is_some());
        assert_group_order(&world.told(), ms);
    }
    assert_eq!(stopped, 24, "alone the owner stops it");
}

fn cut_all(world: &mut World) {
    for (a, b) in [("alpha", "beta"), ("alpha", "gamma"), ("beta", "gamma")] {
        world.cut(&a.into(), &b.into());
    }
}

/// By the log, no start of web was permitted where vip did not run.
fn assert_group_order(told: &[String], ms: u64) {
    let mut runs = false;
    for line in told {
        runs = line == "vip running on alpha" || (runs && line != "vip stopped on alpha");
        assert!(runs || line != "web starting on alpha", "after {ms} ms: {told:#?}");
    }
}
