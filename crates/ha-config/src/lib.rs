//! The cluster file: text in, model and diagnostics out.
//!
//! Pure: opens no file, asks no clock, reads no environment. It must not know how anything is executed; what
//! cannot be executed is refused here.
//!
//! Invariants: every mistake that can be told apart is reported at once; a model is built only from a file
//! without errors; whatever the text, nothing panics.

mod build;
mod change;
mod check;
mod code;
mod diagnostic;
mod diff;
mod duration;
mod hash;
pub mod limits;
mod name;
mod nearest;
mod parse;
mod raw;
mod read;
mod reference;
mod report;
pub mod schema;
mod secret;
mod syntax;
mod timing_fields;
mod walk;

pub use change::{Change, ChangeKind, Consequence, FORM_ANEW, Item, PACE_ANEW, Refused};
pub use code::Code;
pub use diagnostic::{Diagnostic, Diagnostics, Severity, Span, render};
pub use diff::diff;
pub use duration::format_duration;
pub use hash::{path_hash, sha256};
pub use nearest::nearest;
pub use parse::{Parsed, parse};
pub use reference::{section_markdown, timing_markdown, waivers_markdown};
