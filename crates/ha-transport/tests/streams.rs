//! One stream for each pair, whatever happens to links, peers and daemons.
#![allow(clippy::unwrap_used)]

mod common;
#[path = "common/proxy.rs"]
mod proxy;

use common::*;
use ha_transport::ClusterCa;
use ha_transport::streams::{Down, SendError, StreamEvent, Times};
use proxy::TcpRelay;
use std::time::{Duration, Instant};

fn down(event: &StreamEvent, from: &str) -> Option<Down> {
    match event {
        StreamEvent::PeerDown { node, why } if node.as_str() == from => Some(why.clone()),
        _ => None,
    }
}

fn texts(events: &[StreamEvent], from: &str) -> Vec<String> {
    events
        .iter()
        .filter_map(|e| match e {
            StreamEvent::Frame { from: sender, bytes } if sender.as_str() == from => {
                Some(String::from_utf8(bytes.clone()).unwrap())
            }
            _ => None,
        })
        .collect()
}

#[test]
fn each_pair_has_exactly_one_stream_and_order_holds() {
    let ca = ClusterCa::create("shop").unwrap();
    let names = ["alpha", "beta", "gamma"];
    let all = addresses(&names, 2);
    let nodes = names.map(|name| Setup::new(name, &ca, &all).start());
    for one in &nodes {
        for other in names.iter().filter(|name| **name != one.setup.name.as_str()) {
            one.log.wait_up(other, 1);
        }
    }
    for one in &nodes {
        for other in names.iter().filter(|name| **name != one.setup.name.as_str()) {
            for n in 0..300 {
                one.send(other, &format!("{n}"));
            }
        }
    }
    let expected: Vec<_> = (0..300).map(|n| n.to_string()).collect();
    for one in &nodes {
        for other in names.iter().filter(|name| **name != one.setup.name.as_str()) {
            let events = one.log.wait("all messages", |e| texts(e, other).len() >= 300);
            assert_eq!(texts(&events, other), expected, "{other} to {}", one.setup.name);
        }
        assert_eq!(one.log.count(|e| matches!(e, StreamEvent::PeerUp { .. })), 2, "one stream for each pair");
        assert_eq!(one.streams().connected().len(), 2);
    }
}

#[test]
fn a_large_message_arrives_whole_and_a_larger_one_is_refused() {
    let ca = ClusterCa::create("shop").unwrap();
    let all = addresses(&["alpha", "beta"], 1);
    let [alpha, beta] = ["alpha", "beta"].map(|name| Setup::new(name, &ca, &all).start());
    alpha.log.wait_up("beta", 1);
    let big = vec![7; ha_codec::FRAME_MAX];
    alpha.streams().send(&node("beta"), big.clone()).unwrap();
    beta.log.wait("16 MiB", |events| {
        events.iter().any(|e| matches!(e, StreamEvent::Frame { bytes, .. } if *bytes == big))
    });
    let refused = alpha.streams().send(&node("beta"), vec![0; ha_codec::FRAME_MAX + 1]);
    assert!(matches!(refused, Err(SendError::TooLong { .. })));
    assert_eq!(alpha.streams().send(&node("nobody"), vec![]), Err(SendError::NotConnected));
}

