//! Acts and waits that many scenarios share.
//!
//! Must not know: what a scenario judges.

use crate::cluster::{Cluster, LONG, SOON};
use crate::sights::Answer;
use ha_lab::cluster::DAEMON;
use ha_lab::{PowerEffect, PowerRecord};
use std::time::Duration;

/// On a machine that is too busy to carry out a move while its wish holds, it is wished again.
const MOVES: u32 = 4;
/// How long one move may take, then.
const MOVE_WAIT: Duration = Duration::from_secs(8);

impl Cluster {
    /// Moves the service so that its owner leads, or does not; the owner.
    #[track_caller]
    pub fn place_owner(&self, leads: bool) -> Answer {
        let (owner, leader) = (self.owner(), self.leader());
        if (owner == leader) != leads {
            let target = if leads { leader.clone() } else { self.others(&[&leader])[0].clone() };
            // The wish ends soon, so that nothing is pulled back in the middle of the scenario.
            let is_moved = (0..MOVES).any(|_| {
                self.hactl_ok(&leader, &["resource", "move", "vip", &target, "--for", "3s"]);
                self.client().wait_ok_from(&target, MOVE_WAIT).is_ok()
            });
            assert!(is_moved, "the service did not move to {target}");
            self.wait("the move to be over", LONG, || self.is_quiet());
            self.mark_orderly();
        }
        let answer = self.answer();
        assert_eq!(answer.host == self.leader(), leads, "leadership moved while the service was placed");
        answer
    }

    /// Waits until a host has written so many blocks from now on.
    #[track_caller]
    pub fn wait_blocks(&self, host: &str, count: usize) {
        let blocks = || {
            let ledger = self.lab().ledger().expect("the ledger");
            ledger.iter().filter(|b| b.host == host).count()
        };
        let before = blocks();
        self.wait(&format!("{count} blocks of {host}"), SOON, || blocks() >= before + count);
    }

    /// Waits until others than this host have written so many blocks from now on. (With a lying switch the new owner of
    /// the disk may change while the address is still answered for by the old one.)
    #[track_caller]
    pub fn wait_blocks_of_others(&self, host: &str, count: usize) {
        let blocks = || {
            let ledger = self.lab().ledger().expect("the ledger");
            ledger.iter().filter(|b| b.host != host && b.t_ns >= self.orderly_until_ns()).count()
        };
        let before = blocks();
        self.wait(&format!("{count} blocks of others than {host}"), LONG, || blocks() >= before + count);
    }

    /// Waits until the switch has truly cut the power of a host.
    #[track_caller]
    pub fn wait_cut(&self, host: &str) -> PowerRecord {
        let mut found = None;
        self.wait(&format!("the power of {host} to be cut"), LONG, || {
            let power = self.lab().power_journal().expect("the power journal");
            found = power.into_iter().find(|r| r.host == host && r.effect == PowerEffect::Off);
            found.is_some()
        });
        found.expect("the wait ends with it")
    }

    /// Ends every fault of a switch; or, for controls, leaves it with the one that it lies.
    pub fn mend_switch(&self, pdu: &str, lie: bool) {
        self.lab().pdu_fault(pdu, serde_json::json!({"lying": lie})).expect("the switch listens");
    }

    /// Stops the daemon of a host where it is, its services go on. For controls: where the switch lied, a daemon that
    /// learns of its host's loss may stop the services before they can do harm. The cut of power is to prevent the
    /// harm, not the daemon's goodwill.
    pub fn silence_daemon(&self, host: &str) {
        self.lab().freeze_process(host, DAEMON).expect("the daemon runs");
    }

    /// Waits until an attempt to cut the power of a host is under way, by some other host's word.
    #[track_caller]
    pub fn wait_off_sent(&self, target: &str) {
        let asked = self.others(&[target])[0].clone();
        self.wait(&format!("an off command for {target}"), SOON, || {
            let status = self.status_json(&asked);
            let rows = status["fences"].as_array().cloned().unwrap_or_default();
            rows.iter().any(|row| row["node"] == target && row["state"] == "off-sent")
        });
    }
}
