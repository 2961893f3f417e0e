//! The `exec` agent: a service started by a command, its processes held in a cgroup of its own.
//!
//! Must not know: the cluster. Invariants: a stop has succeeded only when the stop command said so and no process is
//! left; a service is found again by its leash, below the root that its record names too, never by a guess from the
//! process table, and nothing is done about one that cannot be seen; a start that ends in failure or after its grant
//! leaves no process.

mod options;
mod record;
mod start;
mod watch;

use crate::cancel::Cancel;
use crate::child::{DEFAULT_PATH, How};
use crate::gate::Gate;
use crate::job::{Action, Outcome, ResourceJob};
use crate::leash::Leash;
use crate::root::CgroupRoot;
use crate::runner::{Ended, KILL_WAIT, Program, Report, run, signal_name};
use ha_model::InstanceId;
use nix::sys::signal::Signal;
pub use options::Exec;
use record::Begun;
pub use record::OUTPUT_FILE_BYTES;
pub(crate) use record::Record;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;
pub use watch::ProcessExited;
use watch::{Watch, find_main};

/// Part of a stop's time that is kept for SIGKILL, so that a service which ignores SIGTERM is still stopped in time.
const KILL_SHARE: u32 = 4;
/// Names of survivors in a reason; more would not make it clearer.
const SURVIVORS_NAMED: usize = 3;

/// One service: its leashes, its record, its watch.
pub(crate) struct Service {
    pub instance: InstanceId,
    /// Of both leashes.
    pub root: CgroupRoot,
    /// Holds the service.
    pub service: Leash,
    /// Holds its stop and check commands.
    pub commands: Leash,
    pub record: Record,
    pub events: mpsc::Sender<ProcessExited>,
    pub watch: Option<Watch>,
}

impl Service {
    /// Carries out one job.
    pub(crate) async fn carry_out(&mut self, job: &ResourceJob) -> Outcome {
        let exec = match Exec::from_options(&job.options) {
            Ok(exec) => exec,
            Err(why) if job.action == Action::Start => return Outcome::never(why),
            Err(why) => return Outcome::failed(why),
        };
        // S7: not seen is not stopped.
        if let Err(why) = self.follow_record() {
            return Outcome::failed(why);
        }
        // An earlier session of the daemon may have left a command of this service running.
        self.commands.kill_all(KILL_WAIT).await;
        let end = Instant::now() + job.timeout;
        match job.action {
            Action::Start => self.start(&exec, job, end).await,
            Action::Stop => self.stop(&exec, end, &job.cancel).await,
            Action::Monitor | Action::Probe => self.monitor(&exec, end, &job.cancel).await,
        }
    }

    /// Has the leashes hold what was begun below another root as well.
    fn follow_record(&mut self) -> Result<(), String> {
        let former = match self.record.begun() {
            Begun::Not => None,
            Begun::Below(root) => (root.note() != self.root.note()).then_some(root),
            Begun::Unseen { why } => return Err(why),
        };
        self.service.also_below(former.clone());
        self.commands.also_below(former);
        Ok(())
    }

    fn environment(&self) -> BTreeMap<String, String> {
        let mut env = BTreeMap::from([
            ("PATH".to_owned(), DEFAULT_PATH.to_owned()),
            ("HA_RESOURCE".to_owned(), self.instance.to_string()),
        ]);
        if let Some(watch) = &self.watch {
            env.insert("MAINPID".into(), watch.pid.to_string());
        }
        env
    }

    /// Runs a check or stop command to its end.
    async fn command(&self, argv: &[String], end: Instant, cancel: &Cancel) -> Report {
        let program = Program {
            argv: argv.to_vec(),
            env: self.environment(),
            stdin: vec![],
            timeout: end.saturating_duration_since(Instant::now()),
            gate: Gate::always(),
            dies_with_daemon: false,
        };
        run(program, &self.commands, cancel).await
    }

    /// Looks after a service that runs but is not watched: one that an earlier session of the daemon started.
    fn adopt(&mut self, exec: &Exec) {
        if self.watch.is_none()
            && let Some(main) = find_main(&self.service, exec.pidfile.as_deref())
        {
            self.watch_over(main, exec);
        }
    }