#[test]
fn a_daemon_that_was_killed_or_stopped_is_found_gone_and_comes_back_in_a_new_session() {
    let ca = ClusterCa::create("shop").unwrap();
    let all = addresses(&["alpha", "beta", "gamma"], 1);
    // beta accepts from alpha and dials gamma: both roles see it die.
    let alpha = Setup::new("alpha", &ca, &all).start();
    let mut beta = Setup::new("beta", &ca, &all).start();
    let gamma = Setup::new("gamma", &ca, &all).start();
    for session in 1..=3 {
        for other in [&alpha, &gamma] {
            other.log.wait_up("beta", session);
            other.log.clear(); // Before it listened, its host refused too.
        }
        let setup = beta.kill();
        for other in [&alpha, &gamma] {
            let events = other.log.wait("beta's daemon found dead", |events| {
                events.iter().any(|e| matches!(e, StreamEvent::PeerReset { node } if node.as_str() == "beta"))
            });
            assert!(events.iter().any(|e| matches!(down(e, "beta"), Some(Down::Ended(_)))), "{events:?}");
            other.log.clear();
        }
        beta = setup.session(session + 1).start();
    }
    alpha.log.wait_up("beta", 4);
    gamma.log.wait_up("beta", 4);
    beta.log.wait_up("alpha", 1);
    beta.log.wait_up("gamma", 1);
    for other in [&alpha, &gamma] {
        other.log.clear(); // While it was between two sessions its host refused.
    }
    beta.stop();
    for other in [&alpha, &gamma] {
        let events = other.log.wait("beta's daemon found gone after its goodbye", |events| {
            events.iter().any(|e| matches!(e, StreamEvent::PeerReset { node } if node.as_str() == "beta"))
        });
        assert!(events.iter().any(|e| down(e, "beta") == Some(Down::Goodbye)), "{events:?}");
    }
}

/// The core may have heard of another life of it meanwhile, through others.
#[test]
fn a_host_that_goes_on_refusing_is_told_of_again() {
    let ca = ClusterCa::create("shop").unwrap();
    let all = addresses(&["alpha", "beta"], 1);
    let alpha = Setup::new("alpha", &ca, &all).start();
    let beta = Setup::new("beta", &ca, &all).start();
    alpha.log.wait_up("beta", 1);
    let _setup = beta.kill();
    for again in 1..=3 {
        alpha.log.clear();
        alpha.log.wait(&format!("refusal {again}"), |events| {
            events.iter().any(|e| matches!(e, StreamEvent::PeerReset { node } if node.as_str() == "beta"))
        });
    }
}

#[test]
fn a_goodbye_of_a_daemon_that_lives_on_is_no_reset() {
    let ca = ClusterCa::create("shop").unwrap();
    let all = addresses(&["alpha", "beta"], 1);
    let alpha = Setup::new("alpha", &ca, &all).start();
    let beta = Setup::new("beta", &ca, &all).hasty().start();
    beta.log.wait_up("alpha", 1);
    beta.log.clear(); // Before alpha listened, its host refused too.
    // alpha no longer wants beta, says so, and listens on.
    alpha.streams().set_peers(Addresses::new());
    beta.log.wait("goodbye", |events| events.iter().any(|e| down(e, "alpha") == Some(Down::Goodbye)));
    // beta asks alpha's host for one silence; then it has its answer.
    std::thread::sleep(beta.setup.times.silence * 2);
    assert_eq!(beta.log.count(|e| matches!(e, StreamEvent::PeerReset { .. })), 0);
}

#[test]
fn a_dead_link_moves_the_stream_to_the_next() {
    let ca = ClusterCa::create("shop").unwrap();
    let all = addresses(&["alpha", "beta"], 2);
    let through = fresh_address();
    let relay = TcpRelay::start(through, all[&node("beta")][0]);
    let mut setup = Setup::new("alpha", &ca, &all).hasty();
    setup.peers.get_mut(&node("beta")).unwrap()[0] = through;
    let beta = Setup::new("beta", &ca, &all).hasty().start();
    let alpha = setup.start();
    assert_eq!(alpha.log.wait_up("beta", 1), 0);
    beta.log.wait_up("alpha", 1);
    alpha.send("beta", "over the first link");
    beta.log.wait("the first message", |e| !texts(e, "alpha").is_empty());

    alpha.log.clear();
    relay.freeze();
    let since = Instant::now();
    assert_eq!(alpha.log.wait_up("beta", 1), 1, "it runs over the second link now");
    let took = since.elapsed();
    assert!(took < Duration::from_secs(5), "moving took {took:?}");
    assert_eq!(relay.taken(), 1, "the dead link was not tried first");
    assert!(alpha.log.all().iter().any(|e| matches!(down(e, "beta"), Some(Down::Silent(_)))));
    let reset = alpha.log.count(|e| matches!(e, StreamEvent::PeerReset { .. }));
    assert_eq!(reset, 0, "a dead link says nothing about the daemon");
    wait_for("beta has the new stream", || beta.streams().connected().get(&node("alpha")) == Some(&1));
    alpha.send("beta", "over the second link");
    beta.log.wait("the second message", |e| texts(e, "alpha").len() == 2);
}

