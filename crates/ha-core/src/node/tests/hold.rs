//! What a planner's failure does to a cluster: nothing, but for what safety asks.

use super::formed;
use crate::effect::Effect;
use crate::state::Overlay;
use ha_model::{AdminReply, AdminRequest, Phase, WallMs};
use ha_scheduler::{History, NodeStatus};

#[test]
fn s20_a_failure_is_shown_changes_nothing_and_its_input_is_kept_once() {
    let mut world = formed();
    let leader = world.leader();
    let now = world.now();
    let node = world.core(&leader);
    let config = node.config.clone();
    let snapshot =
        node.state().snapshot(WallMs(0), &Overlay::default()).expect("a configuration is in force");
    for _ in 0..2 {
        node.hold(now, "a cycle", &snapshot, &History::default());
    }
    let kept = std::mem::take(&mut node.out);
    let [Effect::KeepPlannerInput(input)] = kept.as_slice() else { panic!("{kept:?}") };
    assert_eq!((input.why.as_str(), &input.snapshot.config), ("a cycle", &config));
    let AdminReply::Status(view) = world.ask(leader.as_str(), AdminRequest::Status) else { panic!("status") };
    let Phase::Hold { why } = &view.state else { panic!("{:?}", view.state) };
    assert!(why.contains("a cycle") && why.contains(leader.as_str()), "{why}");
    assert_eq!(world.log_of("stop"), Vec::<String>::new());
}

#[test]
fn s20_what_must_be_fenced_is_fenced_in_hold_too() {
    let mut world = formed();
    let lost = world.owner("web").expect("formed");
    if world.leader() == lost {
        world.transfer_away(&lost);
    }
    let leader = world.leader();
    let now = world.now();
    let node = world.core(&leader);
    let mut snapshot =
        node.state().snapshot(WallMs(0), &Overlay::default()).expect("a configuration is in force");
    snapshot.nodes.get_mut(&lost).expect("configured").status = NodeStatus::Lost;
    node.hold(now, "a cycle", &snapshot, &History::default());
    let key = super::super::lead::Key::Fence(lost.clone());
    assert!(node.lead.as_ref().is_some_and(|l| l.proposed.contains_key(&key)), "no fence was proposed");
}
