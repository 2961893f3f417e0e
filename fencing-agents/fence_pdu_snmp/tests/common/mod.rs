//! The agent and a simulated switch with SNMP inside the test.
#![allow(dead_code, unused_imports, clippy::unwrap_used)]

#[path = "../../../tests/process.rs"]
mod process;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use ha_pdu::{ObjectId, PduFaults, SnmpOptions, SnmpServer, SnmpUser, serve_snmp};
pub use process::{SHORT, Verdict, needed, process};

/// Secrets of the simulated switch.
pub const COMMUNITY: &str = "s3cret-community";
pub const AUTH: &str = "s3cret-auth-phrase";
pub const PRIVACY: &str = "s3cret-privacy-phrase";

pub const MODELS: [&str; 3] = ["apc_rpdu", "apc_rpdu2", "apc_masterswitch"];
/// Models whose outlets have names.
pub const NAMING_MODELS: [&str; 3] = MODELS;
/// Models that must read an outlet before they command it.
pub const ASKS_BEFORE: [&str; 3] = MODELS;
/// Options of this agent alone, some of them.
pub const OWN_OPTIONS: [&str; 2] = ["community_file", "snmp_sec_level"];

/// Each way of talking SNMP that a test tries: a name, and the agent's options for it.
pub fn versions() -> Vec<(&'static str, String)> {
    let v3 = |user: &str, rest: &str| format!("snmp_version=3\nusername={user}\n{rest}");
    let auth = format!("password={AUTH}\n");
    let private = format!("{auth}snmp_priv_passwd={PRIVACY}\n");
    vec![
        ("v1", format!("snmp_version=1\ncommunity={COMMUNITY}\n")),
        ("v2c", format!("snmp_version=2c\ncommunity={COMMUNITY}\n")),
        ("v3 SHA", v3("sha", &auth)),
        ("v3 SHA AES", v3("sha-aes", &private)),
        ("v3 MD5 DES", v3("md5-des", &format!("{private}snmp_auth_prot=MD5\nsnmp_priv_prot=DES\n"))),
        ("v3 SHA256 AES", v3("sha256-aes", &format!("{private}snmp_auth_prot=SHA256\n"))),
        (
            "v3 SHA512 AES256",
            v3("sha512-aes256", &format!("{private}snmp_auth_prot=SHA512\nsnmp_priv_prot=AES256\n")),
        ),
    ]
}

pub fn users() -> Vec<SnmpUser> {
    let user = |name: &str, auth: &str, privacy: Option<&str>| SnmpUser {
        name: name.into(),
        auth: Some((auth.into(), AUTH.into())),
        privacy: privacy.map(|protocol| (protocol.into(), PRIVACY.into())),
    };
    vec![
        user("sha", "SHA", None),
        user("sha-aes", "SHA", Some("AES")),
        user("md5-des", "MD5", Some("DES")),
        user("sha256-aes", "SHA256", Some("AES")),
        user("sha512-aes256", "SHA512", Some("AES256")),
    ]
}

pub type Lab = process::Lab<SnmpServer>;

impl Lab {
    pub async fn new() -> Self {
        Self::of(ObjectId::Rpdu).await
    }

    /// A switch that says it is this.
    pub async fn of(object_id: ObjectId) -> Self {
        let (pdu, relay) = process::switch();
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let options = SnmpOptions {
            read_community: "reader".into(),
            write_community: COMMUNITY.into(),
            users: users(),
            object_id,
        };
        let server = serve_snmp(Arc::clone(&pdu), any, options).await.unwrap();
        Self { pdu, relay, server }
    }

    pub async fn with(faults: PduFaults) -> Self {
        let lab = Self::new().await;
        lab.pdu.set_faults(faults);
        lab
    }

    pub fn port(&self) -> u16 {
        self.server.addr().port()
    }

    /// Runs our agent over v2c with time limits that a busy machine keeps.
    pub async fn run(&self, model: &str, action: &str, plug: &str, more: &str) -> Verdict {
        agent(format!(
            "ip=127.0.0.1\nipport={}\ncommunity={COMMUNITY}\nmodel={model}\naction={action}\nplug={plug}\nverbose=1\n\
             power_timeout=15\nshell_timeout=5\nlogin_timeout=5\n{more}",
            self.port()
        ))
        .await
    }
}

/// Runs our agent as a process with this on standard input.
pub async fn agent(stdin: String) -> Verdict {
    process::own_agent(env!("CARGO_BIN_EXE_fence_pdu_snmp"), stdin).await
}
