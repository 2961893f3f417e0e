//! What will happen in a life, decided before it begins: a list of acts with their times. A failure is shrunk by leaving
//! some out.

use crate::act::{Act, Agents, Disk, Fault, Moment, Order, Switch, Way, Who};
use crate::rng::Rng;
use crate::shape::Shape;
use std::fmt;
use std::str::FromStr;

/// A line of a schedule.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Milliseconds from power-on.
    pub at_ms: u64,
    /// What.
    pub act: Act,
}

/// The lines, in the order of their times.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Schedule(pub Vec<Entry>);

/// Simulated time before everything is mended, in milliseconds.
pub const LIFE_MS: u64 = 125_000;

/// The first fault comes when something runs, or would have to.
const QUIET_MS: u64 = 5_000;

/// By then a cluster has formed, and runs something.
const FORMED_MS: u64 = 24_000;

/// So many lives of a hundred begin with a node that loses its power whenever it is back.
const BOOT_LOOPS: u64 = 5;

/// So many acts of a hundred are followed by one that leaves a node behind.
const LAGGARDS: u64 = 5;

/// The longest pause between two acts, of the lives with the fewest.
const SLOW_MS: u64 = 8_000;

/// So many lives of a hundred with watchdogs have a node that nobody can cut, and that cannot stop what it runs.
const RESISTING: u64 = 40;

/// A node that loses its power whenever somebody has joined, so many times.
const BOOT_LOOP: usize = 6;

/// What a seed likes to do. Swarm testing (Groce et al. 2012): a seed that leaves most kinds of faults out goes deeper into
/// the others.
struct Taste {
    weights: Vec<(u64, Kind)>,
    pause_ms: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Power,
    Freeze,
    Cut,
    Daemon,
    Switch,
    Net,
    Process,
    Disk,
    Clock,
    Agents,
    Transfer,
    Operator,
    Moment,
}

const KINDS: [(u64, Kind); 13] = [
    (20, Kind::Power),
    (14, Kind::Freeze),
    (16, Kind::Cut),
    (10, Kind::Daemon),
    (8, Kind::Switch),
    (6, Kind::Net),
    (6, Kind::Process),
    (6, Kind::Disk),
    (4, Kind::Clock),
    (5, Kind::Agents),
    (4, Kind::Transfer),
    (16, Kind::Operator),
    (10, Kind::Moment),
];

impl Schedule {
    /// The schedule of a seed.
    #[must_use]
    pub fn of_seed(rng: &mut Rng, shape: &Shape) -> Self {
        let taste = taste(rng);
        let mut entries = vec![];
        let mut at_ms =
            if rng.percent(15) { rng.range(0, QUIET_MS) } else { QUIET_MS + rng.range(20_000, 28_000) };
        // Not while it forms: nothing would ever run.
        if rng.percent(BOOT_LOOPS) && shape.nodes.len() > 1 && at_ms > FORMED_MS {
            at_ms += loop_boots(rng, shape, at_ms, &mut entries);
        }
        while at_ms < LIFE_MS {
            if let Some(act) = draw(rng, shape, &taste) {
                let again = if let Act::When(Moment::Joined, off) = &act {
                    entries.push(Entry { at_ms, act: (**off).clone() });
                    // Alone it is fenced by nobody, and would feel nothing else.
                    if shape.nodes.len() > 1 && at_ms > FORMED_MS { BOOT_LOOP } else { 0 }
                } else {
                    1
                };
                entries.extend(std::iter::repeat_n(Entry { at_ms, act }, again));
            }
            if rng.percent(LAGGARDS) {
                at_ms += leave_one_behind(rng, shape, at_ms, &mut entries);
            }
            at_ms += rng.range(taste.pause_ms / 10, taste.pause_ms);
        }
        if taste.pause_ms == SLOW_MS || shape.nodes.len() == 1 {
            entries.extend(surely(rng, shape, LIFE_MS));
        }
        if shape.has_watchdogs && rng.percent(RESISTING) {
            entries.extend(resist(rng, shape));
        }
        entries.sort_by_key(|e| e.at_ms);
        Self(entries)
    }
}

