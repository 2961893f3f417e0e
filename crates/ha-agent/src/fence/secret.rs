//! Secrets of fence devices: read from files at the time of the call, checked, and hidden in all that is shown.
//!
//! Must not know: agents. Invariants: a secret file that others can read is refused, not used with a warning; a secret
//! appears in no argument, environment, log or reason.

use nix::unistd::{Uid, geteuid};
use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

/// Longest secret file: a private key is a few KiB.
const SECRET_BYTES: u64 = 64 * 1024;
/// Shorter ones are not hidden: hiding every `a` would make a text unreadable and tell more than it hides.
const HIDDEN_FROM_CHARS: usize = 3;
const HIDDEN: &str = "***";
/// Parts of the names of options that hold secrets.
const SECRET_NAMES: [&str; 7] = ["passw", "secret", "community", "token", "identity", "private", "key"];

/// Whether an option of this name holds a secret.
pub(crate) fn is_secret_name(name: &str) -> bool {
    SECRET_NAMES.iter().any(|part| name.contains(part))
}

/// Reads a secret file; trailing line ends are not part of the secret.
///
/// # Errors
/// One sentence that names the file, what is wrong, and the command that puts it right.
pub(crate) fn read(option: &str, path: &Path) -> Result<String, String> {
    let name = format!("secret file {} (option `{option}`)", path.display());
    let io = |e: std::io::Error| format!("{name} cannot be read: {e}");
    // O_NONBLOCK: a pipe in its place must not hang a fence.
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path).map_err(io)?;
    let meta = file.metadata().map_err(io)?;
    if !meta.is_file() {
        return Err(format!("{name} is not a regular file"));
    }
    let mode = meta.mode() & 0o7777;
    if mode & !0o600 != 0 {
        return Err(format!(
            "{name} has mode {mode:04o}: only its owner may have access; type `chmod 600 {}`",
            path.display()
        ));
    }
    let (owner, own) = (Uid::from_raw(meta.uid()), geteuid());
    if !owner.is_root() && owner != own {
        return Err(format!("{name} belongs to user {owner}; type `chown {own} {}`", path.display()));
    }
    if meta.len() > SECRET_BYTES {
        return Err(format!("{name} is longer than {SECRET_BYTES} bytes"));
    }
    let mut text = String::new();
    file.take(SECRET_BYTES).read_to_string(&mut text).map_err(io)?;
    let secret = text.trim_end_matches(['\n', '\r']);
    if secret.is_empty() {
        return Err(format!("{name} is empty"));
    }
    Ok(secret.to_owned())
}

/// Secrets that must not be seen.
#[derive(Default)]
pub(crate) struct Hidden(BTreeSet<String>);

impl Hidden {
    pub(crate) fn add(&mut self, secret: &str) {
        // Of a key with several lines, each line.
        let parts = secret.lines().map(str::trim).filter(|l| l.chars().count() >= HIDDEN_FROM_CHARS);
        self.0.extend(parts.map(str::to_owned));
    }

    /// The text with every secret replaced, the longest first (one may contain another).
    pub(crate) fn mask(&self, text: &str) -> String {
        let mut secrets: Vec<&String> = self.0.iter().collect();
        secrets.sort_by_key(|s| std::cmp::Reverse(s.len()));
        secrets.into_iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), HIDDEN))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn only_private_files_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pdu");
        fs::write(&path, "geheim\n").unwrap();
        for (mode, is_good) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false), (0o700, false)]
        {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let result = read("community_file", &path);
            assert_eq!(result.is_ok(), is_good, "{mode:o}: {result:?}");
            if let Err(why) = result {
                assert!(
                    why.contains(&format!("mode {mode:04o}")) && why.contains("`community_file`"),
                    "{why}"
                );
                assert!(why.contains(&format!("chmod 600 {}", path.display())), "{why}");
            }
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(read("x_file", &path), Ok("geheim".into()));
        if geteuid().is_root() {
            std::os::unix::fs::chown(&path, Some(12345), None).unwrap();
            let why = read("x_file", &path).unwrap_err();
            assert!(why.contains("belongs to user 12345") && why.contains("chown 0 "), "{why}");
        }
        assert!(read("x_file", dir.path()).is_err_and(|why| why.contains("not a regular file")));
        assert!(read("x_file", &dir.path().join("no")).is_err_and(|why| why.contains("cannot be read")));
    }

    #[test]
    fn masks_long_before_short_and_every_line_of_a_key() {
        let mut hidden = Hidden::default();
        for secret in ["geheim", "geheim99", "ab", "line one\nline two\n"] {
            hidden.add(secret);
        }
        assert_eq!(hidden.mask("x geheim99 geheim ab line two"), "x *** *** ab ***");
    }
}
