//! The judge judged: each rule broken in a process of its own, until a scope shows it.

use ha_model::sabotage::{Sabotage, choose};
use ha_sim::scope::explore::{Bounds, explore};
use ha_sim::scope::scopes::Scope;
use std::collections::BTreeMap;
use std::process::{Command, ExitCode};
use std::time::Instant;

/// What the scopes see, each in its own seconds. What is not here: there are no learners, no groups, no new configurations, no hours;
/// the core that starts over its own permission does so for ever within the first moment, where starts take no time; the one
/// for which a minority decides is seen to break S4 before there are two leaders; a shorter log and an old order are nowhere
/// within these budgets, as far as was searched.
const SEEN: [Sabotage; 18] = [
    Sabotage::SkipFenceWait,
    Sabotage::GrantToEnded,
    Sabotage::RejoinOldBoot,
    Sabotage::ActBeforeWrite,
    Sabotage::GrantFromReceipt,
    Sabotage::OutliveGrant,
    Sabotage::UncommittedProof,
    Sabotage::StartBeforePermission,
    Sabotage::VoteTwice,
    Sabotage::ForgetVote,
    Sabotage::AckBeforeWrite,
    Sabotage::LongLease,
    Sabotage::UnknownIsOff,
    Sabotage::TimeoutIsOff,
    Sabotage::NoReadBack,
    Sabotage::NoSettle,
    Sabotage::ClockInState,
    Sabotage::SkipProbe,
];

/// How many states of each scope are searched before the next scope, round by round: what is broken shows early somewhere.
const ROUNDS: [u64; 3] = [2_000, 40_000, u64::MAX];

/// Breaks each in turn.
pub fn all() -> ExitCode {
    let names = SEEN.map(Sabotage::name);
    let is_found = |name: &&str| {
        let Ok(program) = std::env::current_exe() else { return false };
        let ended = Command::new(program).args(["exhaust", "--sabotage", name]).status();
        ended.is_ok_and(|status| status.success())
    };
    let found = names.into_iter().filter(is_found).count();
    println!("{found} of {} found", names.len());
    ExitCode::from(u8::from(found < names.len()))
}

/// Breaks one, until a rule is seen broken that it should break.
pub fn one(name: &str, scopes: &[Scope]) -> ExitCode {
    let sabotage = match choose(name) {
        Ok(sabotage) => sabotage,
        Err(why) => {
            eprintln!("ha-sim exhaust: {why}");
            return ExitCode::from(2);
        }
    };
    let (begin, should) = (Instant::now(), sabotage.breaks().join(" or "));
    let mut others = BTreeMap::new();
    let mut states = 0;
    for (most, scope) in ROUNDS.iter().flat_map(|most| scopes.iter().map(move |scope| (*most, scope))) {
        if others.contains_key(scope.name) {
            continue; // its first violation is another one, whatever is searched
        }
        let outcome = explore(scope, Bounds { states: Some(most), deadline: None });
        states += outcome.states;
        let Some((broken, path)) = outcome.broken else { continue };
        if sabotage.breaks().contains(&broken.rule) {
            let s = begin.elapsed().as_secs_f64();
            let (rule, what, moves, scope) = (broken.rule, broken.what, path.len(), scope.name);
            println!(
                "{name:<22} {should:<24} {scope:<14} {moves:>4} moves {states:>7} states {s:>5.1} s: {rule}: {what}"
            );
            return ExitCode::SUCCESS;
        }
        others.insert(scope.name, format!("{}: {}", broken.rule, broken.what));
    }
    let s = begin.elapsed().as_secs_f64();
    println!("{name:<22} {should:<24} NOT FOUND in {states} states, {s:.1} s; others: {others:?}");
    ExitCode::FAILURE
}
