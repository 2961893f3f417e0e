//! `ha-sim exhaust`: every path of small clusters, within the budgets of its scopes.

#[cfg(feature = "sabotage")]
mod sabotage;

use clap::Args;
use ha_sim::scope::Budget;
use ha_sim::scope::explore::{Bounds, replay, undisturbed};
use ha_sim::scope::run::{self, Total};
use ha_sim::scope::scopes::{self, Scope};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// What is searched, and how deep.
#[derive(Args)]
#[command(
    after_help = "Exit code 0 when no rule was broken, every scope was explored to its end and everything that a run must reach was \
    reached, 1 when not, 2 for a mistake in the options."
)]
pub struct Options {
    /// Only these scopes; what a whole run must reach is then not demanded
    #[arg(long, value_delimiter = ',')]
    scope: Vec<String>,
    /// Name the scopes
    #[arg(long)]
    list: bool,
    /// With --scope: its undisturbed path in words
    #[arg(long, requires = "scope")]
    undisturbed: bool,
    #[command(flatten)]
    deeper: Deeper,
    /// Threads; a scope is searched by one
    #[arg(long)]
    threads: Option<usize>,
    /// Cut the search short after so many seconds
    #[arg(long)]
    seconds: Option<u64>,
    /// Cut the search of a scope short after so many states
    #[arg(long)]
    states: Option<u64>,
    /// Break this rule, or each in turn (`all`), until it is seen; ends with `F of M found`
    #[cfg(feature = "sabotage")]
    #[arg(long)]
    sabotage: Option<String>,
}

/// With --scope: other bounds than its own
#[derive(Args)]
struct Deeper {
    /// Whatever is under way at one moment happens in every order
    #[arg(long, requires = "scope")]
    interleaved: Option<bool>,
    /// Faults on a path
    #[arg(long, requires = "scope")]
    faults: Option<u8>,
    /// Ends of faults on a path
    #[arg(long, requires = "scope")]
    mends: Option<u8>,
    /// Slow things on a path
    #[arg(long, requires = "scope")]
    holds: Option<u8>,
    /// Answers of the switch that are not what is so, on a path
    #[arg(long, requires = "scope")]
    words: Option<u8>,
    /// Agents that fail, on a path
    #[arg(long, requires = "scope")]
    fails: Option<u8>,
    /// Milliseconds that pass
    #[arg(long, requires = "scope")]
    horizon: Option<u64>,
}

impl Deeper {
    fn of(&self, mut scope: Scope) -> Scope {
        scope.is_interleaved = self.interleaved.unwrap_or(scope.is_interleaved);
        scope.horizon_ms = self.horizon.unwrap_or(scope.horizon_ms);
        let own = scope.budget;
        scope.budget = Budget {
            faults: self.faults.unwrap_or(own.faults),
            mends: self.mends.unwrap_or(own.mends),
            holds: self.holds.unwrap_or(own.holds),
            words: self.words.unwrap_or(own.words),
            fails: self.fails.unwrap_or(own.fails),
        };
        scope
    }
}

/// Searches, and ends with `N states, V violations`.
pub fn command(options: &Options) -> ExitCode {
    // Panics of the core are outcomes of paths; they are shown with these.
    std::panic::set_hook(Box::new(|_| {}));
    if options.list {
        scopes::ALL.iter().chain(scopes::CONTROLS).for_each(|s| println!("{:<14} {}", s.name, s.what));
        return ExitCode::SUCCESS;
    }
    let mut chosen: Vec<Scope> = Vec::new();
    for name in &options.scope {
        let Some(scope) = scopes::named(name) else {
            eprintln!("ha-sim exhaust: there is no scope `{name}`; --list names them");
            return ExitCode::from(2);
        };
        chosen.push(options.deeper.of(*scope));
    }
    if options.undisturbed {
        chosen.iter().flat_map(undisturbed).for_each(|line| println!("{line}"));
        return ExitCode::SUCCESS;
    }
    let is_whole = chosen.is_empty();
    if is_whole {
        chosen = scopes::ALL.to_vec();
    }
    #[cfg(feature = "sabotage")]
    match options.sabotage.as_deref() {
        Some("all") => return sabotage::all(),
        Some(name) => return sabotage::one(name, &chosen),
        None => {}
    }
    let threads = options.threads.unwrap_or_else(threads);
    let begin = Instant::now();
    let deadline = options.seconds.map(|s| begin + Duration::from_secs(s));
    let bounds = Bounds { deadline, states: options.states };
    let total = run::run(&chosen, threads, bounds, |scope, outcome| {
        println!("{}: {} states, {:.1} s", scope.name, outcome.states, outcome.took.as_secs_f64());
        true
    });
    print!("{}", total.table());
    show_broken(&total);
    println!("{:.1} s on {threads} threads", begin.elapsed().as_secs_f64());
    let missing = if is_whole { total.missing() } else { Vec::new() };
    missing.iter().for_each(|what| println!("missing: {what}"));
    println!("{} states, {} violations", total.states, total.violations());
    ExitCode::from(u8::from(total.violations() > 0 || !missing.is_empty()))
}

fn show_broken(total: &Total) {
    for (scope, outcome) in &total.outcomes {
        if let Some((broken, path)) = &outcome.broken {
            println!("\n{}, {} moves, breaks {}: {}", scope.name, path.len(), broken.rule, broken.what);
            replay(scope, path).iter().for_each(|line| println!("{line}"));
        }
    }
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
