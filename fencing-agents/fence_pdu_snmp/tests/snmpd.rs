//! The agent against net-snmp's `snmpd`, an SNMP agent that shares no code with ours.
//!
//! Needs the Debian packages snmpd and python3; a missing one is a failure that names it.

#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::net::{Ipv4Addr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::{AUTH, COMMUNITY, MODELS, PRIVACY, SHORT, Verdict, agent, needed, versions};

struct Snmpd {
    dir: tempfile::TempDir,
    port: u16,
    child: Child,
}

impl Drop for Snmpd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Snmpd {
    async fn start(object_id: &str) -> Self {
        let snmpd = needed("/usr/sbin/snmpd", "snmpd");
        let python = needed("/usr/bin/python3", "python3");
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name).display().to_string();
        fs::write(at("outlets"), "1 1 2\n2 1 2\n3 1 2\n").unwrap();
        fs::write(at("writes"), "").unwrap();
        // The kernel names a free port; nobody else takes it in the moment before snmpd does.
        let port = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let responder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/responder.py");
        let conf = format!(
            "agentAddress udp:127.0.0.1:{port}\n\
             rocommunity reader 127.0.0.1\nrwcommunity {COMMUNITY} 127.0.0.1\n\
             sysObjectID {object_id}\n\
             pass_persist .1.3.6.1.4.1.318.1.1 {python} -u {} {} {}\n\
             createUser sha SHA {AUTH}\nrwuser sha auth\n\
             createUser sha-aes SHA {AUTH} AES {PRIVACY}\nrwuser sha-aes priv\n\
             createUser md5-des MD5 {AUTH} DES {PRIVACY}\nrwuser md5-des priv\n\
             createUser sha256-aes SHA-256 {AUTH} AES {PRIVACY}\nrwuser sha256-aes priv\n\
             createUser sha512-aes256 SHA-512 {AUTH} AES-256 {PRIVACY}\nrwuser sha512-aes256 priv\n",
            responder.display(),
            at("outlets"),
            at("writes"),
        );
        fs::write(at("snmpd.conf"), conf).unwrap();
        let child = Command::new(snmpd)
            .args(["-f", "-Lf", &at("log"), "-C", "-c", &at("snmpd.conf"), "-I", "-smux", "-p", &at("pid")])
            .env("SNMP_PERSISTENT_DIR", at("persistent"))
            .env("MIBS", "")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut snmpd = Self { dir, port, child };
        let deadline = Instant::now() + Duration::from_secs(20);
        while snmpd.run("apc_rpdu", "status", "1", SHORT).await.code != 0 {
            let ended = snmpd.child.try_wait().unwrap();
            let log = fs::read_to_string(snmpd.path("log")).unwrap_or_default();
            assert!(Instant::now() < deadline, "snmpd does not answer: {log}");
            assert!(ended.is_none(), "snmpd ended ({ended:?}): {log}");
        }
        snmpd
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    async fn run(&self, model: &str, action: &str, plug: &str, more: &str) -> Verdict {
        agent(format!(
            "ip=127.0.0.1\nipport={}\ncommunity={COMMUNITY}\nmodel={model}\naction={action}\nplug={plug}\n\
             power_timeout=15\nshell_timeout=5\nlogin_timeout=5\n{more}",
            self.port
        ))
        .await
    }

    fn set_outlets(&self, text: &str) {
        fs::write(self.path("outlets"), text).unwrap();
    }

    fn outlets(&self) -> String {
        fs::read_to_string(self.path("outlets")).unwrap()
    }

    /// What was written since the last call.
    fn writes(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path("writes")).unwrap();
        fs::write(self.path("writes"), "").unwrap();
        text.lines().map(str::to_owned).collect()
    }
}

const RPDU: &str = ".1.3.6.1.4.1.318.1.3.4.5";

