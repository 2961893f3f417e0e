//! The agent and a simulated switch with HTTP inside the test.
#![allow(dead_code, unused_imports, clippy::unwrap_used)]

#[path = "../../../tests/process.rs"]
mod process;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use ha_pdu::{HttpOptions, HttpServer, PduFaults, Relay as _, serve_http};
pub use process::{SHORT, Verdict, needed};

/// Password of the simulated switch.
pub const PASSWORD: &str = "s3cret-of-the-pdu";

pub const MODELS: [&str; 3] = ["dli", "netio", "generic"];
/// Models whose outlets have names.
pub const NAMING_MODELS: [&str; 2] = ["dli", "netio"];
/// Models that must read an outlet before they command it.
pub const ASKS_BEFORE: [&str; 1] = ["netio"];
/// Options of this agent alone, some of them.
pub const OWN_OPTIONS: [&str; 2] = ["headers_file", "status_off"];

pub type Lab = process::Lab<HttpServer>;

impl Lab {
    pub async fn new() -> Self {
        let (pdu, relay) = process::switch();
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

    pub fn relay_is_on(&self, outlet: u32) -> bool {
        self.relay.get(outlet)
    }
}

/// Runs the agent as a process with this on standard input.
pub async fn agent(stdin: String) -> Verdict {
    process::own_agent(env!("CARGO_BIN_EXE_fence_pdu_http"), stdin).await
}
