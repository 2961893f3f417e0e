//! A simulated switch with HTTP inside the test, and the agent as a real process against it.
#![allow(dead_code, clippy::unwrap_used)]

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Command, Stdio};
use std::sync::Arc;

use ha_pdu::{HttpOptions, HttpServer, MemoryRelay, Pdu, PduFaults, Record, Relay, serve_http};

/// Password of the simulated switch; it must never be seen in any output.
pub const PASSWORD: &str = "s3cret-of-the-pdu";

pub const MODELS: [&str; 3] = ["dli", "netio", "generic"];

/// Time limits for runs that are to fail by them.
pub const SHORT: &str = "power_timeout=1.5\nshell_timeout=1\nlogin_timeout=1\n";

/// What a run of the agent gave.
#[derive(Debug)]
pub struct Verdict {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

pub struct Lab {
    pub pdu: Arc<Pdu>,
    pub relay: Arc<MemoryRelay>,
    pub server: HttpServer,
}

impl Lab {
    pub async fn new() -> Self {
        let relay = Arc::new(MemoryRelay::new(4));
        let pdu = Pdu::new(Arc::clone(&relay) as Arc<dyn Relay>);
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let options = HttpOptions { user: "admin".into(), password: PASSWORD.into() };
        let server = serve_http(Arc::clone(&pdu), any, options).await.unwrap();
        Self { pdu, relay, server }
    }

    pub async fn with(faults: PduFaults) -> Self {
        let lab = Self::new().await;
        lab.pdu.set_faults(faults);
        lab
    }

    /// Options for one model; time limits that a busy machine keeps.
    pub fn options(&self, model: &str) -> String {
        let mut text = format!(
            "ip=127.0.0.1\nipport={}\nmodel={model}\nusername=admin\npassword={PASSWORD}\nverbose=1\n\
             power_timeout=15\nshell_timeout=5\nlogin_timeout=5\n",
            self.server.addr().port()
        );
        if model == "generic" {
            text.push_str(
                "status_url=/outlet/{plug}\nstatus_on=json:/state=on\nstatus_off=json:/state=off\n\
                 off_url=/outlet/{plug}\noff_body=off\non_url=/outlet/{plug}\non_body=on\noutlets=1-4\n",
            );
        }
        text
    }

    /// Runs the agent with an action on an outlet and more options.
    pub async fn run(&self, model: &str, action: &str, plug: &str, more: &str) -> Verdict {
        agent(format!("{}action={action}\nplug={plug}\n{more}", self.options(model))).await
    }

    pub fn true_states(&self) -> Vec<bool> {
        (1..=self.relay.outlets()).map(|outlet| self.relay.get(outlet)).collect()
    }

    pub fn relay_is_on(&self, outlet: u32) -> bool {
        self.relay.get(outlet)
    }

    pub fn journal(&self) -> Vec<Record> {
        self.pdu.journal()
    }
}

/// Runs the agent as a process with this on standard input.
pub async fn agent(stdin: String) -> Verdict {
    tokio::task::spawn_blocking(move || {
        let mut child = Command::new(env!("CARGO_BIN_EXE_fence_pdu_http"))
            .env_remove("PCMK_service")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let verdict = Verdict {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        };
        assert!(!verdict.stdout.contains(PASSWORD) && !verdict.stderr.contains(PASSWORD), "{verdict:?}");
        verdict
    })
    .await
    .unwrap()
}

/// The path of a program, or a failure that names the Debian package to install.
pub fn needed(path: &str, package: &str) -> String {
    assert!(std::path::Path::new(path).exists(), "{path} is missing: install the Debian package '{package}'");
    path.to_owned()
}
