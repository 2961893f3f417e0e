//! The benchmark: real daemons on simulated hosts, the same failures again and again, judged by the outside client.
//!
//! An outage is the time from the last answer of the old owner to the first answer of the new one, at 200 questions a
//! second. Where that time went is read from the cluster's own timeline (`hactl timeline --json`); it never decides what the
//! outage was. Must not know: the cluster's code. Invariants: nothing is fixed beforehand but the targets; a run that
//! fails is shown with its reason and the others go on; whatever ends the program ends the lab and leaves no directory.

mod bed;
mod busy;
mod cleaner;
mod cluster_says;
mod cold;
mod failover;
mod idle;
mod load;
mod machine;
mod options;
mod row;
mod services;
mod split;
mod stats;
mod stolen;
mod table;

pub use options::{BenchCommand, Options};

use crate::cluster::Programs;
use crate::error::{Context, LabError, Result};
use bed::Bed;
use cleaner::Cleaner;
use machine::Machine;
use row::{Row, Setting};
use std::io::Write;
use std::path::Path;
use table::{Report, Timed};

/// Does what the command line asks; false when a run failed.
pub fn command(command: &BenchCommand) -> Result<bool> {
    match command {
        BenchCommand::Failover(options) => run(options),
        BenchCommand::Load { what } => load::run(what),
        BenchCommand::Usage => idle::print_usage().map(|()| true),
    }
}

fn run(options: &Options) -> Result<bool> {
    let programs = Programs {
        hanode: options.hanode.clone(),
        hactl: options.hactl.clone(),
        agents: options.agents.clone(),
    };
    for program in [&programs.hanode, &programs.hactl] {
        if !program.is_file() {
            return Err(refused(format!(
                "{} is not there; build it, or use cargo xtask bench",
                program.display()
            )));
        }
    }
    let settings = options.settings()?;
    let cleaner = Cleaner::begin()?;
    let machine = Machine::look(options.build.as_deref());
    let mut document = Document { text: String::new(), file: options.out.as_deref() };
    document.add(&machine.markdown())?;
    let mut is_clean = true;
    for setting in settings {
        eprintln!("# {}", setting.title());
        let reports = measure(options, &programs, &cleaner, &setting, &options.rows(&setting));
        is_clean &= reports.iter().all(|report| report.is_clean(&setting));
        document.add(&format!("\n{}", table::render(&setting, &reports, &machine)))?;
    }
    document.add(&format!("\nAt the end the load average was {}.\n", machine::load()))?;
    Ok(is_clean)
}

/// What is printed and written piece by piece, so that what was measured is not lost when the rest is interrupted.
struct Document<'a> {
    text: String,
    file: Option<&'a Path>,
}

impl Document<'_> {
    fn add(&mut self, piece: &str) -> Result<()> {
        // A reader that went away is no failure of the measurement.
        let mut out = std::io::stdout();
        let _ = out.write_all(piece.as_bytes()).and_then(|()| out.flush());
        self.text += piece;
        match self.file {
            Some(path) => std::fs::write(path, &self.text).at("write", path),
            None => Ok(()),
        }
    }
}

/// Every row of one setting. A lab that cannot be healed is replaced by a new one.
fn measure(
    options: &Options,
    programs: &Programs,
    cleaner: &Cleaner,
    setting: &Setting,
    rows: &[Row],
) -> Vec<Report> {
    let mut bed: Option<Bed> = None;
    let mut reports = Vec::new();
    for &row in rows {
        let runs = if row.is_repeated() { options.runs } else { 1 };
        let mut report = Report::Timed(Timed { row, runs: Vec::new(), disturbed: Vec::new() });
        // A host that is never quiet ends the row too.
        for number in 1..=runs * 2 {
            if report.count() >= runs as usize {
                break;
            }
            let made = match bed.take() {
                Some(bed) => Ok(bed),
                None => Bed::start(programs, cleaner, setting),
            };
            let outcome = match made {
                Ok(mut healthy) => {
                    let outcome = one(options, &mut healthy, row, number);
                    if is_worth_keeping(&outcome, row, setting) {
                        healthy.keep_evidence(options.keep.as_deref(), setting, row, number);
                    }
                    if outcome.is_ok() {
                        bed = Some(healthy);
                    }
                    outcome
                }
                Err(e) => Err(e),
            };
            report.add(row, number, outcome);
        }
        reports.push(report);
    }
    reports
}

/// A failed run, and one that took longer than its target.
fn is_worth_keeping(outcome: &Result<Outcome>, row: Row, setting: &Setting) -> bool {
    match outcome {
        Err(_) => true,
        Ok(Outcome::Timed(m)) => row.target_ms(setting, 0.0).is_some_and(|target| m.total_ms > target),
        Ok(Outcome::Idle(_)) => false,
        Ok(Outcome::Busy(busy)) => !busy.suspected.is_empty(),
    }
}

/// What one run gives.
enum Outcome {
    Timed(split::Measured),
    Idle(Vec<idle::NodeIdle>),
    Busy(busy::Busy),
}

fn one(options: &Options, bed: &mut Bed, row: Row, number: u32) -> Result<Outcome> {
    bed.settle()?;
    match row {
        Row::Fail { how, leads } => failover::run(bed, how, leads).map(Outcome::Timed),
        Row::Kill => services::kill(bed).map(Outcome::Timed),
        Row::Move => services::planned_move(bed).map(Outcome::Timed),
        Row::ColdStart => cold::run(bed).map(Outcome::Timed),
        Row::Idle => idle::run(bed, options.idle_s).map(Outcome::Idle),
        Row::Busy => busy::run(bed, options.busy_s, number).map(Outcome::Busy),
    }
}

/// A refusal of the bench in the words of the lab.
fn refused(text: impl Into<String>) -> LabError {
    LabError::Refused(text.into())
}
