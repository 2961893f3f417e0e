//! The contract's rules: what is read and commanded when, and what comes of it.

mod common;

use std::time::Duration;

use common::Step::{Accept, Hang, Read, ReadFails, SetFails};
use common::{Scripted, changing, description, refused, run, unknown, unreachable};
use ha_fence_agent::{DeviceError, Environment, Kind, OptionSpec, Reading, Settings, run_with};

#[tokio::test(start_paused = true)]
async fn off_waits_through_on_unknown_and_lost_answers_until_an_explicit_off() {
    let device = Scripted::new(&[
        Accept,
        Read(Reading::On),
        unknown(),
        ReadFails(unreachable()),
        Read(Reading::Off),
        // Nothing more may be asked.
        Hang,
    ]);
    let report = run(&device, "action=off\nplug=1\n").await;
    assert_eq!((report.code, report.stdout.as_str()), (0, "Success: Powered OFF\n"));
    assert_eq!(device.asked(), ["Off 1", "read 1", "read 1", "read 1", "read 1"]);
}

#[tokio::test(start_paused = true)]
async fn off_is_commanded_even_when_the_outlet_would_read_off_already() {
    let device = Scripted::new(&[Accept, Read(Reading::Off)]);
    assert_eq!(run(&device, "action=off\nplug=1\n").await.code, 0);
    assert_eq!(device.asked()[0], "Off 1");
}

