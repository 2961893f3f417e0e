//! Hosts: boot, incarnation, what survives a power cycle, services, freezing, commands.
#![allow(clippy::unwrap_used)]

mod common;

use common::{SOON, spec, start, web};
use ha_lab::{PowerEffect, wait_for};
use std::time::Duration;

#[test]
fn a_power_cycle_ends_an_incarnation_and_keeps_the_disk() {
    let lab = start(spec(&["alpha", "beta"]));
    let first = lab.host_state("alpha").unwrap().boot_id.unwrap();
    assert_eq!(lab.sh("alpha", "hostname; cat /run/ha/boot_id"), format!("alpha\n{first}\n"));
    lab.sh("alpha", "touch /run/gone /tmp/gone; echo kept > /var/lib/ha/file");
    assert_eq!(std::fs::read_to_string(lab.host_dir("alpha").join("data/file")).unwrap(), "kept\n");
    lab.power_off("alpha").unwrap();
    assert!(!lab.host_state("alpha").unwrap().is_on);
    assert!(lab.exec("alpha", &["true"], SOON).is_err(), "a host without power ran a command");
    lab.power_on("alpha").unwrap();
    let second = lab.host_state("alpha").unwrap().boot_id.unwrap();
    assert_ne!(first, second);
    assert_eq!(lab.sh("alpha", "cat /run/ha/boot_id"), format!("{second}\n"));
    assert_eq!(lab.sh("alpha", "cat /var/lib/ha/file; ls /run /tmp | grep gone || true"), "kept\n");

    let journal = lab.power_journal().unwrap();
    let alpha: Vec<_> = journal.iter().filter(|r| r.host == "alpha").collect();
    let effects: Vec<_> = alpha.iter().map(|r| (r.effect, r.boot_id.clone().unwrap())).collect();
    assert_eq!(
        effects,
        [(PowerEffect::On, first.clone()), (PowerEffect::Off, first), (PowerEffect::On, second)]
    );
    for record in alpha {
        println!("{:?} took {} us", record.effect, (record.t_ns - record.began_ns) / 1000);
    }
}

#[test]
fn the_machine_is_visible_but_cannot_be_written() {
    let lab = start(spec(&["alpha"]));
    let script =
        "for d in /usr /etc /var/lib /home /; do touch $d/ha-lab-test 2>/dev/null && echo $d; done; true";
    assert_eq!(lab.sh("alpha", script), "", "these were writable");
    lab.sh("alpha", "test -x /usr/bin/env && grep -q root /etc/passwd && touch /etc/ha/x /var/log/ha/x");
    assert!(!lab.sh("alpha", "ip -o link").contains("net0:"), "a host sees the lab's bridges");
    let processes = lab.sh("alpha", "ls -d /proc/[0-9]* | wc -l");
    assert!(processes.trim().parse::<u32>().unwrap() < 10, "a host sees others' processes: {processes}");
}

#[test]
fn addresses_and_macs_are_the_documented_ones() {
    let lab = start(spec(&["alpha", "beta"]));
    let seen = lab.sh("beta", "ip -o address; ip -o link");
    for word in
        ["10.0.0.12/24", "192.168.7.12/24", "10.0.9.12/24", "fd00:4841:0:1::12/64", "02:00:48:41:02:0c"]
    {
        assert!(seen.contains(word), "no {word} in {seen}");
    }
    assert!(!seen.contains("tentative"), "duplicate address detection delays the boot: {seen}");
    // A connection over each link, in both families, to a switch of its own on the management link included.
    for address in ["10.0.0.11", "192.168.7.11", "fd00:4841:0:1::11"] {
        let out = lab.sh("beta", &format!("echo > /dev/tcp/{address}/9 2>&1 || true"));
        assert_eq!(out, "");
        let out = lab.exec("beta", &["bash", "-c", &format!("echo > /dev/tcp/{address}/9")], SOON).unwrap();
        assert!(out.stderr.contains("refused"), "{address} does not answer: {}", out.stderr);
    }
}

