//! Only fresh and authentic heartbeats count: forged, foreign, old, oversized and recorded ones are dropped, and a
//! flood of them stops nothing.
#![allow(clippy::unwrap_used)]

mod common;
#[path = "common/proxy.rs"]
mod proxy;

use common::*;
use ha_transport::beats::{BEAT_VERSION, BeatContents, BeatStats, PACKET_MAX};
use ha_transport::{ClusterCa, boot_now};
use proxy::UdpRelay;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Sends each datagram to `to` from a stranger's socket.
fn inject(to: SocketAddr, packets: &[Vec<u8>]) {
    let socket = UdpSocket::bind((std::net::Ipv4Addr::LOCALHOST, 0)).unwrap();
    for packet in packets {
        socket.send_to(packet, to).unwrap();
    }
}

/// Two nodes, with the datagrams from alpha to beta's first link recorded.
fn recorded_pair(links: usize) -> (Node, Node, UdpRelay) {
    let ca = ClusterCa::create("shop").unwrap();
    let all = addresses(&["alpha", "beta"], links);
    let through = fresh_address();
    let relay = UdpRelay::start(through, all[&node("beta")][0]);
    let mut alpha = Setup::new("alpha", &ca, &all);
    alpha.beat_peers.get_mut(&node("beta")).unwrap()[0] = through;
    let (alpha, beta) = connect(alpha, Setup::new("beta", &ca, &all));
    (alpha, beta, relay)
}

#[test]
fn forged_foreign_old_and_oversized_datagrams_are_dropped() {
    let (alpha, mut beta, relay) = recorded_pair(1);
    beta.beats_until("beats", some);
    let real = relay.recorded().pop().unwrap();
    alpha.control.publish(BeatContents::default());
    wait_for("alpha is silent", || {
        let before = beta.control.stats().received;
        std::thread::sleep(5 * BEAT);
        beta.control.stats().received == before
    });
    beta.receiver.try_recv();
    let before = beta.control.stats();
    let change = |at: usize, to: u8| {
        let mut packet = real.clone();
        packet[at] = to;
        packet
    };
    let fresh_seq = |mut packet: Vec<u8>| {
        packet[12..20].copy_from_slice(&u64::MAX.to_le_bytes());
        packet
    };
    let last = real.len() - 1;
    let to = beta.setup.listen[0];
    inject(to, &[fresh_seq(real.clone()), fresh_seq(change(last, !real[last]))]);
    inject(to, &[change(2, 0), change(2, 99)]);
    inject(
        to,
        &[change(0, 0), vec![], vec![0; 40], [real.clone(), vec![0; PACKET_MAX]].concat(), vec![1; 60_000]],
    );
    inject(to, &[change(4, !real[4])]);
    let count = |stats: BeatStats| {
        [
            stats.forged - before.forged,
            stats.version - before.version,
            stats.foreign - before.foreign,
            stats.unknown_key - before.unknown_key,
        ]
    };
    wait_for("all are judged", || count(beta.control.stats()).iter().sum::<u64>() >= 10);
    assert_eq!(count(beta.control.stats()), [2, 2, 5, 1]);
    assert_eq!(beta.receiver.try_recv(), []);
    // The forged ones left no trace: the next real beat counts.
    alpha.publish("real", LONG);
    beta.beats_until("real beats", |beats| beats.iter().any(|b| b.body == b"real"));
}

#[test]
fn a_recording_counts_never_again_on_no_link() {
    let (_alpha, mut beta, relay) = recorded_pair(2);
    beta.beats_until("beats", some);
    let recording = relay.recorded();
    let before = beta.control.stats().replayed;
    for to in beta.setup.listen.clone() {
        inject(to, &recording);
    }
    let twice = 2 * recording.len() as u64;
    wait_for("all are dropped", || beta.control.stats().replayed - before >= twice);
    assert_eq!(beta.control.stats().replayed - before, twice);
}

#[test]
fn a_recording_is_void_after_a_restart_of_sender_receiver_or_both() {
    let (mut alpha, mut beta, relay) = recorded_pair(1);
    beta.beats_until("beats", some);
    let mut sessions = (1, 1);
    for restart in ["sender", "receiver", "both"] {
        beta.beats_until("beats", some);
        let recording = relay.recorded();
        let (mut of_alpha, mut of_beta) = (alpha.setup.clone(), beta.setup.clone());
        if restart != "receiver" {
            sessions.0 += 1;
            of_alpha = alpha.kill().session(sessions.0);
            alpha = of_alpha.clone().start();
        }
        if restart != "sender" {
            sessions.1 += 1;
            of_beta = beta.kill().session(sessions.1);
            beta = of_beta.clone().start();
        }
        alpha.log.wait_up("beta", sessions.1);
        beta.log.wait_up("alpha", sessions.0);
        // Nobody speaks: whatever arrives is the recording.
        alpha.control.publish(BeatContents::default());
        wait_for("alpha is silent", || {
            let before = beta.control.stats().received;
            std::thread::sleep(5 * BEAT);
            beta.control.stats().received == before
        });
        beta.receiver.try_recv();
        let before = beta.control.stats();
        inject(of_beta.listen[0], &recording);
        wait_for("the recording is judged", || {
            beta.control.stats().unknown_key - before.unknown_key >= recording.len() as u64
        });
        assert_eq!(beta.receiver.try_recv(), [], "restart of {restart}");
        drop(of_alpha);
        alpha.publish("a", LONG);
        beta.publish("b", LONG);
    }
}

#[test]
fn a_flood_of_garbage_stops_no_beat() {
    let (_alpha, mut beta) = pair(1);
    beta.beats_until("beats", some);
    let stop = Arc::new(AtomicBool::new(false));
    let to = beta.setup.listen[0];
    let until = Arc::clone(&stop);
    let flood = std::thread::spawn(move || {
        let socket = UdpSocket::bind((std::net::Ipv4Addr::LOCALHOST, 0)).unwrap();
        let mut packet = vec![0x48, 0xb7, BEAT_VERSION, 0];
        packet.resize(400, 7);
        while !until.load(Ordering::Acquire) {
            let _ = socket.send_to(&packet, to);
        }
    });
    wait_for("the flood", || beta.control.stats().unknown_key > 20_000);
    let (sent, from) = (beta.control.stats().sent, boot_now());
    wait_for("a second under the flood", || boot_now().since(from) > Duration::from_secs(1));
    let beats = beta.control.stats().sent - sent;
    assert!(beats > 50, "{beats} beats sent in 100 periods");
    let heard = beta.beats_until("beats heard through the flood", |b| b.iter().any(|b| b.sent_at > from));
    assert!(heard.iter().all(|b| b.from == node("alpha")));
    stop.store(true, Ordering::Release);
    flood.join().unwrap();
}
