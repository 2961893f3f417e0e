//! Where an item came from. Every item of the configuration and every wish of an operator carries it, so that
//! each decision can name the line that caused it.

use crate::time::WallMs;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Where an item came from.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Hash, Serialize, Deserialize)]
pub enum Origin {
    /// A place in a cluster file; line and column count from 1.
    File {
        /// File name as the operator gave it.
        name: String,
        /// Line, from 1.
        line: u32,
        /// Column, from 1.
        column: u32,
    },
    /// A line of an imported Pacemaker configuration.
    Cib {
        /// Line, from 1.
        line: u32,
    },
    /// An operator's command.
    Admin {
        /// Who asked (user name and node).
        who: String,
        /// When.
        when: WallMs,
        /// Until when the wish holds; `None`: until it is taken back.
        until: Option<WallMs>,
    },
    /// Nobody said it: the documented default.
    #[default]
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::File { name, line, column } => write!(f, "{name}:{line}:{column}"),
            Origin::Cib { line } => write!(f, "cib line {line}"),
            Origin::Admin { who, .. } => write!(f, "by {who}"),
            Origin::Default => f.write_str("default"),
        }
    }
}
