//! Lives as such: a seed decides everything, and what is broken is seen.

use ha_sim::Pace;
use ha_sim::schedule::Schedule;
use ha_sim::shape::Shape;
use ha_sim::story::{live, of_seed};

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
