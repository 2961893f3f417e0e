//! The agent against a sound simulated switch: every version, rights, what a device is known by.

#![allow(clippy::unwrap_used)]

mod common;
#[path = "../../tests/contract.rs"]
mod every_agent;

use common::{Lab, SHORT, versions};
use ha_pdu::ObjectId;

#[tokio::test(flavor = "multi_thread")]
async fn every_version_and_security_level() {
    let lab = Lab::of(ObjectId::Rpdu2).await;
    for (version, options) in versions() {
        // The community must not let a v3 run in by mistake.
        let options = format!("community=\n{options}");
        assert_eq!(lab.run("auto", "status", "2", &options).await.code, 0, "{version}");
        let off = lab.run("auto", "off", "2", &options).await;
        assert_eq!(off.code, 0, "{version} {off:?}");
        assert_eq!(lab.true_states(), [true, false, true, true], "{version}");
        assert_eq!(lab.run("auto", "status", "2", &options).await.code, 2, "{version}");
        assert_eq!(lab.run("auto", "list", "", &options).await.stdout.lines().count(), 4, "{version}");
        assert_eq!(lab.run("auto", "on", "2", &options).await.code, 0, "{version}");
        // v1 says it by an error, the others by a value.
        for plug in ["5", "99", "0", "nobody"] {
            for action in ["status", "off"] {
                let verdict = lab.run("auto", action, plug, &options).await;
                assert_eq!(verdict.code, 1, "{version} {action} {plug}: {verdict:?}");
                assert!(verdict.stderr.contains(&format!("no outlet {plug}")), "{version} {verdict:?}");
            }
        }
        assert_eq!(lab.true_states(), [true; 4], "{version}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_table_is_chosen_by_what_the_device_says_it_is() {
    for (object_id, model) in [
        (ObjectId::Rpdu, "apc_rpdu"),
        (ObjectId::Rpdu2, "apc_rpdu2"),
        (ObjectId::MasterSwitch, "apc_masterswitch"),
    ] {
        let lab = Lab::of(object_id).await;
        let verdict = lab.run("auto", "off", "1", "").await;
        assert_eq!(verdict.code, 0, "{model}");
        assert!(verdict.stderr.contains(&format!("the device is an {model}\n")), "{verdict:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_only_read_is_told_so_and_who_may_nothing_times_out() {
    let lab = Lab::new().await;
    for version in ["1", "2c"] {
        let reader = format!("{SHORT}community=reader\nsnmp_version={version}\n");
        assert_eq!(lab.run("auto", "status", "1", &reader).await.code, 0);
        let verdict = lab.run("auto", "off", "1", &reader).await;
        assert_eq!(verdict.code, 1, "{version} {verdict:?}");
        let stranger = format!("{SHORT}community=stranger\nsnmp_version={version}\n");
        assert_eq!(lab.run("auto", "status", "1", &stranger).await.code, 1);
    }
    for wrong in [
        "snmp_version=3\nusername=sha-aes\npassword=not-the-phrase\nsnmp_priv_passwd=s3cret-privacy-phrase\n",
        "snmp_version=3\nusername=sha-aes\npassword=s3cret-auth-phrase\nsnmp_priv_passwd=not-the-phrase\n",
        "snmp_version=3\nusername=nobody\npassword=s3cret-auth-phrase\n",
        // A level below the user's own.
        "snmp_version=3\nusername=sha-aes\npassword=s3cret-auth-phrase\nsnmp_sec_level=authNoPriv\n",
        "snmp_version=3\nusername=sha-aes\nsnmp_sec_level=noAuthNoPriv\n",
    ] {
        assert_eq!(lab.run("auto", "off", "1", &format!("{SHORT}{wrong}")).await.code, 1, "{wrong}");
    }
    assert_eq!(lab.true_states(), [true; 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_or_short_secrets_are_configuration_errors() {
    let lab = Lab::new().await;
    for (options, said) in [
        ("community=\n", "'community' (or community_file) is missing"),
        ("snmp_version=3\n", "'username' is missing"),
        ("snmp_version=3\nusername=sha\nsnmp_sec_level=authNoPriv\n", "'password' is missing: authNoPriv"),
        ("snmp_version=3\nusername=sha\npassword=2short\n", "'password' is shorter than 8"),
        (
            "snmp_version=3\nusername=sha\npassword=long-enough\nsnmp_sec_level=authPriv\n",
            "'snmp_priv_passwd' is missing",
        ),
        ("snmp_version=4\n", "none of 1, 2c, 3"),
        ("community_file=/nonexistent/community\n", "community_file"),
        ("ip=\n", "'ip' is missing"),
    ] {
        let verdict = lab.run("auto", "validate-all", "1", options).await;
        assert_eq!(verdict.code, 1, "{options}");
        assert!(verdict.stderr.contains(said), "{options}: {verdict:?}");
    }
}
