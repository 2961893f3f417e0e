//! An agent as a real process, and a switch inside the test.
//!
//! Must not know: which agent, or what the switch speaks.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use ha_pdu::{MemoryRelay, Pdu, Record, Relay};

/// Every secret of the simulated switches begins with this; it must never be seen in any output.
pub const SECRET: &str = "s3cret";

/// Time limits for runs that are to fail by them.
pub const SHORT: &str = "power_timeout=1.5\nshell_timeout=1\nlogin_timeout=1\n";

/// What a run of an agent gave.
#[derive(Debug)]
pub struct Verdict {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

/// A switch with four outlets behind one server.
pub struct Lab<S> {
    pub pdu: Arc<Pdu>,
    pub relay: Arc<MemoryRelay>,
    pub server: S,
}

/// The switch itself, before anything serves it.
pub fn switch() -> (Arc<Pdu>, Arc<MemoryRelay>) {
    let relay = Arc::new(MemoryRelay::new(4));
    (Pdu::new(Arc::clone(&relay) as Arc<dyn Relay>), relay)
}

impl<S> Lab<S> {
    pub fn true_states(&self) -> Vec<bool> {
        (1..=self.relay.outlets()).map(|outlet| self.relay.get(outlet)).collect()
    }

    pub fn journal(&self) -> Vec<Record> {
        self.pdu.journal()
    }
}

/// Runs a program with this on standard input, without blocking the simulated switch.
pub async fn process(mut command: Command, stdin: String) -> Verdict {
    tokio::task::spawn_blocking(move || {
        let mut child = command
            .env_remove("PCMK_service")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A program that takes its options from the command line may not read this.
        let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
        let output = child.wait_with_output().unwrap();
        Verdict {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    })
    .await
    .unwrap()
}

/// Runs one of our agents: it tells no secret.
pub async fn own_agent(program: &str, stdin: String) -> Verdict {
    let verdict = process(Command::new(program), stdin).await;
    let said = format!("{}{}", verdict.stdout, verdict.stderr);
    assert!(!said.contains(SECRET), "{verdict:?}");
    verdict
}

/// The path of a program, or a failure that names the Debian package to install.
pub fn needed(path: &str, package: &str) -> String {
    assert!(Path::new(path).exists(), "{path} is missing: install the Debian package '{package}'");
    path.to_owned()
}
