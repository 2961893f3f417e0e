//! `ha-sim`: lives of simulated clusters, in batches or one at a time. One program for all of it: each is linked for minutes.

mod exhaust;
#[cfg(feature = "sabotage")]
mod sabotage;

use clap::{Args, Parser, Subcommand};
use ha_sim::golden::{self, Verdict};
use ha_sim::schedule::Schedule;
use ha_sim::{Pace, batch, shrink, story};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Broken lives of a batch whose schedules are shrunk: each costs up to some hundred lives.
const SHRUNK: usize = 2;

/// Lives of simulated clusters: the daemon's own core under every fault that it must survive
#[derive(Parser)]
#[command(
    version,
    after_help = "Exit code 0 when no rule was broken and everything that a batch must contain occurred, 1 when not, 2 for \
    a mistake in the options.",
    args_conflicts_with_subcommands = true
)]
struct Options {
    #[command(subcommand)]
    command: Option<Task>,
    /// Live this one, its journal shown as it comes
    #[arg(long, conflicts_with = "seeds")]
    seed: Option<u64>,
    /// Live so many on all cores; ends with `N seeds, V violations`
    #[arg(long, default_value_t = 2000)]
    seeds: u64,
    /// The first seed of the batch
    #[arg(long, default_value_t = 1)]
    start: u64,
    /// A row that stays zero does not fail the batch (a short one)
    #[arg(long)]
    allow_missing: bool,
    /// With --seed: this schedule instead of the seed's own
    #[arg(long, requires = "seed")]
    schedule: Option<PathBuf>,
    /// With --seed: only print its schedule
    #[arg(long, requires = "seed")]
    print_schedule: bool,
    /// With --seed: write its schedule as a golden scenario, its facts to be completed
    #[arg(long, requires = "seed", value_name = "FILE")]
    keep: Option<PathBuf>,
    /// With --seed: wait for Enter after each act
    #[arg(long, requires = "seed")]
    step: bool,
    /// With --seed: leave out of the schedule what is not needed to break the same rule
    #[arg(long, requires = "seed")]
    shrink: bool,
    /// Break this rule, or each in turn (`all`), until the checkers see it; ends with `F of M found`
    #[cfg(feature = "sabotage")]
    #[arg(long)]
    sabotage: Option<String>,
    /// What was built, for the report of a failure
    #[arg(long, default_value = "unknown")]
    build: String,
}

#[derive(Subcommand)]
enum Task {
    /// Live golden scenarios: journals as written, facts as they truly are
    Golden(Golden),
    /// Every path of a cluster of three with one resource and one switch: the same core, every choice of what happens next
    Exhaust(exhaust::Options),
}

#[derive(Args)]
struct Golden {
    /// Only these
    names: Vec<String>,
    /// Write journals anew; never facts, and nothing where a fact does not hold
    #[arg(long)]
    update: bool,
    /// Where they lie
    #[arg(long, default_value = "crates/ha-sim/golden")]
    folder: PathBuf,
    /// Break this rule, and see which scenarios fail
    #[cfg(feature = "sabotage")]
    #[arg(long, conflicts_with = "update")]
    sabotage: Option<String>,
}

fn main() -> ExitCode {
    let options = Options::parse();
    match &options.command {
        Some(Task::Golden(golden)) => {
            return scenarios(golden).unwrap_or_else(|why| {
                eprintln!("ha-sim: {why}");
                ExitCode::from(2)
            });
        }
        Some(Task::Exhaust(search)) => return exhaust::command(search),
        None => {}
    }
    #[cfg(feature = "sabotage")]
    match options.sabotage.as_deref() {
        Some("all") => return sabotage::all(options.seeds),
        Some(name) if options.seed.is_none() => return sabotage::one(name, options.seeds),
        Some(name) => drop(ha_model::sabotage::choose(name)),
        None => {}
    }
    match options.seed {
        None => many(&options),
        Some(seed) => one(seed, &options).unwrap_or_else(|why| {
            eprintln!("ha-sim: {why}");
            ExitCode::from(2)
        }),
    }
}

