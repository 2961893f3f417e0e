//! What goes wrong, gets better, or is asked: one line of words each, the same in schedules, replays and golden
//! scenarios.
//!
//! Must not know: how it is done. Invariant: what is printed is read again as the same.

mod words;

/// Which node, when the time comes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Who {
    /// By its name.
    Node(String),
    /// The one that leads; nobody where none or several do.
    Leader,
    /// The one that runs this instance.
    Owner(String),
    /// The one on which something is being started.
    Starter,
    /// A member that neither leads nor runs anything, else any that does not lead.
    Bystander,
}

/// Both ways, or one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Way {
    /// `|`
    Both,
    /// `>`
    Out,
    /// `<`
    In,
}

/// A disk's state.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Disk {
    /// Writes take up to 3 ms.
    Sound,
    /// Some writes take up to 800 ms.
    Slow,
    /// Nothing that is written becomes durable for 12 s.
    Hanging,
    /// Writes fail until the daemon starts again on a sound disk.
    Failing,
    /// The daemon starts again on an empty one, if there is a minority left that may forget.
    Wiped,
    /// The daemon starts again on the copy that was made last (`copied`), if a minority may forget.
    Older,
    /// A copy is made of it.
    Copied,
}

/// How the power switch behaves.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Switch {
    /// Does, and says so.
    Sound,
    /// Does not answer.
    Dead,
    /// Answers late, sometimes after the call was given up; then it does it all the same.
    Slow,
    /// Refuses to switch; reading works.
    Failing,
    /// Refuses to switch, and does not know the state of any outlet.
    Blind,
    /// Does it, and the answer is lost.
    Mute,
    /// Takes off and switches on again by itself 2 s later.
    Cycling,
    /// Does, and calls any outlet off that it does not have: whose word is worth that little proves nothing.
    Vouching,
    /// Its outlets are wired to the next host each: whoever is to be cut lives on. What rests on truth is not judged from then
    /// on.
    Miswired,
    /// Says off and does nothing. No design survives it: what rests on truth is not judged from then on.
    Lying,
}

/// How agents of resources behave.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Agents {
    /// As they should.
    Sound,
    /// So many in a hundred starts and stops fail, in every way there is.
    Failing(u8),
    /// So many in a hundred runs hang until they are killed.
    Hanging(u8),
    /// So many in a hundred answers are wrong: what lives is called dead, what is dead alive, what was not stopped stopped.
    Lying(u8),
}

/// What an agent of one resource does wrong, whenever it is asked.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Fault {
    /// Nothing any more.
    Sound,
    /// Its start fails and leaves nothing.
    StartFails,
    /// Its start ends by its time-out, and nothing runs.
    StartHangs,
    /// There is no program to start it.
    NoProgram,
    /// Its stop fails, and it runs on.
    StopFails,
    /// Its stop ends by its time-out, and it runs on.
    StopHangs,
    /// Its stop says that it is stopped, and it runs on. No design survives it: what runs on so is not judged.
    StopLies,
    /// Its check fails, though it runs.
    CheckFails,
    /// It is called alive, dead or not.
    SeemsAlive,
    /// It is called dead, alive or not. No design survives it: what a probe called dead and runs on is not judged.
    SeemsDead,
}

/// An operator's order.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Order {
    /// `node standby`.
    Standby(Who),
    /// `node online`.
    Online(Who),
    /// `resource start`.
    Start(String),
    /// `resource stop`.
    Stop(String),
    /// `resource restart`.
    Restart(String),
    /// `resource move`, for 10 s.
    Move(String, Who),
    /// `resource move` without a place, for 10 s: away from where it is.
    MoveAway(String),
    /// `resource cleanup`.
    Cleanup(String),
    /// `fence off`.
    FenceOff(Who),
    /// `fence on`.
    FenceOn(Who),
    /// `fence test`.
    FenceTest,
    /// `fence confirm`, by a human who looked: only where the host is truly off.
    Confirm(Who),
    /// The same by a human who did not look, wherever the host is.
    ConfirmUnseen(Who),
    /// `config apply` of that file (golden scenarios only: they bring it).
    Apply(String),
    /// `status`.
    Status,
    /// `timeline`, its newest lines.
    Timeline,
    /// `fence history`.
    FenceHistory,
    /// `config show`.
    ConfigShow,
    /// `config apply` with another address of the group's.
    Address(u8),
    /// `config apply` with another way to the first power switch.
    FencePath(u8),
    /// `config apply` without that node.
    Remove(Who),
    /// `config apply` with that node under another name.
    Rename(Who),
}

