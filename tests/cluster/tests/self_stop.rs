//! An owner that is cut off and cannot be fenced stops by itself what it runs, by its deadline. Guards S4.
#![allow(clippy::unwrap_used)]

use ha_cluster_tests::{Cluster, LONG, Plan, Writer, edit_cluster_file};
use ha_lab::Direction;
use ha_lab::clock::boot_ns;
use serde_json::json;
use std::time::Duration;

/// `t_grant` of profile `default`.
const GRANT: Duration = Duration::from_secs(3);
/// What the stops of address, service and writer may take: each ends at its first signal.
const STOP: Duration = Duration::from_secs(2);

fn impatient(text: &str) -> String {
    text.replace("\nagent = \"fence_pdu_snmp\"", "\nagent = \"fence_pdu_snmp\"\ntimeout = \"1s\"")
}

/// An owner that no node hears any more, with a switch that does not answer; its clients and its disk reach it all the
/// time.
struct CutOff {
    cluster: Cluster,
    owner: String,
    /// Just before the cut, boot-clock nanoseconds.
    since: u64,
}

impl CutOff {
    fn of(leads: bool, plan: impl Fn(Plan) -> Plan) -> Self {
        let impatient = Plan { prepare: |spec| edit_cluster_file(spec, impatient), ..Plan::default() };
        let timed = impatient.time("fence_retry_max", "2s").time("off_dwell", "500ms");
        let cluster = Cluster::start(plan(Plan { writer: Writer::InFront, ..timed }));
        let owner = cluster.place_owner(leads).host;
        cluster.pdu_fault("pdu-a", json!({"unreachable": true})).unwrap();
        let since = boot_ns();
        for other in cluster.others(&[&owner]) {
            cluster.cut(&owner, &other, Direction::Both, None).unwrap();
        }
        Self { cluster, owner, since }
    }

    /// How long after the cut the owner was seen last, by an answer and by a block.
    fn last_seen(&self) -> (Duration, Duration) {
        let after = |t_ns: Option<u64>| Duration::from_nanos(t_ns.unwrap_or(0).saturating_sub(self.since));
        let answers = self.cluster.answers_since(self.since);
        let answer = answers.iter().filter(|a| a.host == self.owner).map(|a| a.end_ns).max();
        let blocks = self.cluster.ledger().unwrap();
        let block = blocks.iter().filter(|b| b.host == self.owner).map(|b| b.t_ns).max();
        (after(answer), after(block))
    }

    fn is_past(&self, time: Duration) -> bool {
        u128::from(boot_ns() - self.since) > time.as_nanos()
    }
}

fn stops_by_itself(leads: bool) {
    let cut = CutOff::of(leads, |plan| plan);
    let CutOff { cluster, owner, .. } = &cut;
    cluster.wait("the owner's deadline to pass", LONG, || cut.is_past(GRANT + STOP));
    // Nobody takes over, for its end is not proven.
    cluster.hold_nothing_runs(Duration::from_secs(2));
    let (answer, block) = cut.last_seen();
    assert!(
        answer <= GRANT + STOP && block <= GRANT + STOP,
        "answered until {answer:?}, wrote until {block:?}"
    );
    // The cut itself ended nothing: it could have gone on.
    let second = Duration::from_secs(1);
    assert!(answer >= second && block >= second, "answered until {answer:?}, wrote until {block:?}");
    assert!(cluster.host_state(owner).unwrap().is_on);
    assert_eq!(cluster.switched_off(owner), 0, "the switch did not answer");
    cluster.mend_switch("pdu-a", false);
    cluster.wait_blocks_of_others(owner, 20);
    assert!(cluster.switched_off(owner) > 0);
    assert_eq!(cluster.judge().fenced_takeovers(), []);
}

#[test]
fn an_owner_that_is_cut_off_and_cannot_be_fenced_stops_by_itself() {
    stops_by_itself(false);
}

#[test]
fn an_owner_that_leads_and_is_cut_off_and_cannot_be_fenced_stops_by_itself() {
    stops_by_itself(true);
}

/// The negative control: with a longer grant the same owner is seen beyond that deadline.
#[test]
fn control_an_owner_with_a_longer_grant_goes_on_when_it_is_cut_off() {
    let cut = CutOff::of(false, Plan::long_grants);
    cut.cluster.wait("signs of it beyond the deadline", LONG, || {
        let (answer, block) = cut.last_seen();
        answer > GRANT + STOP && block > GRANT + STOP
    });
}