fn scenarios(options: &Golden) -> Result<ExitCode, String> {
    #[cfg(feature = "sabotage")]
    if let Some(name) = &options.sabotage {
        ha_model::sabotage::choose(name)?;
    }
    std::panic::set_hook(Box::new(|_| {}));
    let paths = golden::all(&options.folder, &options.names)?;
    let mut failed = 0;
    for path in &paths {
        let begin = Instant::now();
        let verdict = golden::check(path, options.update);
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        println!("{:>6} ms  {name}: {verdict}", begin.elapsed().as_millis());
        failed += usize::from(matches!(verdict, Verdict::Wrong(_)));
    }
    println!("{} scenarios, {failed} failed", paths.len());
    Ok(ExitCode::from(u8::from(failed > 0 || paths.is_empty())))
}

fn many(options: &Options) -> ExitCode {
    // Panics are outcomes of lives; they are shown with these.
    std::panic::set_hook(Box::new(|_| {}));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let begin = Instant::now();
    let seeds = options.start..options.start.saturating_add(options.seeds);
    let batch = batch::run(seeds, threads, |seed, outcome| {
        if let Some(broken) = &outcome.broken {
            println!("seed {seed}: {}: {}", broken.rule, broken.what);
        }
        true
    });
    let took = begin.elapsed().as_secs_f64();
    print!("{}", batch.tally);
    let per_minute = batch.tally.simulated_ns as f64 / 1e9 / took * 60.0;
    println!("{took:.1} s on {threads} threads: {per_minute:.0} simulated seconds a minute");
    let missing = batch.tally.missing();
    if !missing.is_empty() {
        println!("never occurred: {}", missing.join(", "));
    }
    if !batch.thin.is_empty() {
        println!("fewer than 3 faults of 2 kinds after something ran: seeds {:?}", batch.thin);
    }
    for (seed, outcome) in &batch.broken {
        println!("replay: cargo xtask sim --seed {seed}");
        if let Some(broken) =
            outcome.broken.as_ref().filter(|_| batch.broken.iter().take(SHRUNK).any(|(s, _)| s == seed))
        {
            let (shape, schedule) = story::of_seed(*seed);
            let short = shrink::shrink(*seed, &shape, &schedule, broken.rule);
            println!("seed {seed}, build {}: {} is broken by\n{short}", options.build, broken.rule);
        }
    }
    println!("{} seeds, {} violations", options.seeds, batch.violations);
    let is_good =
        batch.violations == 0 && batch.tally.thin == 0 && (options.allow_missing || missing.is_empty());
    ExitCode::from(u8::from(!is_good))
}

fn one(seed: u64, options: &Options) -> Result<ExitCode, String> {
    let (shape, mut schedule) = story::of_seed(seed);
    if let Some(path) = &options.schedule {
        let at = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
        let text = std::fs::read_to_string(path).map_err(|e| at(&e))?;
        schedule = text.parse::<Schedule>().map_err(|e| at(&e))?;
    }
    if options.print_schedule {
        print!("{schedule}");
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(path) = &options.keep {
        let text = golden::keep(seed, &shape, &schedule)?;
        std::fs::write(path, text).map_err(|e| format!("cannot write {}: {e}", path.display()))?;
        println!("{} is written: complete its first comment and its facts", path.display());
        return Ok(ExitCode::SUCCESS);
    }
    println!("{shape}");
    let pace = match (options.shrink, options.step) {
        (true, _) => Pace::Silent,
        (false, true) => Pace::Steps,
        (false, false) => Pace::Told,
    };
    let outcome = story::live(seed, &shape, &schedule, pace);
    println!("hash {:016x}", outcome.hash);
    let Some(broken) = outcome.broken else {
        println!("1 seeds, 0 violations");
        return Ok(ExitCode::SUCCESS);
    };
    println!("seed {seed}, build {}: {}: {}", options.build, broken.rule, broken.what);
    if options.shrink {
        let short = shrink::shrink(seed, &shape, &schedule, broken.rule);
        println!("{} of {} lines break it:\n{short}", short.0.len(), schedule.0.len());
    }
    println!("1 seeds, 1 violations");
    Ok(ExitCode::FAILURE)
}