/// What an act waits for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Moment {
    /// A fence agent is about to ask for an off.
    OffAsked,
    /// The switch has cut somebody.
    OffDone,
    /// The log says that somebody is lost.
    Lost,
    /// A start was given to its agent.
    StartBegun,
    /// A fence was requested.
    FenceRequested,
    /// A node is proven off, and nothing was started for that yet.
    FenceProven,
    /// A node takes part, in a new boot or session.
    Joined,
}

/// One line of a schedule.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Act {
    /// The button of the host.
    PowerOff(Who),
    /// The button; `None`: all that are off.
    PowerOn(Option<Who>),
    /// Every process stands still, the clock goes on.
    Freeze(Who),
    /// The hypervisor stops the host, its clock too.
    Pause(Who),
    /// The daemon's core stands still, its heartbeats go on.
    Stall(Who),
    /// They go on; `None`: all.
    Thaw(Option<Who>),
    /// SIGKILL; a supervisor starts it again.
    KillDaemon(Who),
    /// SIGKILL, and nobody starts it again.
    EndDaemon(Who),
    /// Somebody does.
    StartDaemon(Who),
    /// The process of a resource ends.
    Kill(String, Who),
    /// No packet passes between the one and the others (`None`: all), on a link or all.
    Cut(Who, Option<Vec<Who>>, Way, Option<u8>),
    /// The path between two fails and comes back, for so many milliseconds each, on a link or all.
    Flap(Who, Who, u16, Option<u8>),
    /// So many in a hundred heartbeats between the one and the others are lost, both ways, on a link or all.
    Lossy(Who, Option<Vec<Who>>, u8, Option<u8>),
    /// The same, doubled.
    Doubled(Who, Option<Vec<Who>>, u8, Option<u8>),
    /// Everything between the one and the others takes so many milliseconds longer, on a link or all.
    Late(Who, Option<Vec<Who>>, u16, Option<u8>),
    /// All cuts end.
    Heal,
    /// Loss and doubling in percent, longest delay in milliseconds.
    Net {
        /// Of heartbeats lost.
        loss: u8,
        /// Of heartbeats doubled.
        double: u8,
        /// Longest delay.
        late_ms: u16,
    },
    /// What a disk does.
    Disk(Who, Disk),
    /// The clock runs fast or slow by so many millionths.
    Drift(Who, i32),
    /// The wall clock is set, by so many seconds.
    Wall(Who, i32),
    /// How the power switches behave: of a drawn cluster the first, of a cluster file all.
    Switch(Switch),
    /// How one power switch of a cluster file behaves.
    Device(String, Switch),
    /// How agents behave.
    Agents(Agents),
    /// How the agent of one resource behaves.
    Agent(String, Fault),
    /// An operator asks at a node.
    Ask(Who, Order),
    /// Leadership is handed over.
    Transfer(Who),
    /// Once, at the next such moment.
    When(Moment, Box<Act>),
}

