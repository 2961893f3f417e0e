//! Lives as such: a seed decides everything, and what is broken is seen.

use ha_sim::schedule::Schedule;
use ha_sim::shape::Shape;
use ha_sim::story::{live, live_judged, of_seed};
use ha_sim::{Judged, Pace};

/// S15: the same seed lives the same life, to the last line and its time; another lives another.
#[test]
fn s15_one_seed_is_one_life() {
    let hash = |seed| {
        let (shape, schedule) = of_seed(seed);
        live(seed, &shape, &schedule, Pace::Silent).hash
    };
    let mut seen = std::collections::BTreeSet::new();
    for seed in 1..=6 {
        let first = hash(seed);
        assert_eq!(hash(seed), first, "seed {seed}");
        assert!(seen.insert(first), "seed {seed} lives the life of another");
    }
}

/// A switch that says off and does nothing breaks S1 in any design; the ledger must see it, were it not told to look away.
/// What may not be broken even then is judged all the same.
#[test]
fn a_lying_switch_ends_the_judgement_of_what_rests_on_its_truth() {
    let schedule: Schedule = "20000 switch lying\n21000 cut @owner:vip | all\n".parse().expect("valid");
    let outcome = live(1, &Shape::three(), &schedule, Pace::Silent);
    assert_eq!(outcome.broken, None, "{:#?}", outcome.journal);
    let runs = outcome.journal.iter().filter(|line| line.contains("vip RUNS on")).count();
    assert!(runs >= 2, "it was taken over: {:#?}", outcome.journal);
}

/// The controls of what is broken by a lie: each check sees it by itself, were it not told to look away. A check that is
/// always forestalled by another would never be seen to work.
#[test]
fn what_a_lying_switch_breaks_is_seen_by_each_check_of_it() {
    let schedule: Schedule = "20000 switch lying\n21000 cut @owner:vip | all\n".parse().expect("valid");
    for rule in ["S1", "S2", "S7"] {
        let outcome = live_judged(1, &Shape::three(), &schedule, Pace::Silent, Judged::Only(rule));
        let broken = outcome.broken.map(|b| b.rule);
        assert_eq!(broken, Some(rule), "{:#?}", outcome.journal);
    }
    let truthful: Schedule = "21000 cut @owner:vip | all\n".parse().expect("valid");
    for rule in ["S1", "S2", "S7"] {
        let outcome = live_judged(1, &Shape::three(), &truthful, Pace::Silent, Judged::Only(rule));
        assert_eq!(outcome.broken, None, "{:#?}", outcome.journal);
    }
}

/// A switch that would lie is believed until it does: a life in which it is never asked is judged to its end.
#[test]
fn a_switch_that_was_never_asked_has_not_lied() {
    let lied = |schedule: &str| {
        let schedule: Schedule = schedule.parse().expect("valid");
        live(1, &Shape::three(), &schedule, Pace::Silent).tally.lied
    };
    assert_eq!(lied("20000 switch lying\n"), 0);
    assert_eq!(lied("20000 switch miswired\n21000 cut @owner:vip | all\n"), 1);
}

/// A switch that switches on and says that it could not makes the cluster try again, and each time somebody has taken the power
/// meanwhile: that is no loop of the cluster's, which counts its cuts.
#[test]
fn s9_what_is_tried_again_for_a_switch_is_no_loop() {
    let mut text = "20000 end-daemon n1\n20000 power-off n1\n24000 switch mute\n".to_owned();
    (25..100).for_each(|second| text += &format!("{second}000 power-off n1\n{second}500 power-off n1\n"));
    let schedule: Schedule = text.parse().expect("valid");
    let outcome = live(1, &Shape::three(), &schedule, Pace::Silent);
    assert_eq!(outcome.broken, None, "{:#?}", outcome.journal);
    let times = outcome.journal.iter().filter(|line| line.contains("POWER ON n1")).count();
    assert!(times > 4, "it was switched on {times} times: {:#?}", outcome.journal);
}
