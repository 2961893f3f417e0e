//! `ha-sim`: lives of simulated clusters, in batches or one at a time.

use clap::{Parser, Subcommand};
use ha_sim::schedule::Schedule;
use ha_sim::{batch, shrink, story};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

/// Lives of simulated clusters: the daemon's own core under every fault that it must survive
#[derive(Parser)]
#[command(version)]
struct Options {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Live many seeds on all cores; ends with `N seeds, V violations`
    Seeds {
        /// How many
        #[arg(default_value_t = 2000)]
        seeds: u64,
        /// The first
        #[arg(long, default_value_t = 1)]
        start: u64,
        /// A row that stays zero does not fail the batch (a short one)
        #[arg(long)]
        allow_missing: bool,
    },
    /// Live one seed, every line of its journal shown as it comes
    Seed {
        /// Which
        seed: u64,
        /// This schedule instead of the seed's own
        #[arg(long)]
        schedule: Option<PathBuf>,
        /// Only the schedule
        #[arg(long)]
        print_schedule: bool,
        /// Leave out what is not needed to break the same rule
        #[arg(long)]
        shrink: bool,
    },
}

fn main() -> ExitCode {
    match Options::parse().what {
        What::Seeds { seeds, start, allow_missing } => many(start..start + seeds, allow_missing),
        What::Seed { seed, schedule, print_schedule, shrink } => one(seed, schedule, print_schedule, shrink)
            .unwrap_or_else(|why| {
                eprintln!("{why}");
                ExitCode::from(2)
            }),
    }
}

fn many(seeds: std::ops::Range<u64>, allow_missing: bool) -> ExitCode {
    // Panics are outcomes of lives; they are shown with these.
    std::panic::set_hook(Box::new(|_| {}));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let (begin, count) = (Instant::now(), seeds.end - seeds.start);
    let batch = batch::run(seeds, threads, |seed, outcome| {
        if let Some(broken) = &outcome.broken {
            println!("seed {seed}: {}: {}", broken.rule, broken.what);
        }
    });
    let took = begin.elapsed().as_secs_f64();
    print!("{}", batch.tally);
    let per_minute = batch.tally.simulated_ns as f64 / 1e9 / took * 60.0;
    println!("{took:.1} s on {threads} threads: {per_minute:.0} simulated seconds a minute");
    let missing = batch.tally.missing();
    if !missing.is_empty() {
        println!("never occurred: {}", missing.join(", "));
    }
    for (seed, _) in &batch.broken {
        println!("cargo xtask sim --seed {seed}");
    }
    println!("{count} seeds, {} violations", batch.violations);
    let is_good = batch.violations == 0 && (allow_missing || missing.is_empty());
    ExitCode::from(u8::from(!is_good))
}

fn one(seed: u64, from: Option<PathBuf>, print: bool, shrinks: bool) -> Result<ExitCode, String> {
    let (shape, mut schedule) = story::of_seed(seed);
    if let Some(path) = from {
        let at = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
        let text = std::fs::read_to_string(&path).map_err(|e| at(&e))?;
        schedule = text.parse::<Schedule>().map_err(|e| at(&e))?;
    }
    if print {
        print!("{schedule}");
        return Ok(ExitCode::SUCCESS);
    }
    println!("{shape:?}");
    let outcome = story::live(seed, &shape, &schedule, !shrinks);
    println!("hash {:016x}", outcome.hash);
    let Some(broken) = outcome.broken else {
        println!("no rule was broken");
        return Ok(ExitCode::SUCCESS);
    };
    println!("{}: {}", broken.rule, broken.what);
    if shrinks {
        let short = shrink::shrink(seed, &shape, &schedule, broken.rule);
        println!("{} of {} lines break it:\n{short}", short.0.len(), schedule.0.len());
    }
    Ok(ExitCode::FAILURE)
}