    fn watch_over(&mut self, main: crate::child::Child, exec: &Exec) {
        self.watch = Some(Watch::begin(
            self.instance.clone(),
            main,
            self.service.clone(),
            exec.pidfile.clone(),
            self.record.clone(),
            self.events.clone(),
        ));
    }

    async fn monitor(&mut self, exec: &Exec, end: Instant, cancel: &Cancel) -> Outcome {
        self.adopt(exec);
        let is_empty = self.service.is_empty();
        if is_empty && !self.record.is_processless() {
            return Outcome::NotRunning;
        }
        if let Some(how) = self.watch.as_ref().and_then(Watch::ended) {
            let left = self.service.members().len();
            return Outcome::failed(format!(
                "its main process {}; {left} other processes remain",
                ended(how)
            ));
        }
        let Some(check) = &exec.check else { return Outcome::Running };
        let report = self.command(check, end, cancel).await;
        match report.ended {
            Ended::Exited { code: 0 } => Outcome::Running,
            _ => command_failed("check", check, &report),
        }
    }

    async fn stop(&mut self, exec: &Exec, end: Instant, cancel: &Cancel) -> Outcome {
        self.adopt(exec);
        let reserve = (end.saturating_duration_since(Instant::now()) / KILL_SHARE).min(KILL_WAIT);
        let grace_end = end - reserve;
        let mut refused = None;
        if self.record.is_started() || !self.service.is_empty() {
            // No event for an end that was asked for; the process id stays known to the command.
            if let Some(watch) = &self.watch {
                watch.hush();
            }
            if let Some(stop) = &exec.stop {
                let report = self.command(stop, grace_end, cancel).await;
                if report.ended != (Ended::Exited { code: 0 }) {
                    refused = Some(command_failed("stop", stop, &report));
                }
            } else {
                self.service.signal(Signal::SIGTERM);
                // A stopped process takes SIGTERM only when it goes on.
                self.service.signal(Signal::SIGCONT);
            }
            if refused.is_none() {
                let grace = grace_end.saturating_duration_since(Instant::now());
                tokio::select! {
                    _ = self.service.wait_empty(grace) => {}
                    () = cancel.cancelled() => return Outcome::failed("the stop was cancelled"),
                }
            }
        }
        self.watch = None;
        let within = end.saturating_duration_since(Instant::now()).max(Duration::from_millis(100));
        if !self.service.kill_all(within).await {
            return Outcome::failed(survivors(&self.service));
        }
        if let Some(refused) = refused {
            return refused;
        }
        if let Err(e) = self.record.end() {
            return Outcome::failed(format!("all processes ended, but noting that failed: {e}"));
        }
        self.service.remove();
        self.commands.remove();
        Outcome::NotRunning
    }
}

/// `exited with code 3` or `was killed by SIGKILL`.
fn ended(how: How) -> String {
    match how {
        How::Code(code) => format!("exited with code {code}"),
        How::Signal(signal) => format!("was killed by {}", signal_name(signal)),
        How::Unknown => "ended".into(),
    }
}

fn command_failed(option: &str, argv: &[String], report: &Report) -> Outcome {
    let program = argv.first().map_or("", String::as_str);
    let said = report.last_line().map_or(String::new(), |line| format!(": {line}"));
    let code = match report.ended {
        Ended::Exited { code } => Some(code),
        _ => None,
    };
    let reason = if report.ended.is_never_begun() {
        format!("the {option} command could not be run: {}", report.ended)
    } else {
        format!("the {option} command ({program}) {}{said}", report.ended)
    };
    Outcome::Failed { code, reason }
}

fn survivors(leash: &Leash) -> String {
    let members = leash.members();
    let named: Vec<String> = members
        .iter()
        .take(SURVIVORS_NAMED)
        .map(|pid| {
            let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            format!("{pid} ({})", name.trim())
        })
        .collect();
    format!("{} processes did not end by SIGKILL: {}", members.len(), named.join(", "))
}
