//! Runs the machine's own network programs (`ip`, `nft`, `tc`) with their script on standard input.
//!
//! Must not know: what the scripts mean.

use crate::error::{Context, LabError, Result};
use std::io::Write;
use std::process::{Command, Stdio};

/// The programs that the lab cannot do without, and the Debian package of each.
pub const NEEDED: [(&str, &str); 2] = [("ip", "iproute2"), ("nft", "nftables")];

/// Where system programs live even when PATH is that of an ordinary user.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Runs `program args` with `script` on its standard input.
pub fn run(program: &'static str, args: &[&str], script: &str) -> Result<String> {
    let mut child = Command::new(program)
        .args(args)
        .env("PATH", PATH)
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| missing(program, &e))?;
    // A program that refuses early closes its end: its exit status tells more than the broken pipe.
    let _ = child.stdin.take().map(|mut stdin| stdin.write_all(script.as_bytes()));
    let out = child.wait_with_output().what(|| format!("wait for {program}"))?;
    if out.status.success() {
        return Ok(String::from_utf8_lossy(&out.stdout).into_owned());
    }
    Err(LabError::Tool {
        program,
        status: out.status.to_string(),
        stderr: String::from_utf8_lossy(&out.stderr).trim().to_string(),
        input: script.trim().to_string(),
    })
}

/// `ip -batch` of one command a line.
pub fn ip_batch(script: &str) -> Result<()> {
    run("ip", &["-batch", "-"], script).map(drop)
}

fn missing(program: &str, e: &std::io::Error) -> LabError {
    let package = NEEDED.iter().find(|(p, _)| *p == program).map_or("iproute2", |(_, package)| package);
    LabError::Missing(format!("cannot run `{program}` ({e}); install it: apt install {package}"))
}
