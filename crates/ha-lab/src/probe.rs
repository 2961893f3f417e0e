//! The outside client: asks an address for its application's answer every few milliseconds and notes each result.
//!
//! Probes overlap: a hanging one does not delay the next, so an outage is measured to one interval. An answer is the
//! application's, not the kernel's: a frozen host still accepts connections. Must not know: hosts, clusters.

use crate::clock::boot_ns;
use crate::error::{Context, Result};
use crate::json_log::{FILE_MAX, JsonLog};
use crate::neighbour::mac_of;
use crate::outage::ProbeRecord;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc};

/// Most probes under way at once; with the usual 5 ms and 50 ms there are eleven.
const UNDER_WAY_MAX: usize = 256;
/// The observers' port on the public link.
const INTERFACE: &str = "eth0";
/// Most of the first line that is kept.
const FIRST_LINE_MAX: usize = 160;

/// Probes for ever. `http_path`: ask by HTTP for this path, else by a bare newline.
pub fn run(
    target: SocketAddr,
    http_path: Option<String>,
    every: Duration,
    timeout: Duration,
    out: &Path,
) -> Result<()> {
    let mut log = JsonLog::open(out, FILE_MAX)?;
    crate::spawn::prefer();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.what(|| "start the probe".into())?.block_on(async move {
        let request: Arc<str> = match http_path {
            Some(path) => {
                format!("GET {path} HTTP/1.1\r\nHost: {target}\r\nConnection: close\r\n\r\n").into()
            }
            None => "\n".into(),
        };
        let (results, mut done) = mpsc::channel(UNDER_WAY_MAX);
        tokio::spawn(send_all(target, request, every, timeout, results));
        while let Some(record) = done.recv().await {
            log.write(&record)?;
        }
        Ok(())
    })
}

async fn send_all(
    target: SocketAddr,
    request: Arc<str>,
    every: Duration,
    timeout: Duration,
    results: mpsc::Sender<ProbeRecord>,
) {
    let places = Arc::new(Semaphore::new(UNDER_WAY_MAX));
    let mut tick = tokio::time::interval(every);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let place = places.clone().acquire_owned().await.expect("the semaphore is never closed");
        let (request, results) = (request.clone(), results.clone());
        tokio::spawn(async move {
            let _place = place;
            let t_ns = boot_ns();
            let answer = tokio::time::timeout(timeout, ask(target, &request)).await;
            let (ok, line) = match answer {
                Ok(Ok(line)) => (true, line),
                Ok(Err(e)) => (false, e.to_string()),
                Err(_) => (false, "no answer in time".into()),
            };
            let end_ns = boot_ns();
            let mac = if ok { mac_of(target.ip(), INTERFACE) } else { None };
            // The receiver is gone only when the process ends.
            let _ = results.send(ProbeRecord { t_ns, end_ns, ok, line, mac }).await;
        });
    }
}

async fn ask(target: SocketAddr, request: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(target).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(8192).read_to_end(&mut answer).await?;
    let text = String::from_utf8_lossy(&answer);
    let body = match text.split_once("\r\n\r\n") {
        Some((head, body)) if head.starts_with("HTTP/1.") => {
            let code = head.split(' ').nth(1).unwrap_or_default();
            if code != "200" {
                return Err(std::io::Error::other(format!("HTTP status {code}")));
            }
            body
        }
        _ => &text,
    };
    match body.lines().next() {
        Some(line) if !line.is_empty() => Ok(line.chars().take(FIRST_LINE_MAX).collect()),
        _ => Err(std::io::Error::other("an empty answer")),
    }
}
