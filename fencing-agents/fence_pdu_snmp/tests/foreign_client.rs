//! Debian's `fence_apc_snmp`, a client that shares no code with ours, driving the simulated switch.
//!
//! Needs the Debian packages fence-agents and snmp; a missing one is a failure that names it.

#![allow(clippy::unwrap_used)]

mod common;

use std::process::Command as Process;

use common::{AUTH, COMMUNITY, Lab, PRIVACY, Verdict, needed, process};
use ha_pdu::{Command, ObjectId, Protocol};

async fn fence_apc_snmp(lab: &Lab, version: &str, action: &str, plug: &str) -> Verdict {
    let mut command = Process::new(needed("/usr/sbin/fence_apc_snmp", "fence-agents"));
    for (option, path) in
        [("--snmpget-path", "snmpget"), ("--snmpset-path", "snmpset"), ("--snmpwalk-path", "snmpwalk")]
    {
        command.arg(format!("{option}={}", needed(&format!("/usr/bin/{path}"), "snmp")));
    }
    command.args(["-a", "127.0.0.1", "-u", &lab.port().to_string(), "-o", action, "--power-timeout=5"]);
    if !plug.is_empty() {
        command.args(["-n", plug]);
    }
    match version {
        "1" | "2c" => command.args(["-d", version, "-c", COMMUNITY]),
        "3 auth" => command.args(["-d", "3", "-l", "sha", "-b", "SHA", "-p", AUTH, "-E", "authNoPriv"]),
        "3 DES" => command.args([
            "-d", "3", "-l", "md5-des", "-b", "MD5", "-p", AUTH, "-E", "authPriv", "-B", "DES", "-P", PRIVACY,
        ]),
        _ => command.args([
            "-d", "3", "-l", "sha-aes", "-b", "SHA", "-p", AUTH, "-E", "authPriv", "-B", "AES", "-P", PRIVACY,
        ]),
    };
    process(command, String::new()).await
}

async fn drive(object_id: ObjectId, version: &str, protocol: Protocol) {
    let lab = Lab::of(object_id).await;
    let run = async |action, plug| {
        let verdict = fence_apc_snmp(&lab, version, action, plug).await;
        (verdict.code, format!("{object_id:?} {version} {action}: {verdict:?}"))
    };
    let expect = async |action, plug, code, states: [bool; 4]| {
        let (given, said) = run(action, plug).await;
        assert_eq!(given, code, "{said}");
        assert_eq!(lab.true_states(), states, "{said}");
    };
    let off = [true, false, true, true];
    expect("status", "2", 0, [true; 4]).await;
    expect("off", "2", 0, off).await;
    expect("status", "2", 2, off).await;
    expect("on", "2", 0, [true; 4]).await;
    expect("reboot", "2", 0, [true; 4]).await;
    expect("off", "outlet2", 0, off).await;
    expect("monitor", "", 0, off).await;
    let commands: Vec<_> =
        lab.journal().iter().map(|record| (record.protocol, record.outlet, record.command)).collect();
    let wanted = [Command::Off, Command::On, Command::Off, Command::On, Command::Off];
    assert_eq!(commands, wanted.map(|command| (protocol, 2, command)), "{object_id:?} {version}");
    let list = fence_apc_snmp(&lab, version, "list", "").await;
    let mut lines: Vec<_> = list.stdout.lines().filter(|line| line.contains(',')).collect();
    lines.sort_unstable();
    assert_eq!(lines, ["1,outlet1", "2,outlet2", "3,outlet3", "4,outlet4"], "{list:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn version_1_on_each_kind_of_device() {
    for object_id in [ObjectId::Rpdu, ObjectId::Rpdu2, ObjectId::MasterSwitch] {
        drive(object_id, "1", Protocol::SnmpV1).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn version_2c() {
    drive(ObjectId::Rpdu, "2c", Protocol::SnmpV2c).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn version_3_at_each_level() {
    for level in ["3 auth", "3 DES", "3 AES"] {
        drive(ObjectId::Rpdu, level, Protocol::SnmpV3).await;
    }
}