/// What changes something whatever was before: a life with few acts, or of a node alone, for which many are of nothing, has
/// felt enough by its end, in milliseconds.
pub(crate) fn surely(rng: &mut Rng, shape: &Shape, end_ms: u64) -> Vec<Entry> {
    let mut who = || Who::Node(rng.pick(&shape.nodes).name.clone());
    let acts = [
        (16_000, Act::PowerOn(None)),
        (16_000, Act::Thaw(None)),
        (14_000, Act::KillDaemon(who())),
        (9_000, Act::PowerOn(None)),
        (7_000, Act::Freeze(who())),
        (3_000, Act::PowerOff(who())),
    ];
    acts.into_iter().map(|(before_end, act)| Entry { at_ms: end_ms - before_end, act }).collect()
}

/// An owner is alone, nobody can cut it, and what it runs does not stop: its watchdog is what is left.
fn resist(rng: &mut Rng, shape: &Shape) -> Vec<Entry> {
    let instance = rng.pick(&shape.instances()[1..]).clone();
    let at_ms = rng.range(FORMED_MS, LIFE_MS - 30_000);
    let acts = [
        (0, Act::Agent(instance.clone(), Fault::StopHangs)),
        (0, Act::Switch(Switch::Dead)),
        (0, Act::Cut(Who::Owner(instance.clone()), None, Way::Both, None)),
        (25_000, Act::Agent(instance, Fault::Sound)),
    ];
    acts.into_iter().map(|(after, act)| Entry { at_ms: at_ms + after, act }).collect()
}

/// A node loses its power each time it is back, while nothing else happens (S9). How long that takes, in milliseconds.
fn loop_boots(rng: &mut Rng, shape: &Shape, at_ms: u64, entries: &mut Vec<Entry>) -> u64 {
    let off = Act::PowerOff(Who::Node(rng.pick(&shape.nodes).name.clone()));
    let again = Act::When(Moment::Joined, Box::new(off.clone()));
    entries.push(Entry { at_ms, act: off });
    entries.extend(std::iter::repeat_n(Entry { at_ms, act: again }, BOOT_LOOP));
    60_000
}

/// One misses what the others write, and is back when the leader loses its power: it may stand, and must not win. How long it
/// takes, in milliseconds.
fn leave_one_behind(rng: &mut Rng, shape: &Shape, at_ms: u64, entries: &mut Vec<Entry>) -> u64 {
    let lasts = if shape.is_fast { rng.range(40, 120) } else { rng.range(300, 900) };
    let mut push = |after, act| entries.push(Entry { at_ms: at_ms + after, act });
    push(0, Act::Cut(Who::Bystander, None, Way::Both, None));
    push(lasts / 3, of_kind(rng, shape, Kind::Operator));
    push(lasts, Act::PowerOff(Who::Leader));
    push(lasts, Act::Heal);
    lasts
}

fn taste(rng: &mut Rng) -> Taste {
    let weights: Vec<_> = KINDS.into_iter().filter(|_| rng.percent(60)).collect();
    // What mends must be there, and two kinds of faults at least.
    let weights = if weights.len() < 4 { KINDS.to_vec() } else { weights };
    Taste { weights, pause_ms: *rng.pick(&[600, 2_000, 2_000, 4_000, SLOW_MS]) }
}

fn draw(rng: &mut Rng, shape: &Shape, taste: &Taste) -> Option<Act> {
    // One act in three mends something, whatever the taste.
    if rng.percent(33) {
        return Some(mend(rng));
    }
    let total: u64 = taste.weights.iter().map(|(w, _)| w).sum();
    let mut left = rng.range(0, total - 1);
    let mut kinds = taste.weights.iter();
    let kind = kinds.find_map(|(weight, kind)| {
        let is_it = left < *weight;
        left = left.saturating_sub(*weight);
        is_it.then_some(*kind)
    })?;
    Some(of_kind(rng, shape, kind))
}

fn mend(rng: &mut Rng) -> Act {
    match rng.range(0, 11) {
        0..=3 => Act::PowerOn(None),
        4..=5 => Act::Thaw(None),
        6..=8 => Act::Heal,
        9 => Act::Switch(Switch::Sound),
        10 => Act::Agents(Agents::Sound),
        _ => Act::Net { loss: 0, double: 0, late_ms: 1 },
    }
}

fn who(rng: &mut Rng, shape: &Shape) -> Who {
    match rng.range(0, 9) {
        0..=1 => Who::Leader,
        2..=3 => Who::Owner(rng.pick(&shape.instances()).clone()),
        4 => Who::Bystander,
        _ => Who::Node(rng.pick(&shape.nodes).name.clone()),
    }
}

