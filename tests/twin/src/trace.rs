//! What is printed of one schedule that is looked at hop by hop. Silent in every other run.

use std::sync::atomic::{AtomicBool, Ordering};

static ON: AtomicBool = AtomicBool::new(false);

/// From now on `say` prints.
pub fn begin() {
    ON.store(true, Ordering::Relaxed);
}

/// Whether it does.
pub fn is_on() -> bool {
    ON.load(Ordering::Relaxed)
}

/// Prints what is made only then.
pub fn say(line: impl FnOnce() -> String) {
    if is_on() {
        println!("{}", line());
    }
}
