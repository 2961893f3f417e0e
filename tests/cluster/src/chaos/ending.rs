//! Whatever ends the run leaves nothing behind: at a signal its labs end in order and their directory goes.
//!
//! Must not know: what runs. After SIGKILL a lab ends by itself (its lifeline is a pipe); what it leaves in memory is
//! removed by the next run. Invariant: made before any other thread, so that no thread gets the signals.

use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Beginning of the names of the directories; the rest is the process id.
const PREFIX: &str = "ha-chaos-";
/// Labs that were told to end are gone within this time.
const END_WAIT: Duration = Duration::from_secs(12);
/// So long no child has been seen: none is being started any more.
const CALM: Duration = Duration::from_millis(300);
/// Exit code after a signal, as a shell gives it for Ctrl-C.
const INTERRUPTED: i32 = 130;

static IS_ENDING: AtomicBool = AtomicBool::new(false);

/// Makes the directory for this run's clusters below `base`. From now on a signal ends in order.
pub fn begin(base: &Path) -> io::Result<PathBuf> {
    let mut signals = SigSet::empty();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        signals.add(signal);
    }
    signals.thread_block()?;
    sweep(base)?;
    let dir = base.join(format!("{PREFIX}{}", std::process::id()));
    fs::create_dir_all(&dir)?;
    let told = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        // What fails because its lab was told to end is no failure.
        stand_aside();
        told(panic);
    }));
    let own = dir.clone();
    std::thread::spawn(move || {
        let signal = signals.wait();
        IS_ENDING.store(true, Ordering::SeqCst);
        eprintln!("chaos: {}: the lab ends", signal.map_or("a signal", Signal::as_str));
        end_children();
        let _ = fs::remove_dir_all(&own);
        std::process::exit(INTERRUPTED);
    });
    Ok(dir)
}

/// Holds the caller for ever once a signal has come: the run ends without its word.
pub fn stand_aside() {
    while IS_ENDING.load(Ordering::SeqCst) {
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// Removes what a run that was killed has left.
fn sweep(base: &Path) -> io::Result<()> {
    for entry in fs::read_dir(base)?.flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|n| n.strip_prefix(PREFIX)).and_then(|p| p.parse::<u32>().ok());
        if pid.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    Ok(())
}

fn end_children() {
    let end = Instant::now() + END_WAIT;
    let mut calm_since = Instant::now();
    while Instant::now() < end && calm_since.elapsed() < CALM {
        let children = children();
        if !children.is_empty() {
            calm_since = Instant::now();
        }
        for pid in children {
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Our own children that have not ended.
fn children() -> Vec<i32> {
    let own = std::process::id();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let fields = stat.rsplit_once(") ").map(|(_, rest)| rest.split_whitespace().collect::<Vec<_>>());
        fields.is_some_and(|f| f.first() != Some(&"Z") && f.get(1) == Some(&own.to_string().as_str()))
    })
    .collect()
}