fn of_kind(rng: &mut Rng, shape: &Shape, kind: Kind) -> Act {
    let who = who(rng, shape);
    match kind {
        Kind::Power => Act::PowerOff(who),
        Kind::Freeze if rng.percent(10) => Act::Stall(who),
        Kind::Freeze if rng.percent(40) => Act::Pause(who),
        Kind::Freeze => Act::Freeze(who),
        Kind::Cut => cut(rng, shape, who),
        Kind::Daemon => Act::KillDaemon(who),
        Kind::Switch if rng.percent(6) => Act::Switch(*rng.pick(&[Switch::Lying, Switch::Miswired])),
        Kind::Switch => Act::Switch(*rng.pick(&[
            Switch::Dead,
            Switch::Slow,
            Switch::Failing,
            Switch::Blind,
            Switch::Mute,
            Switch::Cycling,
            Switch::Vouching,
        ])),
        Kind::Net if rng.percent(60) => path(rng, shape, who),
        Kind::Net => Act::Net {
            loss: *rng.pick(&[0, 5, 20, 30]),
            double: *rng.pick(&[0, 10, 50]),
            late_ms: *rng.pick(&[5, 50, 400]),
        },
        Kind::Process => {
            let instance = rng.pick(&shape.instances()).clone();
            Act::Kill(instance.clone(), Who::Owner(instance))
        }
        Kind::Disk => {
            let how = [
                Disk::Slow,
                Disk::Hanging,
                Disk::Sound,
                Disk::Failing,
                Disk::Wiped,
                Disk::Copied,
                Disk::Older,
            ];
            Act::Disk(who, *rng.pick(&how))
        }
        Kind::Clock if rng.percent(50) => Act::Wall(who, *rng.pick(&[-86_400, -30, -2, 2, 30, 86_400])),
        // Ten times what a quartz does: the margin of the lease is a fifth.
        Kind::Clock => Act::Drift(who, *rng.pick(&[-1000, -200, 0, 200, 1000])),
        Kind::Agents if rng.percent(40) => agent(rng, shape),
        Kind::Agents => Act::Agents(*rng.pick(&[
            Agents::Sound,
            Agents::Failing(5),
            Agents::Failing(30),
            Agents::Hanging(5),
            Agents::Lying(3),
        ])),
        Kind::Transfer => Act::Transfer(who),
        Kind::Operator => operator(rng, shape, who),
        Kind::Moment => moment(rng, shape, who),
    }
}

fn cut(rng: &mut Rng, shape: &Shape, one: Who) -> Act {
    let way = *rng.pick(&[Way::Both, Way::Both, Way::Out, Way::In]);
    let link = (shape.links > 1 && rng.percent(50)).then(|| rng.range(0, u64::from(shape.links) - 1) as u8);
    match rng.range(0, 3) {
        0 => Act::Cut(one, None, way, link),
        1 => Act::Cut(Who::Leader, Some(vec![Who::Bystander]), way, link),
        2 if rng.percent(40) => {
            let other = self::who(rng, shape);
            Act::Flap(one, other, *rng.pick(&[80, 400, 900, 1500]), link)
        }
        _ => {
            let count = rng.range(1, 1 + shape.nodes.len() as u64 / 2);
            let others = (0..count).map(|_| self::who(rng, shape)).collect();
            Act::Cut(one, Some(others), way, link)
        }
    }
}

/// Paths that get worse, on a link or all.
fn path(rng: &mut Rng, shape: &Shape, one: Who) -> Act {
    let link = (shape.links > 1 && rng.percent(50)).then(|| rng.range(0, u64::from(shape.links) - 1) as u8);
    let others = rng.percent(50).then(|| vec![self::who(rng, shape)]);
    match rng.range(0, 2) {
        0 => Act::Lossy(one, others, *rng.pick(&[10, 40, 80]), link),
        1 => Act::Doubled(one, others, *rng.pick(&[20, 100]), link),
        _ => Act::Late(one, others, *rng.pick(&[30, 200, 700]), link),
    }
}

/// The agent of one resource does something wrong whenever it is asked, or nothing any more.
fn agent(rng: &mut Rng, shape: &Shape) -> Act {
    let resource = rng.pick(&shape.instances()).clone();
    let faults = [
        Fault::Sound,
        Fault::Sound,
        Fault::Sound,
        Fault::StartFails,
        Fault::StartHangs,
        Fault::NoProgram,
        Fault::StopFails,
        Fault::StopHangs,
        Fault::StopLies,
        Fault::CheckFails,
        Fault::SeemsAlive,
        Fault::SeemsDead,
    ];
    Act::Agent(resource, *rng.pick(&faults))
}

