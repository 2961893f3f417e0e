//! The agent against a sound simulated switch.

#![allow(clippy::unwrap_used)]

mod common;
#[path = "../../tests/contract.rs"]
mod every_agent;

use common::{Lab, MODELS};
use ha_pdu::{Command, Protocol};

#[tokio::test(flavor = "multi_thread")]
async fn generic_lists_what_the_options_say() {
    let lab = Lab::new().await;
    assert_eq!(lab.run("generic", "list", "", "").await.stdout, "1,\n2,\n3,\n4,\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_refused_and_not_tried_again_and_again() {
    for model in MODELS {
        let lab = Lab::new().await;
        let verdict = lab.run(model, "off", "2", "password=wrong-one\n").await;
        assert_eq!(verdict.code, 1, "{model}");
        assert!(verdict.stderr.contains("refused"), "{model}: {verdict:?}");
        assert!(!verdict.stderr.contains("trying again"), "{model}: {verdict:?}");
        assert!(!verdict.stderr.contains("wrong-one"), "{model}: {verdict:?}");
        assert_eq!(lab.true_states(), [true; 4], "{model}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dli_off_for_now_but_set_to_come_back_is_not_off() {
    let lab = Lab::new().await;
    lab.pdu.command(Protocol::HttpDli, 2, Command::TransientOff, true).unwrap();
    assert_eq!(lab.true_states(), [true, false, true, true]);
    let status = lab.run("dli", "status", "2", "").await;
    assert_eq!(status.code, 1);
    assert!(status.stderr.contains("come back on"), "{status:?}");
    // The persistent off makes it a real one.
    assert_eq!(lab.run("dli", "off", "2", "").await.code, 0);
    assert_eq!(lab.run("dli", "status", "2", "").await.code, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn generic_reads_text_and_takes_header_lines_from_a_private_file() {
    let lab = Lab::new().await;
    let text = "status_url=/outlet/{plug}/text\nstatus_on=text:is ON\nstatus_off=text:is OFF\n";
    assert_eq!(lab.run("generic", "off", "4", text).await.code, 0);
    assert_eq!(lab.run("generic", "status", "4", text).await.code, 2);
    // "Outlet 4 is OFF" fits both of these.
    let verdict = lab
        .run(
            "generic",
            "status",
            "4",
            "status_url=/outlet/{plug}/text\nstatus_on=text:O\nstatus_off=text:OFF\n",
        )
        .await;
    assert_eq!(verdict.code, 1);
    assert!(verdict.stderr.contains("both status_on and status_off fit"), "{verdict:?}");
    // Logging in by a header of one's own instead of option auth.
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("headers");
    std::fs::write(&file, "Authorization: Basic YWRtaW46czNjcmV0LW9mLXRoZS1wZHU=\n").unwrap();
    let more = format!("auth=none\nheaders_file={}\n", file.display());
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let verdict = lab.run("generic", "status", "1", &more).await;
    assert!(verdict.code == 1 && verdict.stderr.contains("chmod 0600"), "{verdict:?}");
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    assert_eq!(lab.run("generic", "status", "1", &more).await.code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn generic_refuses_a_template_that_cannot_tell_on_from_off() {
    let lab = Lab::new().await;
    for (more, said) in [
        ("status_on=json:/state=off\n", "the same rule"),
        ("status_off=off\n", "none of json:"),
        ("off_url=\n", "'off_url' is missing"),
    ] {
        let verdict = lab.run("generic", "validate-all", "1", more).await;
        assert_eq!(verdict.code, 1, "{more}");
        assert!(verdict.stderr.contains(said), "{more}: {verdict:?}");
    }
}
