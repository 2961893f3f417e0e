//! One question to the tiny service: what a monitor runs.
//!
//! Must not know: what the answer means.

use crate::error::{Context, LabError, Result};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Longest answer.
const ANSWER_MAX: u64 = 4096;

/// Asks once; the first line of the answer.
pub fn ask(target: SocketAddr, limit: Duration) -> Result<String> {
    let what = || format!("ask {target}");
    let mut stream = TcpStream::connect_timeout(&target, limit).what(what)?;
    stream.set_read_timeout(Some(limit)).what(what)?;
    stream.write_all(b"\n").what(what)?;
    let mut line = String::new();
    BufReader::new(stream.take(ANSWER_MAX)).read_line(&mut line).what(what)?;
    match line.trim() {
        "" => Err(LabError::Gone(format!("{target} closed without an answer"))),
        text => Ok(text.to_string()),
    }
}
