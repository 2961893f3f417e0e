//! The agent against a sound simulated switch: every table, every version, judged by the switch's relays and journal.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Lab, MODELS, SHORT, versions};
use ha_pdu::{Command, Effect, ObjectId};

#[tokio::test(flavor = "multi_thread")]
async fn off_on_reboot_status_as_the_contract_says() {
    for model in MODELS {
        let lab = Lab::new(ObjectId::Rpdu).await;
        assert_eq!(lab.run(model, "status", "2", "").await.code, 0, "{model}");
        let off = lab.run(model, "off", "2", "").await;
        assert_eq!(off.code, 0, "{model} {off:?}");
        assert_eq!(lab.true_states(), [true, false, true, true], "{model}");
        assert_eq!(lab.run(model, "status", "2", "").await.code, 2, "{model}");
        assert_eq!(lab.run(model, "status", "2,3", "").await.code, 0, "{model}");
        assert_eq!(lab.run(model, "on", "2", "").await.code, 0, "{model}");
        assert_eq!(lab.true_states(), [true; 4], "{model}");
        assert_eq!(lab.run(model, "reboot", "3", "").await.code, 0, "{model}");
        let last: Vec<_> = lab.journal().iter().rev().take(2).map(|record| record.effect.clone()).collect();
        assert_eq!(
            last,
            [Effect::Relay { outlet: 3, on: true }, Effect::Relay { outlet: 3, on: false }],
            "{model}"
        );
        assert_eq!(lab.run(model, "off", "1,4", "").await.code, 0, "{model}");
        assert_eq!(lab.true_states(), [false, true, true, false], "{model}");
        assert_eq!(lab.run(model, "monitor", "", "").await.code, 0, "{model}");
        assert_eq!(
            lab.run(model, "list", "", "").await.stdout,
            "1,outlet1\n2,outlet2\n3,outlet3\n4,outlet4\n"
        );
        assert_eq!(lab.run(model, "off", "outlet2", "").await.code, 0, "{model}");
        assert_eq!(
            lab.run(model, "list-status", "", "").await.stdout,
            "1,outlet1,OFF\n2,outlet2,OFF\n3,outlet3,ON\n4,outlet4,OFF\n",
            "{model}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_version_and_security_level() {
    let lab = Lab::new(ObjectId::Rpdu2).await;
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
async fn an_impossible_outlet_is_never_off_in_any_table() {
    for model in MODELS {
        let lab = Lab::new(ObjectId::Rpdu).await;
        for action in ["status", "off"] {
            let verdict = lab.run(model, action, "5", "").await;
            assert_eq!(verdict.code, 1, "{model} {action}: {verdict:?}");
            assert!(verdict.stderr.contains("no outlet 5"), "{model}: {verdict:?}");
        }
        assert_eq!(lab.run(model, "off", "9,2", "").await.code, 1, "{model}");
        assert_eq!(
            lab.true_states(),
            [true, false, true, true],
            "{model}: the other outlet is cut all the same"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_table_is_chosen_by_what_the_device_says_it_is() {
    for (object_id, model) in [
        (ObjectId::Rpdu, "apc_rpdu"),
        (ObjectId::Rpdu2, "apc_rpdu2"),
        (ObjectId::MasterSwitch, "apc_masterswitch"),
    ] {
        let lab = Lab::new(object_id).await;
        let verdict = lab.run("auto", "off", "1", "").await;
        assert_eq!(verdict.code, 0, "{model}");
        assert!(verdict.stderr.contains(&format!("the device is an {model}\n")), "{verdict:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn off_of_an_outlet_that_is_off_still_sends_the_command() {
    for model in MODELS {
        let lab = Lab::new(ObjectId::Rpdu).await;
        assert_eq!(lab.run(model, "off", "1", "").await.code, 0, "{model}");
        assert_eq!(lab.run(model, "off", "1", "").await.code, 0, "{model}");
        let offs = lab.journal().iter().filter(|record| record.command == Command::Off).count();
        assert_eq!(offs, 2, "{model}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_only_read_is_told_so_and_who_may_nothing_times_out() {
    let lab = Lab::new(ObjectId::Rpdu).await;
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
    let lab = Lab::new(ObjectId::Rpdu).await;
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
