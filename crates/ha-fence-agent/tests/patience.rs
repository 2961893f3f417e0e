//! How long an agent waits for a device that does not say what it was asked for.

mod common;

use std::time::Duration;

use common::Step::{self, Accept, AcceptAfter, Hang, Read, ReadFails, SetFails};
use common::{Scripted, changing, failed, run, unknown, unreachable};
use ha_fence_agent::{Reading, Report};

/// What is said of an outlet, and how long that took.
async fn off_of(steps: &[Step]) -> (Report, Duration) {
    let device = Scripted::new(steps);
    let report = run(&device, "action=off\nplug=1\n").await;
    (report, device.start.elapsed())
}

#[tokio::test(start_paused = true)]
async fn an_outlet_that_stays_unknown_is_given_up_after_a_second_not_after_power_timeout() {
    for indefinite in [unknown(), ReadFails(failed())] {
        let (report, took) = off_of(&[Accept, indefinite]).await;
        assert_eq!(report.code, 1, "{report:?}");
        assert!((Duration::from_secs(1)..Duration::from_secs(2)).contains(&took), "{took:?}");
        assert!(report.messages[0].contains("outlet 1 is not proven off"), "{report:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_outlet_that_was_unknown_before_is_given_up_at_once() {
    let was_unknown = AcceptAfter(Reading::Unknown("state 4".into()));
    let (report, took) = off_of(&[was_unknown.clone(), unknown()]).await;
    assert_eq!(report.code, 1);
    assert!(took < Duration::from_millis(100), "{took:?}");
    assert!(report.messages[0].contains("3 answers in 0.03 s, and before the command"), "{report:?}");
    // It is commanded all the same, and an explicit off is believed.
    let (report, _) = off_of(&[was_unknown.clone(), unknown(), unknown(), Read(Reading::Off), Hang]).await;
    assert_eq!(report.code, 0, "{report:?}");
    // Once it has said something definite, it is a device that is switching.
    let steps = [was_unknown, Read(Reading::On), unknown(), unknown(), unknown(), Read(Reading::Off), Hang];
    assert_eq!(off_of(&steps).await.0.code, 0);
}

#[tokio::test(start_paused = true)]
async fn a_device_that_is_switching_is_waited_for() {
    let some = |step: Step, times| vec![step; times];
    for (what, middle) in [
        ("unknown for a moment", some(unknown(), 7)),
        ("a documented transition for seconds", some(changing(), 15)),
        ("still on for seconds", some(Read(Reading::On), 15)),
        (
            "unknown between transitions",
            [some(unknown(), 6), some(changing(), 9), some(unknown(), 2)].concat(),
        ),
        ("lost answers", some(ReadFails(unreachable()), 15)),
    ] {
        let steps = [vec![Accept], middle, vec![Read(Reading::Off), Hang]].concat();
        let (report, took) = off_of(&steps).await;
        assert_eq!(report.code, 0, "{what}: {report:?}");
        assert!(took < Duration::from_secs(20), "{what}: {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_command_that_the_device_answers_with_its_own_error_is_tried_for_a_second() {
    let (report, took) = off_of(&[SetFails(failed())]).await;
    assert_eq!(report.code, 1);
    assert!((Duration::from_secs(1)..Duration::from_secs(2)).contains(&took), "{took:?}");
    let (report, _) =
        off_of(&[SetFails(failed()), SetFails(failed()), Accept, Read(Reading::Off), Hang]).await;
    assert_eq!(report.code, 0, "{report:?}");
}
