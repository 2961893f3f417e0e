//! A simulated switch with SNMP inside the test, and agents as real processes against it.
#![allow(dead_code, clippy::unwrap_used)]

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use ha_pdu::{
    MemoryRelay, ObjectId, Pdu, PduFaults, Record, Relay, SnmpOptions, SnmpServer, SnmpUser, serve_snmp,
};

/// Secrets of the simulated switch; they must never be seen in any output.
pub const COMMUNITY: &str = "s3cret-community";
pub const AUTH: &str = "s3cret-auth-phrase";
pub const PRIVACY: &str = "s3cret-privacy-phrase";

pub const MODELS: [&str; 3] = ["apc_rpdu", "apc_rpdu2", "apc_masterswitch"];

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

/// Time limits for runs that are to fail by them.
pub const SHORT: &str = "power_timeout=1.5\nshell_timeout=1\nlogin_timeout=1\n";

/// What a run of an agent gave.
#[derive(Debug)]
pub struct Verdict {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

pub struct Lab {
    pub pdu: Arc<Pdu>,
    pub relay: Arc<MemoryRelay>,
    pub server: SnmpServer,
}

impl Lab {
    pub async fn new(object_id: ObjectId) -> Self {
        let relay = Arc::new(MemoryRelay::new(4));
        let pdu = Pdu::new(Arc::clone(&relay) as Arc<dyn Relay>);
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
        let lab = Self::new(ObjectId::Rpdu).await;
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

    pub fn true_states(&self) -> Vec<bool> {
        (1..=self.relay.outlets()).map(|outlet| self.relay.get(outlet)).collect()
    }

    pub fn journal(&self) -> Vec<Record> {
        self.pdu.journal()
    }
}

/// Runs our agent as a process with this on standard input.
pub async fn agent(stdin: String) -> Verdict {
    let verdict = process(Command::new(env!("CARGO_BIN_EXE_fence_pdu_snmp")), stdin).await;
    let said = format!("{}{}", verdict.stdout, verdict.stderr);
    assert!(!said.contains("s3cret"), "{verdict:?}");
    verdict
}

/// Runs a program without blocking the simulated switch.
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

/// The path of a program, or a failure that names the Debian package to install.
pub fn needed(path: &str, package: &str) -> String {
    assert!(Path::new(path).exists(), "{path} is missing: install the Debian package '{package}'");
    path.to_owned()
}
