//! The one table of times. `T_lost` sets the pace; everything else is derived here, and nobody adds time-outs
//! up by hand. `docs/reference/timing.md` shows the table; [`Timing::violations`] holds its inequalities.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Pause between two attempts of the canary to start a program. A success counts from when its attempt began, so the
/// age that heartbeats carry reaches this on a healthy host, too. Fixed: no key of the cluster file changes it.
pub const CANARY_PERIOD: Duration = Duration::from_secs(2);

/// Watchdogs count down from this at least: a host is not reset for a disk that is slow for once.
const WATCHDOG_MIN: Duration = Duration::from_secs(10);

/// A named pace.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Profile {
    /// `T_lost` 1 s: shared machines, busy disks, ordinary networks.
    #[default]
    Default,
    /// `T_lost` 150 ms: quiet networks and hosts with spare cores.
    Fast,
}

impl Profile {
    /// The silence after which a node is lost.
    #[must_use]
    pub fn t_lost(self) -> Duration {
        match self {
            Profile::Default => Duration::from_millis(1000),
            Profile::Fast => Duration::from_millis(150),
        }
    }

    /// The word in the cluster file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Profile::Default => "default",
            Profile::Fast => "fast",
        }
    }
}

/// All protocol times of a cluster. Built by [`Timing::derive`]; single fields may be overridden in the cluster
/// file, the inequalities then decide whether the whole is accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Serialize, Deserialize)]
pub struct Timing {
    /// A node silent on every link for this long is lost.
    pub t_lost: Duration,
    /// Interval between heartbeats on each link.
    pub beat: Duration,
    /// A leader may act this long after a heartbeat that a quorum acknowledged was sent.
    pub t_lease: Duration,
    /// A member may run exclusive resources this long after it sent the request that was granted.
    pub t_grant: Duration,
    /// A leader that alone loses a node hands leadership over after this silence.
    pub handover_after: Duration,
    /// Candidates stand one after another by this distance (rank among live voters).
    pub rank_delay: Duration,
    /// Largest random part of a repeated candidacy.
    pub election_retry: Duration,
    /// A node whose core has not stepped for this long counts as lost.
    pub core_age_max: Duration,
    /// A node with a write outstanding for this long counts as lost.
    pub write_age_max: Duration,
    /// A node that could not fork and exec for this long counts as lost.
    pub spawn_age_max: Duration,
    /// How long a forming cluster waits for members that it has not seen.
    pub startup_wait: Duration,
    /// How long a host that answers may be without its daemon before it is fenced.
    pub daemon_grace: Duration,
    /// A host whose watchdog nobody writes to for this long is reset by it. Whole seconds.
    pub t_watchdog: Duration,
    /// Distance between the two readings that prove power off.
    pub off_settle: Duration,
    /// How long power stays off before it is switched on again.
    pub off_dwell: Duration,
    /// First pause after a failed fence attempt; doubles up to `fence_retry_max`.
    pub fence_retry_min: Duration,
    /// Longest pause between fence attempts.
    pub fence_retry_max: Duration,
    /// Interval of the harmless test of each fence path.
    pub path_test: Duration,
    /// A path test older than this is no evidence that the path works.
    pub path_fresh: Duration,
}

/// One relation between two times that must hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Inequality {
    /// The relation in words of the table, for instance `t_lease <= 0.8 * t_lost`.
    pub rule: &'static str,
    /// Why it must hold.
    pub because: &'static str,
    /// The field of the cluster file to change, `timing.t_lease`.
    pub field: &'static str,
    /// Left side as it stands.
    pub left: Duration,
    /// Right side as it stands.
    pub right: Duration,
}

impl Timing {
    /// The table for a profile, nothing overridden.
    #[must_use]
    pub fn derive(profile: Profile) -> Self {
        Self::from_t_lost(profile.t_lost())
    }

