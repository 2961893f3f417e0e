//! Heartbeats go on whatever the rest of the daemon does, and stop when the core does.
#![allow(clippy::unwrap_used)]

mod common;

use common::*;
use ha_transport::beats::{Ages, BODY_MAX, Beat, BeatContents, BeatStats};
use ha_transport::{ClusterCa, boot_now};
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

#[test]
fn beats_carry_body_ages_and_an_echo_over_every_link() {
    let (mut alpha, mut beta) = pair(2);
    let from_beta = alpha.beats_until("echoing beats on both links", |beats| {
        (0..2).all(|link| beats.iter().any(|b| b.link == link && b.echoes_within(Duration::from_secs(1))))
    });
    for beat in &from_beta {
        assert_eq!((beat.from.as_str(), beat.body.as_slice()), ("beta", b"b".as_slice()));
        assert_eq!(beat.session.0, 1);
        assert!(beat.sent_at <= beat.received_at, "one machine, one clock");
        assert_eq!((beat.ages.core_step, beat.ages.durable_write), (u32::MAX, 0));
    }
    for link in 0..2 {
        let sent: Vec<_> = from_beta.iter().filter(|b| b.link == link).map(|b| b.sent_at).collect();
        assert!(sent.is_sorted(), "oldest first");
    }
    let from_alpha = beta.beats_until("alpha's beats", some);
    assert!(from_alpha.iter().all(|b| b.body == b"a"));
}

#[test]
fn an_echo_counts_only_while_it_is_recent() {
    let (mut alpha, _beta) = pair(1);
    let beats = alpha.beats_until("an echo", |beats| beats.iter().any(|b| b.echo.0 != 0));
    let beat = beats.iter().find(|b| b.echo.0 != 0).unwrap();
    let late = Beat { received_at: beat.echo + Duration::from_millis(501), ..beat.clone() };
    assert!(!late.echoes_within(Duration::from_millis(500)));
    assert!(late.echoes_within(Duration::from_millis(501)));
    assert!(!Beat { echo: Default::default(), ..beat.clone() }.echoes_within(LONG), "nothing was heard");
    let ahead = beat.received_at + Duration::from_millis(1);
    assert!(!Beat { echo: ahead, ..beat.clone() }.echoes_within(LONG), "an echo from the future is none");
}

#[test]
fn the_period_is_kept() {
    let (_alpha, mut beta) = pair(1);
    let before = boot_now();
    let sent_before = beta.beats_until("a beat", |b| !b.is_empty()).len();
    wait_for("half a second", || boot_now().since(before) > Duration::from_millis(500));
    let beats = sent_before + beta.receiver.try_recv().len();
    let expected = (boot_now().since(before).as_millis() / BEAT.as_millis()) as usize;
    // A busy machine may delay some; drift would lose a share of them, a wrong deadline would double them.
    assert!(beats >= expected / 2 && beats <= expected * 3 / 2 + 3, "{beats} beats in {expected} periods");
}

#[test]
fn beats_go_on_while_every_task_is_blocked() {
    let (alpha, mut beta) = pair(1);
    let blocked = Arc::new(AtomicBool::new(true));
    let (entered_in, entered) = std::sync::mpsc::channel();
    let until = Arc::clone(&blocked);
    // The runtime has one worker.
    alpha.runtime().spawn(async move {
        entered_in.send(()).unwrap();
        while until.load(Ordering::Acquire) {
            std::thread::sleep(Duration::from_millis(1));
        }
    });
    entered.recv_timeout(PATIENCE).unwrap();
    beta.receiver.try_recv();
    let from = boot_now();
    beta.beats_until("beats sent during the block", |beats| {
        beats.iter().filter(|b| b.sent_at > from).count() > 50
    });
    blocked.store(false, Ordering::Release);
}

