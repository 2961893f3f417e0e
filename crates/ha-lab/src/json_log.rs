//! A bounded file of JSON lines: one older generation is kept, so that at most twice the bound is on disk.
//!
//! Must not know: what the records mean.

use crate::error::{Context, LabError, Result};
use serde::{Serialize, de::DeserializeOwned};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Bound of one generation: an hour of probes at 200 a second.
pub const FILE_MAX: u64 = 64 << 20;

/// The writing end.
#[derive(Debug)]
pub struct JsonLog {
    path: PathBuf,
    file: File,
    size: u64,
    max: u64,
}

impl JsonLog {
    /// Opens for appending.
    pub fn open(path: &Path, max: u64) -> Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path).at("open", path)?;
        let size = file.metadata().at("stat", path)?.len();
        Ok(Self { path: path.into(), file, size, max })
    }

    /// Appends one record as one line, in one write.
    pub fn write(&mut self, record: &impl Serialize) -> Result<()> {
        let mut line =
            serde_json::to_vec(record).map_err(std::io::Error::from).at("encode for", &self.path)?;
        line.push(b'\n');
        if self.size + line.len() as u64 > self.max && self.size > 0 {
            fs::rename(&self.path, older(&self.path)).at("rotate", &self.path)?;
            *self = Self::open(&self.path, self.max)?;
        }
        self.size += line.len() as u64;
        self.file.write_all(&line).at("write", &self.path)
    }
}

fn older(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".1");
    name.into()
}

/// Reads both generations, oldest record first. A last line still being written is left out; a missing file is empty.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>> {
    let mut out = Vec::new();
    for path in [older(path), path.to_path_buf()] {
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
            Err(e) => return Err(e).at("read", &path),
        };
        for line in text.split_inclusive('\n').filter_map(|l| l.strip_suffix('\n')) {
            out.push(serde_json::from_str(line).map_err(|e| {
                LabError::Gone(format!("{} holds a line that is no record: {e}: {line}", path.display()))
            })?);
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stays_bounded_and_keeps_the_newest_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut log = JsonLog::open(&path, 100).unwrap();
        for n in 0..1000u32 {
            log.write(&n).unwrap();
        }
        let kept: Vec<u32> = read(&path).unwrap();
        let first = kept[0];
        assert_eq!(kept, (first..1000).collect::<Vec<_>>());
        assert!(
            fs::metadata(&path).unwrap().len() <= 100 && fs::metadata(older(&path)).unwrap().len() <= 100
        );
    }

    #[test]
    fn a_half_written_line_is_left_out_and_a_broken_one_reported() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        fs::write(&path, "1\n2\n3").unwrap();
        assert_eq!(read::<u32>(&path).unwrap(), [1, 2]);
        fs::write(&path, "1\nx\n").unwrap();
        assert!(read::<u32>(&path).is_err());
    }
}
