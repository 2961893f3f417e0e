//! What every agent says of a faulty switch: the verdict of every model under every fault.
//!
//! 0 of `off` means "proven off". What the agent cannot see (a lie, a supply that holds up) is here as well: it shows
//! what the cluster's own rules must cover.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use ha_pdu::{Command, Effect, PduFaults};

use crate::common::{ASKS_BEFORE, Lab, MODELS, SHORT};

const ALL_ON: [bool; 4] = [true; 4];
const SECOND_OFF: [bool; 4] = [true, false, true, true];
/// Far less than the `power_timeout` of a run without [`SHORT`] (15 s), far more than a busy machine needs.
const SOON: Duration = Duration::from_secs(8);

/// Verdicts of status and off, and the relays afterwards.
async fn verdicts(lab: &Lab, model: &str, more: &str) -> (i32, i32, Vec<bool>) {
    let more = &format!("{SHORT}{more}");
    let status = lab.run(model, "status", "2", more).await.code;
    let off = lab.run(model, "off", "2", more).await.code;
    (status, off, lab.true_states())
}

#[tokio::test(flavor = "multi_thread")]
async fn unreachable_is_no_verdict_and_nothing_is_done_afterwards() {
    for model in MODELS {
        let lab = Lab::with(PduFaults { unreachable: true, ..Default::default() }).await;
        let started = Instant::now();
        assert_eq!(verdicts(&lab, model, "").await, (1, 1, ALL_ON.into()), "{model}");
        assert!(started.elapsed() < Duration::from_secs(6), "{model}: the time limits did not hold");
        lab.pdu.set_faults(PduFaults::default());
        // A later command shows that earlier ones were not merely queued.
        assert_eq!(lab.run(model, "on", "1", SHORT).await.code, 0, "{model}");
        assert_eq!(lab.true_states(), ALL_ON, "{model}");
        assert_eq!(lab.journal().len(), 1, "{model}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_within_the_limits_succeeds_and_beyond_them_does_not() {
    for model in MODELS {
        let lab = Lab::with(PduFaults { slow_ms: 200, ..Default::default() }).await;
        let more = "shell_timeout=3\npower_timeout=5\n";
        assert_eq!(verdicts(&lab, model, more).await, (0, 0, SECOND_OFF.into()), "{model}");
        let lab = Lab::with(PduFaults { slow_ms: 3000, ..Default::default() }).await;
        let verdict = lab.run(model, "status", "2", SHORT).await;
        assert_eq!(verdict.code, 1, "{model}");
        assert!(verdict.stderr.contains("timed out"), "{model}: {verdict:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn failing_is_a_failure() {
    for model in MODELS {
        let lab = Lab::with(PduFaults { failing: true, ..Default::default() }).await;
        assert_eq!(verdicts(&lab, model, "").await, (1, 1, ALL_ON.into()), "{model}");
        let started = Instant::now();
        assert_eq!(lab.run(model, "off", "2", "").await.code, 1, "{model}");
        assert!(started.elapsed() < SOON, "{model}: the next fence level waits for this");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_command_is_not_repeated() {
    for model in MODELS {
        let lab = Lab::with(PduFaults { rejecting: true, ..Default::default() }).await;
        let started = Instant::now();
        let verdict = lab.run(model, "off", "2", "").await;
        assert_eq!(verdict.code, 1, "{model}");
        assert!(verdict.stderr.contains("refused"), "{model}: {verdict:?}");
        assert!(started.elapsed() < SOON, "{model}: the next fence level waits for this");
        let offs = lab.journal().iter().filter(|record| record.command == Command::Off).count();
        assert_eq!(offs, 1, "{model}: {verdict:?}");
        assert_eq!(lab.true_states(), ALL_ON, "{model}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lie_is_believed_by_any_agent() {
    for model in MODELS {
        let lab = Lab::with(PduFaults { lying: true, ..Default::default() }).await;
        assert_eq!(verdicts(&lab, model, "").await, (0, 0, ALL_ON.into()), "{model}");
        assert!(
            lab.journal().iter().any(|record| record.effect == Effect::NotDone { fault: "lying" }),
            "{model}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_answer_in_time_is_fine_and_a_timed_out_command_is_not_success() {
    for model in MODELS {
        let lab = Lab::with(PduFaults { answers_late_ms: 300, ..Default::default() }).await;
        assert_eq!(verdicts(&lab, model, "").await, (0, 0, SECOND_OFF.into()), "{model}");
        // Done, and reads off, but never acknowledged: no proof.
        let lab = Lab::with(PduFaults { answers_late_ms: 10_000, ..Default::default() }).await;
        assert_eq!(verdicts(&lab, model, "").await, (0, 1, SECOND_OFF.into()), "{model}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stuck_command_is_not_success() {
    for model in MODELS {
        let lab = Lab::with(PduFaults { stuck_pending: true, ..Default::default() }).await;
        assert_eq!(verdicts(&lab, model, "").await, (0, 1, ALL_ON.into()), "{model}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_state_is_neither_on_nor_off() {
    for model in MODELS {
        let lab = Lab::with(PduFaults { unknown: BTreeSet::from([2]), ..Default::default() }).await;
        assert_eq!(verdicts(&lab, model, "").await, (1, 1, SECOND_OFF.into()), "{model}");
        assert_eq!(
            lab.run(model, "status", "3", SHORT).await.code,
            0,
            "{model}: another outlet is not concerned"
        );
        let verdict = lab.run(model, "on", "2", SHORT).await;
        assert_eq!(verdict.code, 1, "{model}");
        assert!(verdict.stderr.contains("not proven on"), "{model}: {verdict:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outlet_that_stays_unknown_is_cut_and_soon_given_up() {
    for model in MODELS {
        let lab = Lab::with(PduFaults { unknown: BTreeSet::from([2]), ..Default::default() }).await;
        let started = Instant::now();
        let verdict = lab.run(model, "off", "2", "").await;
        assert_eq!((verdict.code, lab.true_states()), (1, SECOND_OFF.into()), "{model}");
        assert!(started.elapsed() < SOON, "{model}: the next fence level waits for this");
        assert!(
            verdict.stderr.contains("outlet 2 is not proven off: reads as unknown"),
            "{model}: {verdict:?}"
        );
        let known = verdict.stderr.contains("and before the command");
        assert_eq!(known, ASKS_BEFORE.contains(&model), "{model}: {verdict:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_supply_that_holds_up_reads_off_before_it_is() {
    for model in MODELS {
        let lab = Lab::with(PduFaults { hold_up_ms: 1500, ..Default::default() }).await;
        assert_eq!(verdicts(&lab, model, "").await, (0, 0, ALL_ON.into()), "{model}");
        let deadline = Instant::now() + Duration::from_secs(10);
        while lab.true_states() != SECOND_OFF {
            assert!(Instant::now() < deadline, "{model}: never truly off");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_hits_another_outlet_is_not_success() {
    for model in MODELS {
        let lab = Lab::with(PduFaults { wrong_outlet: true, ..Default::default() }).await;
        assert_eq!(verdicts(&lab, model, "").await, (0, 1, vec![true, true, false, true]), "{model}");
    }
}
