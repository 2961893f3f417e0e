//! The checkers checked: each rule broken in a process of its own, until a life shows it.

use ha_model::sabotage::{Sabotage, choose};
use ha_sim::batch;
use std::process::{Command, ExitCode};
use std::sync::Mutex;
use std::time::Instant;

/// Breaks each in turn, and none on the same seeds; `F of M found`.
pub fn all(seeds: u64) -> ExitCode {
    std::panic::set_hook(Box::new(|_| {}));
    let threads = threads();
    let clean = batch::run(1..1 + seeds, threads, |seed, outcome| {
        println!("without sabotage, seed {seed}: {:?}", outcome.broken);
        true
    });
    println!("without sabotage: {seeds} seeds, {} violations", clean.violations);
    let found = Sabotage::ALL.iter().filter(|s| is_found(**s, seeds)).count();
    println!("{found} of {} found", Sabotage::ALL.len());
    ExitCode::from(u8::from(found < Sabotage::ALL.len() || clean.violations > 0))
}

fn is_found(sabotage: Sabotage, seeds: u64) -> bool {
    let Ok(program) = std::env::current_exe() else { return false };
    let seeds = seeds.to_string();
    let ended = Command::new(program).args(["--sabotage", sabotage.name(), "--seeds", &seeds]).status();
    ended.is_ok_and(|status| status.success())
}

/// Breaks one, until the checkers see a rule broken that it should break; or on all seeds, where it should break none.
pub fn one(name: &str, seeds: u64) -> ExitCode {
    std::panic::set_hook(Box::new(|_| {}));
    let sabotage = match choose(name) {
        Ok(sabotage) => sabotage,
        Err(why) => {
            eprintln!("ha-sim: {why}");
            return ExitCode::from(2);
        }
    };
    let begin = Instant::now();
    let (found, others) = (Mutex::new(None), Mutex::new(std::collections::BTreeMap::<_, u64>::new()));
    let batch = batch::run(1..1 + seeds, threads(), |seed, outcome| {
        let Some(broken) = &outcome.broken else { return true };
        if sabotage.breaks().is_empty() {
            println!("{name}: seed {seed}: {}: {}", broken.rule, broken.what);
        }
        if let (true, Ok(mut found)) = (sabotage.breaks().contains(&broken.rule), found.lock()) {
            found.get_or_insert((seed, broken.clone()));
            return false;
        }
        if let Ok(mut others) = others.lock() {
            *others.entry(broken.rule).or_default() += 1;
        }
        true
    });
    let (lives, took) = (batch.tally.seeds, begin.elapsed().as_secs_f64());
    let should = sabotage.breaks().join(" or ");
    let others = others.into_inner().map(|o| format!("{o:?}")).unwrap_or_default();
    if sabotage.breaks().is_empty() {
        let broken = batch.violations;
        println!("{name:<22} nothing            {broken} violations in {lives} lives, {took:.1} s");
        return ExitCode::from(u8::from(broken > 0));
    }
    match found.into_inner() {
        Ok(Some((seed, broken))) => {
            println!(
                "{name:<22} {should:<18} seed {seed:>3} of {lives:>3} lives, {took:>5.1} s: {}: {}; others: {others}",
                broken.rule, broken.what
            );
            ExitCode::SUCCESS
        }
        _ => {
            println!("{name:<22} {should:<18} NOT FOUND in {lives} lives, {took:.1} s; others: {others}");
            ExitCode::FAILURE
        }
    }
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
