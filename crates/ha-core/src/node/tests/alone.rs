//! What a node answers that cannot ask the leader: at once, and marked.

use super::{S, World, formed};
use ha_model::{AdminReply, AdminRequest, NodeId, OwnView, Phase, StatusView};
use std::time::Duration;

/// Long enough for heartbeats to be missed, far below every time-out of an operator.
const AT_ONCE: Duration = Duration::from_millis(1_200);

/// A formed cluster, its leader, and another node.
fn led() -> (World, NodeId, NodeId) {
    let world = formed();
    let leader = world.leader();
    let other = world.names().into_iter().find(|n| *n != leader).unwrap();
    (world, leader, other)
}

fn status(reply: AdminReply) -> StatusView {
    let AdminReply::Status(view) = reply else { panic!("{reply:?}") };
    *view
}

/// The answer that must be there after `within`.
fn answer(world: &mut World, node: &NodeId, request: AdminRequest, within: Duration) -> AdminReply {
    let id = world.ask_only(node.as_str(), request);
    world.run(within);
    world.reply(node.as_str(), id).expect("an answer in time")
}

fn own(reply: &AdminReply) -> Option<&OwnView> {
    match reply {
        AdminReply::Status(view) => view.own_view.as_ref(),
        AdminReply::Timeline { own_view, .. }
        | AdminReply::FenceHistory { own_view, .. }
        | AdminReply::Config { own_view, .. } => own_view.as_ref(),
        other => panic!("no answer to a question: {other:?}"),
    }
}

fn questions() -> [AdminRequest; 4] {
    [
        AdminRequest::Status,
        AdminRequest::Timeline { limit: 100 },
        AdminRequest::FenceHistory { node: None },
        AdminRequest::ConfigShow,
    ]
}

#[test]
fn what_the_leader_answers_is_nobodys_own_view() {
    let (mut world, leader, other) = led();
    for question in questions() {
        for node in [&leader, &other] {
            assert_eq!(own(&world.ask(node.as_str(), question.clone())), None);
        }
    }
}

/// What the log says was so when somebody could still write it.
#[test]
fn what_ran_on_a_node_that_nobody_hears_is_not_called_running() {
    let (mut world, _, _) = led();
    let owner = world.owner("web").expect("formed");
    let others: Vec<_> = world.names().into_iter().filter(|n| *n != owner).collect();
    let row = |world: &mut World, node: &NodeId| {
        let view = status(answer(world, node, AdminRequest::Status, AT_ONCE));
        view.resources.into_iter().find(|r| r.name.as_str() == "web").expect("configured")
    };
    for node in &others {
        world.cut(node, &owner);
    }
    world.cut(&others[0], &others[1]);
    world.run(6 * S);
    let seen = row(&mut world, &others[0]);
    assert_eq!((seen.state.as_str(), seen.node.as_ref()), ("unknown", Some(&owner)));
    assert!(seen.why.as_ref().is_some_and(|w| w.contains("not heard")), "{seen:?}");
    // It has stopped itself, and knows so.
    assert_eq!(world.owner("web"), None);
    assert_eq!(row(&mut world, &owner).state, "stopped");
}

/// Asked in the moment of the cut: the request is on its way to a leader that will not answer.
#[test]
fn a_question_under_way_when_everybody_goes_is_answered_as_soon_as_that_is_known() {
    for question in questions() {
        let (mut world, leader, other) = led();
        for peer in world.names() {
            world.cut(&peer, &other);
        }
        let reply = answer(&mut world, &other, question, AT_ONCE);
        let own = own(&reply).unwrap();
        let begins = format!("cannot reach the leader {leader}: this is what {other} knows itself, as of");
        assert!(own.text().starts_with(&begins), "{own:?}");
        assert!(own.position.0 > 3, "{own:?}");
    }
}

#[test]
fn a_node_that_hears_nobody_tells_of_no_quorum_and_not_of_a_leader() {
    let (mut world, leader, other) = led();
    for peer in world.names() {
        world.cut(&peer, &other);
    }
    world.run(AT_ONCE);
    let view = status(answer(&mut world, &other, AdminRequest::Status, Duration::ZERO));
    assert_eq!(view.state, Phase::NoQuorum { heard: vec![other.clone()], needed: 2 });
    assert_eq!(view.leader, None);
    let order = AdminRequest::NodeStandby { node: leader };
    let AdminReply::Unavailable { why } = answer(&mut world, &other, order, Duration::ZERO) else { panic!() };
    assert_eq!(why, format!("no quorum: 1 of the 2 voters needed are heard here ({other})"));
}

/// The leader hands over to the third node, which hears both: the question goes there.
#[test]
fn a_question_under_way_when_leadership_moves_is_answered_by_the_new_leader() {
    let (mut world, leader, other) = led();
    world.cut(&leader, &other);
    let view = status(answer(&mut world, &other, AdminRequest::Status, AT_ONCE));
    assert_ne!(world.leader(), leader, "it hands over");
    assert_eq!((view.seen_by, view.own_view), (world.leader(), None));
}

