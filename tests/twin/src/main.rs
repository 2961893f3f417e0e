//! Our votes and log beside those of the crate `raft`: the same scripts of time-outs, cuts, crashes, stalled disks,
//! proposals and changes of voters; at the end both must have committed the same, and the same nodes vote.
//!
//! `ha-twin --schedules 10000` compares; `--seed 7` shows one schedule, `--hops 7` each
//! message of it; `--sabotage all` breaks our core on purpose.

mod batch;
mod net;
mod ours;
mod rng;
mod rules;
mod run;
mod script;
mod theirs;
mod trace;
mod twin;
mod watch;

use std::process::ExitCode;

/// Schedules that a sabotage may take to be seen.
const SABOTAGE_SCHEDULES: u64 = 20_000;

const USAGE: &str =
    "usage: ha-twin [--schedules N] [--start SEED] | --seed SEED | --hops SEED | --sabotage NAME|all";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (mut schedules, mut start, mut seed, mut sabotage) = (10_000, 1, None, None);
    let mut rest = args.iter();
    while let Some(option) = rest.next() {
        let Some(value) = rest.next() else { return wrong(&format!("{option} lacks its value")) };
        let number = || value.parse::<u64>().map_err(|e| format!("{option} {value}: {e}"));
        let parsed = match option.as_str() {
            "--schedules" => number().map(|n| schedules = n),
            "--start" => number().map(|n| start = n),
            "--seed" => number().map(|n| seed = Some(n)),
            "--hops" => number().map(|n| {
                trace::begin();
                seed = Some(n);
            }),
            "--sabotage" => {
                sabotage = Some(value.clone());
                Ok(())
            }
            _ => Err(format!("{option} is unknown")),
        };
        if let Err(why) = parsed {
            return wrong(&why);
        }
    }
    let is_good = match (seed, sabotage.as_deref()) {
        (Some(seed), None) => batch::one(seed),
        (None, Some("all")) => batch::sabotage_all(),
        (None, Some(name)) => batch::sabotage(name, start, SABOTAGE_SCHEDULES),
        (None, None) => batch::compare(start, schedules),
        (Some(_), Some(_)) => return wrong("--seed and --sabotage exclude each other"),
    };
    ExitCode::from(u8::from(!is_good))
}

fn wrong(why: &str) -> ExitCode {
    eprintln!("ha-twin: {why}\n{USAGE}");
    ExitCode::from(2)
}