    /// The table for a given silence.
    #[must_use]
    pub fn from_t_lost(t_lost: Duration) -> Self {
        Timing {
            t_lost,
            beat: t_lost / 10,
            t_lease: t_lost * 7 / 10,
            t_grant: t_lost * 3,
            handover_after: t_lost / 2,
            rank_delay: Duration::from_millis(20),
            election_retry: t_lost / 4,
            core_age_max: (t_lost * 2).max(Duration::from_secs(1)),
            write_age_max: (t_lost * 10).max(Duration::from_secs(10)),
            spawn_age_max: (t_lost * 10).max(Duration::from_secs(15)),
            startup_wait: Duration::from_secs(20),
            daemon_grace: Duration::from_secs(5),
            t_watchdog: Duration::ZERO,
            off_settle: Duration::from_secs(1),
            off_dwell: Duration::from_secs(5),
            fence_retry_min: Duration::from_secs(1),
            fence_retry_max: Duration::from_secs(30),
            path_test: Duration::from_secs(120),
            path_fresh: Duration::from_secs(300),
        }
        .with_watchdog()
    }

    /// The same with the time of watchdogs derived anew, after others were replaced.
    #[must_use]
    pub fn with_watchdog(self) -> Self {
        let longest = (self.daemon_grace + self.t_grant).max(WATCHDOG_MIN);
        let seconds = longest.as_secs() + u64::from(longest.subsec_nanos() > 0);
        Self { t_watchdog: Duration::from_secs(seconds), ..self }
    }

    /// Every inequality that does not hold; empty when the table is sound.
    #[must_use]
    pub fn violations(&self) -> Vec<Inequality> {
        self.inequalities().into_iter().filter(|inequality| inequality.left > inequality.right).collect()
    }

