//! Processor time that the hypervisor gave to others: a virtual machine stands still meanwhile, and no program on it can
//! know. Without it a slow run looks like a slow program.
//!
//! Must not know: what runs.

use std::fs;

/// A run in which more was taken tells of the hypervisor, not of the cluster: it is shown, but not counted. On a quiet host
/// it is below 1 %.
pub const DISTURBED_PERCENT: f64 = 5.0;

/// Where the count began.
#[derive(Debug, Clone, Copy)]
pub struct Stolen {
    all: u64,
    stolen: u64,
}

impl Stolen {
    /// Counts from now on.
    pub fn begin() -> Self {
        Self::parse(&fs::read_to_string("/proc/stat").unwrap_or_default())
    }

    /// Of the time of all processors since then, the part that was taken away, percent.
    pub fn percent(self) -> f64 {
        self.until(Self::begin())
    }

    fn until(self, end: Self) -> f64 {
        let all = end.all.saturating_sub(self.all).max(1);
        end.stolen.saturating_sub(self.stolen) as f64 * 100.0 / all as f64
    }

    /// The first line: user, nice, system, idle, iowait, irq, softirq, steal (proc_stat(5)); guest time is in user's.
    fn parse(text: &str) -> Self {
        let fields = text.lines().next().unwrap_or_default().split_whitespace().skip(1).take(8);
        let ticks: Vec<u64> = fields.filter_map(|f| f.parse().ok()).collect();
        Self { all: ticks.iter().sum(), stolen: ticks.get(7).copied().unwrap_or(0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_is_a_part_of_all() {
        let begin = Stolen::parse("cpu  100 0 50 800 10 0 0 40 7 0\ncpu0 1 2 3");
        let end = Stolen::parse("cpu  110 0 60 860 10 0 0 60 9 0\n");
        assert!((begin.until(end) - 20.0).abs() < 1e-9, "{}", begin.until(end));
        assert_eq!(begin.until(begin), 0.0, "no time passed");
    }
}
