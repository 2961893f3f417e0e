//! Stopping a service: its stop command or SIGTERM, then SIGKILL, then a look whether it is gone.
//!
//! Must not know: the cluster. Invariants (S7): success only when the stop command said so and no process is left; where
//! the start left no process, there is none to see the end of, so its check must have failed; what is not known is no
//! success.

use super::record::Stage;
use super::{Exec, NEEDS_BOTH, Service, command_failed};
use crate::cancel::Cancel;
use crate::job::Outcome;
use crate::leash::Leash;
use crate::runner::{Ended, KILL_WAIT};
use nix::sys::signal::Signal;
use std::time::Duration;
use tokio::time::Instant;

/// Part of a stop's time that is kept for SIGKILL, so that a service which ignores SIGTERM is still stopped in time.
const KILL_SHARE: u32 = 4;
/// Names of survivors in a reason; more would not make it clearer.
const SURVIVORS_NAMED: usize = 3;
/// Pause between two checks of whether a service without process is gone.
const LOOK_PAUSE: Duration = Duration::from_millis(20);

impl Service {
    pub(super) async fn stop(&mut self, exec: &Exec, end: Instant, cancel: &Cancel) -> Outcome {
        self.adopt(exec);
        let reserve = (end.saturating_duration_since(Instant::now()) / KILL_SHARE).min(KILL_WAIT);
        let grace_end = end - reserve;
        let had_process = !self.service.is_empty();
        let mut refused = None;
        if self.record.is_started() || had_process {
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
        if let Err(why) = self.see_it_gone(exec, had_process, end, cancel).await {
            return Outcome::failed(why);
        }
        if let Err(e) = self.record.end() {
            return Outcome::failed(format!("all processes ended, but noting that failed: {e}"));
        }
        self.service.remove();
        self.commands.remove();
        Outcome::NotRunning
    }

    /// After the end of its processes, of which it may have had none.
    async fn see_it_gone(
        &self,
        exec: &Exec,
        had_process: bool,
        end: Instant,
        cancel: &Cancel,
    ) -> Result<(), String> {
        match (self.record.stage(), &exec.stop, &exec.check) {
            (Some(Stage::Processless), _, Some(check)) => {
                self.until_check_fails(exec, check, end, cancel).await
            }
            // Such a start has failed, and nobody says that it leaves anything: `start = "echo hello"` is no reason to cut
            // one node after the other. Programs that are known to leave something are refused in the cluster file.
            (Some(Stage::Processless), None, None) => Ok(()),
            // Whether that start left a process was not seen.
            (Some(Stage::Starting), None, Some(check)) if !had_process => {
                self.until_check_fails(exec, check, end, cancel).await
            }
            // A start command that leaves no process and has no check never succeeded: the stop command's word is all.
            (Some(Stage::Processless), Some(_), None) => Ok(()),
            (Some(Stage::Starting | Stage::Held) | None, ..) => Ok(()),
        }
    }

    async fn until_check_fails(
        &self,
        exec: &Exec,
        check: &[String],
        end: Instant,
        cancel: &Cancel,
    ) -> Result<(), String> {
        let mut has_passed = false;
        loop {
            let report = self.command(check, end, cancel).await;
            match report.ended {
                Ended::Exited { code: 0 } => has_passed = true,
                Ended::Exited { .. } => return Ok(()),
                Ended::TimedOut { .. } if has_passed => {}
                _ => {
                    let why = command_failed("check", check, &report);
                    return Err(format!("whether it has stopped is not known: {why}"));
                }
            }
            if Instant::now() + LOOK_PAUSE >= end {
                return Err(match exec.stop {
                    Some(_) => "the stop command exited with code 0, but the check still passes".into(),
                    None => format!("it has no process to end, and its check passes: {NEEDS_BOTH}"),
                });
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_PAUSE) => {}
                () = cancel.cancelled() => return Err("the stop was cancelled".into()),
            }
        }
    }
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