fn operator(rng: &mut Rng, shape: &Shape, at: Who) -> Act {
    let node = who(rng, shape);
    let resource = rng.pick(&shape.instances()).clone();
    let order = match rng.range(0, 16) {
        0 => Order::Standby(node),
        1 => Order::Online(node),
        2 => Order::Start(resource),
        3 => Order::Stop(resource),
        4 => Order::Restart(resource),
        5 => Order::Move(resource, node),
        6 => Order::Cleanup(resource),
        7 => Order::FenceOff(node),
        8 => Order::FenceOn(node),
        9 => Order::FenceTest,
        10 => Order::Address(rng.range(100, 102) as u8),
        11 => Order::Remove(node),
        12 => Order::Rename(node),
        13 => Order::FencePath(rng.range(1, 3) as u8),
        14 => Order::ConfirmUnseen(node),
        _ => Order::Confirm(node),
    };
    Act::Ask(at, order)
}

/// The sequences that are worst, aimed at.
fn moment(rng: &mut Rng, shape: &Shape, who: Who) -> Act {
    let node = self::who(rng, shape);
    let then = |moment, act| Act::When(moment, Box::new(act));
    match rng.range(0, 17) {
        16 => then(Moment::OffAsked, Act::Freeze(Who::Leader)),
        12 | 17 => then(Moment::OffAsked, Act::KillDaemon(Who::Leader)),
        13 => then(Moment::OffAsked, Act::PowerOff(Who::Leader)),
        14 => then(Moment::FenceRequested, Act::Ask(who, Order::FencePath(rng.range(1, 3) as u8))),
        15 => then(Moment::Lost, Act::KillDaemon(Who::Leader)),
        9..=11 => then(Moment::Joined, Act::PowerOff(Who::Node(rng.pick(&shape.nodes).name.clone()))),
        0 => then(Moment::OffDone, Act::PowerOff(Who::Leader)),
        1 => then(Moment::OffDone, Act::KillDaemon(Who::Leader)),
        2 => then(Moment::FenceRequested, Act::Thaw(None)),
        3 => then(Moment::StartBegun, Act::Freeze(Who::Starter)),
        4 => then(Moment::StartBegun, Act::KillDaemon(who)),
        5 => then(Moment::Lost, Act::Ask(who, Order::Confirm(node))),
        6 => then(Moment::FenceRequested, Act::Ask(who, Order::Remove(node))),
        7 => then(Moment::Lost, Act::KillDaemon(node)),
        _ => then(Moment::FenceRequested, Act::PowerOff(Who::Leader)),
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|e| writeln!(f, "{:>8} {}", e.at_ms, e.act))
    }
}

impl FromStr for Schedule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let lines =
            (1..).zip(text.lines()).map(|(n, line)| (n, line.split('#').next().unwrap_or_default().trim()));
        let entry = |(n, line): (usize, &str)| {
            let at = |why: String| format!("line {n}: {why}");
            let (ms, act) =
                line.split_once(' ').ok_or_else(|| at("a time in milliseconds, then an act".into()))?;
            let at_ms = ms.parse().map_err(|_| at(format!("`{ms}` is no time in milliseconds")))?;
            Ok(Entry { at_ms, act: act.parse().map_err(at)? })
        };
        lines.filter(|(_, l)| !l.is_empty()).map(entry).collect::<Result<_, _>>().map(Schedule)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_is_read_again_as_it_was_printed() {
        for seed in 0..50 {
            let mut rng = Rng::new(seed, 0);
            let shape = Shape::of_seed(&mut rng);
            let schedule = Schedule::of_seed(&mut rng, &shape);
            assert_eq!(schedule.to_string().parse(), Ok(schedule));
        }
    }

    #[test]
    fn every_seed_has_three_faults_of_two_kinds() {
        let poor = (0..200).filter(|seed| {
            let mut rng = Rng::new(*seed, 0);
            let shape = Shape::of_seed(&mut rng);
            let schedule = Schedule::of_seed(&mut rng, &shape);
            let kinds: Vec<_> = schedule.0.iter().filter_map(|e| e.act.kind()).collect();
            let different: std::collections::BTreeSet<_> = kinds.iter().collect();
            kinds.len() < 3 || different.len() < 2
        });
        assert_eq!(poor.count(), 0);
    }

    #[test]
    fn a_mistake_has_its_line() {
        assert_eq!(
            "# comment\n 100 heal\n x heal".parse::<Schedule>(),
            Err("line 3: `x` is no time in milliseconds".into())
        );
    }
}
