//! A bounded file of JSON lines: one older generation is kept, so that at most twice the bound is on disk.
//!
//! Must not know: what the records mean.

use crate::error::{Context, LabError, Result};
use serde::{Serialize, de::DeserializeOwned};
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
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

/// Follows a log from where it ends now, so that waiting for a record costs what is new and not what is there.
#[derive(Debug)]
pub struct Tail {
    path: PathBuf,
    file: Option<File>,
    /// A line that is not whole yet.
    rest: String,
}

impl Tail {
    /// From the present end of the file, or from its beginning once there is one.
    pub fn new(path: &Path) -> Result<Self> {
        let mut file = match File::open(path) {
            Ok(file) => Some(file),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => None,
            Err(e) => return Err(e).at("open", path),
        };
        if let Some(file) = &mut file {
            // Each record is one write, so the end is the end of a line.
            file.seek(SeekFrom::End(0)).at("seek in", path)?;
        }
        Ok(Self { path: path.into(), file, rest: String::new() })
    }

    /// What was written since the last call, across a rotation too.
    pub fn fresh<T: DeserializeOwned>(&mut self) -> Result<Vec<T>> {
        let mut out = Vec::new();
        self.drain(&mut out)?;
        let inode = |m: fs::Metadata| m.ino();
        let there = fs::metadata(&self.path).map(inode).ok();
        let ours = self.file.as_ref().and_then(|f| f.metadata().map(inode).ok());
        if there.is_some() && there != ours {
            // What came between the reading and the rotation is still in the old generation.
            self.drain(&mut out)?;
            self.file = Some(File::open(&self.path).at("open", &self.path)?);
            self.drain(&mut out)?;
        }
        Ok(out)
    }

    fn drain<T: DeserializeOwned>(&mut self, out: &mut Vec<T>) -> Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        file.read_to_string(&mut self.rest).at("read", &self.path)?;
        while let Some(end) = self.rest.find('\n') {
            out.push(decode(&self.rest[..end], &self.path)?);
            self.rest.drain(..=end);
        }
        Ok(())
    }
}

fn decode<T: DeserializeOwned>(line: &str, path: &Path) -> Result<T> {
    serde_json::from_str(line).map_err(|e| {
        LabError::Gone(format!("{} holds a line that is no record: {e}: {line}", path.display()))
    })
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
            out.push(decode(line, &path)?);
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
    fn a_tail_sees_each_new_record_once_across_rotations() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut early = Tail::new(&path).unwrap();
        let mut log = JsonLog::open(&path, 100).unwrap();
        log.write(&0u32).unwrap();
        let mut late = Tail::new(&path).unwrap();
        assert_eq!((early.fresh::<u32>().unwrap(), late.fresh::<u32>().unwrap()), (vec![0], vec![]));
        let mut seen = Vec::new();
        for n in 1..200u32 {
            log.write(&n).unwrap();
            if n % 7 == 0 {
                seen.extend(late.fresh::<u32>().unwrap());
            }
        }
        seen.extend(late.fresh::<u32>().unwrap());
        assert_eq!(seen, (1..200).collect::<Vec<_>>());
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
