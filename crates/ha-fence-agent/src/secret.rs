//! Passwords and communities: where they come from, and that they are not shown.
//!
//! Must not know: what a secret is used for.
//!
//! Invariants: a secret file readable or owned by somebody else is refused, never read; a secret's `Debug` shows
//! nothing; a secret is never put into the argument list of a program that we start.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// Longest accepted secret in bytes; the longest pass phrases and tokens in use are far below it.
const MAX_SECRET_BYTES: u64 = 4096;
/// Permission bits that let somebody else read, write or run a file.
const OTHERS: u32 = 0o077;

/// A value that must not be shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(***)")
    }
}

impl Secret {
    /// Wraps a value.
    #[must_use]
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself, for the protocol that needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Reads a secret from a file that only root or we ourselves own and nobody else can read.
    ///
    /// One line end at the file's end is not part of the secret.
    ///
    /// # Errors
    /// When the file cannot be read, is not a plain file, is not private, is empty or too long.
    pub fn from_file(path: &Path) -> Result<Self, SecretError> {
        let shown = path.display().to_string();
        let fail = |source| SecretError::Unreadable { path: shown.clone(), source };
        // Opened without blocking, so that a FIFO in its place cannot hang us; judged by the open file, so
        // that it cannot be exchanged in between.
        let file = File::options()
            .read(true)
            .custom_flags(nix::fcntl::OFlag::O_NONBLOCK.bits())
            .open(path)
            .map_err(fail)?;
        let meta = file.metadata().map_err(fail)?;
        if !meta.is_file() {
            return Err(SecretError::NotAFile { path: shown });
        }
        let me = nix::unistd::geteuid().as_raw();
        if meta.uid() != 0 && meta.uid() != me {
            return Err(SecretError::Owner { path: shown, owner: meta.uid(), me });
        }
        if meta.mode() & OTHERS != 0 {
            return Err(SecretError::Mode { path: shown, mode: meta.mode() & 0o7777 });
        }
        let mut text = String::new();
        file.take(MAX_SECRET_BYTES + 1).read_to_string(&mut text).map_err(fail)?;
        Self::checked(text, &shown)
    }

    /// Runs a program and takes what it prints, as `password_script` does. A program that takes longer than
    /// `limit` is ended.
    ///
    /// # Errors
    /// When it cannot be started, fails, takes too long, or prints nothing or too much.
    pub fn from_script(path: &str, limit: Duration) -> Result<Self, SecretError> {
        let fail = |source| SecretError::Unreadable { path: path.to_owned(), source };
        let mut child = Command::new(path)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(fail)?;
        let stdout = child.stdout.take().expect("stdout was asked for as a pipe");
        let (sender, receiver) = mpsc::channel();
        // A thread, so that a program that neither prints nor ends cannot hold us. Its end of the pipe is closed
        // after the limit of bytes: a program that prints more is ended by SIGPIPE.
        std::thread::spawn(move || {
            let mut text = String::new();
            let read = stdout.take(MAX_SECRET_BYTES + 1).read_to_string(&mut text).map(|_| text);
            let _ = sender.send(read);
        });
        let read = receiver.recv_timeout(limit);
        if read.is_err() {
            let _ = child.kill();
        }
        let status = child.wait().map_err(fail)?;
        let Ok(read) = read else {
            let status = format!("no secret within {} s", limit.as_secs_f64());
            return Err(SecretError::Script { path: path.to_owned(), status });
        };
        let text = read.map_err(fail)?;
        if !status.success() && text.len() as u64 <= MAX_SECRET_BYTES {
            return Err(SecretError::Script { path: path.to_owned(), status: status.to_string() });
        }
        Self::checked(text, path)
    }

    fn checked(mut text: String, path: &str) -> Result<Self, SecretError> {
        if text.len() as u64 > MAX_SECRET_BYTES {
            return Err(SecretError::TooLong { path: path.to_owned() });
        }
        if text.ends_with('\n') {
            text.pop();
            if text.ends_with('\r') {
                text.pop();
            }
        }
        if text.is_empty() {
            return Err(SecretError::Empty { path: path.to_owned() });
        }
        Ok(Self(text))
    }
}

