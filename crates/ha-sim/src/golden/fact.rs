//! Facts of a scenario: what must truly have been so, one line of words each.
//!
//! Must not know: how it is judged. Invariant: what is printed is read again as the same.

use crate::world::{MS, S};
use std::fmt;
use std::str::FromStr;

/// Nanoseconds since power-on.
pub type At = u64;

/// When it must hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum When {
    /// When the scenario ends.
    End,
    /// At that time.
    At(At),
    /// From one time to another, both included.
    Between(At, At),
}

/// At most, at least, or exactly.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bound {
    /// `<=`
    Most,
    /// `>=`
    Least,
    /// `=`
    Exactly,
}

impl Bound {
    /// Whether a number keeps to it.
    #[must_use]
    pub fn keeps(self, number: u64, bound: u64) -> bool {
        match self {
            Bound::Most => number <= bound,
            Bound::Least => number >= bound,
            Bound::Exactly => number == bound,
        }
    }
}

/// One fact.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fact {
    /// The most hosts that ran a resource at one time.
    Owners(String, Bound, u64),
    /// A resource runs on a node, or nowhere.
    Runs(String, Option<String>, When),
    /// How often a resource came to run on a node.
    Ran(String, String, u64),
    /// The longest time in which nobody served a resource after it ran first; who stands still serves nobody.
    Outage(String, Bound, u64),
    /// How often a switch took a node's power.
    Cut(String, u64),
    /// No switch was told to take anybody's power.
    NothingFenced,
    /// When a resource first ran on a node, the other had been cut by a switch and had no power.
    CutBefore(String, String, String),
    /// When a resource first ran on a node, the other had no power.
    DarkBefore(String, String, String),
    /// A node has power, or not.
    Power(String, bool, When),
    /// How often a node was switched on after the first time.
    Booted(String, u64),
    /// A node alone leads.
    Leads(String, When),
    /// A node votes at the end, or not.
    Votes(String, bool),
    /// The n-th order of an operator was done, or not.
    Order(u64, bool),
}

/// What a line may be.
const FORMS: &str = "owners of RESOURCE at any time <= 1; RESOURCE runs on NODE at the end; RESOURCE runs nowhere from 40s to 60s; \
    RESOURCE ran on NODE 2 times; outage of RESOURCE <= 1200ms; NODE was cut 1 times; nothing was fenced; \
    before RESOURCE ran on NODE NODE was cut; before RESOURCE ran on NODE NODE had no power; NODE has power at 40s; \
    NODE has no power at the end; NODE booted again 1 times; NODE leads at the end; NODE votes at the end; \
    NODE has no vote at the end; order 1 was done; order 1 was refused";

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            When::End => f.write_str("at the end"),
            When::At(t) => write!(f, "at {}", time(*t)),
            When::Between(from, to) => write!(f, "from {} to {}", time(*from), time(*to)),
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Bound::Most => "<=",
            Bound::Least => ">=",
            Bound::Exactly => "=",
        })
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fact::Owners(r, bound, n) => write!(f, "owners of {r} at any time {bound} {n}"),
            Fact::Runs(r, Some(node), when) => write!(f, "{r} runs on {node} {when}"),
            Fact::Runs(r, None, when) => write!(f, "{r} runs nowhere {when}"),
            Fact::Ran(r, node, n) => write!(f, "{r} ran on {node} {n} times"),
            Fact::Outage(r, bound, t) => write!(f, "outage of {r} {bound} {}", time(*t)),
            Fact::Cut(node, n) => write!(f, "{node} was cut {n} times"),
            Fact::NothingFenced => f.write_str("nothing was fenced"),
            Fact::CutBefore(r, on, node) => write!(f, "before {r} ran on {on} {node} was cut"),
            Fact::DarkBefore(r, on, node) => write!(f, "before {r} ran on {on} {node} had no power"),
            Fact::Power(node, true, when) => write!(f, "{node} has power {when}"),
            Fact::Power(node, false, when) => write!(f, "{node} has no power {when}"),
            Fact::Booted(node, n) => write!(f, "{node} booted again {n} times"),
            Fact::Leads(node, when) => write!(f, "{node} leads {when}"),
            Fact::Votes(node, true) => write!(f, "{node} votes at the end"),
            Fact::Votes(node, false) => write!(f, "{node} has no vote at the end"),
            Fact::Order(n, true) => write!(f, "order {n} was done"),
            Fact::Order(n, false) => write!(f, "order {n} was refused"),
        }
    }
}

/// A time in words: `1200ms`, `40s`.
#[must_use]
pub fn time(t: At) -> String {
    if t.is_multiple_of(S) { format!("{}s", t / S) } else { format!("{}ms", t / MS) }
}

/// Reads a time in words.
///
/// # Errors
/// What would be right.
pub fn read_time(word: &str) -> Result<At, String> {
    let (number, unit) = match word.find(|c: char| !c.is_ascii_digit()) {
        Some(at) => word.split_at(at),
        None => (word, ""),
    };
    let unit = match unit {
        "ms" => MS,
        "s" => S,
        "m" => 60 * S,
        _ => return Err(format!("`{word}` is no time; right would be: 500ms, 30s, 2m")),
    };
    let number: u64 = number.parse().map_err(|_| format!("`{word}` is no time; right would be: 30s"))?;
    number.checked_mul(unit).ok_or_else(|| format!("`{word}` is too long"))
}

