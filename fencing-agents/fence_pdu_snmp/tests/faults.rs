//! The agent against a faulty simulated switch: what SNMP alone can tell is about pending commands.

#![allow(clippy::unwrap_used)]

mod common;
#[path = "../../tests/faults.rs"]
mod every_agent;

use std::time::{Duration, Instant};

use common::{Lab, MODELS, SHORT};
use ha_pdu::{Command, PduFaults, Protocol};

#[tokio::test(flavor = "multi_thread")]
async fn pending_is_not_a_state_but_worth_waiting_for() {
    for model in MODELS {
        let lab = Lab::with(PduFaults { stuck_pending: true, ..Default::default() }).await;
        let started = Instant::now();
        assert_eq!(lab.run(model, "off", "2", "power_timeout=4\n").await.code, 1, "{model}");
        assert!(started.elapsed() > Duration::from_millis(2500), "{model}: a command may take power_timeout");
        let status = lab.run(model, "status", "2", SHORT).await;
        assert_eq!(status.code, 1, "{model}");
        assert!(status.stderr.contains("a command is pending"), "{model}: {status:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pending_on_is_cancelled_and_does_not_bring_the_node_back() {
    for model in MODELS {
        let lab = Lab::new().await;
        lab.pdu.command(Protocol::Timer, 2, Command::Off, false).unwrap();
        // Due in one second, the switch's default delay.
        lab.pdu.command(Protocol::Timer, 2, Command::DelayedOn, false).unwrap();
        assert_eq!(lab.run(model, "status", "2", SHORT).await.code, 1, "{model}: off, but not for long");
        assert_eq!(lab.run(model, "off", "2", SHORT).await.code, 0, "{model}");
        tokio::time::sleep(Duration::from_millis(1300)).await;
        assert_eq!(lab.true_states(), [true, false, true, true], "{model}");
        assert_eq!(lab.run(model, "status", "2", SHORT).await.code, 2, "{model}");
        let cancelled = lab.journal().iter().any(|record| record.command == Command::CancelPending);
        assert_eq!(cancelled, model != "apc_masterswitch", "{model}: that table has no verb for it");
    }
}
