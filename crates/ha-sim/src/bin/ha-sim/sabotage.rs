//! The checkers checked: each rule broken in a process of its own, until a life shows it.

use ha_model::sabotage::{Sabotage, choose};
use ha_sim::batch;
use ha_sim::story::Outcome;
use std::process::{Command, ExitCode};
use std::sync::Mutex;
use std::time::Instant;

/// Lives that showed what is seldom seen when this was written: they come first, and the others where they show it no more.
const FIRST: [(&str, u64); 18] = [
    ("accept-old-order", 118),
    ("believe-impossible", 141),
    ("break-promise", 62),
    ("confirm-while-heard", 132),
    ("endless-fences", 58),
    ("evidence-of-another-path", 32),
    ("failed-stop-is-stopped", 101),
    ("forget-waiting", 30),
    ("hear-the-condemned", 71),
    ("long-lease", 28),
    ("no-evidence", 30),
    ("no-fence-retry", 82),
    ("no-pre-vote", 42),
    ("pet-for-ever", 34),
    ("pet-the-dead", 34),
    ("shorter-log-wins", 12),
    ("skip-fence-wait", 28),
    ("untested-takes-exclusive", 30),
];

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

/// Breaks one, until the checkers see a rule broken that it should break.
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
    let look = |seed: u64, outcome: &Outcome| {
        let Some(broken) = &outcome.broken else { return true };
        if let (true, Ok(mut found)) = (sabotage.breaks().contains(&broken.rule), found.lock()) {
            found.get_or_insert((seed, broken.clone()));
            return false;
        }
        if let Ok(mut others) = others.lock() {
            *others.entry(broken.rule).or_default() += 1;
        }
        true
    };
    let first =
        FIRST.iter().find(|(n, seed)| *n == name && *seed <= seeds).map_or(1..1, |(_, at)| *at..at + 1);
    let mut lives = batch::run(first, 1, look).tally.seeds;
    if found.lock().is_ok_and(|found| found.is_none()) {
        lives += batch::run(1..1 + seeds, threads(), look).tally.seeds;
    }
    let took = begin.elapsed().as_secs_f64();
    let should = sabotage.breaks().join(" or ");
    let others = others.into_inner().map(|o| format!("{o:?}")).unwrap_or_default();
    match found.into_inner() {
        Ok(Some((seed, broken))) => {
            println!(
                "{name:<22} {should:<18} seed {seed:>3} after {lives:>3} lives, {took:>5.1} s: {}: {}; others: {others}",
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