impl Act {
    /// The kind of fault, for the count; `None`: it is none, or it mends.
    #[must_use]
    pub fn kind(&self) -> Option<&'static str> {
        Some(match self {
            Act::PowerOff(_) => "power off",
            Act::Freeze(_) => "freeze",
            Act::Pause(_) => "pause with the clock",
            Act::Stall(_) => "core stands still",
            Act::KillDaemon(_) | Act::EndDaemon(_) => "kill daemon",
            Act::Kill(..) => "kill process",
            Act::Cut(_, None, Way::Both, _) => "cut from all",
            Act::Cut(_, _, Way::Both, None) => "partial cut",
            Act::Cut(_, _, Way::Both, Some(_)) => "cut of a link",
            Act::Cut(_, _, Way::In | Way::Out, _) => "one-way cut",
            Act::Flap(.., None) => "flapping path",
            Act::Flap(.., Some(_)) => "flapping link",
            Act::Net { loss: 0, double: 0, late_ms: 0..=1 } => return None,
            Act::Net { .. } => "loss and delay",
            Act::Lossy(..) => "lossy path",
            Act::Doubled(..) => "doubling path",
            Act::Late(..) => "slow path",
            Act::Disk(_, Disk::Slow) => "slow disk",
            Act::Disk(_, Disk::Hanging) => "hanging disk",
            Act::Disk(_, Disk::Failing) => "failing disk",
            Act::Disk(_, Disk::Wiped) => "wiped disk",
            Act::Disk(_, Disk::Older) => "older copy of a disk",
            Act::Disk(_, Disk::Sound | Disk::Copied) => return None,
            Act::Drift(_, 0) | Act::Wall(_, 0) => return None,
            Act::Drift(..) => "clock drift",
            Act::Wall(..) => "wall clock set",
            Act::Switch(Switch::Sound) | Act::Device(_, Switch::Sound) => return None,
            Act::Switch(Switch::Dead) | Act::Device(_, Switch::Dead) => "switch unreachable",
            Act::Switch(Switch::Slow) | Act::Device(_, Switch::Slow) => "switch slow",
            Act::Switch(Switch::Failing) | Act::Device(_, Switch::Failing) => "switch fails",
            Act::Switch(Switch::Blind) | Act::Device(_, Switch::Blind) => "switch knows nothing",
            Act::Switch(Switch::Mute) | Act::Device(_, Switch::Mute) => "switch acts and times out",
            Act::Switch(Switch::Cycling) | Act::Device(_, Switch::Cycling) => "switch cycles the power",
            Act::Switch(Switch::Vouching) | Act::Device(_, Switch::Vouching) => "switch vouches for anything",
            Act::Switch(Switch::Miswired) | Act::Device(_, Switch::Miswired) => "wrong outlet",
            Act::Switch(Switch::Lying) | Act::Device(_, Switch::Lying) => "switch lies",
            Act::Agents(Agents::Sound) => return None,
            Act::Agent(_, Fault::Sound) => return None,
            Act::Agent(_, Fault::StartHangs) => "agents hang",
            Act::Agent(_, Fault::StartFails | Fault::NoProgram | Fault::StopFails) => "agents fail",
            Act::Agent(_, Fault::StopHangs) => "stops hang",
            Act::Agent(_, Fault::StopLies) => "stops lie",
            Act::Agent(_, Fault::CheckFails | Fault::SeemsDead) => "monitors lie",
            Act::Agent(_, Fault::SeemsAlive) => "the dead are called alive",
            Act::Agents(Agents::Failing(_)) => "agents fail",
            Act::Agents(Agents::Hanging(_)) => "agents hang",
            Act::Agents(Agents::Lying(_)) => "monitors lie",
            Act::Ask(..) => "operator",
            Act::Transfer(_) => "hand-over",
            Act::When(_, act) => return act.kind(),
            Act::PowerOn(_) | Act::StartDaemon(_) | Act::Thaw(_) | Act::Heal => return None,
        })
    }

    /// Every kind of fault that it brings.
    pub(crate) fn kinds(&self) -> Vec<&'static str> {
        let more: &[_] = match self {
            Act::Agents(Agents::Hanging(_)) => &["stops hang"],
            Act::Agents(Agents::Lying(_)) => &["stops lie", "probes lie", "the dead are called alive"],
            Act::Agent(_, Fault::SeemsDead) => &["probes lie"],
            _ => &[],
        };
        self.kind().into_iter().chain(more.iter().copied()).collect()
    }
}
