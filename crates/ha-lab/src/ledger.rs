//! The shared disk as a ledger: a server that notes numbered blocks in the order in which they arrive, and the writer
//! that sends them from a host.
//!
//! Hosts of one lab share the machine's page cache, so a file would keep what a dead host wrote but had not synced;
//! here a block counts when it has reached the other side of the network. A power-off takes the links down first, so
//! nothing that a dead host had queued arrives. One line a block: `HOST INCARNATION NUMBER`, answered `ok ARRIVAL`.
//! Must not know: clusters. Bounds: line length, connections, journal size.

use crate::clock::boot_ns;
use crate::error::{Context, Result};
use crate::json_log::JsonLog;
use nix::sys::socket::{setsockopt, sockopt};
use serde::{Deserialize, Serialize};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Longest line: two names and a number.
const LINE_MAX: u64 = 256;
/// Most writers at once.
const WRITERS_MAX: usize = 128;
/// Bound of one generation of the journal: about half a million blocks.
const JOURNAL_MAX: u64 = 64 << 20;

/// One block as the disk saw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerRecord {
    /// Order of arrival, from 1, without gaps.
    pub arrival: u64,
    /// Boot-clock nanoseconds of arrival.
    pub t_ns: u64,
    /// Who wrote it.
    pub host: String,
    /// In which incarnation.
    pub incarnation: String,
    /// The writer's own number of the block, from 1 in each writer process.
    pub block: u64,
}

/// Serves for ever.
pub fn run(listen: SocketAddr, out: &Path) -> Result<()> {
    let listener = TcpListener::bind(listen).what(|| format!("listen on {listen}"))?;
    serve(&listener, JsonLog::open(out, JOURNAL_MAX)?)
}

fn serve(listener: &TcpListener, log: JsonLog) -> Result<()> {
    let disk = Arc::new(Mutex::new((log, 0u64)));
    let open = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming() {
        let stream = stream.what(|| "accept a writer".into())?;
        if open.fetch_add(1, Ordering::SeqCst) >= WRITERS_MAX {
            open.fetch_sub(1, Ordering::SeqCst);
            continue;
        }
        let (disk, open) = (disk.clone(), open.clone());
        std::thread::spawn(move || {
            if let Err(e) = take(&stream, &disk) {
                eprintln!("ha-lab ledger: {e}");
            }
            open.fetch_sub(1, Ordering::SeqCst);
        });
    }
    Ok(())
}

fn take(stream: &TcpStream, disk: &Mutex<(JsonLog, u64)>) -> Result<()> {
    stream.set_nodelay(true).what(|| "set up a writer's connection".into())?;
    let mut lines = BufReader::new(stream);
    loop {
        let mut line = String::new();
        // A half line is a block that was torn by its writer's death: not written.
        match (&mut lines).take(LINE_MAX).read_line(&mut line) {
            Ok(n) if n > 0 && line.ends_with('\n') => {}
            _ => return Ok(()),
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        let answer = match words.as_slice() {
            [host, incarnation, block] if block.parse::<u64>().is_ok() => {
                let mut disk = disk.lock().unwrap_or_else(|p| p.into_inner());
                disk.1 += 1;
                let record = LedgerRecord {
                    arrival: disk.1,
                    t_ns: boot_ns(),
                    host: host.to_string(),
                    incarnation: incarnation.to_string(),
                    block: block.parse().unwrap_or_default(),
                };
                disk.0.write(&record)?;
                format!("ok {}\n", record.arrival)
            }
            _ => "error: HOST INCARNATION NUMBER expected\n".into(),
        };
        if (&*stream).write_all(answer.as_bytes()).is_err() {
            return Ok(());
        }
    }
}

/// Writes blocks for ever, one every `every`, each when the one before is acknowledged; connects again after a
/// failure and repeats the block that was not acknowledged (a disk would see a retried write as well).
pub fn write_blocks(ledger: SocketAddr, id: &str, every: Duration) -> Result<()> {
    let boot_id =
        std::fs::read_to_string(crate::host_init::BOOT_ID).unwrap_or_else(|_| "no-incarnation".into());
    let mut block = 1u64;
    loop {
        let Ok(stream) = TcpStream::connect_timeout(&ledger, Duration::from_secs(1)) else {
            std::thread::sleep(every);
            continue;
        };
        let _ = stream.set_nodelay(true);
        let _ = stream.set_read_timeout(Some(Duration::from_secs(1)));
        // When the writer ends, the kernel forgets what it still had to send: a block that crosses the network after its
        // writer has ended would be the network's doing, and look like the writer's.
        let _ = setsockopt(&stream, sockopt::Linger, &libc::linger { l_onoff: 1, l_linger: 0 });
        let mut answers = BufReader::new(&stream);
        loop {
            let begun = Instant::now();
            let line = format!("{id} {} {block}\n", boot_id.trim());
            let mut answer = String::new();
            let is_written = (&stream).write_all(line.as_bytes()).is_ok()
                && (&mut answers).take(LINE_MAX).read_line(&mut answer).is_ok()
                && answer.starts_with("ok ");
            if !is_written {
                break;
            }
            block += 1;
            std::thread::sleep(every.saturating_sub(begun.elapsed()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_noted_in_order_and_a_torn_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger.jsonl");
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let log = JsonLog::open(&path, 1 << 20).unwrap();
        std::thread::spawn(move || serve(&listener, log));
        let ask = |stream: &TcpStream, line: &str| {
            (&*stream).write_all(line.as_bytes()).unwrap();
            let mut answer = String::new();
            BufReader::new(stream).read_line(&mut answer).unwrap();
            answer
        };
        let (a, b) = (TcpStream::connect(address).unwrap(), TcpStream::connect(address).unwrap());
        assert_eq!(ask(&a, "alpha i1 1\n"), "ok 1\n");
        assert_eq!(ask(&b, "beta i2 1\n"), "ok 2\n");
        assert!(ask(&a, "nonsense\n").starts_with("error"));
        (&b).write_all(b"beta i2 2").unwrap();
        drop(b);
        assert_eq!(ask(&a, "alpha i1 2\n"), "ok 3\n");
        let records: Vec<LedgerRecord> = crate::json_log::read(&path).unwrap();
        let seen: Vec<_> = records.iter().map(|r| (r.arrival, r.host.as_str(), r.block)).collect();
        assert_eq!(seen, [(1, "alpha", 1), (2, "beta", 1), (3, "alpha", 2)]);
        assert!(records.windows(2).all(|w| w[0].t_ns <= w[1].t_ns));
    }
}
