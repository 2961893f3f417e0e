//! Starting a service: the command either stays (it is the service) or exits with 0 (the service is in the background).
//!
//! Must not know: the cluster. Invariant: `NeverStarted` only if the program was not executed.

use super::record::Stage;
use super::watch::{StartCommand, find_main};
use super::{Exec, NEEDS_BOTH, Service, command_failed, ended};
use crate::child::{self, Child, How};
use crate::job::{Outcome, ResourceJob};
use crate::runner::{Ended, KILL_WAIT, Program, explain};
use ha_model::{Severity, length};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

/// A service without check counts as active once it lived this long: enough for a missing library, a bad option or an
/// occupied port to show, little beside a failover.
const SETTLE: Duration = Duration::from_millis(50);
/// Pauses between checks during a start: short at first, so that a quick service costs no more than it needs.
const CHECK_FIRST: Duration = Duration::from_millis(10);
const CHECK_LONGEST: Duration = Duration::from_millis(250);

const CANCELLED: &str = "the start was cancelled";

/// What a start has seen so far.
struct Begun {
    child: Child,
    /// When the command exited with 0, leaving the service in the background.
    detached: Option<Instant>,
    since: Instant,
    last_check: Option<Outcome>,
}

impl Service {
    pub(super) async fn start(&mut self, exec: &Exec, job: &ResourceJob, end: Instant) -> Outcome {
        if self.record.is_started() || !self.service.is_empty() {
            match self.monitor(exec, end, &job.cancel).await {
                Outcome::NotRunning => {}
                Outcome::Running => return Outcome::Running,
                other if self.service.is_empty() => {
                    tracing::info!(instance = %self.instance, before = %other, "starting again");
                }
                other => {
                    return Outcome::failed(format!("an earlier start of it is not stopped yet ({other})"));
                }
            }
        }
        self.watch = None;
        let was_begun_before = self.record.is_started();
        let child = match self.launch(exec, job, end).await {
            Ok(child) => child,
            Err(why) if was_begun_before || !why.is_never_begun() => {
                self.service.kill_all(KILL_WAIT).await;
                return Outcome::failed(match why {
                    Ended::Cancelled => CANCELLED.to_owned(),
                    why => format!("the start command {why}"),
                });
            }
            Err(never) => {
                // A mark that stays makes the next stop run its command; that is harmless.
                let _ = self.record.end();
                self.service.remove();
                return Outcome::never(never.to_string());
            }
        };
        let mut begun = Begun { child, detached: None, since: Instant::now(), last_check: None };
        let outcome = tokio::select! {
            outcome = self.until_active(exec, job, end, &mut begun) => outcome,
            () = sleep_until(end) => Outcome::failed(too_late(job.timeout, begun.last_check.as_ref())),
            () = job.cancel.cancelled() => Outcome::failed(CANCELLED),
        };
        let outcome = match outcome {
            Outcome::Running if !job.gate.is_open() => {
                Outcome::failed("the grant to run it lapsed while it started; its processes were killed")
            }
            outcome => outcome,
        };
        if outcome != Outcome::Running {
            self.commands.kill_all(KILL_WAIT).await;
            self.service.kill_all(KILL_WAIT).await;
            self.note_failed(&begun).await;
            return outcome;
        }
        if begun.detached.is_some() && self.service.is_empty() {
            return match self.without_process(exec) {
                Ok(()) => Outcome::Running,
                Err(why) => Outcome::failed(why),
            };
        }
        // A mark that stays costs a stop, if its process ends while no daemon runs.
        let _ = self.record.note(Stage::Held);
        if begun.detached.is_some() {
            self.adopt(exec);
        } else {
            let may_leave_none = exec.check.is_some() && exec.pidfile.is_none();
            let start = StartCommand { until: begun.since + job.timeout, may_complete: exec.stop.is_some() };
            self.watch_over(begun.child, may_leave_none.then_some(start), exec);
        }
        Outcome::Running
    }

    /// After a start that failed: unless its command may have exited with 0, what it left was its processes.
    async fn note_failed(&self, begun: &Begun) {
        let may_have_succeeded = match begun.detached {
            Some(_) => self.record.stage() == Some(Stage::Processless),
            None => matches!(timeout(KILL_WAIT, begun.child.wait()).await, Ok(How::Code(0)) | Err(_)),
        };
        if !may_have_succeeded {
            // A mark that stays is looked at more closely when it is stopped.
            let _ = self.record.note(Stage::Held);
        }
    }

