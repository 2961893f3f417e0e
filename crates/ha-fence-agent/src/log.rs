//! Messages for people on standard error, with every known secret blanked out.
//!
//! Must not know: what the messages are about.
//!
//! Invariant: text passes [`Log::redact`] before it leaves the process.

use std::cell::RefCell;
use std::rc::Rc;

/// Shorter secrets are not searched for: blanking single letters would make any message unreadable.
const SHORTEST_REDACTED: usize = 3;

#[derive(Debug, Default)]
struct Inner {
    verbose: bool,
    secrets: Vec<String>,
    lines: Vec<String>,
    echo: bool,
}

/// Collects messages and, when told to echo, prints them as they come.
#[derive(Clone, Default)]
pub struct Log(Rc<RefCell<Inner>>);

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Log")
    }
}

impl Log {
    /// A log; with `echo`, each message goes to standard error at once.
    #[must_use]
    pub fn new(echo: bool) -> Self {
        let log = Self::default();
        log.0.borrow_mut().echo = echo;
        log
    }

    pub(crate) fn configure(&self, verbose: bool, quiet: bool) {
        let mut inner = self.0.borrow_mut();
        inner.verbose = verbose;
        inner.echo &= !quiet || verbose;
    }

    /// Blanks `secret` in every later message.
    pub fn hide(&self, secret: &str) {
        if secret.len() >= SHORTEST_REDACTED {
            self.0.borrow_mut().secrets.push(secret.to_owned());
        }
    }

    /// `text` with each known secret replaced by `***`.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        self.0
            .borrow()
            .secrets
            .iter()
            .fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), "***"))
    }

    /// A message that is always given.
    pub fn warn(&self, message: &str) {
        let message = self.redact(message);
        let mut inner = self.0.borrow_mut();
        if inner.echo {
            use std::io::Write as _;
            // Nobody reading our messages must not stop us from fencing.
            let _ = writeln!(std::io::stderr(), "{message}");
        }
        inner.lines.push(message);
    }

    /// A message for `verbose` only.
    pub fn debug(&self, message: impl FnOnce() -> String) {
        if self.0.borrow().verbose {
            self.warn(&message());
        }
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.borrow().lines.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_secret_is_blanked_in_every_message() {
        let log = Log::new(false);
        log.hide("s3cret-w0rd");
        log.warn("PUT failed: body pass=s3cret-w0rd, again s3cret-w0rd");
        assert_eq!(log.lines(), ["PUT failed: body pass=***, again ***"]);
    }

    #[test]
    fn debug_messages_need_verbose() {
        let log = Log::new(false);
        log.debug(|| "one".into());
        log.configure(true, false);
        log.debug(|| "two".into());
        assert_eq!(log.lines(), ["two"]);
    }
}
