//! OCF resource agents in their simple form: start, stop, monitor.
//!
//! Must not know: the cluster. Invariants: what a start leaves in the background is held in the resource's cgroup; a stop has
//! succeeded only when the agent said so and no process of it is left (S7); an agent that says "not running" while processes
//! of it are left is not believed; a start that fails or ends after its grant leaves no process.

pub mod code;
mod env;

use crate::child::{self, How};
use crate::exec::{Service, Stage};
use crate::gate::Gate;
use crate::job::{Action, Outcome, ResourceJob};
use crate::runner::{Ended, KILL_WAIT, Program, explain, run};
use env::Call;
pub use env::REASON_PREFIX;

use ha_model::OcfName;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout_at};

/// How long processes may still end by themselves after a stop that succeeded.
const LINGER: Duration = Duration::from_millis(500);

/// An agent on this node.
pub(crate) struct Ocf<'a> {
    pub name: &'a OcfName,
    /// `/usr/lib/ocf`.
    pub root: &'a Path,
}

impl Ocf<'_> {
    /// Its program: `resource.d/PROVIDER/TYPE` (Resource Agent API 1.1, "Installation paths").
    fn program(&self) -> PathBuf {
        self.root.join("resource.d").join(&self.name.provider).join(&self.name.kind)
    }
}

impl Service {
    /// Carries out one job by an OCF agent.
    pub(crate) async fn carry_out_ocf(&mut self, agent: &Ocf<'_>, job: &ResourceJob) -> Outcome {
        // S7: not seen is not stopped.
        if let Err(why) = self.follow_record() {
            return Outcome::failed(why);
        }
        // An earlier session of the daemon may have left a run of the agent.
        self.commands.kill_all(KILL_WAIT).await;
        let end = Instant::now() + job.timeout;
        match job.action {
            Action::Start => self.start_ocf(agent, job, end).await,
            Action::Stop => self.stop_ocf(agent, job, end).await,
            Action::Monitor | Action::Probe => self.monitor_ocf(agent, job).await,
        }
    }

    fn ocf_program(&self, agent: &Ocf<'_>, job: &ResourceJob, action: &str) -> Program {
        let is_monitor = job.action == Action::Monitor;
        let call = Call {
            name: agent.name,
            instance: &self.instance,
            root: agent.root,
            parameters: &job.options,
            action,
            timeout: job.timeout,
            interval: if is_monitor { job.interval } else { Duration::ZERO },
        };
        Program {
            argv: vec![agent.program().display().to_string(), action.to_owned()],
            env: call.environment(),
            stdin: vec![],
            timeout: job.timeout,
            gate: if job.action == Action::Start { job.gate.clone() } else { Gate::always() },
            dies_with_daemon: false,
        }
    }

    async fn start_ocf(&mut self, agent: &Ocf<'_>, job: &ResourceJob, end: Instant) -> Outcome {
        let was_begun_before = self.record.is_started();
        let outcome = match self.launch_ocf(agent, job, end).await {
            Ok(outcome) => outcome,
            Err(why) if was_begun_before || !why.is_never_begun() => {
                Outcome::failed(format!("the agent's start {why}"))
            }
            Err(why) => {
                // A mark that stays makes the next stop run the agent; that is harmless.
                let _ = self.record.end();
                self.service.remove();
                return Outcome::never(format!("{}: {why}", agent.name));
            }
        };
        let outcome = match outcome {
            Outcome::Running if !job.gate.is_open() => {
                Outcome::failed("the grant to run it lapsed while it started; its processes were killed")
            }
            outcome => outcome,
        };
        if outcome == Outcome::Running {
            let stage = if self.service.is_empty() { Stage::Processless } else { Stage::Held };
            // A mark that stays says less: that a start was begun.
            let _ = self.record.note(stage);
        } else {
            self.service.kill_all(KILL_WAIT).await;
        }
        outcome
    }