    /// Every inequality with its sides as they stand; it holds when `left <= right`.
    #[must_use]
    pub fn inequalities(&self) -> Vec<Inequality> {
        let at_most = |rule, because, field, left, right| Inequality { rule, because, field, left, right };
        let ms = Duration::from_millis;
        vec![
            at_most(
                "t_lost >= 100 ms",
                "shorter silences happen on healthy hosts",
                "timing.t_lost",
                ms(100),
                self.t_lost,
            ),
            at_most(
                "t_lost <= 60 s",
                "nothing would be recovered for longer than a minute",
                "timing.t_lost",
                self.t_lost,
                ms(60_000),
            ),
            at_most(
                "beat <= t_lost / 5",
                "one lost datagram must not make a node lost",
                "timing.beat",
                self.beat * 5,
                self.t_lost,
            ),
            at_most(
                "beat >= 5 ms",
                "faster heartbeats load the network and prove no more",
                "timing.beat",
                ms(5),
                self.beat,
            ),
            at_most(
                "t_lease <= 0.8 * t_lost",
                "a deposed leader must stop acting before another can be elected, whatever its clock's drift",
                "timing.t_lease",
                self.t_lease * 10,
                self.t_lost * 8,
            ),
            at_most(
                "t_lease >= 3 * beat",
                "a leader would lose its lease by two lost datagrams",
                "timing.t_lease",
                self.beat * 3,
                self.t_lease,
            ),
            at_most(
                "t_grant >= 2 * t_lost + 5 * rank_delay",
                "an election must fit into a grant, or every change of leader would stop every resource",
                "timing.t_grant",
                self.t_lost * 2 + self.rank_delay * 5,
                self.t_grant,
            ),
            at_most(
                "handover_after <= 0.8 * t_lost",
                "leadership must move before a healthy node would be fenced",
                "timing.handover_after",
                self.handover_after * 10,
                self.t_lost * 8,
            ),
            at_most(
                "handover_after >= 3 * beat",
                "others tell of a node for three heartbeats after its last: a leader would hand over for one that is dead",
                "timing.handover_after",
                self.beat * 3,
                self.handover_after,
            ),
            at_most(
                "election_retry <= t_lost",
                "candidates that tied must not leave the cluster without a leader for longer than a lost node would",
                "timing.election_retry",
                self.election_retry,
                self.t_lost,
            ),
            at_most(
                "core_age_max >= t_lost",
                "a busy core must not be judged more strictly than a silent host",
                "timing.core_age_max",
                self.t_lost,
                self.core_age_max,
            ),
            at_most(
                "write_age_max >= t_lost",
                "one slow write must not be judged more strictly than a silent host",
                "timing.write_age_max",
                self.t_lost,
                self.write_age_max,
            ),
            at_most(
                "spawn_age_max >= 2 * canary_period + t_lost",
                "the age reaches canary_period on a healthy host, and one late start must not make a node lost",
                "timing.spawn_age_max",
                CANARY_PERIOD * 2 + self.t_lost,
                self.spawn_age_max,
            ),
            at_most(
                "daemon_grace >= t_lost",
                "a restarting daemon would be fenced before it can speak",
                "timing.daemon_grace",
                self.t_lost,
                self.daemon_grace,
            ),
            at_most(
                "t_watchdog >= daemon_grace + t_grant",
                "a host would be reset while its daemon is being restarted",
                "timing.t_watchdog",
                self.daemon_grace + self.t_grant,
                self.t_watchdog,
            ),
            at_most(
                "fence_retry_min <= fence_retry_max",
                "the pause between attempts only grows",
                "timing.fence_retry_max",
                self.fence_retry_min,
                self.fence_retry_max,
            ),
            at_most(
                "path_fresh >= 2 * path_test",
                "evidence would lapse between two healthy tests",
                "timing.path_fresh",
                self.path_test * 2,
                self.path_fresh,
            ),
            at_most(
                "off_settle <= 60 s",
                "a supply that holds its charge longer than a minute cannot be judged by readings",
                "timing.off_settle",
                self.off_settle,
                ms(60_000),
            ),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_profiles_are_sound() {
        for profile in [Profile::Default, Profile::Fast] {
            assert_eq!(Timing::derive(profile).violations(), vec![], "{}", profile.name());
        }
    }

    #[test]
    fn any_silence_up_to_the_grace_of_a_daemon_derives_a_sound_table() {
        for ms in (100..=5000).step_by(100) {
            let t_lost = Duration::from_millis(ms);
            assert_eq!(Timing::from_t_lost(t_lost).violations(), vec![], "{t_lost:?}");
        }
    }

    #[test]
    fn each_inequality_fires_when_its_field_is_wrong() {
        let base = Timing::derive(Profile::Default);
        let s = Duration::from_secs;
        let wrong = [
            ("timing.t_lost", Timing { t_lost: Duration::from_millis(50), ..base }),
            ("timing.t_lost", Timing { t_lost: s(61), ..base }),
            ("timing.beat", Timing { beat: Duration::from_millis(201), ..base }),
            ("timing.beat", Timing { beat: Duration::from_millis(4), ..base }),
            ("timing.t_lease", Timing { t_lease: Duration::from_millis(801), ..base }),
            ("timing.t_lease", Timing { t_lease: Duration::from_millis(299), ..base }),
            ("timing.t_grant", Timing { t_grant: s(2), ..base }),
            ("timing.handover_after", Timing { handover_after: Duration::from_millis(801), ..base }),
            ("timing.handover_after", Timing { handover_after: Duration::from_millis(299), ..base }),
            ("timing.election_retry", Timing { election_retry: Duration::from_millis(1001), ..base }),
            ("timing.core_age_max", Timing { core_age_max: Duration::from_millis(999), ..base }),
            ("timing.write_age_max", Timing { write_age_max: Duration::from_millis(999), ..base }),
            ("timing.spawn_age_max", Timing { spawn_age_max: Duration::from_millis(4999), ..base }),
            ("timing.daemon_grace", Timing { daemon_grace: Duration::from_millis(999), ..base }),
            ("timing.t_watchdog", Timing { t_watchdog: Duration::from_millis(7999), ..base }),
            ("timing.fence_retry_max", Timing { fence_retry_max: Duration::from_millis(999), ..base }),
            ("timing.path_fresh", Timing { path_fresh: s(239), ..base }),
            ("timing.off_settle", Timing { off_settle: s(61), ..base }),
        ];
        for (field, timing) in wrong {
            let fields: Vec<_> = timing.violations().iter().map(|v| v.field).collect();
            assert!(fields.contains(&field), "{field} not reported, only {fields:?}");
        }
    }
}
