//! Runs one program to its end: in its leash, within its time, with bounded output.
//!
//! Must not know: resources, fencing. Invariants: when `run` returns, nothing the program started is alive, unless the
//! report names survivors; dropping the future kills what runs.

use crate::cancel::Cancel;
use crate::child;
use crate::gate::Gate;
use crate::leash::Leash;
use crate::output::Output;
use crate::spawn::{Failure, Stage};
use ha_model::length;
use nix::errno::Errno;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Duration;
use tokio::net::unix::pipe::Receiver;
use tokio::time::{Instant, timeout};

/// How long a killed process may take to vanish before it is reported as a survivor: only one stuck in the kernel (a
/// dead disk) takes longer than milliseconds.
pub const KILL_WAIT: Duration = Duration::from_secs(2);
/// How long output may still arrive after the last process is gone; it is in the pipe already.
const DRAIN_WAIT: Duration = Duration::from_millis(100);

/// A program to run to its end.
#[derive(Clone, Debug)]
pub struct Program {
    /// The program and its arguments. A name without `/` is searched in `PATH` of `env`.
    pub argv: Vec<String>,
    /// The whole environment.
    pub env: BTreeMap<String, String>,
    /// Standard input (in anonymous memory, never in a file).
    pub stdin: Vec<u8>,
    /// Killed after this.
    pub timeout: Duration,
    /// Checked in the child just before it executes the program.
    pub gate: Gate,
    /// Whether the kernel kills the program when this daemon dies.
    pub dies_with_daemon: bool,
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// By itself.
    Exited {
        /// Its exit code.
        code: i32,
    },
    /// Killed by a signal that was not ours.
    Signalled {
        /// The signal.
        signal: i32,
    },
    /// Killed by us at its deadline.
    TimedOut {
        /// The time it was given.
        after: Duration,
    },
    /// Killed by us because the caller no longer wants it.
    Cancelled,
    /// There is no such program.
    NotFound {
        /// What was looked for.
        path: String,
    },
    /// There is such a file, but it cannot be executed.
    NotExecutable {
        /// The file.
        path: PathBuf,
        /// Why, and what to do.
        why: String,
    },
    /// The grant ended before the program was executed; nothing was begun.
    GrantLapsed,
    /// It was executed, but how it ended is not known.
    Lost {
        /// Why not.
        why: String,
    },
    /// The system refused a new process; nothing was begun.
    SpawnFailed {
        /// The step and the system's reason.
        why: String,
    },
}

impl Ended {
    /// Whether the program was never executed.
    #[must_use]
    pub fn is_never_begun(&self) -> bool {
        matches!(
            self,
            Self::NotFound { .. } | Self::NotExecutable { .. } | Self::GrantLapsed | Self::SpawnFailed { .. }
        )
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited { code } => write!(f, "exited with code {code}"),
            Self::Signalled { signal } => write!(f, "was killed by {}", signal_name(*signal)),
            Self::TimedOut { after } => write!(f, "did not end within {} and was killed", length(*after)),
            Self::Cancelled => f.write_str("was cancelled"),
            Self::NotFound { path } => write!(f, "program {path} does not exist"),
            Self::NotExecutable { path, why } => {
                write!(f, "program {} cannot be executed: {why}", path.display())
            }
            Self::GrantLapsed => f.write_str("was not begun: the grant to run it had lapsed"),
            Self::Lost { why } => write!(f, "ended in an unknown way: {why}"),
            Self::SpawnFailed { why } => write!(f, "could not be started: {why}"),
        }
    }
}

/// `SIGKILL` for 9.
#[must_use]
pub fn signal_name(signal: i32) -> String {
    nix::sys::signal::Signal::try_from(signal)
        .map_or_else(|_| format!("signal {signal}"), |s| s.as_str().to_owned())
}

/// What is known when it is over.
#[derive(Clone, Debug)]
pub struct Report {
    /// How it ended.
    pub ended: Ended,
    /// Standard output.
    pub stdout: Output,
    /// Standard error.
    pub stderr: Output,
    /// From the call to the end of the last process.
    pub took: Duration,
    /// Processes that SIGKILL did not end within [`KILL_WAIT`].
    pub survivors: BTreeSet<i32>,
}

impl Report {
    /// The last line of standard error, else of standard output.
    #[must_use]
    pub fn last_line(&self) -> Option<String> {
        self.stderr.last_line().or_else(|| self.stdout.last_line())
    }
}

/// Kills what is in the leash when the run is dropped half-way.
struct KillOnDrop<'a>(Option<&'a Leash>);

