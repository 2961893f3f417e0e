//! What every agent does with a sound switch, in every model, judged by the switch's relays and journal.

use ha_pdu::{Command, Effect};

use crate::common::{Lab, MODELS, NAMING_MODELS};

#[tokio::test(flavor = "multi_thread")]
async fn off_on_reboot_status_as_the_contract_says() {
    for model in MODELS {
        let lab = Lab::new().await;
        assert_eq!(lab.run(model, "status", "2", "").await.code, 0, "{model}");
        let off = lab.run(model, "off", "2", "").await;
        assert_eq!(off.code, 0, "{model} {off:?}");
        assert_eq!(lab.true_states(), [true, false, true, true], "{model}");
        assert_eq!(lab.run(model, "status", "2", "").await.code, 2, "{model}");
        // On if any is on.
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
        assert_eq!(lab.run(model, "monitor", "", "").await.code, 0, "{model}");
        assert_eq!(lab.run(model, "validate-all", "2", "").await.code, 0, "{model}");
    }
}

/// As under Pacemaker (`disable_timeout`), and with limits far longer than any device needs.
#[tokio::test(flavor = "multi_thread")]
async fn long_and_disabled_time_limits_are_fine() {
    for model in MODELS {
        for limits in ["disable_timeout=1\n", "shell_timeout=120\nlogin_timeout=120\n", "shell_timeout=0\n"] {
            let lab = Lab::new().await;
            let off = lab.run(model, "off", "2", limits).await;
            assert_eq!(
                (off.code, lab.true_states()),
                (0, vec![true, false, true, true]),
                "{model} {limits} {off:?}"
            );
            assert_eq!(lab.run(model, "validate-all", "2", limits).await.code, 0, "{model} {limits}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn several_outlets_are_all_switched() {
    for model in MODELS {
        let lab = Lab::new().await;
        assert_eq!(lab.run(model, "off", "1,4", "").await.code, 0, "{model}");
        assert_eq!(lab.true_states(), [false, true, true, false], "{model}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn off_of_an_outlet_that_is_off_still_sends_the_command() {
    for model in MODELS {
        let lab = Lab::new().await;
        assert_eq!(lab.run(model, "off", "1", "").await.code, 0, "{model}");
        assert_eq!(lab.run(model, "off", "1", "").await.code, 0, "{model}");
        let offs = lab.journal().iter().filter(|record| record.command == Command::Off).count();
        assert_eq!(offs, 2, "{model}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_impossible_outlet_is_never_off() {
    for model in MODELS {
        let lab = Lab::new().await;
        for plug in ["5", "99", "0", "nobody"] {
            for action in ["status", "off"] {
                let verdict = lab.run(model, action, plug, "").await;
                assert_eq!(verdict.code, 1, "{model} {action} {plug}: {verdict:?}");
                assert!(verdict.stderr.contains(&format!("no outlet {plug}")), "{model}: {verdict:?}");
            }
        }
        assert_eq!(lab.true_states(), [true; 4], "{model}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_impossible_outlet_among_several_fails_but_the_others_are_cut() {
    for model in MODELS {
        let lab = Lab::new().await;
        assert_eq!(lab.run(model, "off", "9,2", "").await.code, 1, "{model}");
        assert_eq!(lab.true_states(), [true, false, true, true], "{model}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn outlets_are_listed_and_found_by_name() {
    for model in NAMING_MODELS {
        let lab = Lab::new().await;
        let list = lab.run(model, "list", "", "").await;
        assert_eq!(list.stdout, "1,outlet1\n2,outlet2\n3,outlet3\n4,outlet4\n", "{model}");
        assert_eq!(lab.run(model, "off", "outlet3", "").await.code, 0, "{model}");
        assert_eq!(lab.true_states(), [true, true, false, true], "{model}");
        let list = lab.run(model, "list-status", "", "").await;
        assert_eq!(list.stdout, "1,outlet1,ON\n2,outlet2,ON\n3,outlet3,OFF\n4,outlet4,ON\n", "{model}");
    }
}
