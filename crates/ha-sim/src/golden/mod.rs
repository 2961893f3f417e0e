//! Golden scenarios: what happens in the words of a schedule, the journal that an administrator would read, and facts that
//! are judged from outside. The journal may be written anew (`--update`), facts never.
//!
//! Must not know: how a core decides. Invariant: a scenario whose facts do not hold, in which a rule is broken, or an act had
//! nobody to be done to, is never written.

pub mod fact;
mod files;
mod judge;
mod keep;
mod recorder;
mod reply;
pub mod scenario;

pub use files::{Verdict, all, check, live_file, verdict};
pub use keep::keep;
pub use recorder::{Recorder, Span};
pub use scenario::{Base, Mistake, Scenario, Step};

use crate::world::{Violation, World, forget_snapshots};
use fact::Fact;

/// What came of a scenario.
#[derive(Debug)]
pub struct Lived {
    /// What was said and what was so.
    pub seen: Recorder,
    /// The first rule that was broken.
    pub broken: Option<Violation>,
    /// Acts that had nobody to be done to, or whose moment never came.
    pub idle: Vec<String>,
    /// Facts that are none, each with its line and what was so instead.
    pub wrong: Vec<(usize, Fact, String)>,
}

impl Lived {
    /// Everything that no journal can excuse, a sentence each.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let broken = self.broken.iter().map(|b| format!("{} is broken: {}", b.rule, b.what));
        let idle = self.idle.iter().map(|act| format!("`{act}` had nobody to be done to, or never came"));
        let wrong = self.wrong.iter().map(|(n, fact, why)| format!("line {n}: `{fact}`: {why}"));
        broken.chain(idle).chain(wrong).collect()
    }
}

/// Lives it.
#[must_use]
pub fn live(scenario: &Scenario) -> Lived {
    forget_snapshots();
    let (shape, seed) = match &scenario.base {
        Base::File(shape) => (shape.clone(), 1),
        Base::Seed(seed) => (scenario.shape(), *seed),
    };
    let mut world = World::new(seed, &shape);
    world.files = scenario.files.iter().cloned().collect();
    world.recorder = Some(Box::new(Recorder::new(&world)));
    // A core's own assertion ends the daemon in the field; here it ends the scenario.
    let lived = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        scenario.steps.iter().for_each(|(_, step)| world.take(step));
        world.check_replicas();
    }));
    if let Err(panic) = lived {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned())).unwrap_or_default();
        world.fail("abort", text);
    }
    world.record();
    let seen = world.recorder.take().map(|r| *r).unwrap_or_default();
    // What a seed draws may find nobody.
    let is_strict = matches!(scenario.base, Base::File(_));
    let late = world.moments.iter().map(|(moment, act)| format!("when {moment} {act}"));
    let idle = seen.idle.iter().cloned().chain(late).filter(|_| is_strict).collect();
    let judged = scenario.facts.iter().map(|(n, fact)| (*n, fact.clone(), judge::judge(fact, &seen)));
    let wrong = judged.filter_map(|(n, fact, judged)| Some((n, fact, judged.err()?))).collect();
    Lived { seen, broken: world.broken.take(), idle, wrong }
}

impl World {
    fn take(&mut self, step: &Step) {
        if self.broken.is_some() {
            return;
        }
        match step {
            Step::Run(time, is_quiet) => {
                self.recorder.iter_mut().for_each(|r| r.is_quiet = *is_quiet);
                let end = self.t + time;
                self.run_until(end, |_| false);
            }
            Step::Mend => {
                let t = self.t;
                self.recorder.iter_mut().for_each(|r| r.mended(t));
                self.mend();
            }
            Step::Act(act) => {
                self.recorder.iter_mut().for_each(|r| r.is_quiet = false);
                self.act(act);
            }
        }
        self.record();
    }
}