#[test]
fn a_dead_core_shows_in_the_ages_and_then_in_silence() {
    let (alpha, mut beta) = pair(1);
    beta.beats_until("beats", some);
    // The core publishes once more and then never again: a deadlock.
    let died = boot_now();
    alpha.publish("last", Duration::from_millis(300));
    let valid_until = died + Duration::from_millis(300);
    beta.beats_until("the last contents", |beats| beats.iter().any(|b| b.body == b"last"));
    wait_for("silent periods", || alpha.control.stats().silent_periods > 20);
    let rest = beta.receiver.try_recv();
    let latest = rest.iter().map(|b| b.sent_at).max().unwrap_or(died);
    assert!(latest <= valid_until + Duration::from_millis(5), "sent after valid-until");
    wait_for("more silent periods", || alpha.control.stats().silent_periods > 40);
    assert_eq!(beta.receiver.try_recv(), [], "silence");
    alpha.publish("awake", LONG);
    beta.beats_until("the core lives again", |beats| beats.iter().any(|b| b.body == b"awake"));
}

#[test]
fn the_ages_of_a_living_thread_with_a_dead_core_grow() {
    let ca = ClusterCa::create("shop").unwrap();
    let all = addresses(&["alpha", "beta"], 1);
    let ages = Ages::default();
    let (alpha, mut beta) =
        connect(Setup::new("alpha", &ca, &all).ages(ages.clone()), Setup::new("beta", &ca, &all));
    Ages::mark(&ages.core_step, boot_now());
    Ages::mark(&ages.write_since, boot_now());
    Ages::mark(&ages.spawn, boot_now());
    beta.beats_until("all ages above 200 ms", |beats| {
        beats.iter().any(|b| {
            (200..10_000).contains(&b.ages.core_step)
                && (200..10_000).contains(&b.ages.durable_write)
                && (200..10_000).contains(&b.ages.spawn)
        })
    });
    ages.write_since.store(0, Ordering::Release);
    Ages::mark(&ages.core_step, boot_now());
    beta.beats_until("young again", |b| {
        b.iter().any(|b| b.ages.core_step < 200 && b.ages.durable_write == 0)
    });
    drop(alpha);
}

#[test]
fn the_loss_of_the_stream_stops_no_beat() {
    let (mut alpha, mut beta) = pair(1);
    beta.beats_until("beats", some);
    alpha.end_streams();
    wait_for("the stream is down", || beta.streams().connected().is_empty());
    let from = boot_now();
    beta.beats_until("beats without a stream", |beats| {
        beats.iter().filter(|b| b.sent_at > from && b.echoes_within(Duration::from_secs(1))).count() > 20
    });
}

#[test]
fn new_keys_come_into_use_without_a_gap() {
    let (mut alpha, mut beta) = pair(1);
    beta.beats_until("beats", some);
    for round in 2..=6 {
        alpha.restart_streams();
        let up = |log: &Log| log.count(|e| matches!(e, ha_transport::streams::StreamEvent::PeerUp { .. }));
        wait_for("the stream is up again", || up(&beta.log) >= round && up(&alpha.log) >= round);
        let from = boot_now();
        beta.beats_until("beats under the new keys", |b| b.iter().any(|b| b.sent_at > from));
        alpha.beats_until("answers under the new keys", |b| b.iter().any(|b| b.sent_at > from));
    }
    for stats in [alpha.control.stats(), beta.control.stats()] {
        let BeatStats { unknown_key, forged, replayed, .. } = stats;
        assert_eq!((unknown_key, forged, replayed), (0, 0, 0), "no beat was lost to a change of keys");
    }
}

#[test]
fn an_extra_beat_goes_out_at_once_and_keeps_the_rhythm() {
    let (alpha, beta) = pair(1);
    let sent = alpha.control.stats().sent;
    for _ in 0..200 {
        let before = alpha.control.stats().sent;
        alpha.control.beat_now();
        wait_for("the extra beat", || alpha.control.stats().sent > before);
    }
    assert!(alpha.control.stats().sent >= sent + 200);
    drop(beta);
}

#[test]
fn a_core_that_does_not_read_finds_the_newest() {
    let (alpha, mut beta) = pair(1);
    wait_for("more beats than there are places", || {
        alpha.control.beat_now();
        beta.receiver.given_up() > 0
    });
    alpha.publish("newest", LONG);
    let received = beta.control.stats().received;
    wait_for("some newest ones", || beta.control.stats().received > received + 20);
    let waiting = beta.receiver.try_recv();
    assert!(waiting.len() <= ha_transport::beats::INBOX_MAX);
    assert_eq!(waiting.last().unwrap().body, b"newest");
}