#[test]
fn a_new_session_takes_the_old_streams_place_at_once() {
    let ca = ClusterCa::create("shop").unwrap();
    let all = addresses(&["alpha", "beta"], 2);
    let through = fresh_address();
    let relay = TcpRelay::start(through, all[&node("beta")][0]);
    let mut setup = Setup::new("alpha", &ca, &all);
    setup.peers.get_mut(&node("beta")).unwrap()[0] = through;
    // Long enough that the relay is not passed over on a busy machine.
    setup.times = Times::from_t_lost(Duration::from_secs(60));
    let mut beta = Setup::new("beta", &ca, &all);
    // Long enough that the old stream cannot end by its silence.
    beta.times = Times::from_t_lost(Duration::from_secs(60));
    let beta = beta.start();
    let alpha = setup.start();
    beta.log.wait_up("alpha", 1);
    // The old stream hangs without an end; the new daemon comes over the other link.
    relay.freeze();
    let mut setup = alpha.kill();
    setup.peers = all.clone();
    setup.peers.remove(&node("alpha"));
    setup.peers.get_mut(&node("beta")).unwrap().reverse();
    let _alpha = setup.session(2).start();
    beta.log.wait_up("alpha", 2);
    let events = beta.log.all();
    let ups = events.iter().filter(|e| matches!(e, StreamEvent::PeerUp { .. })).count();
    assert_eq!(ups, 2);
    let order: Vec<_> = events
        .iter()
        .filter_map(|e| match e {
            StreamEvent::PeerUp { hello, .. } => Some(format!("up {}", hello.session.0)),
            StreamEvent::PeerDown { why, .. } => Some(why.to_string()),
            _ => None,
        })
        .collect();
    assert_eq!(
        order,
        ["up 1", &Down::Replaced.to_string(), "up 2"],
        "the old stream ends before the new one is up"
    );
}

#[test]
fn a_peer_that_does_not_read_loses_its_stream_instead_of_our_memory() {
    let ca = ClusterCa::create("shop").unwrap();
    let all = addresses(&["alpha", "beta"], 1);
    let alpha = Setup::new("alpha", &ca, &all).start();
    let mut setup = Setup::new("beta", &ca, &all);
    setup.deaf = true;
    let _beta = setup.start();
    alpha.log.wait_up("beta", 1);
    let mut queued = 0;
    let refused = loop {
        match alpha.streams().send(&node("beta"), vec![0; 1 << 20]) {
            Ok(()) => queued += 1,
            Err(e) => break e,
        }
        assert!(queued < 1000, "the queue has no bound");
    };
    assert!(matches!(refused, SendError::Overflow), "{refused:?}");
    alpha.log.wait("the stream is dropped", |events| {
        events.iter().any(|e| down(e, "beta") == Some(Down::Overflow))
    });
}

#[test]
fn a_removed_node_is_cut_and_refused_and_may_come_back() {
    let ca = ClusterCa::create("shop").unwrap();
    let all = addresses(&["alpha", "beta"], 1);
    let alpha = Setup::new("alpha", &ca, &all).start();
    let beta = Setup::new("beta", &ca, &all).start();
    beta.log.wait_up("alpha", 1);
    beta.streams().set_peers(Addresses::new());
    beta.log.wait("cut", |events| events.iter().any(|e| down(e, "alpha") == Some(Down::Removed)));
    beta.log.wait("refused", |events| events.iter().any(|e| matches!(e, StreamEvent::Refused { .. })));
    assert!(beta.streams().connected().is_empty());
    beta.log.clear();
    beta.streams().set_peers(all.clone());
    beta.log.wait_up("alpha", 1);
    alpha.log.wait_up("beta", 1);
}
