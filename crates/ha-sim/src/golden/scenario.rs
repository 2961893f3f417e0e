//! A golden scenario as text: what happens, what the journal says of it, and what must truly be so.
//!
//! Must not know: files; what it refers to is brought by whoever reads it. Invariant: with another journal only the lines
//! between `---- expect` and `---- facts` are others.

use super::fact::{Fact, read_time};
use crate::act::{Act, Order};
use crate::shape::Shape;
use std::fmt;
use std::ops::Range;

/// Begins the journal.
const EXPECT: &str = "---- expect";
/// Begins the facts.
const FACTS: &str = "---- facts";
/// A scenario is no longer than that, in simulated nanoseconds.
const LONGEST: u64 = 7200 * crate::world::S;
/// Rules that can be named.
const RULES: [(char, u8); 2] = [('S', 20), ('L', 7)];

/// Which cluster.
#[derive(Clone, Debug)]
pub enum Base {
    /// A cluster file's.
    File(Shape),
    /// That of a seed, with its delays.
    Seed(u64),
}

/// One line of what happens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// Time passes; told, or not.
    Run(u64, bool),
    /// Everything is mended, and the cluster must be well in time and stay so (L1 to L7).
    Mend,
    /// Something happens.
    Act(Act),
}

/// A scenario.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The cluster.
    pub base: Base,
    /// Rules that it guards.
    pub guards: Vec<String>,
    /// What happens, each with its line.
    pub steps: Vec<(usize, Step)>,
    /// The journal as written.
    pub expect: Vec<String>,
    /// The facts, each with its line.
    pub facts: Vec<(usize, Fact)>,
    /// Cluster files that operators apply, by name.
    pub files: Vec<(String, String)>,
    /// Where the journal stands in the text.
    journal: Range<usize>,
}

/// A mistake in a scenario.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mistake {
    /// Line, from 1.
    pub line: usize,
    /// What is wrong, and what would be right.
    pub why: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.line, self.why)
    }
}

fn mistake(line: usize, why: impl Into<String>) -> Mistake {
    Mistake { line, why: why.into() }
}

/// Brings the text of a file by the name that a scenario gives it.
pub type Bring<'a> = &'a dyn Fn(&str) -> Result<String, String>;

impl Scenario {
    /// Reads one.
    ///
    /// # Errors
    /// The first mistake, with its line.
    pub fn read(text: &str, bring: Bring<'_>) -> Result<Self, Mistake> {
        let lines: Vec<(usize, &str)> = (1..).zip(text.lines()).collect();
        let last = lines.len();
        let find = |mark: &str| lines.iter().position(|(_, l)| l.trim_end() == mark);
        let expect = find(EXPECT)
            .ok_or_else(|| mistake(last, format!("`{EXPECT}` is missing: it begins the journal")))?;
        let facts = find(FACTS).filter(|at| *at > expect);
        let facts = facts.ok_or_else(|| {
            mistake(last, format!("`{FACTS}` is missing behind `{EXPECT}`: it begins what must truly be so"))
        })?;
        let begins = |n: usize| text.split_inclusive('\n').take(n).map(str::len).sum::<usize>();
        let mut body = Body::default();
        for (n, line) in &lines[..expect] {
            body.line(line, bring).map_err(|why| mistake(*n, why))?;
            body.at(*n);
        }
        let (base, guards, steps, files) = body.end().map_err(|why| mistake(expect + 1, why))?;
        let scenario = Self {
            base,
            guards,
            steps,
            files,
            expect: lines[expect + 1..facts].iter().map(|(_, l)| (*l).to_owned()).collect(),
            facts: read_facts(&lines[facts + 1..])?,
            journal: begins(expect + 1)..begins(facts),
        };
        if scenario.facts.is_empty() {
            let why = "no fact: a scenario says what must truly be so, e.g. `owners of db at any time <= 1`";
            return Err(mistake(facts + 1, why));
        }
        scenario.known_names()?;
        Ok(scenario)
    }

    /// The cluster.
    #[must_use]
    pub fn shape(&self) -> Shape {
        match &self.base {
            Base::File(shape) => shape.clone(),
            Base::Seed(seed) => crate::story::of_seed(*seed).0,
        }
    }

    /// Its text with another journal.
    #[must_use]
    pub fn with_journal(&self, text: &str, journal: &[String]) -> String {
        let lines: String = journal.iter().map(|l| format!("{l}\n")).collect();
        format!("{}{lines}{}", &text[..self.journal.start], &text[self.journal.end..])
    }

    fn known_names(&self) -> Result<(), Mistake> {
        let shape = self.shape();
        let nodes: Vec<_> = shape.nodes.iter().map(|n| n.name.clone()).collect();
        let instances = shape.instances();
        for (line, fact) in &self.facts {
            let (of_nodes, of_resources) = fact.names();
            for (names, known, kind) in [(of_nodes, &nodes, "node"), (of_resources, &instances, "resource")] {
                if let Some(name) = names.iter().find(|n| !known.iter().any(|k| k == *n)) {
                    let why = format!("there is no {kind} {name}; there are: {}", known.join(", "));
                    return Err(mistake(*line, why));
                }
            }
        }
        Ok(())
    }
}

