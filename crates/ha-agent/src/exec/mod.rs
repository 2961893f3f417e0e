//! The `exec` agent: a service started by a command, its processes held in a cgroup of its own.
//!
//! Must not know: the cluster. Invariants: a stop has succeeded only when the stop command said so and no process is
//! left, and, of a service without process, when its check has failed after it; what has a stop command and was begun
//! is not running only after that; a service is found again by its leash, below the root that its record names too,
//! never by a guess from the process table, and nothing is done about one that cannot be seen; a start that ends in
//! failure or after its grant leaves no process.

mod options;
mod record;
mod start;
mod stop;
mod watch;

use crate::cancel::Cancel;
use crate::child::{DEFAULT_PATH, How};
use crate::gate::Gate;
use crate::job::{Action, Outcome, ResourceJob};
use crate::leash::Leash;
use crate::root::CgroupRoot;
use crate::runner::{Ended, KILL_WAIT, Program, Report, run, signal_name};
use ha_model::{InstanceId, Severity};
pub use options::Exec;
use record::Begun;
pub use record::OUTPUT_FILE_BYTES;
pub(crate) use record::Record;
pub(crate) use record::Stage;
use std::collections::BTreeMap;
use tokio::sync::mpsc;
use tokio::time::Instant;
pub use watch::ProcessExited;
use watch::{StartCommand, Subject, Watch, find_main};

/// What the options of a service without process lack.
const NEEDS_BOTH: &str = "a service without process needs `stop` and `check`";

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
        if let Err(why) = self.follow_watch() {
            return Outcome::failed(why);
        }
        let end = Instant::now() + job.timeout;
        match job.action {
            Action::Start => self.start(&exec, job, end).await,
            Action::Stop => self.stop(&exec, end, &job.cancel).await,
            Action::Monitor | Action::Probe => self.monitor(&exec, end, &job.cancel).await,
        }
    }

    /// Has the leashes hold what was begun below another root as well.
    pub(crate) fn follow_record(&mut self) -> Result<(), String> {
        let former = match self.record.begun() {
            Begun::Not => None,
            Begun::Below(root) => (root.note() != self.root.note()).then_some(root),
            Begun::Unseen { why } => return Err(why),
        };
        self.service.also_below(former.clone());
        self.commands.also_below(former);
        Ok(())
    }

    /// Takes note of a start command that was taken for the service, and has exited as one that leaves no process.
    fn follow_watch(&mut self) -> Result<(), String> {
        if self.watch.as_ref().is_some_and(Watch::has_completed) {
            let noted = self.record.note(Stage::Processless);
            noted.map_err(|e| format!("it has no process, and noting that failed: {e}"))?;
            self.watch = None;
        }
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
            self.watch_over(main, None, exec);
        }
    }

    /// `start`: what the main process is, where it is the start command.
    fn watch_over(&mut self, main: crate::child::Child, start: Option<StartCommand>, exec: &Exec) {
        let subject = Subject {
            instance: self.instance.clone(),
            leash: self.service.clone(),
            pidfile: exec.pidfile.clone(),
            record: self.record.clone(),
        };
        self.watch = Some(Watch::begin(subject, main, start, self.events.clone()));
    }

    async fn monitor(&mut self, exec: &Exec, end: Instant, cancel: &Cancel) -> Outcome {
        self.adopt(exec);
        if self.service.is_empty() {
            return self.monitor_without_process(exec, end, cancel).await;
        }
        if let Some(how) = self.watch.as_ref().and_then(Watch::ended) {
            let left = self.service.members().len();
            return Outcome::failed(format!(
                "its main process {}; {left} other processes remain",
                ended(how)
            ));
        }
        if let Some(check) = &exec.check {
            let report = self.command(check, end, cancel).await;
            if report.ended != (Ended::Exited { code: 0 }) {
                return command_failed("check", check, &report);
            }
        }
        if self.record.stage() == Some(Stage::Starting) {
            // Begun by an earlier session. A mark that stays costs a stop, if its process ends while no daemon runs.
            let _ = self.record.note(Stage::Held);
        }
        Outcome::Running
    }

    /// S7: no process is not nothing. Only a stop that succeeded ends what was begun; where there is no stop command, the
    /// end of its processes is its end.
    async fn monitor_without_process(&self, exec: &Exec, end: Instant, cancel: &Cancel) -> Outcome {
        match (self.record.stage(), &exec.stop, &exec.check) {
            (None, ..) | (Some(Stage::Held), None, _) | (Some(Stage::Starting), None, None) => {
                Outcome::NotRunning
            }
            (Some(Stage::Held | Stage::Starting), Some(_), _) => Outcome::failed(
                "no process of it is left, and its stop command was not run since its start: it must be stopped",
            ),
            (Some(Stage::Processless), None, _) | (Some(Stage::Processless), _, None) => {
                Outcome::failed(NEEDS_BOTH)
            }
            (Some(Stage::Processless), Some(_), Some(check)) => {
                let report = self.command(check, end, cancel).await;
                match report.ended {
                    Ended::Exited { code: 0 } => Outcome::Running,
                    _ => command_failed("check", check, &report),
                }
            }
            (Some(Stage::Starting), None, Some(check)) => {
                let report = self.command(check, end, cancel).await;
                match report.ended {
                    Ended::Exited { code: 0 } => Outcome::failed(format!(
                        "a start of it was cut short and left no process, but its check passes: {NEEDS_BOTH}"
                    )),
                    Ended::Exited { .. } => Outcome::NotRunning,
                    _ => command_failed("check", check, &report),
                }
            }
        }
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
    Outcome::Failed { code, severity: Severity::Soft, reason }
}
