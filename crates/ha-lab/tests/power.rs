//! The simulated switches: what they are told, what they do, what truly happens to the hosts.
#![allow(clippy::unwrap_used)]

mod common;

use common::{SOON, spec, start};
use ha_lab::{PowerEffect, wait_for};
use serde_json::{Value, json};

const A: &str = "10.0.9.1";
const B: &str = "10.0.9.2";

#[test]
fn an_outlet_powers_its_host_and_the_journal_says_so() {
    let lab = start(spec(&["alpha", "beta"]));
    let boot_id = lab.host_state("alpha").unwrap().boot_id;
    assert!(lab.outlet("beta", A, 1, "off").contains("\"off\""));
    assert!(!lab.host_state("alpha").unwrap().is_on, "the switch answered before the host was off");
    assert!(lab.host_state("beta").unwrap().is_on, "the wrong host lost its power");
    assert!(lab.power_on("alpha").is_err(), "a button worked without power at the outlet");
    lab.outlet("beta", A, 1, "on");
    wait_for("alpha to boot", SOON, || Ok(lab.host_state("alpha")?.is_on)).unwrap();
    assert_ne!(lab.host_state("alpha").unwrap().boot_id, boot_id);

    let journal = lab.power_journal().unwrap();
    let by_outlet: Vec<_> = journal.iter().filter(|r| r.outlet.is_some()).collect();
    assert_eq!(by_outlet.len(), 2);
    assert_eq!((by_outlet[0].effect, by_outlet[1].effect), (PowerEffect::Off, PowerEffect::On));
    assert_eq!((by_outlet[0].pdu.as_deref(), by_outlet[0].outlet), (Some("pdu-a"), Some(1)));
    assert_eq!(by_outlet[0].boot_id, boot_id);
    assert!(by_outlet[0].began_ns < by_outlet[0].t_ns && by_outlet[0].t_ns < by_outlet[1].t_ns);
}

#[test]
fn the_button_leaves_the_outlet_and_an_outlet_that_comes_back_boots() {
    let lab = start(spec(&["alpha", "beta"]));
    lab.power_off("alpha").unwrap();
    assert!(lab.outlet("beta", A, 1, "off").contains("\"off\""));
    lab.outlet("beta", A, 1, "on");
    wait_for("alpha to boot when its power returns", SOON, || Ok(lab.host_state("alpha")?.is_on)).unwrap();
}

#[test]
fn two_supplies_need_two_outlets() {
    let mut plan = spec(&["alpha", "beta"]);
    plan.1.pdus[1].outlets.insert(5, "alpha".into());
    let lab = start(plan);
    lab.outlet("beta", A, 1, "off");
    assert!(lab.host_state("alpha").unwrap().is_on, "one of two supplies is enough");
    lab.outlet("beta", B, 5, "off");
    assert!(!lab.host_state("alpha").unwrap().is_on);
    lab.outlet("beta", B, 5, "on");
    wait_for("alpha to boot", SOON, || Ok(lab.host_state("alpha")?.is_on)).unwrap();
}

#[test]
fn a_lying_switch_says_off_and_the_lab_knows_better() {
    let lab = start(spec(&["alpha", "beta"]));
    lab.pdu_fault("pdu-a", json!({ "lying": true })).unwrap();
    assert!(lab.outlet("beta", A, 1, "off").contains("\"off\""));
    assert!(lab.host_state("alpha").unwrap().is_on);
    assert!(!lab.power_journal().unwrap().iter().any(|r| r.effect == PowerEffect::Off));
    lab.pdu_fault("pdu-a", Value::Null).unwrap();
    lab.outlet("beta", A, 1, "off");
    assert!(!lab.host_state("alpha").unwrap().is_on);
    assert!(lab.pdu_fault("pdu-a", json!({ "no_such_fault": true })).is_err());
    assert!(lab.pdu_fault("pdu-x", Value::Null).is_err());
}

#[test]
fn an_unreachable_switch_does_not_answer() {
    let lab = start(spec(&["alpha", "beta"]));
    lab.pdu_fault("pdu-a", json!({ "unreachable": true })).unwrap();
    let script = "exec 3<>/dev/tcp/10.0.9.1/80; printf 'GET /outlet/1 HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3";
    let out = lab.exec("beta", &["timeout", "0.5", "bash", "-c", script], SOON).unwrap();
    assert_eq!(out.stdout, "");
    assert!(lab.host_state("alpha").unwrap().is_on);
}
