//! Whether the watches looked while there was something to see. Who is blind sees no second owner, and excuses each
//! takeover whose old owner he did not see: silence of a watch is condemned, it is never a good sign.
//!
//! Must not know: what the watches saw of owners. Pure over the records, as the judge is.

use crate::alive::{Tenure, WEB, WRITER};
use crate::judge::{Judge, Violation};

/// A watch looks every 25 ms. When another witness saw something so long after its last look, it did not watch; a
/// machine that stood still stops all witnesses.
const BLIND_NS: u64 = 2_000_000_000;
/// Looks at somebody who answers or writes; not one of so many misses the process that does.
const LOOKS: usize = 8;

impl Judge {
    /// The watches that did not look, or saw nothing of what others saw.
    pub(crate) fn unwatched(&self) -> Vec<Violation> {
        let mut found = Vec::new();
        for (watch, longest_ns) in self.longest_unseen() {
            if longest_ns.is_none_or(|longest| longest > BLIND_NS) {
                found.push(Violation::Unwatched { watch: watch.into(), longest_ns });
            }
        }
        let unseen = |service: &str, tenures: Vec<Tenure>| {
            let missed = tenures.into_iter().filter(|tenure| self.is_missed(service, tenure));
            missed.map(|t| Violation::Unseen { service: service.into(), owner: t.owner }).collect::<Vec<_>>()
        };
        found.extend(unseen(WEB, self.answering()));
        found.extend(unseen(WRITER, self.writing()));
        found
    }

    /// For each watch the longest time from its last look to what another witness saw, nanoseconds; none where it
    /// never looked.
    pub fn longest_unseen(&self) -> [(&'static str, Option<u64>); 2] {
        let mut signs: Vec<u64> = self.answers.iter().map(|a| a.end_ns).collect();
        signs.extend(self.ledger.iter().map(|b| b.t_ns));
        signs.sort_unstable();
        let arp = self.rounds.iter().map(|r| r.t_ns).collect();
        let alive = self.alive.iter().map(|r| r.t_ns).collect();
        [
            ("the watch over the address", longest(arp, &signs)),
            ("the watch over processes", longest(alive, &signs)),
        ]
    }

    fn is_missed(&self, service: &str, tenure: &Tenure) -> bool {
        let looks = self.alive.iter().filter(|r| tenure.first_ns < r.t_ns && r.t_ns < tenure.last_ns);
        let is_it = |p: &ha_lab::Alive| p.service == service && p.incarnation == tenure.owner.incarnation;
        let (mut count, mut is_seen) = (0, false);
        for look in looks {
            count += 1;
            is_seen |= look.alive.iter().any(is_it);
        }
        count >= LOOKS && !is_seen
    }
}

/// The longest time from the last look (or the first sign) to a sign.
fn longest(mut looks: Vec<u64>, signs: &[u64]) -> Option<u64> {
    looks.sort_unstable();
    looks.first()?;
    let begin = *signs.first().unwrap_or(&0);
    let last_look = |sign: u64| looks[..looks.partition_point(|look| *look <= sign)].last().copied();
    let ages = signs.iter().map(|sign| sign - last_look(*sign).unwrap_or(begin));
    Some(ages.max().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sights::Answer;
    use ha_lab::{Alive, AliveRound, ArpRound};

    const SECOND: u64 = 1_000_000_000;

    /// Answers of `a` each half second from 1 to 10 s; looks at each tenth of a second in which `is_there` holds.
    fn judge(is_there: impl Fn(u64) -> bool, service: &str) -> Judge {
        let answer = |n: u64| Answer {
            t_ns: n * SECOND / 2 - 1,
            end_ns: n * SECOND / 2,
            host: "a".into(),
            incarnation: "a-1".into(),
            pid: 7,
            mac: None,
        };
        let alive = Alive { service: service.into(), incarnation: "a-1".into(), pid: 1, started: 1 };
        let looks: Vec<u64> = (5..=105).map(|n| n * SECOND / 10).filter(|t| is_there(*t)).collect();
        let round = |t_ns: &u64| AliveRound { t_ns: *t_ns, alive: [alive.clone()].into() };
        Judge {
            answers: (2..=20).map(answer).collect(),
            rounds: (5..=105).map(|n| ArpRound { t_ns: n * SECOND / 10, ..ArpRound::default() }).collect(),
            alive: looks.iter().map(round).collect(),
            ..Judge::default()
        }
    }

    #[test]
    fn who_looks_all_the_time_watches() {
        assert_eq!(judge(|_| true, WEB).unproven_takeovers(), []);
        assert_eq!(judge(|t| !(4 * SECOND..5 * SECOND).contains(&t), WEB).unproven_takeovers(), []);
    }

    #[test]
    fn who_stops_looking_is_condemned() {
        let blind: [fn(u64) -> bool; 4] =
            [|_| false, |t| t < 7 * SECOND, |t| t > 4 * SECOND, |t| !(4 * SECOND..7 * SECOND).contains(&t)];
        for (at, is_there) in blind.into_iter().enumerate() {
            let found = judge(is_there, WEB).unproven_takeovers();
            let [Violation::Unwatched { watch, .. }] = &found[..] else { panic!("{at}: {found:?}") };
            assert_eq!(watch, "the watch over processes");
            assert_eq!(found[0].rule(), "watch");
        }
        let found = Judge { rounds: Vec::new(), ..judge(|_| true, WEB) }.unproven_takeovers();
        assert!(matches!(&found[..], [Violation::Unwatched { longest_ns: None, .. }]), "{found:?}");
    }

    #[test]
    fn who_does_not_see_what_answers_is_condemned() {
        let found = judge(|_| true, WRITER).unproven_takeovers();
        assert!(matches!(&found[..], [Violation::Unseen { .. }]), "{found:?}");
    }
}
