//! What is measured, under which setting, against which target.
//!
//! Must not know: how. The targets are those of the first issue (docs/reference/figures.md repeats them).

use std::path::PathBuf;

/// How the owner is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// Its power goes.
    PowerOff,
    /// Every process stops where it is; its kernel still answers.
    Freeze,
    /// Nothing passes from or to it, the power switches included.
    Cut,
}

/// One line of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Row {
    /// The owner is lost.
    Fail {
        /// How.
        how: How,
        /// It leads the cluster too.
        leads: bool,
    },
    /// The service's process is killed.
    Kill,
    /// The service is moved by the operator.
    Move,
    /// Power comes back to every node at once.
    ColdStart,
    /// What the daemons use when nothing happens.
    Idle,
    /// Nothing happens on a machine that is as busy as it can be.
    Busy,
}

const fn fail(how: How, leads: bool) -> Row {
    Row::Fail { how, leads }
}

impl Row {
    /// Every row, in the order of the table.
    pub const ALL: [Self; 11] = [
        fail(How::PowerOff, false),
        fail(How::Freeze, false),
        fail(How::Cut, false),
        fail(How::PowerOff, true),
        fail(How::Freeze, true),
        fail(How::Cut, true),
        Self::Kill,
        Self::Move,
        Self::ColdStart,
        Self::Idle,
        Self::Busy,
    ];

    /// Its word on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Fail { how: How::PowerOff, leads: false } => "power-off",
            Self::Fail { how: How::Freeze, leads: false } => "freeze",
            Self::Fail { how: How::Cut, leads: false } => "cut",
            Self::Fail { how: How::PowerOff, leads: true } => "power-off-leading",
            Self::Fail { how: How::Freeze, leads: true } => "freeze-leading",
            Self::Fail { how: How::Cut, leads: true } => "cut-leading",
            Self::Kill => "kill",
            Self::Move => "move",
            Self::ColdStart => "cold-start",
            Self::Idle => "idle",
            Self::Busy => "busy",
        }
    }

    /// What is measured, in words.
    pub fn title(self) -> &'static str {
        match self {
            Self::Fail { how: How::PowerOff, leads: false } => "power-off of the owner: outage",
            Self::Fail { how: How::Freeze, leads: false } => "owner frozen: outage",
            Self::Fail { how: How::Cut, leads: false } => "owner cut off: outage",
            Self::Fail { how: How::PowerOff, leads: true } => "power-off, the owner leads too: outage",
            Self::Fail { how: How::Freeze, leads: true } => "frozen, the owner leads too: outage",
            Self::Fail { how: How::Cut, leads: true } => "cut off, the owner leads too: outage",
            Self::Kill => "service process killed: outage",
            Self::Move => "planned move: outage",
            Self::ColdStart => "cold start of three nodes: power-on to answer",
            Self::Idle => "idle",
            Self::Busy => "false suspicion on a busy machine",
        }
    }

    /// Whether it is run as often as asked for; the others take their samples within one run.
    pub fn is_repeated(self) -> bool {
        !matches!(self, Self::Idle | Self::Busy)
    }

    /// The target in milliseconds for the median; None: reported only. `own_start_ms`: the service's own start.
    pub fn target_ms(self, setting: &Setting, own_start_ms: f64) -> Option<f64> {
        let settle = setting.off_settle_ms as f64;
        let is_fast = setting.profile == "fast";
        match self {
            Self::Fail { leads: false, .. } => Some(settle + if is_fast { 300.0 } else { 1200.0 }),
            Self::Fail { leads: true, .. } => Some(settle + if is_fast { 400.0 } else { 1400.0 }),
            Self::Kill => Some(100.0 + own_start_ms),
            Self::Move => Some(150.0),
            Self::ColdStart => Some(3000.0),
            Self::Idle | Self::Busy => None,
        }
    }
}

/// Under what it is measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// `default` or `fast`.
    pub profile: String,
    /// Distance of the two readings that prove power off.
    pub off_settle_ms: u64,
    /// Where the lab with its data directories is.
    pub dir: PathBuf,
    /// File system of it, in words.
    pub storage: String,
}

impl Setting {
    /// Whether the first issue promises figures of idle and busy nodes for this profile; else they are reported.
    pub fn is_promised_quiet(&self) -> bool {
        self.profile != "fast"
    }

    /// In words.
    pub fn title(&self) -> String {
        format!(
            "profile `{}`, off_settle {} ms, data directories on {}",
            self.profile, self.off_settle_ms, self.storage
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_follow_profile_and_settling() {
        let setting = |profile: &str, off_settle_ms| Setting {
            profile: profile.into(),
            off_settle_ms,
            dir: "/x".into(),
            storage: "tmpfs".into(),
        };
        let target = |row: Row, profile, settle| row.target_ms(&setting(profile, settle), 7.0);
        assert_eq!(target(Row::ALL[0], "default", 0), Some(1200.0));
        assert_eq!(target(Row::ALL[0], "fast", 0), Some(300.0));
        assert_eq!(target(Row::ALL[5], "fast", 1000), Some(1400.0));
        assert_eq!(target(Row::Kill, "fast", 1000), Some(107.0), "nothing is fenced there");
    }

    #[test]
    fn words_are_unique() {
        let words: std::collections::BTreeSet<_> = Row::ALL.iter().map(|r| r.word()).collect();
        assert_eq!(words.len(), Row::ALL.len());
    }
}
