//! When the log shows of every member that it does not have an instance (ADR 11).

use super::*;
use ha_model::Origin;

/// Both members were asked, and have nothing.
fn probed() -> Log {
    let mut log = Log::new();
    log.stopped("alpha", 1, 1);
    log.stopped("beta", 2, 1);
    log
}

impl Log {
    fn stopped(&mut self, node: &str, boot: u128, seq: u64) {
        self.observe(node, boot, seq, 0, InstanceState::Stopped).expect("of its life");
    }

    fn is_free(&self) -> bool {
        self.state.is_shown_free(&"db".into())
    }

    fn confirm(&mut self, node: &str, boot: Option<u128>) {
        let proof = FenceProof {
            target: node.into(),
            incarnation: boot.map(Incarnation),
            scope: ProofScope::Everything,
            by: "alpha".into(),
            evidence: Evidence::Confirmed { by: "anna".into() },
            at: WallMs(0),
        };
        self.ok(Entry::FenceConfirmed { proof });
    }
}

#[test]
fn members_are_asked_each_in_its_present_session() {
    let mut log = Log::new();
    assert!(!log.is_free(), "nobody was asked");
    log.stopped("alpha", 1, 1);
    assert!(!log.is_free(), "beta was not asked");
    log.stopped("beta", 2, 1);
    assert!(log.is_free());
    for state in [InstanceState::Running, InstanceState::Failed, InstanceState::StopFailed] {
        let mut log = probed();
        log.observe("beta", 2, 2, 0, state).expect("of its life");
        assert!(!log.is_free(), "{state:?} on beta");
    }
    log.join("beta", 2, 7);
    assert!(!log.is_free(), "a new session was not asked yet");
}

#[test]
fn a_member_that_never_spoke_is_not_known() {
    let mut log = Log { state: ClusterState::default(), next: 1 };
    log.ok(Entry::Config { name: "f".into(), text: FILE.into(), origin: Origin::Default });
    log.join("alpha", 1, 1);
    log.stopped("alpha", 1, 1);
    assert!(!log.is_free(), "beta was never seen");
    log.confirm("beta", None);
    assert!(!log.is_free(), "somebody says that beta is off");
}

#[test]
fn one_that_went_away_has_what_it_had_until_its_power_is_read_off() {
    let mut log = probed();
    log.lose("beta", 2);
    assert!(log.is_free(), "it was seen stopped, and was permitted nothing since");

    let mut log = probed();
    log.may_run("beta", 2, 1).expect("free");
    log.lose("beta", 2);
    assert!(!log.is_free(), "a start may have been on its way to it");
    let id = log.request("beta", 2);
    log.attempt(id, 1).expect("first");
    assert!(!log.is_free(), "off was asked, not proven");
    log.prove(id, "beta", 2, ProofScope::Everything).expect("proof");
    assert!(log.is_free());
    log.join("beta", 3, 3);
    assert!(!log.is_free(), "its next boot was not asked yet");

    let mut log = Log::new();
    log.stopped("alpha", 1, 1);
    log.lose("beta", 2);
    assert!(!log.is_free(), "lost before it was asked");

    let mut log = probed();
    log.ok(Entry::NodeLeft { node: "beta".into(), incarnation: Incarnation(2) });
    assert!(log.is_free(), "it left with nothing");
}

#[test]
fn a_humans_word_shows_nothing_whatever_is_done_with_the_power_after_it() {
    let mut log = probed();
    log.lose("beta", 2);
    log.confirm("beta", Some(2));
    assert!(!log.is_free());
    log.ok(Entry::PowerOnRequested { target: "beta".into(), executor: "alpha".into() });
    assert!(!log.is_free(), "the word is all that is known of that boot");
    log.join("beta", 3, 3);
    log.stopped("beta", 3, 1);
    assert!(log.is_free(), "another boot is here and was asked");
}