fn read_facts(lines: &[(usize, &str)]) -> Result<Vec<(usize, Fact)>, Mistake> {
    let lines = lines.iter().map(|(n, line)| (*n, without_comment(line))).filter(|(_, l)| !l.is_empty());
    lines.map(|(n, line)| Ok((n, line.parse::<Fact>().map_err(|why| mistake(n, why))?))).collect()
}

fn without_comment(line: &str) -> &str {
    line.split('#').next().unwrap_or_default().trim()
}

type Whole = (Base, Vec<String>, Vec<(usize, Step)>, Vec<(String, String)>);

/// What stands above the journal, while it is read.
#[derive(Default)]
struct Body {
    base: Option<Base>,
    guards: Vec<String>,
    steps: Vec<(usize, Step)>,
    files: Vec<(String, String)>,
    has_header: bool,
    ran: u64,
}

impl Body {
    fn line(&mut self, line: &str, bring: Bring<'_>) -> Result<(), String> {
        if let Some(comment) = line.trim().strip_prefix('#') {
            self.has_header |= !comment.trim().is_empty();
            return self.guard(comment);
        }
        let line = without_comment(line);
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            [] => {}
            ["cluster" | "seed", ..] if self.base.is_some() => {
                return Err("a scenario has one cluster".into());
            }
            ["cluster", path] => {
                let text = bring(path)?;
                self.base = Some(Base::File(Shape::of_file(path, &text)?));
            }
            ["seed", seed] => {
                let seed =
                    seed.parse().map_err(|_| format!("`{seed}` is no seed; right would be: seed 42"))?;
                self.base = Some(Base::Seed(seed));
            }
            _ if self.base.is_none() => {
                return Err(format!(
                    "`{line}` comes before the cluster; right would be first: cluster examples/clusters/NAME.toml, or: seed 42"
                ));
            }
            ["supplies", "hold", "their", "charge"] => match &mut self.base {
                Some(Base::File(shape)) if self.steps.is_empty() => shape.holds_charge = true,
                _ => {
                    return Err(
                        "it stands right behind the cluster file: how it is wired does not change".into()
                    );
                }
            },
            ["run", time] => self.run(time, false)?,
            ["run", time, "quietly"] => self.run(time, true)?,
            ["run", ..] => return Err(format!("`{line}`; right would be: run 30s, or: run 30s quietly")),
            ["mend"] => self.steps.push((0, Step::Mend)),
            _ => self.act(line, bring)?,
        }
        Ok(())
    }

    /// The step that was read last stands in that line.
    fn at(&mut self, line: usize) {
        self.steps.iter_mut().filter(|(n, _)| *n == 0).for_each(|(n, _)| *n = line);
    }

    fn run(&mut self, time: &str, is_quiet: bool) -> Result<(), String> {
        let time = read_time(time)?;
        self.ran = self.ran.saturating_add(time);
        if self.ran > LONGEST {
            return Err(format!("longer than {}", super::fact::time(LONGEST)));
        }
        self.steps.push((0, Step::Run(time, is_quiet)));
        Ok(())
    }

    fn act(&mut self, line: &str, bring: Bring<'_>) -> Result<(), String> {
        let act: Act = line.parse()?;
        let mut inner = &act;
        while let Act::When(_, act) = inner {
            inner = act;
        }
        if let Act::Ask(_, Order::Apply(name)) = inner {
            self.files.push((name.clone(), bring(name)?));
        }
        self.steps.push((0, Step::Act(act)));
        Ok(())
    }

    /// `Guards: S1 L2` at the end of a comment.
    fn guard(&mut self, comment: &str) -> Result<(), String> {
        let Some((_, rules)) = comment.split_once("Guards:") else { return Ok(()) };
        for rule in rules.split_whitespace() {
            let is_rule = RULES.iter().any(|(letter, count)| {
                let number = rule.strip_prefix(*letter).and_then(|n| n.parse::<u8>().ok());
                number.is_some_and(|n| (1..=*count).contains(&n))
            });
            if !is_rule {
                return Err(format!(
                    "`{rule}` is no rule of docs/INVARIANTS.md; right would be: Guards: S1 S2 L2"
                ));
            }
            self.guards.push(rule.to_owned());
        }
        Ok(())
    }

    fn end(self) -> Result<Whole, String> {
        let base = self.base.ok_or("no cluster; right would be: cluster examples/clusters/NAME.toml")?;
        if !self.has_header || self.guards.is_empty() {
            return Err(
                "a comment is missing that says what happens and what is expected, with `Guards: S1 S2 L2`"
                    .into(),
            );
        }
        if self.ran == 0 {
            return Err("no time passes; right would be: run 30s".into());
        }
        Ok((base, self.guards, self.steps, self.files))
    }
}
