//! What the exit codes of an OCF agent mean.
//!
//! Source: Resource Agent API 1.1, "Return codes"; how an error counts is how the incumbents treat it.

use ha_model::Severity;

/// One exit code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Code {
    /// The code.
    pub code: i32,
    /// Its name in the standard, without `OCF_`.
    pub name: &'static str,
    /// In words, as the end of "exit code 5, …".
    pub words: &'static str,
    /// How a failure with it counts.
    pub severity: Severity,
}

const fn code(code: i32, name: &'static str, words: &'static str, severity: Severity) -> Code {
    Code { code, name, words, severity }
}

/// Done.
pub const SUCCESS: i32 = 0;
/// Cleanly stopped.
pub const NOT_RUNNING: i32 = 7;
/// What the agent needs is not installed here.
pub const INSTALLED: i32 = 5;
/// It runs in the promoted role.
pub const RUNNING_PROMOTED: i32 = 8;
/// It runs, but not well.
pub const DEGRADED: i32 = 190;
/// The same, promoted.
pub const DEGRADED_PROMOTED: i32 = 191;

/// Every code of the standard.
pub const CODES: [Code; 12] = [
    code(SUCCESS, "SUCCESS", "success", Severity::Soft),
    code(1, "ERR_GENERIC", "generic error", Severity::Soft),
    code(2, "ERR_ARGS", "its parameters are wrong here", Severity::Hard),
    code(3, "ERR_UNIMPLEMENTED", "it does not know this action", Severity::Hard),
    code(4, "ERR_PERM", "a permission is missing", Severity::Hard),
    code(INSTALLED, "ERR_INSTALLED", "what it needs is not installed here", Severity::Hard),
    code(6, "ERR_CONFIGURED", "its parameters are wrong everywhere", Severity::Fatal),
    code(NOT_RUNNING, "NOT_RUNNING", "not running", Severity::Soft),
    code(RUNNING_PROMOTED, "RUNNING_PROMOTED", "running, promoted", Severity::Soft),
    code(9, "FAILED_PROMOTED", "failed while promoted", Severity::Soft),
    code(DEGRADED, "DEGRADED", "running, degraded", Severity::Soft),
    code(DEGRADED_PROMOTED, "DEGRADED_PROMOTED", "running promoted, degraded", Severity::Soft),
];

/// How a failure with this exit code counts; one that the standard does not name is a soft one.
#[must_use]
pub fn severity(exit: i32) -> Severity {
    CODES.iter().find(|c| c.code == exit).map_or(Severity::Soft, |c| c.severity)
}

/// `exit code 5 (what it needs is not installed here)`.
#[must_use]
pub fn words(exit: i32) -> String {
    match CODES.iter().find(|c| c.code == exit) {
        Some(c) => format!("exit code {exit} ({})", c.words),
        None => format!("exit code {exit}, which the standard does not name"),
    }
}

/// Whether a monitor with this exit code says that it runs.
#[must_use]
pub fn runs(exit: i32) -> bool {
    matches!(exit, SUCCESS | RUNNING_PROMOTED | DEGRADED | DEGRADED_PROMOTED)
}