impl Drop for KillOnDrop<'_> {
    fn drop(&mut self) {
        if let Some(leash) = self.0 {
            leash.kill();
        }
    }
}

/// Runs the program in the leash, which must be this job's own.
pub async fn run(program: Program, leash: &Leash, cancel: &Cancel) -> Report {
    let began = Instant::now();
    let (mut stdout, mut stderr) = (Output::default(), Output::default());
    let report =
        |ended, stdout, stderr, survivors| Report { ended, stdout, stderr, took: began.elapsed(), survivors };
    let pipes = match (output_pipe(), output_pipe()) {
        (Ok(out), Ok(err)) => (out, err),
        (Err(e), _) | (_, Err(e)) => {
            let why = format!("making a pipe failed: {e}");
            return report(Ended::SpawnFailed { why }, stdout, stderr, BTreeSet::new());
        }
    };
    let ((out_read, out_write), (err_read, err_write)) = pipes;
    let prepared = match child::prepare(&program, leash, out_write, err_write) {
        Ok(prepared) => prepared,
        Err(ended) => return report(ended, stdout, stderr, BTreeSet::new()),
    };

    let mut guard = KillOnDrop(Some(leash));
    let mut child = None;
    let ended = {
        let program_path = prepared.path.clone();
        let drive = async {
            let started = child.insert(child::launch(prepared, leash).await?);
            Ok(started.wait().await)
        };
        let readers = async { tokio::join!(stdout.read_from(out_read), stderr.read_from(err_read)) };
        tokio::pin!(readers);
        // Both outputs may end long before the program does.
        let mut is_drained = false;
        let work = async {
            tokio::pin!(drive);
            loop {
                tokio::select! {
                    how = &mut drive => break how,
                    _ = &mut readers, if !is_drained => is_drained = true,
                }
            }
        };
        let ended = tokio::select! {
            done = timeout(program.timeout, work) => match done {
                Ok(Ok(how)) => how.into(),
                Ok(Err(failure)) => explain(failure, &program_path),
                Err(_) => Ended::TimedOut { after: program.timeout },
            },
            () = cancel.cancelled() => Ended::Cancelled,
        };
        leash.kill_all(KILL_WAIT).await;
        while !is_drained && timeout(DRAIN_WAIT, &mut readers).await.is_ok() {
            is_drained = true;
        }
        ended
    };
    guard.0 = None;
    drop(child);
    let survivors = leash.members();
    leash.remove();
    report(ended, stdout, stderr, survivors)
}

fn output_pipe() -> std::io::Result<(Receiver, OwnedFd)> {
    let (read, write) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC)?;
    Ok((Receiver::from_owned_fd(read)?, write))
}

/// The outcome of a program that was not executed.
pub(crate) fn explain(failure: Failure, path: &std::path::Path) -> Ended {
    let (path, errno) = (path.to_path_buf(), failure.errno);
    match (failure.stage, errno) {
        (Stage::Gate, _) => Ended::GrantLapsed,
        (Stage::Exec, Errno::ENOENT) if path.exists() => {
            let why = match child::interpreter(&path) {
                Some(name) => format!("its interpreter {name} (first line) does not exist"),
                None => "the loader or library it needs does not exist".into(),
            };
            Ended::NotExecutable { path, why }
        }
        (Stage::Exec, Errno::ENOENT | Errno::ENOTDIR) => Ended::NotFound { path: path.display().to_string() },
        (Stage::Exec, Errno::ENOEXEC) => {
            let why =
                "it is neither a program for this machine nor a script with a first line like `#!/bin/sh`"
                    .into();
            Ended::NotExecutable { path, why }
        }
        (Stage::Exec, Errno::EACCES) => {
            let why = "permission denied (file mode, or a file system mounted noexec)".into();
            Ended::NotExecutable { path, why }
        }
        (Stage::Following, errno) => {
            Ended::Lost { why: format!("it could not be waited for: {}", errno.desc()) }
        }
        (stage, errno) => Ended::SpawnFailed { why: format!("{} failed: {}", stage.words(), errno.desc()) },
    }
}

impl From<child::How> for Ended {
    fn from(how: child::How) -> Self {
        match how {
            child::How::Code(code) => Self::Exited { code },
            child::How::Signal(signal) => Self::Signalled { signal },
            child::How::Unknown => Self::Lost { why: "another part of the daemon collected its end".into() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_of_a_time_limit_is_told_in_round_figures() {
        let after = Duration::from_nanos(749_959_310);
        assert_eq!(Ended::TimedOut { after }.to_string(), "did not end within 750 ms and was killed");
    }
}