    /// `Err`: how it ended without having been executed to its end.
    async fn launch_ocf(&self, agent: &Ocf<'_>, job: &ResourceJob, end: Instant) -> Result<Outcome, Ended> {
        let failed = |e: std::io::Error| Ended::SpawnFailed { why: format!("noting the start failed: {e}") };
        // A file, not a pipe: what it leaves in the background may write on.
        let output = self.record.begin(&self.root).map_err(failed)?;
        let errors = output.try_clone().map_err(failed)?;
        let program = self.ocf_program(agent, job, "start");
        let ready = child::prepare(&program, &self.service, OwnedFd::from(output), OwnedFd::from(errors))?;
        let path = ready.path.clone();
        let work = async {
            let launched = timeout_at(end, child::launch(ready, &self.service)).await;
            let child = match launched {
                Ok(launched) => launched.map_err(|failure| explain(failure, &path))?,
                Err(_) => return Err(Ended::TimedOut { after: job.timeout }),
            };
            Ok(child.wait().await)
        };
        let how = tokio::select! {
            how = work => how?,
            () = sleep_until(end) => return Err(Ended::TimedOut { after: job.timeout }),
            () = job.cancel.cancelled() => return Err(Ended::Cancelled),
        };
        Ok(match how {
            How::Code(code::SUCCESS) => Outcome::Running,
            How::Code(exit) => failure("start", exit, self.record.reason(REASON_PREFIX)),
            How::Signal(_) | How::Unknown => {
                let how: Ended = how.into();
                Outcome::failed(format!("the agent's start {how}{}", self.record.said()))
            }
        })
    }

    async fn stop_ocf(&mut self, agent: &Ocf<'_>, job: &ResourceJob, end: Instant) -> Outcome {
        let mut program = self.ocf_program(agent, job, "stop");
        // Time is kept for SIGKILL, so that what lingers is still gone in time.
        program.timeout = job.timeout.saturating_sub(KILL_WAIT).max(job.timeout / 2);
        let report = run(program, &self.commands, &job.cancel).await;
        match &report.ended {
            Ended::Exited { code: code::SUCCESS } => {}
            Ended::NotFound { .. } if !self.record.is_started() && self.service.is_empty() => {
                return Outcome::NotRunning; // nothing on this node can have started it
            }
            Ended::Exited { code } => return failure("stop", *code, reason_in(&report.stderr.text())),
            other => return Outcome::failed(format!("the agent's stop {other}")),
        }
        self.service.wait_empty(LINGER.min(end.saturating_duration_since(Instant::now()))).await;
        let within = end.saturating_duration_since(Instant::now()).max(Duration::from_millis(100));
        if !self.service.kill_all(within).await {
            return Outcome::failed("the agent says that it is stopped, but processes of it are left");
        }
        if let Err(e) = self.record.end() {
            return Outcome::failed(format!("it is stopped, but noting that failed: {e}"));
        }
        self.service.remove();
        self.commands.remove();
        Outcome::NotRunning
    }

    async fn monitor_ocf(&self, agent: &Ocf<'_>, job: &ResourceJob) -> Outcome {
        let is_probe = job.action == Action::Probe;
        let program = self.ocf_program(agent, job, "monitor");
        let report = run(program, &self.commands, &job.cancel).await;
        let may_have_begun = self.record.is_started() || !self.service.is_empty();
        match &report.ended {
            Ended::Exited { code } if code::runs(*code) => Outcome::Running,
            Ended::Exited { code: code::NOT_RUNNING } if self.service.is_empty() => Outcome::NotRunning,
            Ended::Exited { code: code::NOT_RUNNING } => Outcome::failed(format!(
                "the agent says that it does not run, but {} processes of it are left",
                self.service.members().len()
            )),
            Ended::Exited { code: code::INSTALLED } | Ended::NotFound { .. }
                if is_probe && !may_have_begun =>
            {
                Outcome::NotRunning // what is not installed here does not run here
            }
            Ended::Exited { code } => failure("monitor", *code, reason_in(&report.stderr.text())),
            other => Outcome::failed(format!("the agent's monitor {other}")),
        }
    }
}

/// The last reason that the agent gave.
fn reason_in(stderr: &str) -> Option<String> {
    let reason = stderr.lines().rev().find_map(|line| line.trim().strip_prefix(REASON_PREFIX))?;
    crate::output::last_line(reason.trim())
}

fn failure(action: &str, exit: i32, reason: Option<String>) -> Outcome {
    let reason = reason.map_or(String::new(), |reason| format!(": {reason}"));
    Outcome::Failed {
        code: Some(exit),
        severity: code::severity(exit),
        reason: format!("{action}: {}{reason}", code::words(exit)),
    }
}
