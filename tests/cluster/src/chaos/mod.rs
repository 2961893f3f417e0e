//! The randomised run on real processes: lives of clusters of three and five daemons, faults from a printed seed, judged
//! from outside by the scenarios' own judge.
//!
//! `life` puts a cluster up and follows its `schedule`; `hand` does the faults; after each the judge reads what the
//! observers recorded all along, so that nothing between two looks is missed. What it must not trust is what the cluster
//! says of itself: that serves to aim faults and to wait. Must not know: the cluster's insides.
//! Invariants: one life at a time; a signal ends everything in order; the seed is printed before anything happens.

mod cuts;
mod ending;
mod fences;
mod hand;
mod harm;
mod keep;
mod life;
mod rng;
mod schedule;
mod table;
mod words;

use crate::cluster::memory;
use life::{Life, Settings};
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use table::Total;

/// A life that was well only after this time has its story told: it kept the bound, and somebody may want to know why so
/// late.
const SLOW: Duration = Duration::from_secs(30);

/// What is to be done.
#[derive(Debug, Clone)]
pub struct Options {
    /// New lives begin until then.
    pub time: Duration,
    /// Seed of all lives.
    pub seed: u64,
    /// Only this life.
    pub life: Option<u32>,
    /// The negative control.
    pub is_lying: bool,
    /// Where the journals of what went wrong are kept.
    pub keep: PathBuf,
    /// The table goes to this file too.
    pub out: Option<PathBuf>,
    /// What was built, for the table.
    pub build: String,
    /// Tell the story of each life, not only of those in which something went wrong.
    pub is_verbose: bool,
}

/// Lives, prints, and says whether all was as it must be. With a lying switch: whether the judge saw it.
pub fn run(options: &Options) -> io::Result<bool> {
    let head = format!("seed {}, {}, {}", options.seed, minutes(options), options.build);
    println!("chaos: {head}");
    println!(
        "again: cargo xtask chaos --seed {} --life K (the same schedule; real processes take their own time)",
        options.seed
    );
    let dir = ending::begin(&memory())?;
    let settings = Settings {
        seed: options.seed,
        is_lying: options.is_lying,
        dir: dir.clone(),
        keep: options.keep.clone(),
    };
    let begin = Instant::now();
    let mut total = Total::default();
    for number in options.life.unwrap_or(1).. {
        let life = life::live(&settings, number);
        tell(options, number, &life, begin.elapsed());
        total.add(number, &life);
        // The control ends when the judge has seen the lie, or cannot any more.
        let is_seen = options.is_lying && (total.has_seen_the_lie() || life.is_broken_off);
        if options.life.is_some() || is_seen || begin.elapsed() >= options.time {
            break;
        }
    }
    ending::stand_aside();
    let _ = std::fs::remove_dir_all(&dir);
    let table = format!("{head}\n\n{}", total.markdown());
    println!("\n{table}");
    if let Some(out) = &options.out {
        std::fs::write(out, format!("{table}\n{}\n", total.last_line()))?;
    }
    if options.is_lying {
        let is_seen = total.has_seen_the_lie();
        let said = if is_seen {
            "the judge saw the lie"
        } else {
            "NOT SEEN: an owner too many or too early (S1, S2)"
        };
        println!("{}; with a lying switch: {said}", total.last_line());
        return Ok(is_seen);
    }
    let missing = if options.life.is_none() { total.missing(options.time) } else { Vec::new() };
    missing.iter().for_each(|row| println!("too few: {row}"));
    println!("{}", total.last_line());
    Ok(total.violations() == 0 && missing.is_empty())
}

fn minutes(options: &Options) -> String {
    match options.life {
        Some(life) => format!("life {life}"),
        None => format!("{:.1} minutes", options.time.as_secs_f64() / 60.0),
    }
}

fn tell(options: &Options, number: u32, life: &Life, elapsed: Duration) {
    let is_bad = !life.violations.is_empty();
    let count: usize = life.kinds.values().sum();
    println!(
        "life {number:>3} at {:>5.0} s: {count} faults, {} fences, {} failovers, {} moves, well after {}{}",
        elapsed.as_secs_f64(),
        life.darkened,
        life.failovers_ms.len(),
        life.moves_ms.len(),
        life.well_ms.map_or("–".into(), |ms| format!("{ms} ms")),
        if is_bad { ": VIOLATION" } else { "" },
    );
    let is_slow = life.well_ms.is_some_and(|ms| u128::from(ms) > SLOW.as_millis());
    if is_bad || is_slow || options.is_verbose {
        println!("seed {}, life {number}", options.seed);
        print!("{}{}", schedule::Schedule::of(options.seed, number), life.story);
        life.violations.iter().for_each(|violation| println!("  {violation}"));
    }
}
