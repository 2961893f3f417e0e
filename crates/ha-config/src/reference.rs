//! The tables of `docs/reference`: generated from what the reader really does, compared with the documents by a test.

use crate::duration::format_duration;
use crate::schema::Section;
use crate::timing_fields::{FIELDS, FIXED, FixedTime, TimingField};
use ha_model::{Inequality, Profile, Timing, Waiver};
use std::fmt::Write;
use std::time::Duration;

/// The table of times, both profiles side by side, and the inequalities with their reasons.
#[must_use]
pub fn timing_markdown() -> String {
    let tables = [Timing::derive(Profile::Default), Timing::derive(Profile::Fast)];
    let mut out = String::from(
        "| time | `default` | `fast` | derived from | meaning |\n| --- | --- | --- | --- | --- |\n",
    );
    for TimingField { name, get, formula, meaning, .. } in FIELDS {
        let [default, fast] = tables.map(|timing| format_duration(get(&timing)));
        line(&mut out, format_args!("| `{name}` | {default} | {fast} | {formula} | {meaning} |"));
    }
    for FixedTime { name, value, meaning } in FIXED {
        let value = format_duration(*value);
        line(&mut out, format_args!("| `{name}` | {value} | {value} | fixed, no key | {meaning} |"));
    }
    out.push_str("\n| must hold | `default` | `fast` | because |\n| --- | --- | --- | --- |\n");
    let [default, fast] = tables.map(|timing| timing.inequalities());
    for (default, fast) in default.iter().zip(&fast) {
        let (rule, because) = (default.rule, default.because);
        let (default, fast) = (sides(default), sides(fast));
        line(&mut out, format_args!("| `{rule}` | {default} | {fast} | {because} |"));
    }
    out
}

/// Both sides of an inequality as the reader compares them (fractions are multiplied out).
fn sides(inequality: &Inequality) -> String {
    let short = |time: Duration| format_duration(time);
    format!("{} ≤ {}", short(inequality.left), short(inequality.right))
}

/// The keys of one kind of table.
#[must_use]
pub fn section_markdown(section: &'static Section) -> String {
    let mut out =
        String::from("| key | type | range | default | meaning |\n| --- | --- | --- | --- | --- |\n");
    for key in section.keys {
        let (name, kind, range, default, meaning) = (key.name, key.kind, key.range, key.default, key.meaning);
        line(&mut out, format_args!("| `{name}` | {kind} | {range} | {default} | {meaning} |"));
    }
    out
}

/// The waivers with what each gives up.
#[must_use]
pub fn waivers_markdown() -> String {
    let mut out = String::from("| waiver | without it is refused | with it |\n| --- | --- | --- |\n");
    for waiver in Waiver::ALL {
        let (refused, then) = consequence(waiver);
        line(&mut out, format_args!("| `{}` | {refused} | {then} |", waiver.word()));
    }
    out
}

fn consequence(waiver: Waiver) -> (&'static str, &'static str) {
    match waiver {
        Waiver::TwoMembersStopWhenOneIsLost => (
            "two members and no witness",
            "the first member votes alone: when it is lost, everything stops until it is back",
        ),
        Waiver::UnfencedMembersBlockRecovery => (
            "a member that can run what has one owner and that no fence device feeds",
            "when that member is lost, what it ran stays down until `hactl fence confirm`",
        ),
        Waiver::SharedOutletCutsBothNodes => {
            ("one outlet given to two nodes", "fencing one of the nodes cuts both")
        }
        Waiver::BelieveAgentThatCallsMissingOutletsOff => (
            "an agent that says \"off\" of an outlet that does not exist (found when its path is tested)",
            "a wrong outlet number reads as proof of power off: two owners of one disk are possible",
        ),
        Waiver::EvenVoterListLosesItsLastVote => {
            ("an even number of names in `voters`", "the last name in the list follows without a vote")
        }
        Waiver::SharedObjectRunsOneResourceAtATime => {
            ("two resources with one address or lock", "whichever runs first keeps the other from starting")
        }
        Waiver::UnsoundTimingsFenceHealthyNodes => (
            "times that break an inequality (the bound of the lease is never waived)",
            "healthy nodes may be fenced, or resources stopped, for nothing",
        ),
    }
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    writeln!(out, "{text}").expect("writing to a string cannot fail");
}