    /// The start command exited with 0 and left no process. S7: noted before anything else, for from here on its check
    /// alone tells whether it is active.
    fn without_process(&self, exec: &Exec) -> Result<(), String> {
        let lacks = |what: &str| {
            format!("the start command exited with code 0 and left no process{what}{}", self.record.said())
        };
        if exec.pidfile.is_some() {
            return Err(lacks(" (`pidfile` names one)"));
        }
        let noted = self.record.note(Stage::Processless);
        noted.map_err(|e| format!("it has no process, and noting that failed: {e}"))?;
        if exec.stop.is_none() || exec.check.is_none() {
            return Err(lacks(&format!(" ({NEEDS_BOTH})")));
        }
        Ok(())
    }

    async fn launch(&self, exec: &Exec, job: &ResourceJob, end: Instant) -> Result<Child, Ended> {
        let failed = |e: std::io::Error| Ended::SpawnFailed { why: format!("noting the start failed: {e}") };
        let output: File = self.record.begin(&self.root).map_err(failed)?;
        let errors = output.try_clone().map_err(failed)?;
        let program = Program {
            argv: exec.start.clone(),
            env: self.environment(),
            stdin: vec![],
            timeout: job.timeout,
            gate: job.gate.clone(),
            dies_with_daemon: false,
        };
        let ready = child::prepare(&program, &self.service, OwnedFd::from(output), OwnedFd::from(errors))?;
        let path = ready.path.clone();
        let is_cancelled = tokio::select! {
            done = timeout_at(end, child::launch(ready, &self.service)) => match done {
                Ok(done) => return done.map_err(|failure| explain(failure, &path)),
                Err(_) => false,
            },
            () = job.cancel.cancelled() => true,
        };
        // The program's file system hangs: the child is killed before it can execute it.
        self.service.kill_all(KILL_WAIT).await;
        if is_cancelled {
            return Err(Ended::Cancelled);
        }
        Err(Ended::SpawnFailed {
            why: format!("executing {} hung for {}", path.display(), length(job.timeout)),
        })
    }

    /// Returns once the service is active or cannot become so.
    async fn until_active(
        &mut self,
        exec: &Exec,
        job: &ResourceJob,
        end: Instant,
        begun: &mut Begun,
    ) -> Outcome {
        let mut pause = CHECK_FIRST;
        loop {
            let look = Instant::now() + pause;
            tokio::select! {
                how = begun.child.wait(), if begun.detached.is_none() => match how {
                    How::Code(0) => begun.detached = Some(Instant::now()),
                    how => return self.start_ended(how),
                },
                () = sleep_until(look) => pause = (pause * 3 / 2).min(CHECK_LONGEST),
            }
            if let Some(outcome) = self.look(exec, job, end, begun).await {
                return outcome;
            }
        }
    }

    fn start_ended(&self, how: How) -> Outcome {
        let code = if let How::Code(code) = how { Some(code) } else { None };
        let reason = format!("the start command {}{}", ended(how), self.record.said());
        Outcome::Failed { code, severity: Severity::Soft, reason }
    }

    /// One look at a service that is starting; `None`: not yet.
    async fn look(
        &mut self,
        exec: &Exec,
        job: &ResourceJob,
        end: Instant,
        begun: &mut Begun,
    ) -> Option<Outcome> {
        if exec.pidfile.is_none()
            && begun.detached.is_some()
            && self.service.is_empty()
            && let Err(why) = self.without_process(exec)
        {
            return Some(Outcome::failed(why));
        }
        if exec.pidfile.is_some() {
            // The service announces itself: neither the command nor a helper is taken for it.
            begun.detached?;
            find_main(&self.service, exec.pidfile.as_deref())?;
        }
        if let Some(check) = &exec.check {
            let how = {
                let report = self.command(check, end, &job.cancel);
                tokio::select! {
                    report = report => Ok(report),
                    how = begun.child.wait(), if begun.detached.is_none() => Err(how),
                }
            };
            return match how {
                Ok(report) if report.ended == (Ended::Exited { code: 0 }) => Some(Outcome::Running),
                Ok(report) if report.ended.is_never_begun() => Some(command_failed("check", check, &report)),
                Ok(report) => {
                    begun.last_check = Some(command_failed("check", check, &report));
                    None
                }
                Err(How::Code(0)) => {
                    begun.detached = Some(Instant::now());
                    self.commands.kill_all(KILL_WAIT).await;
                    None
                }
                Err(how) => Some(self.start_ended(how)),
            };
        }
        (begun.detached.unwrap_or(begun.since).elapsed() >= SETTLE).then_some(Outcome::Running)
    }
}

fn too_late(timeout: Duration, last_check: Option<&Outcome>) -> String {
    let said = match last_check {
        Some(Outcome::Failed { reason, .. }) => format!("; at last {reason}"),
        _ => String::new(),
    };
    format!("it was not active within {}{said}", length(timeout))
}
