//! Many schedules, on all cores: the table, and the sabotages.

use crate::rules::Rule;
use crate::run::{Verdict, compare as compare_one};
use crate::script::Script;
use ha_model::sabotage::{Sabotage, choose};
use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

/// Of a thousand schedules at most so many may be excused, all rules together.
const EXCUSED_PER_MILLE: u64 = 50;
/// From so many schedules on the bound holds, and everything that the scripts shall contain must have occurred.
const ENOUGH: u64 = 1_000;
/// What the scripts shall contain.
const MUST_OCCUR: [&str; 4] = [
    "a leader that meets a higher term stands again",
    "a removed leader hands over",
    "changes begun",
    "proposals to the same leader",
];
/// Differing schedules that are named.
const NAMED: usize = 10;

/// The sabotages of votes and log: what else can be broken is not in this core.
const SABOTAGES: [Sabotage; 7] = [
    Sabotage::VoteTwice,
    Sabotage::ForgetVote,
    Sabotage::ShorterLogWins,
    Sabotage::MinorityDecides,
    Sabotage::AckBeforeWrite,
    Sabotage::LongLease,
    Sabotage::LearnersVote,
];

#[derive(Default)]
struct Tally {
    equal: u64,
    excused: BTreeMap<Rule, u64>,
    differ: Vec<(u64, String)>,
    payloads: u64,
    steps: BTreeMap<&'static str, u64>,
}

/// One schedule; a panic of either is a difference.
fn judge(seed: u64, tally: Option<&Mutex<Tally>>) -> Verdict {
    let script = Script::of(seed);
    let ended = std::panic::catch_unwind(|| compare_one(&script));
    let verdict = match &ended {
        Ok(compared) => compared.verdict(),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("");
            Verdict::Differs(format!("abort: {text}"))
        }
    };
    if let Some(tally) = tally {
        let mut tally = tally.lock().expect("no thread panics with it");
        match &verdict {
            Verdict::Equal => tally.equal += 1,
            Verdict::Excused(rule) => *tally.excused.entry(*rule).or_default() += 1,
            Verdict::Differs(why) => tally.differ.push((seed, why.clone())),
        }
        if let Ok(compared) = ended {
            tally.payloads += compared.ours.payloads.len() as u64;
            for (what, count) in compared.seen {
                *tally.steps.entry(what).or_default() += count as u64;
            }
        }
    }
    verdict
}

/// Runs seeds on all cores until `go_on` says no.
fn run(
    start: u64,
    schedules: u64,
    tally: Option<&Mutex<Tally>>,
    go_on: impl Fn(u64, &Verdict) -> bool + Sync,
) {
    std::panic::set_hook(Box::new(|_| {}));
    let (next, is_over) = (AtomicU64::new(start), AtomicBool::new(false));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= start + schedules {
                        return;
                    }
                    if !go_on(seed, &judge(seed, tally)) {
                        is_over.store(true, Ordering::Relaxed);
                    }
                }
            });
        }
    });
}

/// Compares so many schedules; true where none differs but by a rule, and few by rules.
pub fn compare(start: u64, schedules: u64) -> bool {
    let begin = Instant::now();
    let tally = Mutex::new(Tally::default());
    run(start, schedules, Some(&tally), |_, _| true);
    let mut tally = tally.into_inner().expect("no thread panics with it");
    tally.differ.sort();
    let line = |what: &str, count: u64| println!("{what:<60} {count:>9}");
    line("equal payloads and voters, one leader a term", tally.equal);
    for rule in Rule::ALL {
        line(&format!("excused: {}", rule.name()), tally.excused.get(&rule).copied().unwrap_or(0));
    }
    line("payloads committed", tally.payloads);
    for (what, count) in &tally.steps {
        line(what, *count);
    }
    for (seed, why) in tally.differ.iter().take(NAMED) {
        println!("seed {seed}: {why}");
    }
    let excused: u64 = tally.excused.values().sum();
    let mut is_good = tally.differ.is_empty();
    if schedules >= ENOUGH && excused * 1000 > schedules * EXCUSED_PER_MILLE {
        println!(
            "{excused} schedules are excused, of a thousand more than {EXCUSED_PER_MILLE}: rules hide too much"
        );
        is_good = false;
    }
    for what in MUST_OCCUR.iter().filter(|what| schedules >= ENOUGH && !tally.steps.contains_key(*what)) {
        println!("never: {what}: the scripts do not test it");
        is_good = false;
    }
    println!("{} s", begin.elapsed().as_secs());
    println!("{schedules} schedules, {} differences", tally.differ.len());
    is_good
}

/// Shows one schedule.
pub fn one(seed: u64) -> bool {
    let script = Script::of(seed);
    println!(
        "seed {seed}: {} nodes, {} voters; applied (* leads, in term): ours | theirs | apart",
        script.nodes, script.voters
    );
    let compared = compare_one(&script);
    compared.journal.iter().for_each(|line| println!("{line}"));
    println!("ours   {:?}\ntheirs {:?}\n{:?}", compared.ours, compared.theirs, compared.verdict());
    !matches!(compared.verdict(), Verdict::Differs(_))
}

/// Breaks one rule until a schedule shows it.
pub fn sabotage(name: &str, start: u64, schedules: u64) -> bool {
    if let Err(why) = choose(name) {
        eprintln!("ha-twin: {why}");
        return false;
    }
    let (begin, tried, first) = (Instant::now(), AtomicU64::new(0), Mutex::new(None::<(u64, String)>));
    run(start, schedules, None, |seed, verdict| {
        tried.fetch_add(1, Ordering::Relaxed);
        let Verdict::Differs(why) = verdict else { return true };
        first.lock().expect("no thread panics with it").get_or_insert((seed, why.clone()));
        false
    });
    let (tried, took) = (tried.into_inner(), begin.elapsed().as_secs_f64());
    match first.into_inner().expect("no thread panics with it") {
        Some((seed, why)) => {
            println!("{name:<20} seed {seed:>5}, {tried:>5} schedules, {took:>5.1} s: {why}");
            true
        }
        None => {
            println!("{name:<20} NOT SEEN in {tried} schedules, {took:.1} s");
            false
        }
    }
}

/// Each in a process of its own; all must be seen.
pub fn sabotage_all() -> bool {
    let Ok(program) = std::env::current_exe() else { return false };
    let is_seen = |s: &&Sabotage| {
        let status = Command::new(&program).args(["--sabotage", s.name()]).status();
        status.is_ok_and(|status| status.success())
    };
    let seen = SABOTAGES.iter().filter(is_seen).count();
    println!("{seen} of {} sabotages seen", SABOTAGES.len());
    seen == SABOTAGES.len()
}