#[tokio::test]
async fn every_version_and_security_level() {
    let snmpd = Snmpd::start(RPDU).await;
    for (version, options) in versions() {
        let options = format!("community=\n{options}");
        assert_eq!(snmpd.run("auto", "status", "2", &options).await.code, 0, "{version}");
        let off = snmpd.run("auto", "off", "2", &options).await;
        assert_eq!(off.code, 0, "{version} {off:?}");
        assert_eq!(snmpd.outlets(), "1 1 2\n2 2 2\n3 1 2\n", "{version}");
        assert_eq!(snmpd.run("auto", "status", "2", &options).await.code, 2, "{version}");
        assert_eq!(snmpd.run("auto", "reboot", "2", &options).await.code, 0, "{version}");
        assert_eq!(snmpd.writes(), ["rpdu 2 2", "rpdu 2 2", "rpdu 2 1"], "{version}");
        let list = snmpd.run("auto", "list", "", &options).await;
        assert_eq!(list.stdout, "1,server 1\n2,server 2\n3,server 3\n", "{version}");
        assert_eq!(snmpd.run("auto", "monitor", "", &options).await.code, 0, "{version}");
        for plug in ["4", "99", "0"] {
            for action in ["status", "off"] {
                let verdict = snmpd.run("auto", action, plug, &options).await;
                assert_eq!(verdict.code, 1, "{version} {action} {plug}: {verdict:?}");
                assert!(verdict.stderr.contains(&format!("no outlet {plug}")), "{version} {verdict:?}");
            }
        }
        assert!(snmpd.writes().is_empty(), "{version}");
    }
}

#[tokio::test]
async fn every_table() {
    let snmpd = Snmpd::start(RPDU).await;
    for model in MODELS {
        let table = model.strip_prefix("apc_").unwrap();
        assert_eq!(snmpd.run(model, "off", "server 3", "").await.code, 0, "{model}");
        assert_eq!(snmpd.run(model, "status", "3", "").await.code, 2, "{model}");
        assert_eq!(snmpd.run(model, "status", "2", "").await.code, 0, "{model}");
        assert_eq!(snmpd.run(model, "on", "3", "").await.code, 0, "{model}");
        assert_eq!(snmpd.writes(), [format!("{table} 3 2"), format!("{table} 3 1")], "{model}");
    }
}

#[tokio::test]
async fn a_number_that_no_table_documents_is_neither_on_nor_off() {
    let snmpd = Snmpd::start(RPDU).await;
    for state in [0, 3, 4, -1] {
        for model in MODELS {
            snmpd.set_outlets(&format!("1 {state} 2\n"));
            let verdict = snmpd.run(model, "status", "1", "").await;
            assert_eq!(verdict.code, 1, "{model} {state}: {verdict:?}");
            assert!(verdict.stderr.contains("unknown"), "{model} {state}: {verdict:?}");
        }
    }
}

#[tokio::test]
async fn a_pending_command_is_cancelled_with_each_tables_own_number() {
    let snmpd = Snmpd::start(RPDU).await;
    for (model, cancel) in [("apc_rpdu", 7), ("apc_rpdu2", 8)] {
        snmpd.set_outlets("1 2 1\n");
        assert_eq!(snmpd.run(model, "status", "1", "").await.code, 1, "{model}: off, but pending");
        assert_eq!(snmpd.run(model, "off", "1", "").await.code, 0, "{model}");
        let table = model.strip_prefix("apc_").unwrap();
        assert_eq!(snmpd.writes(), [format!("{table} 1 {cancel}"), format!("{table} 1 2")], "{model}");
    }
    // Nothing can be cancelled there: it stays pending, and that is not off.
    snmpd.set_outlets("1 2 1\n");
    assert_eq!(snmpd.run("apc_masterswitch", "off", "1", SHORT).await.code, 1);
}

#[tokio::test]
async fn read_only_access_and_a_foreign_device_are_told_apart() {
    let snmpd = Snmpd::start(".1.3.6.1.4.1.8072.3.2.10").await;
    let verdict = snmpd.run("auto", "off", "1", "").await;
    assert!(verdict.code == 1 && verdict.stderr.contains("unknown device (sysObjectID"), "{verdict:?}");
    let verdict = snmpd.run("apc_rpdu", "off", "1", "community=reader\n").await;
    assert_eq!(verdict.code, 1, "{verdict:?}");
    assert!(verdict.stderr.contains("refused"), "{verdict:?}");
    let wrong =
        format!("snmp_version=3\nusername=sha-aes\npassword=wrong-phrase\nsnmp_priv_passwd={PRIVACY}\n");
    assert_eq!(snmpd.run("apc_rpdu", "off", "1", &wrong).await.code, 1);
    assert!(snmpd.writes().is_empty());
}