#[test]
fn a_removed_peer_is_neither_heard_nor_spoken_to() {
    let (alpha, mut beta) = pair(1);
    beta.beats_until("beats", some);
    beta.control.set_peers(Addresses::new());
    wait_for("dropped", || beta.control.stats().unknown_key > 0);
    beta.receiver.try_recv();
    let (sent, unknown) = (beta.control.stats().sent, beta.control.stats().unknown_key);
    wait_for("more dropped", || beta.control.stats().unknown_key > unknown + 10);
    assert_eq!(beta.receiver.try_recv(), []);
    assert_eq!(beta.control.stats().sent, sent);
    drop(alpha);
}

#[test]
fn a_body_too_long_is_not_sent_and_the_longest_is() {
    let (alpha, mut beta) = pair(1);
    let valid_until = boot_now() + LONG;
    let body = |len| [(node("beta"), vec![1; len])].into();
    alpha.control.publish(BeatContents { valid_until, bodies: body(BODY_MAX) });
    beta.beats_until("the longest", |beats| beats.iter().any(|b| b.body.len() == BODY_MAX));
    alpha.control.publish(BeatContents { valid_until, bodies: body(BODY_MAX + 1) });
    wait_for("nothing is sent", || {
        let before = alpha.control.stats().sent;
        std::thread::sleep(5 * BEAT);
        alpha.control.stats().sent == before
    });
}

#[test]
fn what_the_kernel_refuses_is_a_warning() {
    use ha_transport::beats::{Beats, BeatsConfig, BeatsError, Realtime};
    let config = |listen: Vec<SocketAddr>| BeatsConfig {
        listen,
        peers: Addresses::new(),
        interval: BEAT,
        ages: Ages::default(),
        // Scheduling concerns the thread alone; the rest would change the whole test process.
        realtime: Realtime { scheduling: true, lock_memory: false, oom_protection: false },
        on_period: None,
    };
    let (beats, _receiver, warnings) = Beats::start(config(vec![fresh_address()])).unwrap();
    let policy = std::fs::read_dir("/proc/self/task").unwrap().find_map(|task| {
        let path = task.unwrap().path();
        let name = std::fs::read_to_string(path.join("comm")).ok()?;
        let stat = std::fs::read_to_string(path.join("stat")).ok()?;
        let after_name = stat.rsplit(')').next()?.to_owned();
        let policy = after_name.split_whitespace().nth(38)?.to_owned();
        (name.trim() == "heartbeat" && policy == "2").then_some(policy)
    });
    assert_eq!(policy.is_some(), warnings.is_empty(), "SCHED_RR (2) or a warning: {warnings:?}");
    drop(beats);
    let taken = fresh_address();
    let _held = UdpSocket::bind(taken).unwrap();
    assert!(matches!(Beats::start(config(vec![taken])), Err(BeatsError::Bind { link: 0, .. })));
    let many = (0..9).map(|_| fresh_address()).collect();
    assert!(matches!(Beats::start(config(many)), Err(BeatsError::TooManyLinks(9))));
}

#[test]
fn the_period_hook_runs_each_period_with_the_ages() {
    use ha_transport::beats::{Beats, BeatsConfig, Realtime};
    let (seen_in, seen) = std::sync::mpsc::channel();
    let ages = Ages::default();
    Ages::mark(&ages.core_step, boot_now());
    let (beats, _receiver, _) = Beats::start(BeatsConfig {
        listen: vec![],
        peers: Addresses::new(),
        interval: BEAT,
        ages,
        realtime: Realtime::NONE,
        on_period: Some(Box::new(move |period| {
            let _ = seen_in.send(period);
        })),
    })
    .unwrap();
    let valid_until = boot_now() + LONG;
    beats.control().publish(BeatContents { valid_until, ..BeatContents::default() });
    let periods: Vec<_> = (0..20).map(|_| seen.recv_timeout(PATIENCE).unwrap()).collect();
    assert!(periods.is_sorted_by_key(|p| p.now));
    assert_eq!(periods[19].valid_until, valid_until);
    assert!(periods.iter().all(|p| p.ages.core_step < 20_000 && p.ages.spawn == u32::MAX));
}
