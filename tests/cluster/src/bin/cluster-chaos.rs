//! `cargo xtask chaos`: lives of real clusters with faults from a printed seed.
//!
//! Must not know: what a life is; `ha_cluster_tests::chaos` does it.

use clap::Parser;
use ha_cluster_tests::chaos::{Options, run};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

/// Lives of clusters of real daemons, judged from outside; the last line is `N lives, V violations`.
#[derive(Parser)]
#[command(name = "cluster-chaos")]
struct Cli {
    /// New lives begin for so long; the last one is lived to its end.
    #[arg(long, default_value_t = 2.0)]
    minutes: f64,
    /// Seed of all lives [default: drawn, and printed].
    #[arg(long)]
    seed: Option<u64>,
    /// Only this life of the seed.
    #[arg(long, value_name = "K")]
    life: Option<u32>,
    /// The negative control: the switch says what it is asked to and does nothing. Exit code 0 when the judge saw it.
    #[arg(long)]
    lying_switch: bool,
    /// Where the journals of a life that went wrong are kept.
    #[arg(long, default_value = "target/chaos")]
    keep: PathBuf,
    /// Write the table to this file too.
    #[arg(long)]
    out: Option<PathBuf>,
    /// What was built, for the table.
    #[arg(long, default_value = "unknown build")]
    build: String,
    /// Tell the story of every life.
    #[arg(long)]
    verbose: bool,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let drawn = || {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        // Short enough to be typed.
        u64::from(now.subsec_nanos()) ^ (now.as_secs() % 1_000_000)
    };
    let options = Options {
        time: Duration::from_secs_f64(cli.minutes.clamp(0.0, 10_000.0) * 60.0),
        seed: cli.seed.unwrap_or_else(drawn),
        life: cli.life,
        is_lying: cli.lying_switch,
        keep: cli.keep,
        out: cli.out,
        build: cli.build,
        is_verbose: cli.verbose,
    };
    match run(&options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(e) => {
            eprintln!("cluster-chaos: {e}");
            ExitCode::FAILURE
        }
    }
}
