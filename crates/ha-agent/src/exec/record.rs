//! What outlives the daemon about one service: that it was started and how far that has come, below which root its
//! processes are held, and its latest output.
//!
//! Must not know: processes. Invariants: the mark is written before the start, whole or not at all, and removed only
//! after a successful stop (or when nothing was begun), in a directory that a reboot empties; a mark that cannot be read
//! or followed is never taken for none; the output file is bounded while the daemon lives.

use crate::output::{TAIL_BYTES, last_line};
use crate::root::CgroupRoot;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

/// The output file is cut when it is longer than this: a service writes to a file, not to a pipe, so that it neither
/// blocks nor dies while the daemon is away.
pub const OUTPUT_FILE_BYTES: u64 = 1024 * 1024;

/// How far the service has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stage {
    /// A start was begun, and how it ended was not seen.
    Starting,
    /// Its start command left processes, or failed: what is left of it is in its leash.
    Held,
    /// Its start command exited with 0 and left no process (a mount, a container of another daemon): its check decides.
    Processless,
}

impl Stage {
    /// The last line of the mark, after the root's note.
    fn line(self) -> &'static str {
        match self {
            Self::Starting => "starting\n",
            Self::Held => "",
            Self::Processless => "processless\n",
        }
    }

    /// The root's note, and the stage after it.
    fn split(mark: &str) -> (&str, Self) {
        let ends_with = |stage: Self| Some((mark.strip_suffix(stage.line())?, stage));
        ends_with(Self::Starting).or_else(|| ends_with(Self::Processless)).unwrap_or((mark, Self::Held))
    }
}

/// What the mark says.
#[derive(Debug)]
pub(crate) enum Begun {
    /// It was not started in this boot, or was stopped since.
    Not,
    /// It was started below this root.
    Below(CgroupRoot),
    /// It was started where it cannot be seen from here.
    Unseen {
        /// One sentence that says what to do.
        why: String,
    },
}

/// Files of one service in the state directory.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    mark: PathBuf,
    output: PathBuf,
}

impl Record {
    /// `name` is a safe file name, unique to the instance.
    pub(crate) fn new(directory: &std::path::Path, name: &str) -> Self {
        Self {
            mark: directory.join(format!("{name}.started")),
            output: directory.join(format!("{name}.out")),
        }
    }

    /// Whether it was started in this boot and not stopped since.
    pub(crate) fn is_started(&self) -> bool {
        self.stage().is_some()
    }

    /// How far it has come; `None` when it was not started in this boot, or was stopped since.
    pub(crate) fn stage(&self) -> Option<Stage> {
        match fs::read_to_string(&self.mark) {
            Ok(mark) => Some(Stage::split(&mark).1),
            Err(e) if e.kind() == io::ErrorKind::NotFound => None,
            Err(_) => Some(Stage::Starting),
        }
    }

    /// Where it was started.
    pub(crate) fn begun(&self) -> Begun {
        let found = match fs::read_to_string(&self.mark) {
            Ok(mark) => CgroupRoot::noted(Stage::split(&mark).0),
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Begun::Not,
            Err(e) => Err(e.to_string()),
        };
        match found {
            Ok(root) => Begun::Below(root),
            Err(why) => Begun::Unseen {
                why: format!(
                    "it was started where this daemon cannot see whether it still runs ({why}): reboot this node, or end its processes and remove {}",
                    self.mark.display()
                ),
            },
        }
    }

    /// Notes that a start below this root is about to begin; opens an empty output file.
    pub(crate) fn begin(&self, root: &CgroupRoot) -> io::Result<File> {
        self.write(&format!("{}{}", root.note(), Stage::Starting.line()))?;
        File::create(&self.output)?;
        OpenOptions::new().append(true).open(&self.output)
    }

    /// A crash half-way leaves the earlier mark.
    fn write(&self, text: &str) -> io::Result<()> {
        let whole = self.mark.with_extension("new");
        fs::write(&whole, text)?;
        fs::rename(&whole, &self.mark)
    }

    /// Notes how far it has come.
    pub(crate) fn note(&self, stage: Stage) -> io::Result<()> {
        let mark = fs::read_to_string(&self.mark)?;
        let (root, before) = Stage::split(&mark);
        if before == stage {
            return Ok(());
        }
        self.write(&format!("{root}{}", stage.line()))
    }

    /// Notes that nothing of it is left.
    pub(crate) fn end(&self) -> io::Result<()> {
        match fs::remove_file(&self.mark) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
            _ => Ok(()),
        }
    }

    /// Cuts the output file to its tail when it has grown too long.
    pub(crate) fn trim(&self) {
        // A file that cannot be cut is tried again a second later.
        let _ = self.try_trim();
    }

    fn try_trim(&self) -> io::Result<()> {
        if fs::metadata(&self.output)?.len() <= OUTPUT_FILE_BYTES {
            return Ok(());
        }
        let tail = self.tail()?;
        let mut file = OpenOptions::new().append(true).open(&self.output)?;
        // The service appends, so that it goes on at the new end.
        file.set_len(0)?;
        file.write_all(&tail)
    }

    fn tail(&self) -> io::Result<Vec<u8>> {
        let mut file = File::open(&self.output)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES as u64)))?;
        let mut tail = vec![];
        file.take(TAIL_BYTES as u64).read_to_end(&mut tail)?;
        Ok(tail)
    }

    /// `: last line of output`, or nothing.
    pub(crate) fn said(&self) -> String {
        let tail = self.tail().unwrap_or_default();
        last_line(&String::from_utf8_lossy(&tail)).map_or(String::new(), |line| format!(": {line}"))
    }

    /// What the last line says that begins with this, after it.
    pub(crate) fn reason(&self, prefix: &str) -> Option<String> {
        let tail = self.tail().unwrap_or_default();
        let text = String::from_utf8_lossy(&tail);
        let reason = text.lines().rev().find_map(|line| line.trim().strip_prefix(prefix))?;
        last_line(reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_output_file_is_cut_to_its_end() {
        let dir = tempfile::tempdir().unwrap();
        let record = Record::new(dir.path(), "web");
        let mut file = record.begin(&CgroupRoot::marked("test", "test")).unwrap();
        file.write_all(&vec![b'x'; OUTPUT_FILE_BYTES as usize]).unwrap();
        record.trim();
        assert_eq!(fs::metadata(&record.output).unwrap().len(), OUTPUT_FILE_BYTES, "within the bound: kept");
        file.write_all(b"\nthe end\n").unwrap();
        record.trim();
        assert_eq!(fs::metadata(&record.output).unwrap().len(), TAIL_BYTES as u64);
        file.write_all(b"more\n").unwrap();
        assert_eq!(record.said(), ": more");
        assert!(fs::read_to_string(&record.output).unwrap().ends_with("\nthe end\nmore\n"));
    }
}
