//! How a command ends: text or JSON, and the exit code (`docs/reference/exit-codes.md`).

use crate::paint::{ColorWhen, Tone, paint};
use crate::{text, wall};
use ha_api::{ApiError, Envelope, ErrorBody};
use ha_model::{NodeId, WallMs};
use serde_json::Value;
use std::io::Write;
use std::process::ExitCode;

/// Exit codes. Their numbers are part of the interface.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Exit {
    /// Done.
    Done = 0,
    /// Refused, or tried and failed.
    Failed = 1,
    /// The command or the cluster file is wrong; nothing was asked of the cluster.
    Usage = 2,
    /// No daemon answered.
    Unreachable = 3,
    /// A daemon answered that no leader can be reached.
    NoLeader = 4,
    /// `status --check`: something is not as wished.
    NotAsWished = 5,
}

/// A command that was answered.
#[derive(Debug)]
pub(crate) struct Success {
    /// The node whose daemon answered.
    pub(crate) node: Option<NodeId>,
    /// When; `None`: no daemon was asked.
    pub(crate) at: Option<WallMs>,
    /// For people.
    pub(crate) text: String,
    /// For programs.
    pub(crate) data: Value,
    /// The exit code.
    pub(crate) exit: Exit,
}

/// A command that was not.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The exit code.
    pub(crate) exit: Exit,
    /// What happened, where, and what to do.
    pub(crate) error: Box<ErrorBody>,
    /// The node whose daemon refused.
    pub(crate) node: Option<NodeId>,
    /// Longer text for people instead of the message: an excerpt of a file.
    pub(crate) excerpt: Option<String>,
    /// What programs get besides the error.
    pub(crate) data: Option<Value>,
}

impl Failure {
    pub(crate) fn new(exit: Exit, code: &str, message: impl Into<String>, help: Option<String>) -> Failure {
        let error = Box::new(ErrorBody { code: code.to_owned(), message: message.into(), help });
        Failure { exit, error, node: None, excerpt: None, data: None }
    }

    /// A command that cannot be carried out as typed.
    pub(crate) fn usage(message: impl Into<String>) -> Failure {
        Failure::new(Exit::Usage, "usage", message, None)
    }

    pub(crate) fn answered_by(mut self, node: &NodeId) -> Failure {
        self.node = Some(node.clone());
        self
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Failure {
        let exit = match error {
            ApiError::Rejected(_) | ApiError::TooLong { .. } => Exit::Failed,
            ApiError::NotRunning { .. }
            | ApiError::NotPermitted { .. }
            | ApiError::Connect { .. }
            | ApiError::TimedOut { .. }
            | ApiError::Protocol { .. }
            | ApiError::AnswerTooLong { .. } => Exit::Unreachable,
        };
        Failure { exit, error: Box::new(error.body()), node: None, excerpt: None, data: None }
    }
}

/// Shows the end of a command.
pub(crate) fn show(
    command: &str,
    result: Result<Success, Failure>,
    json: bool,
    color: ColorWhen,
) -> ExitCode {
    let exit = match &result {
        Ok(success) => success.exit,
        Err(failure) => failure.exit,
    };
    if json {
        print(&format!("{}\n", envelope(command, result).line()));
    } else {
        match result {
            Ok(success) => {
                print(&success.text);
            }
            Err(failure) => {
                let words = words(&failure, color.wanted(&std::io::stderr()));
                // Nobody is left to be told when standard error is closed.
                let _ = std::io::stderr().write_all(words.as_bytes());
            }
        }
    }
    ExitCode::from(exit as u8)
}

/// The JSON form of an end.
pub(crate) fn envelope(command: &str, result: Result<Success, Failure>) -> Envelope {
    match result {
        Ok(s) => Envelope::new(command, s.node, s.at.unwrap_or_else(wall::now), Some(s.data), None),
        Err(f) => Envelope::new(command, f.node, wall::now(), f.data, Some(*f.error)),
    }
}

/// A failure for people: what happened and where on the first line, what to do on the next.
pub(crate) fn words(failure: &Failure, color: bool) -> String {
    let mut out = failure.excerpt.clone().unwrap_or_default();
    if out.is_empty() {
        let name = paint("hactl:", Tone::Bad, color);
        // A refused cluster file comes back with its excerpt, line by line.
        let lines: Vec<String> = failure.error.message.lines().map(text::harmless).collect();
        out = format!("{name} {}\n", lines.join("\n"));
    }
    if let Some(help) = &failure.error.help {
        out.push_str(&format!("       {}\n", text::harmless(help)));
    }
    out
}

/// Prints; a closed pipe (`hactl timeline | head`) is no failure. Says whether anybody still reads.
pub(crate) fn print(text: &str) -> bool {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_ok()
}