#[tokio::test(start_paused = true)]
async fn off_that_is_never_read_fails_at_power_timeout() {
    for (reading, said) in [
        (Read(Reading::On), "still reads ON"),
        (changing(), "reads as unknown: pending"),
        (ReadFails(unreachable()), "cannot be read"),
        (Hang, "timed out"),
    ] {
        let device = Scripted::new(&[Accept, reading]);
        let report = run(&device, "action=off\nplug=1\npower_timeout=7\n").await;
        assert_eq!(report.code, 1);
        assert!(report.messages.join("\n").contains(said), "{:?}", report.messages);
        let took = device.start.elapsed();
        assert!((Duration::from_secs(5)..Duration::from_secs(8)).contains(&took), "{took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_command_that_was_never_accepted_is_not_proven_by_any_reading() {
    let device = Scripted::new(&[SetFails(unreachable())]);
    assert_eq!(run(&device, "action=off\nplug=1\npower_timeout=3\n").await.code, 1);
    assert!(device.asked().iter().all(|asked| asked == "Off 1"), "{:?}", device.asked());
    assert!(device.asked().len() > 3, "a lost command is sent again");

    let device = Scripted::new(&[SetFails(refused())]);
    assert_eq!(run(&device, "action=off\nplug=1\npower_timeout=3\n").await.code, 1);
    assert_eq!(device.asked().len(), 1, "a refused one is not");
}

#[tokio::test(start_paused = true)]
async fn every_outlet_is_commanded_though_one_fails_and_all_must_read_off() {
    let device = Scripted::new(&[SetFails(refused()), Accept, Accept]);
    assert_eq!(run(&device, "action=off\nplug=1,2,3\n").await.code, 1);
    assert_eq!(device.asked(), ["Off 1", "Off 2", "Off 3"]);

    let device = Scripted::new(&[Accept, Accept, Read(Reading::Off), Read(Reading::On)]);
    assert_eq!(run(&device, "action=off\nplug=1,2\npower_timeout=2\n").await.code, 1);
}

#[tokio::test(start_paused = true)]
async fn reboot_succeeds_with_the_off_even_when_on_fails() {
    let device = Scripted::new(&[Accept, Read(Reading::Off), SetFails(refused())]);
    let report = run(&device, "action=reboot\nplug=1\n").await;
    assert_eq!(report.code, 0);
    assert!(report.messages.iter().any(|line| line.contains("switching it on again failed")), "{report:?}");
    assert_eq!(device.asked(), ["Off 1", "read 1", "On 1"]);

    let device = Scripted::new(&[Accept, unknown()]);
    assert_eq!(run(&device, "action=reboot\nplug=1\npower_timeout=2\n").await.code, 1);
    assert!(!device.asked().contains(&"On 1".to_owned()), "no on after an off that was not proven");
}

#[tokio::test(start_paused = true)]
async fn the_default_action_is_reboot() {
    let device = Scripted::new(&[Accept, Read(Reading::Off), Accept, Read(Reading::On)]);
    assert_eq!(run(&device, "plug=1\n").await.code, 0);
    assert_eq!(device.asked(), ["Off 1", "read 1", "On 1", "read 1"]);
}

#[tokio::test(start_paused = true)]
async fn on_must_be_read_and_is_tried_as_often_as_retry_on_says() {
    let device = Scripted::new(&[Accept, unknown()]);
    assert_eq!(run(&device, "action=on\nplug=1\npower_timeout=2\n").await.code, 1);
    assert_eq!(device.asked().iter().filter(|asked| *asked == "On 1").count(), 1);

    let device = Scripted::new(&[Accept, Read(Reading::Off), Accept, Read(Reading::On)]);
    let report = run(&device, "action=on\nplug=1\npower_timeout=10ms\nretry_on=3\n").await;
    assert_eq!(report.code, 0, "{report:?}");
    assert_eq!(device.asked().iter().filter(|asked| *asked == "On 1").count(), 2);
}

#[tokio::test(start_paused = true)]
async fn status_exit_codes() {
    for (plugs, readings, code) in [
        ("1", vec![Read(Reading::On)], 0),
        ("1", vec![Read(Reading::Off)], 2),
        ("1", vec![unknown()], 1),
        ("1", vec![ReadFails(unreachable())], 1),
        ("1", vec![Hang], 1),
        ("1,2", vec![Read(Reading::Off), Read(Reading::On)], 0),
        ("1,2", vec![Read(Reading::Off), Read(Reading::Off)], 2),
        ("1,2", vec![Read(Reading::Off), unknown()], 1),
        ("1,2", vec![Read(Reading::On), unknown()], 0),
    ] {
        let device = Scripted::new(&readings);
        assert_eq!(run(&device, &format!("action=status\nplug={plugs}\n")).await.code, code, "{plugs}");
    }
}

#[tokio::test(start_paused = true)]
async fn delay_comes_before_off_and_reboot_alone_and_power_wait_after_a_command() {
    let device = Scripted::new(&[Accept, Read(Reading::Off)]);
    run(&device, "action=off\nplug=1\ndelay=5\npower_wait=3\n").await;
    let times: Vec<u128> = device.world.borrow().asked.iter().map(|(_, at)| *at).collect();
    assert!((5000..5100).contains(&times[0]) && (8000..8100).contains(&times[1]), "{times:?}");
    for (action, step) in [("status", Read(Reading::On)), ("monitor", Accept)] {
        let device = Scripted::new(&[step]);
        run(&device, &format!("action={action}\nplug=1\ndelay=5\n")).await;
        assert!(device.start.elapsed() < Duration::from_secs(1), "{action}");
    }
}

#[tokio::test(start_paused = true)]
async fn under_pacemaker_the_caller_sets_the_limits() {
    let steps = [vec![Accept], vec![Read(Reading::On); 60], vec![Read(Reading::Off)]].concat();
    let device = Scripted::new(&steps);
    let environment = Environment {
        stdin: "action=off\nplug=1\nnodename=alpha\npower_timeout=2\n".into(),
        pcmk_service: Some("pacemaker-fenced".into()),
        ..Default::default()
    };
    let report = run_with(description(), environment, async |_: &Settings| Ok(device.clone())).await;
    assert_eq!(report.code, 0, "{report:?}");
    assert!(device.start.elapsed() > Duration::from_secs(40));
    assert!(report.messages.is_empty(), "nodename is nothing to warn about: {report:?}");
}

#[tokio::test(start_paused = true)]
async fn outlets_by_name_must_be_there_once() {
    let device = Scripted::new(&[Read(Reading::On)]);
    assert_eq!(run(&device, "action=status\nplug=db\n").await.code, 0);
    assert_eq!(device.asked(), ["read 1"]);
    for (plug, said) in [("web", "2 outlets have that name"), ("mail", "none has that name")] {
        let report = run(&device, &format!("action=off\nplug={plug}\n")).await;
        assert_eq!(report.code, 1);
        assert!(report.messages[0].contains(said), "{report:?}");
    }
    assert_eq!(device.asked().len(), 1, "nothing was commanded");
}

#[tokio::test(start_paused = true)]
async fn list_and_list_status() {
    let device = Scripted::new(&[Read(Reading::On), Read(Reading::Off), unknown()]);
    assert_eq!(run(&device, "action=list\n").await.stdout, "1,db\n2,web\n3,web\n");
    assert_eq!(run(&device, "action=list_status\n").await.stdout, "1,db,ON\n2,web,OFF\n3,web,UNKNOWN\n");
}

#[tokio::test(start_paused = true)]
async fn usage_errors_ask_the_device_nothing() {
    for (stdin, said) in [
        ("action=explode\nplug=1\n", "unrecognised action 'explode'"),
        ("action=ofn\nplug=1\n", "unrecognised action 'ofn': did you mean 'off'?"),
        ("action=off\n", "'plug' is missing"),
        ("action=off\nplug=,\n", "names no outlet"),
        ("action=off\nplug=1\npower_timeout=soon\n", "'soon' is not a time"),
    ] {
        let device = Scripted::new(&[Hang]);
        let report = run(&device, stdin).await;
        assert_eq!(report.code, 1);
        assert!(report.messages[0].contains(said), "{report:?}");
        assert!(device.asked().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_device_that_repeats_a_secret_does_not_get_it_printed() {
    let device = Scripted::new(&[SetFails(DeviceError::Refused {
        what: "request with hush-hush".into(),
        detail: "community hush-hush is not known".into(),
    })]);
    let report = run(&device, "action=off\nplug=1\ncommunity=hush-hush\nverbose=1\n").await;
    assert_eq!(report.code, 1);
    assert!(report.messages.iter().any(|line| line.contains("community *** is not known")), "{report:?}");
    assert!(!report.messages.join("\n").contains("hush-hush"), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn a_wrong_value_of_a_secret_option_is_not_shown_either() {
    let description = description().option(OptionSpec::new("pin", Kind::Integer, "A secret number").secret());
    let environment = Environment { stdin: "action=off\nplug=1\npin=12x45\n".into(), ..Default::default() };
    let device = Scripted::new(&[Hang]);
    let report = run_with(description, environment, async |_: &Settings| Ok(device.clone())).await;
    assert!(report.messages[0].contains("'pin'") && !report.messages[0].contains("12x45"), "{report:?}");
}

#[tokio::test]
async fn metadata_help_version_and_manual_need_neither_outlet_nor_device() {
    let description =
        || description().option(OptionSpec::new("odd", Kind::Select(&["a<b", "\"c\""]), "Less < & more"));
    for (args, said) in [
        (vec!["-o", "metadata"], "</resource-agent>"),
        (vec!["--action=meta-data"], "</resource-agent>"),
        (vec!["-o", "manpage"], ".SH EXIT STATUS"),
        (vec!["-h"], "--power-timeout=[power_timeout]"),
        (vec!["-h"], "Less < & more (a<b, \"c\")"),
        (vec!["-V"], "fence_scripted "),
    ] {
        let args = args.into_iter().map(str::to_owned).collect();
        let environment = Environment { args, ..Default::default() };
        let device = Scripted::new(&[Hang]);
        let report = run_with(description(), environment, async |_: &Settings| Ok(device.clone())).await;
        assert_eq!(report.code, 0, "{report:?}");
        assert!(report.stdout.contains(said), "{report:?}");
    }
}
