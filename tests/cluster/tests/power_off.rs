//! The owner loses its power, and nobody but the test knows: the majority has its outlet switched off too, and only then
//! takes over. Guards S1 S2 L2.
#![allow(clippy::unwrap_used)]

use ha_cluster_tests::{Cluster, LONG, Plan, SOON, Violation};

fn the_owner_loses_its_power(leads: bool) {
    let cluster = Cluster::start(Plan::default());
    let old = cluster.place_owner(leads);
    let since = old.t_ns;
    cluster.power_off(&old.host).unwrap();
    let new = cluster.wait_owner_other_than(&old.host, SOON);
    cluster.wait_blocks(&new.host, 10);
    assert_eq!(cluster.judge().fenced_takeovers(), []);
    assert!(
        cluster.longest_outage_ms(since).is_some_and(|ms| ms > 0.0),
        "the client saw an end of the outage"
    );

    // It is switched on again by the cluster, as a new incarnation, and leaves the service where it is.
    cluster.wait("the old owner to be on again", LONG, || cluster.host_state(&old.host).unwrap().is_on);
    assert_ne!(cluster.boot_id(&old.host), old.incarnation);
    cluster.wait("the old owner to take part again", LONG, || cluster.is_quiet());
    let now = cluster.answer();
    assert_eq!((now.host, now.pid), (new.host, new.pid));
    assert_eq!(cluster.judge().fenced_takeovers(), []);
    // Once by its button; the switch found it dark.
    assert_eq!(cluster.judge().cuts_of(&old.host), 1);
}

#[test]
fn the_owner_loses_its_power_and_does_not_lead() {
    the_owner_loses_its_power(false);
}

#[test]
fn the_owner_loses_its_power_and_leads() {
    the_owner_loses_its_power(true);
}

/// A switch that says off and does nothing: that the host was dark all the same is luck, and the judge does not take it
/// for a fence.
#[test]
fn control_an_owner_without_power_behind_a_lying_switch_is_taken_over_from_unfenced() {
    let cluster = Cluster::start(Plan::default());
    let old = cluster.place_owner(false);
    cluster.make_switches_lie();
    cluster.power_off(&old.host).unwrap();
    let new = cluster.wait_owner_other_than(&old.host, SOON);
    cluster.wait_blocks(&new.host, 10);
    let found = cluster.judge().fenced_takeovers();
    assert!(matches!(found[..], [Violation::NotFenced(_)]), "{found:?}");
}

/// With the shortest times. (How short they are is what the bench measures.)
#[test]
fn with_the_fast_profile_the_owner_loses_its_power() {
    let cluster = Cluster::start(Plan::default().fast());
    let old = cluster.answer();
    cluster.power_off(&old.host).unwrap();
    cluster.wait_owner_other_than(&old.host, SOON);
    cluster.wait_blocks_of_others(&old.host, 10);
    assert_eq!(cluster.judge().fenced_takeovers(), []);
    cluster.wait("the old owner to be on again", LONG, || cluster.host_state(&old.host).unwrap().is_on);
    cluster.wait("the old owner to take part again", LONG, || cluster.is_quiet());
    assert_eq!(cluster.judge().two_owners(), []);
}
