//! Who votes in a newly formed cluster. Their number is odd, always (S10).

use crate::code::Code;
use crate::limits::NODES_MAX;
use crate::name::{Names, without_repeats};
use crate::raw::RawNode;
use crate::report::{Report, Sp};
use crate::walk::Table;
use ha_model::{Role, Waiver};
use std::collections::BTreeSet;

/// Reads `voters`, if it is typed.
pub(crate) fn read_voters(top: &Table<'_>, report: &mut Report<'_>) -> Option<Sp<Vec<Sp<String>>>> {
    let example = "voters = [\"alpha\", \"beta\", \"gamma\"]";
    let typed = top.strings("voters", example, NODES_MAX, report)?;
    Some(Sp::new(without_repeats("`voters`", typed.value, report), typed.at))
}

/// Chooses the voters, by name.
pub(crate) fn choose_voters(
    nodes: &[RawNode],
    names: &Names,
    forced: Option<&Sp<Vec<Sp<String>>>>,
    report: &mut Report<'_>,
) -> BTreeSet<String> {
    let members: Vec<&RawNode> = nodes.iter().filter(|node| node.role == Role::Member).collect();
    if members.len() == 2 && nodes.len() == 2 {
        check_two_members(&members, report);
    }
    if let Some(forced) = forced {
        return forced_voters(forced, names, report);
    }
    let mut voters: BTreeSet<String> = nodes.iter().map(|node| node.name.value.clone()).collect();
    if voters.len().is_multiple_of(2)
        && let Some(learner) = learner(nodes, &members)
    {
        voters.remove(&learner.name.value);
        let (name, all, count) = (&learner.name.value, nodes.len(), voters.len());
        if all > 2 {
            let message =
                format!("{all} nodes are {count} voters and a learner: {name} follows without a vote");
            let help =
                "an even number of votes survives no more losses than one fewer; `voters` chooses others";
            report.note(Code::Learner, &learner.name.at, message).help(help);
        } else if learner.role == Role::Witness {
            let message = format!("witness {name} gets no vote: with one member it decides nothing");
            report
                .warning(Code::Learner, &learner.name.at, message)
                .help("add a second member, or remove it");
        }
    }
    voters
}

/// The node that follows without a vote when the number of nodes is even: the last member, but never the only one.
fn learner<'a>(nodes: &'a [RawNode], members: &[&'a RawNode]) -> Option<&'a RawNode> {
    if members.len() > 1 { members.last().copied() } else { nodes.iter().rfind(|n| n.role == Role::Witness) }
}

fn check_two_members(members: &[&RawNode], report: &mut Report<'_>) {
    if report.waived(Waiver::TwoMembersStopWhenOneIsLost) {
        return;
    }
    let links = &members[1].links.value;
    let links: Vec<String> = links.iter().map(|_| "\"…\"".to_owned()).collect();
    report
        .error(Code::TwoMembers, &members[1].at, "two members cannot tell which of them is lost: neither is a majority")
        .see(&members[0].at, "the other member")
        .help(format!(
            "add a third node that only votes (a small machine elsewhere):\n[[node]]\nname = \"witness\"\nrole = \"witness\"\nlinks = [{}]",
            links.join(", ")
        ))
        .waiver(Waiver::TwoMembersStopWhenOneIsLost);
}

fn forced_voters(forced: &Sp<Vec<Sp<String>>>, names: &Names, report: &mut Report<'_>) -> BTreeSet<String> {
    let before = report.errors();
    for voter in &forced.value {
        names.knows(&voter.value, &voter.at, report);
    }
    let mut voters: Vec<&Sp<String>> = forced.value.iter().collect();
    if report.errors() == before && voters.len().is_multiple_of(2) && !voters.is_empty() {
        if report.waived(Waiver::EvenVoterListLosesItsLastVote) {
            voters.pop();
        } else {
            let count = voters.len();
            let message =
                format!("{count} voters are an even number: half of them could vote against the other half");
            let odd: Vec<String> = voters[..count - 1].iter().map(|v| format!("\"{}\"", v.value)).collect();
            report
                .error(Code::EvenVoters, &forced.at, message)
                .help(format!("name one fewer or one more: voters = [{}]", odd.join(", ")))
                .waiver(Waiver::EvenVoterListLosesItsLastVote);
        }
    }
    if let [only] = forced.value.as_slice()
        && names.iter().count() > 1
    {
        let message =
            format!("{} votes alone: when it is lost, everything stops until it is back", only.value);
        report.warning(Code::Suspicious, &only.at, message);
    }
    voters.into_iter().map(|voter| voter.value.clone()).collect()
}