/// Why a secret could not be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file or program cannot be used.
    #[error("{path}: {source}")]
    Unreadable {
        /// Which file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// Not a plain file.
    #[error("{path} is not a plain file")]
    NotAFile {
        /// Which file.
        path: String,
    },
    /// Owned by somebody else.
    #[error(
        "{path} is owned by uid {owner}: it must be owned by root or by uid {me}, who runs this (chown root {path})"
    )]
    Owner {
        /// Which file.
        path: String,
        /// Its owner.
        owner: u32,
        /// Our effective user.
        me: u32,
    },
    /// Open to others.
    #[error("{path} has mode {mode:04o}: others must not be able to read it (chmod 0600 {path})")]
    Mode {
        /// Which file.
        path: String,
        /// Its permission bits.
        mode: u32,
    },
    /// Nothing in it.
    #[error("{path} gives an empty secret")]
    Empty {
        /// Which file or program.
        path: String,
    },
    /// More than `MAX_SECRET_BYTES`.
    #[error("{path} gives more than {MAX_SECRET_BYTES} bytes: not a secret")]
    TooLong {
        /// Which file or program.
        path: String,
    },
    /// The program failed.
    #[error("{path} failed: {status}")]
    Script {
        /// Which program.
        path: String,
        /// How it ended.
        status: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn file(content: &str, mode: u32) -> (tempfile::TempDir, std::path::PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        (dir, path)
    }

    #[test]
    fn a_private_file_gives_its_content_without_the_line_end() {
        for mode in [0o600, 0o400] {
            let (_dir, path) = file("pass word \r\n", mode);
            assert_eq!(Secret::from_file(&path).unwrap().expose(), "pass word ");
        }
    }

    #[test]
    fn a_file_open_to_others_is_refused_with_the_command_to_mend_it() {
        for mode in [0o640, 0o604, 0o620, 0o601, 0o660] {
            let (_dir, path) = file("hidden-word", mode);
            let error = Secret::from_file(&path).unwrap_err().to_string();
            assert!(error.contains(&format!("mode {mode:04o}")), "{error}");
            assert!(error.contains(&format!("chmod 0600 {}", path.display())), "{error}");
            assert!(!error.contains("hidden-word"), "{error}");
        }
    }

    #[test]
    fn a_file_of_somebody_else_is_refused() {
        if !nix::unistd::geteuid().is_root() {
            return; // only root can give a file away
        }
        let (_dir, path) = file("x", 0o600);
        std::os::unix::fs::chown(&path, Some(65534), None).unwrap();
        assert!(matches!(Secret::from_file(&path), Err(SecretError::Owner { owner: 65534, .. })));
    }

    #[test]
    fn empty_oversized_and_special_files_are_refused() {
        let (_dir, path) = file("\n", 0o600);
        assert!(matches!(Secret::from_file(&path), Err(SecretError::Empty { .. })));
        let (_dir, path) = file(&"x".repeat(5000), 0o600);
        assert!(matches!(Secret::from_file(&path), Err(SecretError::TooLong { .. })));
        let dir = tempfile::tempdir().unwrap();
        let fifo = dir.path().join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRUSR).unwrap();
        assert!(matches!(Secret::from_file(&fifo), Err(SecretError::NotAFile { .. })));
    }

    #[test]
    fn a_script_gives_what_it_prints_and_its_failure_or_delay_is_an_error() {
        let run = |content: &str, limit_ms: u64| {
            let (_dir, path) = file(content, 0o700);
            Secret::from_script(&path.display().to_string(), Duration::from_millis(limit_ms))
        };
        assert_eq!(run("#!/bin/sh\necho from-script\n", 10_000).unwrap().expose(), "from-script");
        for wrong in ["#!/bin/sh\necho half\nexit 3\n", "#!/bin/sh\nexec sleep 1000\n"] {
            assert!(matches!(run(wrong, 500), Err(SecretError::Script { .. })), "{wrong}");
        }
        assert!(matches!(run("#!/bin/sh\nexec yes\n", 10_000), Err(SecretError::TooLong { .. })));
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", Secret::new("hush")), "Secret(***)");
    }
}
