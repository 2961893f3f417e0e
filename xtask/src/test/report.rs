//! The table at the end: where the time went, and what came of it.

use super::count::Count;
use std::fmt::Write;
use std::time::Duration;

/// A line of the table.
pub struct Line {
    /// Stage.
    pub name: String,
    /// How long it took; None when it was not run.
    pub time: Option<Duration>,
    /// What came of it.
    pub count: Count,
}

/// The table.
pub fn table(lines: &[Line], total: Duration) -> String {
    let mut out = String::new();
    let mut row = |name: &str, time: &str, rest: &str| {
        let _ = writeln!(out, "{}", format!("{name:<10} {time:>9}  {rest}").trim_end());
    };
    row("stage", "time", "result");
    for line in lines {
        let time = line.time.map_or("not run".to_owned(), clock);
        row(&line.name, &time, &line.count.to_string());
    }
    row("all", &clock(total), "");
    out
}

/// `1.2 s` or `3 min 05 s`.
fn clock(time: Duration) -> String {
    match time.as_secs() {
        0..60 => format!("{:.1} s", time.as_secs_f64()),
        s => format!("{}:{:02} min", s / 60, s % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_results_stand_in_columns() {
        let line =
            |name: &str, ms, count| Line { name: name.into(), time: Some(Duration::from_millis(ms)), count };
        let mut lines = vec![line("tidy", 1_234, Count::of(true)), line("tests", 185_900, Count::failed(2))];
        lines.push(Line { name: "demo".into(), time: None, count: Count::skipped(1) });
        let want = "stage           time  result\n\
                    tidy           1.2 s  1 passed, 0 failed, 0 skipped\n\
                    tests       3:05 min  0 passed, 2 failed, 0 skipped\n\
                    demo         not run  0 passed, 0 failed, 1 skipped\n\
                    all         3:07 min\n";
        assert_eq!(table(&lines, Duration::from_secs(187)), want);
    }
}