fn when(words: &[&str]) -> Result<When, String> {
    Ok(match words {
        ["at", "the", "end"] => When::End,
        ["at", t] => When::At(read_time(t)?),
        ["from", from, "to", to] => {
            let (from, to) = (read_time(from)?, read_time(to)?);
            if from >= to {
                return Err(format!("`{}` ends before it begins", words.join(" ")));
            }
            When::Between(from, to)
        }
        _ => {
            let words = words.join(" ");
            return Err(format!("`{words}` is no time; right would be: at the end, at 40s, from 40s to 60s"));
        }
    })
}

fn bound(word: &str) -> Result<Bound, String> {
    Ok(match word {
        "<=" => Bound::Most,
        ">=" => Bound::Least,
        "=" => Bound::Exactly,
        _ => return Err(format!("`{word}` is none of: <=, >=, =")),
    })
}

fn number(word: &str) -> Result<u64, String> {
    word.parse().map_err(|_| format!("`{word}` is no number"))
}

impl FromStr for Fact {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let own = |word: &&str| (*word).to_owned();
        Ok(match words.as_slice() {
            ["nothing", "was", "fenced"] => Fact::NothingFenced,
            ["owners", "of", r, "at", "any", "time", is, n] => Fact::Owners(own(r), bound(is)?, number(n)?),
            ["outage", "of", r, is, t @ ..] if !t.is_empty() => {
                Fact::Outage(own(r), bound(is)?, read_time(&t.concat())?)
            }
            ["before", r, "ran", "on", on, node, "was", "cut"] => Fact::CutBefore(own(r), own(on), own(node)),
            ["before", r, "ran", "on", on, node, "had", "no", "power"] => {
                Fact::DarkBefore(own(r), own(on), own(node))
            }
            ["order", n, "was", "done"] => Fact::Order(number(n)?, true),
            ["order", n, "was", "refused"] => Fact::Order(number(n)?, false),
            [r, "runs", "on", node, at @ ..] => Fact::Runs(own(r), Some(own(node)), when(at)?),
            [r, "runs", "nowhere", at @ ..] => Fact::Runs(own(r), None, when(at)?),
            [r, "ran", "on", node, n, "times"] => Fact::Ran(own(r), own(node), number(n)?),
            [node, "was", "cut", n, "times"] => Fact::Cut(own(node), number(n)?),
            [node, "booted", "again", n, "times"] => Fact::Booted(own(node), number(n)?),
            [node, "votes", "at", "the", "end"] => Fact::Votes(own(node), true),
            [node, "has", "no", "vote", "at", "the", "end"] => Fact::Votes(own(node), false),
            [node, "has", "no", "power", at @ ..] => Fact::Power(own(node), false, when(at)?),
            [node, "has", "power", at @ ..] => Fact::Power(own(node), true, when(at)?),
            [node, "leads", at @ ..] => Fact::Leads(own(node), when(at)?),
            _ => return Err(format!("`{line}` is no fact; right would be: {FORMS}")),
        })
    }
}

impl Fact {
    /// The last time that it speaks of.
    #[must_use]
    pub fn latest(&self) -> Option<At> {
        let (Fact::Runs(.., when) | Fact::Power(.., when) | Fact::Leads(_, when)) = self else { return None };
        match when {
            When::End => None,
            When::At(t) | When::Between(_, t) => Some(*t),
        }
    }

    /// Nodes and resources that it names.
    #[must_use]
    pub fn names(&self) -> (Vec<&str>, Vec<&str>) {
        match self {
            Fact::Owners(r, ..) | Fact::Outage(r, ..) | Fact::Runs(r, None, _) => (vec![], vec![r]),
            Fact::Runs(r, Some(node), _) | Fact::Ran(r, node, _) => (vec![node], vec![r]),
            Fact::CutBefore(r, on, node) | Fact::DarkBefore(r, on, node) => (vec![on, node], vec![r]),
            Fact::Cut(node, _)
            | Fact::Power(node, ..)
            | Fact::Booted(node, _)
            | Fact::Leads(node, _)
            | Fact::Votes(node, _) => (vec![node], vec![]),
            Fact::NothingFenced | Fact::Order(..) => (vec![], vec![]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_read_again_as_the_same() {
        for line in [
            "owners of db at any time <= 1",
            "owners of db at any time = 2",
            "db runs on alpha at the end",
            "db runs nowhere from 40s to 60500ms",
            "db ran on alpha 0 times",
            "outage of db >= 1200ms",
            "gamma was cut 1 times",
            "nothing was fenced",
            "before db ran on beta gamma was cut",
            "before db ran on beta gamma had no power",
            "gamma has power at 40s",
            "gamma has no power at the end",
            "gamma booted again 1 times",
            "gamma leads at the end",
            "gamma votes at the end",
            "gamma has no vote at the end",
            "order 2 was refused",
        ] {
            let fact: Fact = line.parse().expect(line);
            assert_eq!(fact.to_string(), line);
        }
        assert_eq!("outage of db <= 1200 ms".parse(), Ok(Fact::Outage("db".into(), Bound::Most, 1200 * MS)));
    }

    #[test]
    fn a_mistake_says_what_would_be_right() {
        for (line, part) in [
            ("db is fine", "right would be: owners of RESOURCE"),
            ("owners of db at any time < 1", "none of: <=, >=, ="),
            ("db runs on alpha", "at the end, at 40s"),
            ("db runs on alpha at 40", "right would be: 500ms, 30s, 2m"),
            ("db runs nowhere from 60s to 40s", "ends before it begins"),
            ("gamma was cut once times", "no number"),
        ] {
            let error = line.parse::<Fact>().expect_err(line);
            assert!(error.contains(part), "{line}: {error}");
        }
    }
}
