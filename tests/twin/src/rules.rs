//! In what the two may differ, each rule with its reason; and which one a schedule that differs falls under.
//!
//! A rule is looked for where the two first part: what they had in force, and where their logs ended, just before they
//! had different leaders. Invariant: what breaks a promise of its own is never excused by a rule.

use crate::twin::Twin;

/// A permitted difference.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Rule {
    /// Voters change where the entry is appended (Ongaro 2014, section 4.1); there, where it is applied. While a change is
    /// under way other nodes vote and are counted.
    VotersAtAppend,
    /// Entries that were lost are sent again: ours after a time, to whom it hears; there, when a heartbeat is answered. So
    /// a node may hold what was not committed in one and lack it in the other when an election asks for its log.
    SentAgain,
    /// A leader is bound by its lease, which the first answers to its beats give it; there it refuses to vote from its first
    /// moment. So one that just won, and is asked from a higher term, may step down in ours alone.
    NewLeader,
    /// A fresh beat binds a voter; there every message of the leader does, however late it comes, even of one that leads
    /// no more.
    LatePromise,
    /// Who hears no quorum, or is told by one that a leader lives, asks for no vote; there it asks, and may be answered when
    /// a slow link or a cut is mended.
    NobodyHeard,
    /// Who has nothing does not stand, nor is voted for, by those who know that another has the log: it may be a replaced
    /// disk.
    EmptyLog,
    /// Who is asked whether it would vote in a term that it has entered says no, and who asked takes that term over and asks
    /// again; there it may say yes if it has not voted in it.
    KnownTerm,
}

impl Rule {
    /// All of them.
    pub const ALL: [Rule; 7] = [
        Rule::VotersAtAppend,
        Rule::SentAgain,
        Rule::NewLeader,
        Rule::LatePromise,
        Rule::NobodyHeard,
        Rule::EmptyLog,
        Rule::KnownTerm,
    ];

    /// What is printed.
    pub fn name(self) -> &'static str {
        match self {
            Rule::VotersAtAppend => "voters change where the entry is appended",
            Rule::SentAgain => "lost entries are sent again after another event",
            Rule::NewLeader => "a new leader votes until it has its lease",
            Rule::LatePromise => "entries that come late bind no voter",
            Rule::NobodyHeard => "who hears no quorum does not ask for votes",
            Rule::KnownTerm => "a pre-vote is for a newer term only",
            Rule::EmptyLog => "who has nothing does not stand where another has the log",
        }
    }
}

/// The state of both after a step, as far as rules ask for it.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Apart {
    /// Other nodes believe that they lead.
    pub leaders: bool,
    /// Other voters are in force at some node.
    pub voters: bool,
    /// The log of some node ends elsewhere.
    pub logs: bool,
    /// In this step one of ours was asked for a pre-vote in a term that it had entered.
    pub known_term: bool,
    /// In this step a new leader of ours voted.
    pub new_leader: bool,
    /// In this step entries came late to a voter of ours.
    pub late: bool,
    /// In this step a time-out of ours ran out and nobody was asked.
    pub unasked: bool,
    /// In this step one of ours with an empty log did not stand.
    pub empty: bool,
}

/// What is looked for in the state after a step.
type Sign = fn(&Apart) -> bool;

/// Steps back in which other voters in force may have begun it: a ballot, or entries under way, outlast the change.
const VOTERS_BACK: usize = 4;
/// Steps back in which what parts them may have begun: an answer may wait long on a slow link or for a disk.
const BACK: usize = 24;

impl Apart {
    /// Compares both now.
    pub fn now(ours: &dyn Twin, theirs: &dyn Twin, nodes: usize) -> Self {
        let differ = |of: &dyn Fn(usize) -> bool| (0..nodes).any(of);
        Self {
            leaders: differ(&|n| ours.leads(n).is_some() != theirs.leads(n).is_some()),
            voters: differ(&|n| ours.in_force(n) != theirs.in_force(n)),
            // The terms may differ where the logs do not: a leader that stands again takes a new one.
            logs: differ(&|n| ours.last(n).map(|l| l.1) != theirs.last(n).map(|l| l.1)),
            ..Self::default()
        }
    }
}

/// The rule under which a schedule that differs falls, from its states after each step; none where no rule permits it.
pub fn excuse(steps: &[Apart]) -> Option<Rule> {
    if steps.first().is_none_or(|s| *s != Apart::default()) {
        // Apart before anything happened.
        return None;
    }
    let parted = steps.iter().position(|s| s.leaders).unwrap_or(steps.len().saturating_sub(1));
    // What was apart before that step is a cause; the step itself may have begun and ended a change of voters.
    let before = &steps[..=parted.min(steps.len() - 1)];
    if before.iter().rev().take(VOTERS_BACK).any(|s| s.voters) {
        return Some(Rule::VotersAtAppend);
    }
    let earlier = &steps[..parted];
    if earlier.iter().rev().take_while(|s| s.logs).count() > 0 {
        return Some(Rule::SentAgain);
    }
    let recent = || before.iter().rev().take(BACK);
    let seen: [(Sign, Rule); 5] = [
        (|s| s.new_leader, Rule::NewLeader),
        (|s| s.late, Rule::LatePromise),
        (|s| s.unasked, Rule::NobodyHeard),
        (|s| s.empty, Rule::EmptyLog),
        (|s| s.known_term, Rule::KnownTerm),
    ];
    seen.into_iter().find(|(is, _)| recent().any(is)).map(|(_, rule)| rule)
}
