//! The machine under the figures, and how loaded it was.
//!
//! Must not know: clusters.

use super::stats::Summary;
use crate::web_ask;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How often the service is started to know its own start.
const STARTS: u32 = 5;
/// A start that takes longer is given up.
const START_LIMIT: Duration = Duration::from_secs(5);

/// What it is.
pub struct Machine {
    head: Vec<(&'static str, String)>,
    load: String,
    /// From starting the service's program to its first answer, without any cluster, milliseconds.
    pub own_start: Option<Summary>,
}

impl Machine {
    /// Looks, and starts the service a few times.
    pub fn look(build: Option<&str>) -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let cpu = read("/proc/cpuinfo");
        let model =
            cpu.lines().find_map(|l| l.strip_prefix("model name")?.split_once(':').map(|m| m.1.trim()));
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let memory = read("/proc/meminfo");
        let kib = memory.split_whitespace().nth(1).and_then(|n| n.parse::<u64>().ok()).unwrap_or(0);
        let how = if cfg!(debug_assertions) { "without optimisation" } else { "release" };
        let build = build.map_or_else(|| how.to_owned(), |text| format!("{how}, {text}"));
        Self {
            head: vec![
                ("date", date()),
                ("processors", format!("{cores} × {}", model.unwrap_or("unknown"))),
                ("memory", format!("{:.1} GiB", kib as f64 / 1024.0 / 1024.0)),
                ("kernel", read("/proc/sys/kernel/osrelease").trim().to_owned()),
                ("build", build),
            ],
            load: load(),
            own_start: Summary::of((0..STARTS).filter_map(|_| own_start_ms())),
        }
    }

    /// The head of the document.
    pub fn markdown(&self) -> String {
        let mut out = String::from("| machine | |\n| --- | --- |\n");
        for (name, value) in &self.head {
            out += &format!("| {name} | {value} |\n");
        }
        out += &format!("| load average over 1, 5, 15 minutes, before | {} |\n", self.load);
        let own = self.own_start.map_or("not known".to_owned(), |s| {
            format!(
                "{:.0} / {:.0} / {:.0} ms (smallest, median, largest of {STARTS})",
                s.min, s.median, s.max
            )
        });
        out + &format!("| the service's own start, no cluster | {own} |\n")
    }
}

/// The load average over 1, 5 and 15 minutes.
pub fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

/// `YYYY-MM-DD HH:MM UTC`; empty where nobody tells.
fn date() -> String {
    let out = Command::new("date").args(["-u", "+%Y-%m-%d %H:%M UTC"]).output();
    out.map_or(String::new(), |out| String::from_utf8_lossy(&out.stdout).trim().to_owned())
}

/// One start of the service on loopback.
fn own_start_ms() -> Option<f64> {
    let free = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).ok()?;
    let program = crate::spawn::own_program().ok()?;
    let began = Instant::now();
    let mut service = Command::new(program)
        .args(["web", "--listen", &free.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .ok()?;
    let answered = first_answer(free, began);
    let _ = service.kill();
    let _ = service.wait();
    answered.map(|d| d.as_secs_f64() * 1000.0)
}

fn first_answer(at: SocketAddr, began: Instant) -> Option<Duration> {
    while began.elapsed() < START_LIMIT {
        if web_ask::ask(at, Duration::from_millis(50)).is_ok() {
            return Some(began.elapsed());
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_is_that_of_this_year_or_later() {
        let date = date();
        assert!(date.as_str() > "2026" && date.ends_with(" UTC"), "{date}");
    }

    #[test]
    fn the_head_names_the_load() {
        let machine = Machine {
            head: vec![("kernel", "6.1".into())],
            load: "0.1 0.2 0.3".into(),
            own_start: Summary::of([4.0]),
        };
        let text = machine.markdown();
        assert!(text.contains("| kernel | 6.1 |"));
        assert!(text.contains("before | 0.1 0.2 0.3 |"));
    }
}
