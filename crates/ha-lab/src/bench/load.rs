//! Makes the machine busy: processors, memory, a disk. Each is a process of its own that dies with the benchmark.
//!
//! Must not know: clusters. Invariants: the memory eater leaves a share of the machine's memory to others, gives back what
//! others need, and is the first that the kernel would kill; the disk writer's file is bounded.

use crate::error::{Context, Result};
use crate::spawn::{bound_to_parent, own_program};
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

/// Share of the machine's memory that the eater leaves available: some hundred megabytes, which a reader of far more keeps
/// asking for, so that the kernel reclaims all the time.
const LEFT_SHARE: u64 = 50;
/// What the reader reads again and again, in blocks: a sparse file takes page cache and no disk.
const CACHED_BLOCKS: u64 = 8 << 10;
/// How the eater grows and shrinks.
const PIECE: usize = 64 << 20;
/// How often it looks at what is left.
const LOOK: Duration = Duration::from_millis(20);
/// One write of a disk writer, each made durable before the next.
const BLOCK: usize = 1 << 20;
/// Blocks of its file; then it begins anew.
const BLOCKS: u64 = 512;
/// Writers at once: enough that the disk is never idle.
const WRITERS: usize = 2;
const PAGE: usize = 4096;

/// One kind of load.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum Load {
    /// Keeps a processor busy.
    Cpu,
    /// Keeps memory short.
    Memory,
    /// Keeps asking for page cache: reads this file, which is larger than what is left.
    Cache {
        /// File.
        file: PathBuf,
    },
    /// Keeps a disk busy with durable writes to this file.
    Disk {
        /// File.
        file: PathBuf,
    },
}

/// Loads for ever.
pub fn run(load: &Load) -> Result<bool> {
    match load {
        Load::Cpu => spin(),
        Load::Memory => eat(),
        Load::Cache { file } => read_for_ever(file),
        Load::Disk { file } => write_for_ever(file),
    }
}

fn spin() -> ! {
    let mut x = 0u64;
    loop {
        x = std::hint::black_box(x.wrapping_add(1));
    }
}

fn eat() -> Result<bool> {
    fs::write("/proc/self/oom_score_adj", "1000").what(|| "offer itself to the kernel's killer".into())?;
    let mut pieces: Vec<Vec<u8>> = Vec::new();
    loop {
        let (total, available) = memory()?;
        let left = total / LEFT_SHARE;
        if available < left {
            pieces.pop();
        } else if available > left + PIECE as u64 {
            pieces.push(vec![1; PIECE]);
            continue;
        }
        // What is used stays in use: a page of each piece at a time.
        for piece in &mut pieces {
            for i in (0..piece.len()).step_by(PAGE * 256) {
                piece[i] = piece[i].wrapping_add(1);
            }
        }
        std::thread::sleep(LOOK);
    }
}

/// Total and available memory in bytes.
pub fn memory() -> Result<(u64, u64)> {
    let text = fs::read_to_string("/proc/meminfo").what(|| "read /proc/meminfo".into())?;
    let bytes = |field: &str| {
        let line = text.lines().find_map(|l| l.strip_prefix(field));
        line.and_then(|l| l.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) * 1024
    };
    Ok((bytes("MemTotal:"), bytes("MemAvailable:")))
}

fn write_for_ever(path: &Path) -> Result<bool> {
    let file = File::create(path).at("create", path)?;
    let block = vec![0xA5u8; BLOCK];
    for number in 0u64.. {
        file.write_all_at(&block, number % BLOCKS * BLOCK as u64).at("write", path)?;
        file.sync_data().at("sync", path)?;
    }
    Ok(true)
}

fn read_for_ever(path: &Path) -> Result<bool> {
    let file =
        File::options().read(true).write(true).create(true).truncate(true).open(path).at("create", path)?;
    file.set_len(CACHED_BLOCKS * BLOCK as u64).at("lengthen", path)?;
    let mut block = vec![0u8; BLOCK];
    for number in 0u64.. {
        file.read_exact_at(&mut block, number % CACHED_BLOCKS * BLOCK as u64).at("read", path)?;
    }
    Ok(true)
}

/// All loads at once; they end when it is dropped, and with this thread in any case.
pub struct Loads(Vec<Child>);

impl Loads {
    /// Both cores and more, memory, and the disk below `dir`.
    pub fn start(dir: &Path) -> Result<Self> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let mut loads = Self(Vec::new());
        for _ in 0..cores {
            loads.add(&["cpu"])?;
        }
        loads.add(&["memory"])?;
        loads.add(&["cache", &dir.join("load-cache").display().to_string()])?;
        for i in 0..WRITERS {
            loads.add(&["disk", &dir.join(format!("load-{i}")).display().to_string()])?;
        }
        Ok(loads)
    }

    fn add(&mut self, args: &[&str]) -> Result<()> {
        let mut command = bound_to_parent(&own_program()?);
        command.args(["bench", "load"]).args(args).stdin(Stdio::null());
        self.0.push(command.spawn().what(|| format!("start the load {}", args[0]))?);
        Ok(())
    }

    /// What has ended too early, in words; a measurement without its load is none.
    pub fn missing(&mut self) -> usize {
        self.0.iter_mut().filter_map(|child| child.try_wait().ok().flatten()).count()
    }

    /// How many processes.
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

impl Drop for Loads {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
