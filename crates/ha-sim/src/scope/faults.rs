//! What goes wrong, and gets better again.

use super::cluster::{ALL, At, Cluster, MS};
use super::world::World;
use ha_core::AgentOp;
use std::fmt;

/// How long a killed daemon is away.
const RESTART: u64 = 400 * MS;

/// A fault at a place, or its end.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Fault {
    /// The host crashes for good; its outlet stays on.
    Crash(At),
    /// The daemon dies and is started again soon. A start under way has done its work.
    Kill(At),
    /// The host stands still; its clock does not.
    Freeze(At),
    /// It goes on.
    Thaw(At),
    /// Cut from both others.
    Cut(At),
    /// Nobody hears it any more; it hears all.
    Mute(At),
    /// It hears nobody any more; all hear it.
    Deaf(At),
    /// These two are cut from each other.
    Part(At, At),
    /// Every cut is mended.
    Heal,
    /// The stream between these two breaks: what was under way is lost.
    Break(At, At),
    /// The leader lets another lead, as before maintenance.
    HandOver(At),
}

/// A kind of fault, for the menu of a scope.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// See [`Fault`], as all of these.
    Crash,
    /// As above.
    Kill,
    /// As above.
    Freeze,
    /// As above.
    Cut,
    /// As above.
    Mute,
    /// As above.
    Deaf,
    /// As above.
    Part,
    /// As above.
    Break,
    /// As above.
    HandOver,
}

/// To whom.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Who {
    /// Whoever leads, as far as it knows itself.
    Leader,
    /// The node at this place.
    Node(At),
    /// Each.
    Any,
}

impl World {
    /// Each fault of that kind that would change something here.
    pub fn faults(&self, kind: Kind, who: Who, into: &mut Vec<Fault>) {
        let is_meant = |at: &At| match who {
            Who::Leader => self.host(*at).leads(),
            Who::Node(node) => node == *at,
            Who::Any => true,
        };
        for at in ALL.into_iter().filter(is_meant) {
            let host = self.host(at);
            let (is_up, is_awake) = (host.is_on, host.awake().is_some());
            let others = || ALL.into_iter().filter(move |o| *o != at);
            match kind {
                Kind::Crash if is_up => into.push(Fault::Crash(at)),
                Kind::Kill if is_awake => into.push(Fault::Kill(at)),
                Kind::Freeze if is_up && !host.is_frozen => into.push(Fault::Freeze(at)),
                Kind::Cut if is_up && others().any(|o| !self.is_cut(at, o)) => into.push(Fault::Cut(at)),
                Kind::Mute if is_awake => into.push(Fault::Mute(at)),
                Kind::Deaf if is_awake => into.push(Fault::Deaf(at)),
                Kind::Part => {
                    into.extend(others().filter(|o| !self.is_cut(at, *o)).map(|o| Fault::Part(at, o)))
                }
                Kind::Break => {
                    let is_busy = |o: &At| {
                        let (a, o) = (usize::from(at), usize::from(*o));
                        !self.links[a][o].is_empty() || !self.links[o][a].is_empty()
                    };
                    into.extend(others().filter(is_busy).map(|o| Fault::Break(at.min(o), at.max(o))));
                }
                Kind::HandOver if is_awake && host.leads() => {
                    into.extend(others().filter(|o| self.host(*o).awake().is_some()).map(Fault::HandOver));
                }
                Kind::Crash
                | Kind::Kill
                | Kind::Freeze
                | Kind::Cut
                | Kind::Mute
                | Kind::Deaf
                | Kind::HandOver => {}
            }
        }
        into.sort_unstable();
        into.dedup();
    }

    /// Each end of a fault that is possible here.
    pub fn mends(&self, into: &mut Vec<Fault>) {
        into.extend(ALL.into_iter().filter(|at| self.host(*at).is_frozen).map(Fault::Thaw));
        if self.cuts.iter().flatten().any(|cut| *cut) {
            into.push(Fault::Heal);
        }
    }

    /// It happens.
    pub fn befall(&mut self, cluster: &Cluster, fault: Fault) {
        match fault {
            Fault::Crash(at) => self.power_goes(cluster, at),
            Fault::Kill(at) => self.kill(cluster, at),
            Fault::Freeze(at) => self.edit(at).is_frozen = true,
            Fault::Thaw(at) => self.thaw(cluster, at),
            Fault::Cut(at) => ALL.into_iter().for_each(|o| {
                self.cut(at, o);
                self.cut(o, at);
            }),
            Fault::Mute(at) => ALL.into_iter().for_each(|o| self.cut(at, o)),
            Fault::Deaf(at) => ALL.into_iter().for_each(|o| self.cut(o, at)),
            Fault::Part(a, b) => {
                self.cut(a, b);
                self.cut(b, a);
            }
            Fault::Heal => self.cuts = Default::default(),
            Fault::Break(a, b) => self.break_stream(cluster, a, b),
            Fault::HandOver(to) => self.hand_over(cluster, to),
        }
    }

    fn cut(&mut self, from: At, to: At) {
        self.cuts[usize::from(from)][usize::from(to)] = from != to;
    }

    fn kill(&mut self, cluster: &Cluster, at: At) {
        let t = self.t;
        let clock = self.host(at).clock(t);
        let has_grant = |d: &super::host::Daemon| d.grant.is_some_and(|until| clock < until);
        let daemon = self.host(at).daemon.as_ref();
        let is_starting =
            daemon.is_some_and(|d| has_grant(d) && d.runs.values().any(|r| r.run.op == AgentOp::Start));
        if is_starting {
            self.begins(cluster, at);
        }
        let host = self.edit(at);
        host.forget_daemon();
        host.daemon_at = Some(t + RESTART);
    }

    fn hand_over(&mut self, cluster: &Cluster, to: At) {
        let leader = ALL
            .into_iter()
            .find(|at| *at != to && self.host(*at).awake().is_some() && self.host(*at).leads());
        let Some(leader) = leader else { return };
        let now = self.host(leader).clock(self.t);
        if let Some(daemon) = &mut self.edit(leader).daemon {
            // One that is refused changes nothing.
            let _ = daemon.node.hand_over(now, cluster.name(to));
        }
        self.wake(cluster, leader);
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = |at: &At| at + 1;
        match self {
            Self::Crash(at) => write!(f, "CRASH n{}", n(at)),
            Self::Kill(at) => write!(f, "KILL the daemon of n{}", n(at)),
            Self::Freeze(at) => write!(f, "FREEZE n{}", n(at)),
            Self::Thaw(at) => write!(f, "THAW n{}", n(at)),
            Self::Cut(at) => write!(f, "CUT n{} from all", n(at)),
            Self::Mute(at) => write!(f, "CUT what n{} says", n(at)),
            Self::Deaf(at) => write!(f, "CUT what n{} hears", n(at)),
            Self::Part(a, b) => write!(f, "CUT n{} from n{}", n(a), n(b)),
            Self::Heal => write!(f, "HEAL the network"),
            Self::Break(a, b) => write!(f, "BREAK the stream of n{} and n{}", n(a), n(b)),
            Self::HandOver(to) => write!(f, "HAND OVER to n{}", n(to)),
        }
    }
}
