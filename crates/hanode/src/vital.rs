//! Threads without which the daemon must not live on: the core's, the store's, the heartbeats'.
//!
//! A guard travels with what such a thread owns and is dropped when the thread ends, however it ends. Unless the
//! daemon is starting or ending, the process then ends too, at once and from that thread: no other part of a daemon
//! that is half dead has to work for it. A process that is gone is seen by its peers and by the service manager; a
//! socket that still answers is not. Must not know: what the threads do.

use std::cell::RefCell;
use std::fmt;
use std::io::Write;
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

/// Exit code of a daemon that lost a thread or halted: EX_SOFTWARE of sysexits(3).
const FALLEN: i32 = 70;

/// Why the daemon cannot go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fall {
    /// A thread ended that nobody asked to end.
    Ended {
        /// Which.
        thread: &'static str,
        /// Its last words, when it panicked.
        panic: Option<String>,
    },
    /// The core says that this node cannot follow the others.
    Halted {
        /// Why, and what to do.
        why: String,
    },
}

impl fmt::Display for Fall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fall::Ended { thread, panic } => {
                write!(f, "hanode ends: its {thread} thread ")?;
                match panic {
                    Some(panic) => write!(f, "panicked ({panic})")?,
                    None => f.write_str("ended by itself")?,
                }
                f.write_str(
                    "; resources go on as they are; start hanode again if the service manager does not, and report this line",
                )
            }
            Fall::Halted { why } => write!(f, "hanode ends: {why}; resources go on as they are"),
        }
    }
}

/// What becomes of a fall.
enum Phase {
    /// The threads are being started: it is kept until all of them are.
    Starting(Option<Fall>),
    /// It ends the process.
    Watching,
    /// The threads are being ended: it is none.
    Ending,
}

type OnFall = Box<dyn Fn(&Fall) + Send + Sync>;

/// The watch over the threads.
pub struct Vitals(Arc<Shared>);

struct Shared {
    phase: Mutex<Phase>,
    on_fall: OnFall,
}

impl Vitals {
    /// A fall is told in one line, and ends the process.
    pub fn new() -> Self {
        remember_panics();
        Self::with(Box::new(|fall| {
            // Nobody is left to hear of it.
            let _ = writeln!(std::io::stderr(), "{fall}");
            std::process::exit(FALLEN);
        }))
    }

    fn with(on_fall: OnFall) -> Self {
        Self(Arc::new(Shared { phase: Mutex::new(Phase::Starting(None)), on_fall }))
    }

    /// A guard for a thread, to be owned by it.
    pub fn guard(&self, thread: &'static str) -> Guard {
        Guard { thread, shared: Arc::clone(&self.0) }
    }

    /// All threads are started: from now on, and if it happened already, a fall ends the process.
    pub fn watch(&self) {
        if let Phase::Starting(Some(fall)) = self.0.enter(Phase::Watching) {
            (self.0.on_fall)(&fall);
        }
    }

    /// The threads are about to be ended.
    pub fn end(&self) {
        self.0.enter(Phase::Ending);
    }
}

impl Shared {
    fn enter(&self, phase: Phase) -> Phase {
        mem::replace(&mut self.phase.lock().unwrap_or_else(PoisonError::into_inner), phase)
    }

    fn fallen(&self, fall: Fall) {
        let is_watched = match &mut *self.phase.lock().unwrap_or_else(PoisonError::into_inner) {
            Phase::Starting(first) => {
                first.get_or_insert_with(|| fall.clone());
                false
            }
            Phase::Watching => true,
            Phase::Ending => false,
        };
        // Not under the lock: another thread may fall meanwhile.
        if is_watched {
            (self.on_fall)(&fall);
        }
    }
}

/// Owned by a thread; its drop is the thread's end.
pub struct Guard {
    thread: &'static str,
    shared: Arc<Shared>,
}

impl Guard {
    /// Does nothing: a closure that calls it owns the guard, and is dropped with its thread.
    pub fn keep(&self) {}

    /// The thread itself says that the daemon cannot go on.
    pub fn halt(&self, why: String) {
        self.shared.fallen(Fall::Halted { why });
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let panic = std::thread::panicking().then(|| LAST_PANIC.take());
        self.shared.fallen(Fall::Ended { thread: self.thread, panic });
    }
}

thread_local! {
    /// The newest panic of this thread, in one line.
    static LAST_PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

/// A guard that is dropped by a panic cannot see it: the words are kept for it, beside what is printed anyway.
fn remember_panics() {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let line = info.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        LAST_PANIC.set(line.trim_start_matches("panicked at ").to_owned());
        print(info);
    }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::thread;

    fn vitals() -> (Vitals, mpsc::Receiver<Fall>) {
        remember_panics();
        let (falls, fallen) = mpsc::channel();
        (Vitals::with(Box::new(move |fall| falls.send(fall.clone()).expect("the test waits"))), fallen)
    }

    /// A thread that owns its guard as the daemon's do; the test waits for its end.
    fn ended(vitals: &Vitals, body: impl FnOnce() + Send + 'static) {
        let guard = vitals.guard("core");
        let body = move || {
            guard.keep();
            body();
        };
        // The panic is the test's.
        let _ = thread::spawn(body).join();
    }

    #[test]
    fn a_panic_is_a_fall_that_says_which_thread_and_why() {
        let (vitals, fallen) = vitals();
        vitals.watch();
        ended(&vitals, || panic!("S5: two leaders\nin term {}", 7));
        let fall = fallen.try_recv().expect("a fall").to_string();
        for part in ["its core thread", "vital.rs", "S5: two leaders in term 7", "start hanode again"] {
            assert!(fall.contains(part), "{part:?} is not in {fall:?}");
        }
        assert_eq!(fall.lines().count(), 1, "one line: {fall}");
    }

    #[test]
    fn an_end_without_a_panic_is_a_fall_too_and_an_earlier_panic_that_was_caught_is_not_its_reason() {
        let (vitals, fallen) = vitals();
        vitals.watch();
        ended(&vitals, || drop(std::panic::catch_unwind(|| panic!("a planner"))));
        assert_eq!(fallen.try_recv(), Ok(Fall::Ended { thread: "core", panic: None }));
    }

    #[test]
    fn an_end_during_the_start_is_told_once_all_is_started() {
        let (vitals, fallen) = vitals();
        ended(&vitals, || ());
        assert_eq!(fallen.try_recv(), Err(mpsc::TryRecvError::Empty), "a start that fails has its own words");
        vitals.watch();
        assert!(fallen.try_recv().is_ok());
    }

    #[test]
    fn an_end_that_was_asked_for_is_no_fall() {
        let (vitals, fallen) = vitals();
        vitals.watch();
        vitals.end();
        ended(&vitals, || ());
        assert_eq!(fallen.try_recv(), Err(mpsc::TryRecvError::Empty));
    }

    #[test]
    fn a_halt_says_what_the_core_said() {
        let (vitals, fallen) = vitals();
        vitals.watch();
        vitals.guard("core").halt("upgrade hanode on this node".to_owned());
        let fall = fallen.try_recv().expect("a fall").to_string();
        assert!(fall.contains("upgrade hanode on this node"), "{fall}");
    }
}
