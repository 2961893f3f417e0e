//! What passed, failed and was skipped; and how the runners of tests say it.

use std::fmt;
use std::ops::Add;

/// Numbers of tests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// They ran and held.
    pub passed: u64,
    /// They did not hold, did not end, or could not be started.
    pub failed: u64,
    /// They did not run.
    pub skipped: u64,
}

impl Count {
    /// A stage that is one check.
    pub fn of(is_good: bool) -> Self {
        if is_good { Self { passed: 1, ..Self::default() } } else { Self::failed(1) }
    }

    /// Failures.
    pub fn failed(failed: u64) -> Self {
        Self { failed, ..Self::default() }
    }

    /// Skips.
    pub fn skipped(skipped: u64) -> Self {
        Self { skipped, ..Self::default() }
    }

    /// Nothing failed, nothing was skipped.
    pub fn is_good(self) -> bool {
        self.failed == 0 && self.skipped == 0
    }

    /// With the exit code of the runner: a failure that the numbers do not show is one all the same.
    pub fn with_exit(self, is_success: bool) -> Self {
        if is_success || self.failed > 0 { self } else { self + Self::failed(1) }
    }
}

impl Add for Count {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            passed: self.passed + other.passed,
            failed: self.failed + other.failed,
            skipped: self.skipped + other.skipped,
        }
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

/// The last line of `cargo nextest run`: `Summary [ 1.2s] 10 tests run: 8 passed (1 slow), 1 failed, 1 timed out, …`.
///
/// Its `skipped` is left out: it counts tests that another stage runs.
pub fn nextest(line: &str) -> Option<Count> {
    let rest = line.trim_start().strip_prefix("Summary [")?;
    let (_, rest) = rest.split_once(']')?;
    let (run, outcomes) = rest.split_once(" run: ")?;
    let run = run.split_whitespace().next()?;
    // `3/10` when it was ended early: the others failed to run.
    let run: u64 = run.rsplit('/').next()?.parse().ok()?;
    let passed = number_before(outcomes, "passed").unwrap_or(0);
    Some(Count { passed, failed: run.saturating_sub(passed), skipped: 0 })
}

/// A line of `cargo test`: `test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; …`.
pub fn libtest(line: &str) -> Option<Count> {
    let rest = line.trim_start().strip_prefix("test result: ")?;
    Some(Count {
        passed: number_before(rest, "passed")?,
        failed: number_before(rest, "failed")?,
        skipped: number_before(rest, "ignored")?,
    })
}

fn number_before(text: &str, word: &str) -> Option<u64> {
    let before = text[..text.find(word)?].trim_end();
    before.rsplit([' ', '(', '.']).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nextest_says() {
        let count = |passed, failed| Some(Count { passed, failed, skipped: 0 });
        let good = "     Summary [   0.005s] 3 tests run: 3 passed, 2 skipped";
        assert_eq!(nextest(good), count(3, 0), "skipped there: other stages' tests");
        let bad =
            " Summary [ 61.2s] 10 tests run: 7 passed (2 slow, 1 leaky), 1 failed, 2 timed out, 0 skipped";
        assert_eq!(nextest(bad), count(7, 3));
        assert_eq!(nextest("Summary [ 1s] 1 test run: 0 passed, 1 failed, 0 skipped"), count(0, 1));
        assert_eq!(nextest("Summary [ 1s] 4/10 tests run: 3 passed, 1 failed, 0 skipped"), count(3, 7));
        assert_eq!(nextest("        PASS [   0.003s] a b"), None);
    }

    #[test]
    fn what_libtest_says() {
        let line = "test result: FAILED. 5 passed; 2 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.01s";
        assert_eq!(libtest(line), Some(Count { passed: 5, failed: 2, skipped: 1 }));
        assert_eq!(libtest("running 5 tests"), None);
    }

    #[test]
    fn a_skip_fails_and_an_exit_code_counts() {
        assert!(Count::of(true).is_good());
        assert!(!(Count::of(true) + Count::skipped(1)).is_good());
        assert_eq!(Count::of(true).with_exit(false), Count { passed: 1, failed: 1, skipped: 0 });
        assert_eq!(Count::failed(2).with_exit(false), Count::failed(2));
        assert_eq!(Count { passed: 3, failed: 1, skipped: 2 }.to_string(), "3 passed, 1 failed, 2 skipped");
    }
}
