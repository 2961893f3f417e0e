//! In what the two may differ, each rule with its reason; and which one a schedule that differs falls under.
//!
//! A rule is looked for where the two first part: what they had in force, and where their logs ended, just before they
//! had different leaders. Invariant: what breaks a promise of its own is never excused by a rule.

use crate::twin::Twin;
use std::collections::BTreeSet;

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
    /// A promise to a leader lasts for its time, also at who voted in a hand-over of that leader or led itself; there it ends
    /// with the term.
    PromiseLasts,
    /// A candidate that a higher term overtakes, of one whose log is shorter, stands again at once; there it waits for its
    /// next time-out.
    Overtaken,
    /// A leader says at other moments what is committed, and looks where the logs agree. Who asks for votes and gets such a
    /// message, which brings no entry, follows again.
    Told,
    /// Whom the newest members leave out, and who does not know that as committed (after a restart it knows of nothing), stands:
    /// its log may be needed (Ongaro 2014, section 4.2.2). There members count once they are applied, and what is committed is durable.
    LeftOut,
}

impl Rule {
    /// All of them.
    pub const ALL: [Rule; 11] = [
        Rule::VotersAtAppend,
        Rule::SentAgain,
        Rule::NewLeader,
        Rule::LatePromise,
        Rule::NobodyHeard,
        Rule::EmptyLog,
        Rule::KnownTerm,
        Rule::PromiseLasts,
        Rule::Overtaken,
        Rule::Told,
        Rule::LeftOut,
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
            Rule::PromiseLasts => "a promise lasts for its time",
            Rule::Overtaken => "an overtaken candidate stands again at once",
            Rule::LeftOut => "who is left out, and does not know that as committed, stands",
            Rule::Told => "who asks is told at another moment that a leader lives",
            Rule::EmptyLog => "who has nothing does not stand where another has the log",
        }
    }
}

/// In what the two differ after a step.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Part {
    /// Other nodes believe that they lead.
    Leaders,
    /// Other voters are in force at some node.
    Voters,
    /// The log of some node ends elsewhere.
    Logs,
    /// Some node is in another term.
    Terms,
    /// Some node is bound by a promise in one only.
    Bound,
    /// Other questions and votes are under way.
    Questions,
    /// A leader hands over in one only.
    Handing,
}

/// Both after a step, as far as rules ask for it.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Apart {
    /// In what they differ.
    pub parts: BTreeSet<Part>,
    /// What happened in this step that has no twin there.
    pub signs: BTreeSet<Rule>,
    /// Nodes that wait for votes there and not in ours. (The reverse means nothing: who was refused waits on in ours.)
    pub asking: BTreeSet<usize>,
    /// Nodes whose term is higher there.
    pub ahead: BTreeSet<usize>,
}

impl Apart {
    /// Compares both now; `signs` are those of the step.
    pub fn now(ours: &dyn Twin, theirs: &dyn Twin, nodes: usize, signs: BTreeSet<Rule>) -> Self {
        let differ = |of: &dyn Fn(usize) -> bool| (0..nodes).any(of);
        let parts = [
            (Part::Leaders, differ(&|n| ours.leads(n).is_some() != theirs.leads(n).is_some())),
            (Part::Voters, differ(&|n| ours.in_force(n) != theirs.in_force(n))),
            // The terms may differ where the logs do not: a leader that stands again takes a new one.
            (Part::Logs, differ(&|n| ours.last(n).map(|l| l.1) != theirs.last(n).map(|l| l.1))),
            (Part::Terms, differ(&|n| ours.term(n) != theirs.term(n))),
            (Part::Bound, differ(&|n| ours.is_bound(n) != theirs.is_bound(n))),
            (Part::Handing, differ(&|n| ours.may_propose(n) != theirs.may_propose(n))),
            (Part::Questions, ours.questions() != theirs.questions()),
        ];
        Self {
            parts: parts.into_iter().filter(|(_, is)| *is).map(|(part, _)| part).collect(),
            signs,
            asking: (0..nodes).filter(|n| theirs.asks(*n) && !ours.asks(*n)).collect(),
            ahead: (0..nodes).filter(|n| theirs.term(*n) > ours.term(*n)).collect(),
        }
    }

    /// What there goes otherwise and shows in this step.
    fn rule(&self, has_parted: bool) -> Option<Rule> {
        if self.parts.contains(&Part::Voters) {
            return Some(Rule::VotersAtAppend);
        }
        let lacks = self.parts.contains(&Part::Logs) && !has_parted;
        self.signs.first().copied().or(lacks.then_some(Rule::SentAgain))
    }
}

/// The rule under which a schedule that differs falls, from its states after each step; none where no rule permits it.
///
/// It is the first that shows since both were last alike in all that an election asks for, until they have other leaders.
pub fn excuse(steps: &[Apart]) -> Option<Rule> {
    if steps.first().is_none_or(|s| *s != Apart::default()) {
        // Apart before anything happened.
        return None;
    }
    let last = steps.len() - 1;
    let parted = steps.iter().position(|s| s.parts.contains(&Part::Leaders)).unwrap_or(last);
    let alike = steps[..parted].iter().rposition(|s| s.parts.is_empty())?;
    let shown = (alike + 1..=parted).find_map(|at| steps[at].rule(at == parted));
    shown.or_else(|| answered_late(&steps[..=alike + 1]))
}

/// What made a node ask in one only, if the last of these steps is the one in which it was answered.
fn answered_late(steps: &[Apart]) -> Option<Rule> {
    let (last, before) = steps.split_last()?;
    let began = |node: &usize| Some(before.iter().rposition(|s| !s.asking.contains(node))? + 1);
    let asked = last.ahead.iter().filter_map(began).filter_map(|at| before.get(at));
    asked.filter_map(|s| s.signs.first().copied()).next()
}
