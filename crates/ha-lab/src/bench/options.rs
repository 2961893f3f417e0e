//! The command line of the benchmark.
//!
//! Must not know: how anything is measured.

use super::refused;
use super::row::{Row, Setting};
use crate::error::Result;
use nix::sys::statfs::{FsType, statfs};
use std::path::{Path, PathBuf};

/// What is wanted.
#[derive(clap::Subcommand)]
pub enum BenchCommand {
    /// Every failure of the first issue's table, judged by the outside client.
    Failover(Box<Options>),
    /// Makes the machine busy.
    #[command(hide = true)]
    Load {
        /// With what.
        #[command(subcommand)]
        what: super::load::Load,
    },
    /// Prints what the daemon of this host uses.
    #[command(hide = true)]
    Usage,
}

/// How it is measured.
#[derive(clap::Args, Clone)]
pub struct Options {
    /// The daemon.
    #[arg(long)]
    pub hanode: PathBuf,
    /// The command line.
    #[arg(long)]
    pub hactl: PathBuf,
    /// Directory of the fence agents.
    #[arg(long)]
    pub agents: PathBuf,
    /// Runs of each row.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    pub runs: u32,
    /// Pace of the cluster.
    #[arg(long, default_value = "both", value_parser = ["default", "fast", "both"])]
    pub profile: String,
    /// Only these rows.
    #[arg(long, value_delimiter = ',', value_name = "ROW", value_parser = row_words())]
    pub only: Vec<String>,
    /// Which tables: `first` (off_settle 0, memory), `second` (off_settle 1 s, disk), or both.
    #[arg(long, default_value = "both", value_parser = ["first", "second", "both"])]
    pub table: String,
    /// Where the lab of the first table is, in memory.
    #[arg(long, default_value = "/dev/shm/ha-bench")]
    pub dir: PathBuf,
    /// Where the lab of the second table and of the busy machine is, on a disk.
    #[arg(long, default_value = "/var/tmp/ha-bench")]
    pub disk_dir: PathBuf,
    /// How long idle nodes are looked at, in seconds.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    pub idle_s: u64,
    /// How long the busy machine is watched, in seconds.
    #[arg(long, default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..))]
    pub busy_s: u64,
    /// Write the tables to this file too.
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// Keep logs and timelines of runs that failed or missed their target in this directory.
    #[arg(long)]
    pub keep: Option<PathBuf>,
    /// What was built, for the head of the table.
    #[arg(long)]
    pub build: Option<String>,
}

fn row_words() -> clap::builder::PossibleValuesParser {
    Row::ALL.map(Row::word).into()
}

impl Options {
    /// The settings to measure under, in the order of the tables.
    pub fn settings(&self) -> Result<Vec<Setting>> {
        let mut out = Vec::new();
        for (table, off_settle_ms, dir) in [("first", 0, &self.dir), ("second", 1000, &self.disk_dir)] {
            if self.table != "both" && self.table != table {
                continue;
            }
            for profile in ["default", "fast"] {
                if self.profile == "both" || self.profile == profile {
                    out.push(Setting {
                        profile: profile.into(),
                        off_settle_ms,
                        dir: dir.clone(),
                        storage: storage(dir)?,
                    });
                }
            }
        }
        Ok(out)
    }

    /// The rows of a setting. What nothing is fenced in is measured once, in the first table; the busy machine saturates
    /// a disk, so it is in the second.
    pub fn rows(&self, setting: &Setting) -> Vec<Row> {
        let is_first = setting.off_settle_ms == 0;
        let is_wanted = |row: &Row| match row {
            _ if !self.only.is_empty() && !self.only.iter().any(|w| w == row.word()) => false,
            Row::Busy => !is_first,
            Row::Idle => is_first,
            _ => true,
        };
        Row::ALL.into_iter().filter(is_wanted).collect()
    }
}

/// The file system below which a directory will be, in words.
fn storage(dir: &Path) -> Result<String> {
    let there = dir.ancestors().find(|d| d.is_dir()).unwrap_or(Path::new("/"));
    let kind = statfs(there)
        .map_err(|e| refused(format!("cannot look at the file system of {}: {e}", there.display())))?
        .filesystem_type();
    let word = match kind {
        nix::sys::statfs::TMPFS_MAGIC => "tmpfs".to_owned(),
        nix::sys::statfs::EXT4_SUPER_MAGIC => "ext4".to_owned(),
        nix::sys::statfs::XFS_SUPER_MAGIC => "xfs".to_owned(),
        nix::sys::statfs::BTRFS_SUPER_MAGIC => "btrfs".to_owned(),
        nix::sys::statfs::OVERLAYFS_SUPER_MAGIC => "overlayfs".to_owned(),
        FsType(number) => format!("file system {number:#x}"),
    };
    Ok(format!("{word} ({})", there.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    fn options(line: &str) -> Options {
        let fixed = "bench --hanode /h --hactl /c --agents /a --dir /dev/shm --disk-dir / ";
        Line::parse_from((fixed.to_owned() + line).split_whitespace()).options
    }

    #[test]
    fn all_of_both_tables_by_default() {
        let all = options("");
        let settings = all.settings().unwrap();
        let of = |s: &Setting| (s.profile.clone(), s.off_settle_ms);
        let expected: Vec<_> = [("default", 0), ("fast", 0), ("default", 1000), ("fast", 1000)]
            .map(|(p, s)| (p.to_owned(), s))
            .into();
        assert_eq!(settings.iter().map(of).collect::<Vec<_>>(), expected);
        assert!(all.rows(&settings[0]).contains(&Row::Idle) && !all.rows(&settings[0]).contains(&Row::Busy));
        assert!(all.rows(&settings[2]).contains(&Row::Busy) && !all.rows(&settings[2]).contains(&Row::Idle));
    }

    #[test]
    fn only_some() {
        let some = options("--only kill,move --profile fast --table first");
        let settings = some.settings().unwrap();
        assert_eq!(settings.len(), 1);
        assert_eq!(some.rows(&settings[0]), [Row::Kill, Row::Move]);
    }
}