#[test]
fn a_service_that_dies_is_restarted_unless_held() {
    let mut plan = spec(&["alpha"]);
    plan.1 = plan.1.with_service(&web("0.0.0.0:80"));
    let lab = start(plan);
    let pid = || lab.host_state("alpha").unwrap().services.get("web").copied();
    wait_for("the service", SOON, || Ok(pid().is_some())).unwrap();
    let first = pid().unwrap();
    lab.kill_service("alpha", "web", libc::SIGKILL).unwrap();
    wait_for("another process", SOON, || Ok(pid().is_some_and(|p| p != first))).unwrap();
    lab.hold_service("alpha", "web").unwrap();
    lab.kill_service("alpha", "web", libc::SIGKILL).unwrap();
    wait_for("no process", SOON, || Ok(pid().is_none())).unwrap();
    // Far beyond its restart delay; the init's own clock tells the time.
    lab.sh("alpha", "sleep 0.4");
    assert_eq!(pid(), None, "a held service was restarted");
    lab.release_service("alpha", "web").unwrap();
    wait_for("the service again", SOON, || Ok(pid().is_some())).unwrap();
    let log = std::fs::read_to_string(lab.host_dir("alpha").join("log/web.log")).unwrap();
    assert!(log.contains("ended by SIGKILL"), "{log}");
}

#[test]
fn a_frozen_host_does_nothing_and_goes_on_where_it_was() {
    let lab = start(spec(&["alpha"]));
    let boot_id = lab.host_state("alpha").unwrap().boot_id;
    // A process that is not a service: everything must stop.
    lab.sh("alpha", "(while :; do date +%s%N > /var/lib/ha/beat; sleep 0.01; done) >/dev/null 2>&1 &");
    let beat = || Ok(std::fs::read_to_string(lab.host_dir("alpha").join("data/beat")).unwrap_or_default());
    let beats_after = |old: &str| {
        let old = old.to_string();
        wait_for("a beat", SOON, || beat().map(|b| !b.is_empty() && b != old))
    };
    beats_after("").unwrap();
    lab.freeze("alpha").unwrap();
    let frozen = beat().unwrap();
    assert!(lab.host_state("alpha").unwrap().is_frozen);
    assert!(lab.exec("alpha", &["true"], SOON).is_err(), "a frozen host ran a command");
    lab.exec_lab(&["sleep", "0.3"], SOON).unwrap();
    assert_eq!(beat().unwrap(), frozen, "a frozen host went on");
    lab.thaw("alpha").unwrap();
    beats_after(&frozen).unwrap();
    assert_eq!(lab.host_state("alpha").unwrap().boot_id, boot_id);
    // A frozen host can lose its power.
    lab.freeze("alpha").unwrap();
    lab.power_off("alpha").unwrap();
    assert!(!lab.host_state("alpha").unwrap().is_on);
}

#[test]
fn commands_report_their_end_and_are_bounded() {
    let lab = start(spec(&["alpha"]));
    let run = |argv: &[&str], ms| lab.exec("alpha", argv, Duration::from_millis(ms)).unwrap();
    assert_eq!(run(&["sh", "-c", "echo out; echo err >&2; exit 7"], 20_000).code, Some(7));
    assert_eq!(run(&["/no/such/program"], 20_000).code, Some(127));
    assert_eq!(run(&["sh", "-c", "kill -9 $$"], 20_000).code, None);
    let out = run(&["sh", "-c", "echo before; sleep 1000"], 300);
    assert!(out.is_timed_out && out.stdout == "before\n", "{out:?}");
    assert_eq!(lab.sh("alpha", "pgrep -c sleep || true"), "0\n", "the time-out left the command behind");
    let huge = run(&["sh", "-c", "head -c 3000000 /dev/zero | tr '\\0' x"], 20_000);
    assert!(huge.is_success() && huge.stdout.len() < 1_100_000 && huge.stdout.contains("bytes dropped"));
}
