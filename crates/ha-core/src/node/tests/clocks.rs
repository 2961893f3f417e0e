//! Wall clocks that are wrong: they are for reading, nothing that protects rests on them.

use super::{S, formed};
use ha_model::{AdminReply, AdminRequest, Notice};

const HOUR_MS: i64 = 3_600_000;

#[test]
fn a_proof_from_a_leader_whose_clock_is_ahead_hides_nobody_who_speaks_after_it() {
    let mut world = formed();
    world.lead_by("beta");
    world.clock_ahead_ms.insert("beta".into(), HOUR_MS);
    world.lie = true; // its outlet feeds nothing
    world.freeze("alpha");
    world.run_until(10 * S, "web runs twice", |w| w.owners("web").len() == 2);
    world.lead_by("gamma");
    world.run(2 * S);
    world.thaw("alpha");
    world.run(S);
    let reply = world.ask("gamma", AdminRequest::Status);
    let AdminReply::Status(view) = reply else { panic!("no status: {reply:?}") };
    let warns = |by: &str| {
        view.warnings.iter().any(|(who, _, text)| {
            who.as_str() == by && text.contains("is heard although its power was read off")
        })
    };
    assert!(warns("gamma"), "its own clock says that it was long off: {:?}", view.warnings);
}

#[test]
fn tests_of_paths_are_kept_fresh_under_a_leader_whose_predecessors_clock_was_ahead() {
    let mut world = formed();
    world.lead_by("beta");
    world.run(S);
    world.clock_ahead_ms.insert("beta".into(), HOUR_MS);
    world.run(600 * S); // it writes them with that time
    let ahead = world.now_at(&"beta".into()).wall.0;
    assert!(world.newest_path_test() > ahead - 300_000, "written by a clock that is ahead");
    world.lead_by("gamma");
    let before = world.applied();
    world.run(600 * S);
    let written = world.applied() - before;
    assert!(written <= 6 * 3 + 2, "L7: six paths, fresh for five minutes, were written {written} times");
    let now = world.now_at(&"gamma".into()).wall.0;
    let (oldest, newest) = (world.oldest_path_test(), world.newest_path_test());
    assert!(newest <= now && oldest > now - 300_000, "{oldest} to {newest}, now is {now}");
}

#[test]
fn a_jump_of_the_clock_ages_no_test_of_a_path() {
    let mut world = formed();
    world.lead_by("gamma");
    world.unanswered.insert("gamma".into());
    let reply = world.ask("gamma", AdminRequest::FenceTest { node: None });
    assert!(!matches!(reply, AdminReply::Unavailable { .. }), "{reply:?}");
    world.run(S);
    world.clock_ahead_ms.insert("gamma".into(), HOUR_MS);
    world.freeze("alpha");
    world.run_until(10 * S, "an attempt", |w| w.saw(|n| matches!(n, Notice::FenceAttempt { .. })));
    let by_beta =
        |n: &Notice| matches!(n, Notice::FenceAttempt { executor, .. } if executor.as_str() == "beta");
    assert!(world.saw(by_beta), "gamma gets no answer from the switch, beta did: {:?}", world.journal);
}