/// The third node hears both, but the leader stays: the one that is cut off knows that there is one.
#[test]
fn a_node_cut_from_the_leader_that_hears_another_voter_answers_at_once() {
    let (mut world, leader, other) = led();
    world.switch_is_dead = true;
    world.refuse_hand_over(&leader);
    world.cut(&leader, &other);
    world.run(8 * S);
    assert_eq!(world.leader(), leader, "the case that is meant");
    let third = world.names().into_iter().find(|n| *n != leader && *n != other).unwrap();
    let reply = answer(&mut world, &other, AdminRequest::Status, Duration::ZERO);
    let text = own(&reply).unwrap().text();
    assert!(text.starts_with(&format!("cannot reach the leader {leader}: this is what {other}")), "{text}");
    let view = status(reply);
    assert_eq!((view.leader, view.state), (Some(leader.clone()), Phase::Active));
    let order = AdminRequest::NodeStandby { node: leader.clone() };
    let AdminReply::Unavailable { why } = answer(&mut world, &other, order, Duration::ZERO) else { panic!() };
    let says = format!("the leader {leader} cannot be reached from {other}, but {third} hears it");
    assert!(why.starts_with(&says), "{why}");
}

/// Its answer may be under way, so t_lost more is waited than a question is.
#[test]
fn an_order_under_way_when_the_leader_goes_says_soon_that_it_may_still_happen() {
    let (mut world, leader, other) = led();
    world.cut(&leader, &other);
    let order = AdminRequest::NodeStandby { node: other.clone() };
    let reply = answer(&mut world, &other, order, AT_ONCE + S);
    let AdminReply::Unavailable { why } = &reply else { panic!("{reply:?}") };
    assert!(
        why.starts_with(&format!("cannot reach the leader {leader}; what was asked may still happen")),
        "{why}"
    );
}

/// After a stall of the host its streams break, and the answer comes on the next one.
#[test]
fn an_order_outlives_a_moment_in_which_the_leader_is_out_of_reach() {
    let (mut world, leader, other) = led();
    let id = world.ask_only(other.as_str(), AdminRequest::NodeStandby { node: other.clone() });
    world.run(Duration::from_millis(2)); // it has arrived, the answer has not
    assert_eq!(world.reply(other.as_str(), id), None);
    world.break_streams(&leader, &other);
    world.mend_streams();
    world.run(S);
    let reply = world.reply(other.as_str(), id);
    assert!(matches!(reply, Some(AdminReply::Done { .. })), "{reply:?}");
}

#[test]
fn an_order_that_comes_while_nobody_leads_waits_for_the_next_leader() {
    let (mut world, leader, other) = led();
    world.power_off(leader.as_str());
    // The leader is silent, and nobody has been elected in its place.
    world.run_until(2 * S, "nobody leads", |w| w.leader_of(&other).is_none());
    let id = world.ask_only(other.as_str(), AdminRequest::NodeStandby { node: other.clone() });
    world.run(Duration::from_millis(2));
    assert_eq!(world.reply(other.as_str(), id), None, "it waits");
    world.run(3 * S);
    let reply = world.reply(other.as_str(), id);
    assert!(matches!(reply, Some(AdminReply::Done { .. })), "{reply:?}");
}

/// What was on the stream that broke is lost; a test may be asked for twice.
#[test]
fn a_test_of_paths_that_got_lost_with_a_stream_is_asked_for_again() {
    let (mut world, leader, other) = led();
    let id = world.ask_only(other.as_str(), AdminRequest::FenceTest { node: None });
    world.break_streams(&leader, &other);
    world.run(S / 2);
    assert_eq!(world.reply(other.as_str(), id), None, "it was lost");
    world.mend_streams();
    world.run(S);
    let reply = world.reply(other.as_str(), id);
    assert!(matches!(reply, Some(AdminReply::FenceTest { .. })), "{reply:?}");
}

/// `enabled = false` is a wish; what an operator stopped may have been forgotten.
#[test]
fn a_resource_that_the_file_disables_should_not_run() {
    let (mut world, leader, other) = led();
    let row = |world: &mut World, node: &NodeId| {
        let view = status(world.ask(node.as_str(), AdminRequest::Status));
        view.resources.into_iter().find(|r| r.name.as_str() == "web").unwrap()
    };
    world.ask(other.as_str(), AdminRequest::ResourceStop { resource: "web".into() });
    world.run_until(5 * S, "web stopped", |w| w.owner("web").is_none());
    world.run(S);
    let stopped = row(&mut world, &leader);
    assert!(stopped.is_wanted && stopped.why.unwrap().starts_with("stopped as asked (by test on "));
    let AdminReply::Config { text, .. } = world.ask("alpha", AdminRequest::ConfigShow) else { panic!() };
    let text = text.replace("agent = \"exec\"", "agent = \"exec\"\nenabled = false");
    let applied = world.ask("beta", AdminRequest::ConfigApply { name: "new.toml".into(), text });
    assert!(matches!(applied, AdminReply::Done { .. }), "{applied:?}");
    let disabled = row(&mut world, &leader);
    assert_eq!((disabled.is_wanted, disabled.state.as_str()), (false, "stopped"));
    assert!(disabled.why.unwrap().starts_with("disabled in the cluster file (new.toml:"));
    world.ask(other.as_str(), AdminRequest::ResourceStart { resource: "web".into() });
    let started = row(&mut world, &other);
    assert!(started.is_wanted, "an operator's order goes before the file");
    let why = started.why.unwrap();
    assert!(why.contains("started as asked (by test on "), "{why}");
    assert!(why.ends_with("hactl resource stop web takes that back"), "{why}");
    world.ask(other.as_str(), AdminRequest::ResourceStop { resource: "web".into() });
    let disabled = row(&mut world, &leader);
    assert!(!disabled.is_wanted);
    assert!(
        disabled.why.unwrap().starts_with("disabled in the cluster file (new.toml:"),
        "nobody's wish now"
    );
}
