//! A fence lasts no longer than its reason, and a broken word no shorter than what it freed.

use super::super::{S, formed};
use super::{is_confirmed, web_runs_elsewhere};
use ha_model::{AdminRequest, FenceReason, Notice};

fn withdrawn(notice: &Notice) -> bool {
    matches!(notice, Notice::FenceWithdrawn { .. })
}

#[test]
fn a_node_that_is_heard_while_its_loss_is_written_is_not_fenced() {
    let mut world = formed();
    world.lead_by("beta");
    for other in ["beta", "gamma"] {
        world.cut_way("alpha", other);
    }
    world.run_until(5 * S, "its loss is proposed", |w| w.is_loss_proposed("alpha"));
    world.heal();
    world.speak("alpha");
    world.run(10 * S);
    assert!(world.saw(|n| matches!(n, Notice::NodeReturned { .. })), "it was not heard in time");
    assert!(!world.saw(|n| matches!(n, Notice::FenceAttempt { .. })), "{:?}", world.journal);
    assert_eq!(world.owner("web"), Some("alpha".into()));
}

/// A stop fails while a voter is missing, so that its node cannot be cut. By the time that the voter is back somebody has
/// put it right by hand.
#[test]
fn a_fence_for_a_failed_stop_is_withdrawn_when_the_stop_is_history() {
    let mut world = formed();
    world.lead_by("beta");
    world.power_off("gamma");
    world.run(2 * S);
    world.stop_fails.insert(("alpha".into(), "web".into()));
    world.ask("beta", AdminRequest::NodeStandby { node: "alpha".into() });
    let is_asked =
        |n: &Notice| matches!(n, Notice::FenceRequested { reason: FenceReason::StopFailed { .. }, .. });
    world.run_until(5 * S, "the request", |w| w.saw(is_asked));
    world.run(5 * S);
    assert!(!world.saw(withdrawn), "as long as its stop has failed");
    world.stop_fails.clear();
    world.restart_daemon("alpha");
    world.run_until(10 * S, "web runs elsewhere", web_runs_elsewhere);
    assert!(world.saw(withdrawn));
    world.power_on("gamma");
    world.run(30 * S);
    assert!(world.log_of("cut").is_empty(), "for what was long over: {:?}", world.journal);
}

#[test]
fn an_operators_cut_that_cannot_be_made_does_not_come_hours_later() {
    let mut world = formed();
    let leader = world.leader();
    let others: Vec<_> = world.names().into_iter().filter(|n| *n != leader).collect();
    for other in &others {
        world.ask_only(leader.as_str(), AdminRequest::FenceOff { node: other.clone() });
    }
    world.run(50 * S);
    assert!(!world.saw(withdrawn), "one waits for the other");
    world.run_until(20 * S, "the request's end", |w| w.saw(withdrawn));
    let off = others.iter().find(|o| !world.power_of(o.as_str())).expect("one was cut").clone();
    world.power_on(off.as_str());
    world.run(60 * S);
    assert_eq!(world.log_of("cut").len(), 1, "{:?}", world.journal);
}

#[test]
fn a_second_word_does_not_forget_what_the_first_freed() {
    let mut world = formed();
    world.lead_by("beta");
    world.switch_is_dead = true;
    world.lie = true; // the human's word is the lie, twice
    world.freeze("alpha");
    world.run(3 * S);
    assert!(is_confirmed(&mut world, "beta", "alpha"));
    world.run_until(5 * S, "web runs twice", |w| w.owners("web").len() == 2);
    world.thaw("alpha");
    world.run_until(20 * S, "nobody runs web", |w| w.owners("web").is_empty());
    world.freeze("alpha");
    world.run(3 * S);
    assert!(is_confirmed(&mut world, "beta", "alpha"));
    world.run_until(10 * S, "web runs again", |w| !w.owners("web").is_empty());
    world.thaw("alpha");
    world.run_until(20 * S, "nobody runs web", |w| w.owners("web").is_empty());
}
