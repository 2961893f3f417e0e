//! Golden scenarios: each lives as it is written, and together they show every verdict, reason, order and notice there is.

mod kinds;

use ha_sim::golden::{self, Verdict};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden")
}

fn paths() -> Vec<PathBuf> {
    let paths = golden::all(&folder(), &[]).expect("the folder of the scenarios");
    assert!(paths.len() >= 25, "{} scenarios", paths.len());
    paths
}

/// Does it for each scenario, on all cores.
fn each<T: Send>(of: impl Fn(&Path) -> T + Sync) -> Vec<(PathBuf, T)> {
    let (paths, next, done) = (paths(), AtomicUsize::new(0), Mutex::new(vec![]));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(path) = paths.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcome = of(path);
                    done.lock().expect("no scenario panics").push((path.clone(), outcome));
                }
            });
        }
    });
    let mut done = done.into_inner().expect("no scenario panics");
    done.sort_by(|(a, _), (b, _)| a.cmp(b));
    done
}

/// Each as it is written; and together they show everything. A new variant of one of the enums in `kinds` does not compile
/// there until it has a word, and its word fails this test until a scenario shows it.
#[test]
fn every_scenario_lives_as_it_is_written_and_together_they_show_every_kind() {
    let lived = each(|path| {
        let (text, scenario, lived) = golden::live_file(path)?;
        match golden::verdict(path, &text, &scenario, &lived, false) {
            Verdict::Wrong(why) => Err(why),
            Verdict::Same | Verdict::Updated => Ok(kinds::shown(&scenario, &lived.seen)),
        }
    });
    let wrong: Vec<_> = lived.iter().filter_map(|(_, l)| l.as_ref().err()).cloned().collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let shown: BTreeSet<_> = lived.into_iter().filter_map(|(_, kinds)| kinds.ok()).flatten().collect();
    let missing: Vec<_> = kinds::all().into_iter().filter(|k| !shown.contains(k)).collect();
    let excused: Vec<_> = kinds::NOT_SIMULATED.iter().map(|(kind, _)| *kind).collect();
    let unexcused: Vec<_> = missing.iter().filter(|k| !excused.contains(k)).collect();
    assert!(unexcused.is_empty(), "no scenario shows: {unexcused:?}");
    let stale: Vec<_> = excused.iter().filter(|k| !missing.contains(k)).collect();
    assert!(stale.is_empty(), "shown after all: {stale:?}");
}

const SMALL: &str = "\
# A node loses its power.
# Guards: S1
cluster three-node-db.toml
run 5s quietly
power-off gamma
run 3s
---- expect
---- facts
  owners of db at any time <= 1
  db runs on alpha at the end   # and stays there
";

/// A scenario in a folder of its own, beside the cluster files of all others.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str, text: &str) -> Self {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("golden-{name}"));
        std::fs::create_dir_all(&dir).expect("a folder");
        let file = "three-node-db.toml";
        std::fs::copy(folder().join(file), dir.join(file)).expect("a cluster file");
        let scratch = Self(dir.join("small.scenario"));
        std::fs::write(&scratch.0, text).expect("a scenario");
        scratch
    }

    fn text(&self) -> String {
        std::fs::read_to_string(&self.0).expect("a scenario")
    }
}

/// Everything but the journal.
fn around(text: &str) -> (String, String) {
    let (above, rest) = text.split_once("---- expect\n").expect("a journal");
    let (_, facts) = rest.split_once("---- facts\n").expect("facts");
    (above.to_owned(), facts.to_owned())
}

#[test]
fn an_update_writes_the_journal_and_nothing_else() {
    let scratch = Scratch::new("update", SMALL);
    assert!(matches!(golden::check(&scratch.0, false), Verdict::Wrong(_)));
    assert_eq!(scratch.text(), SMALL, "without --update nothing is written");
    assert_eq!(golden::check(&scratch.0, true), Verdict::Updated);
    let text = scratch.text();
    assert_eq!(around(&text), around(SMALL));
    assert!(text.contains("gamma lost: no heartbeat"), "{text}");
    assert_eq!(golden::check(&scratch.0, false), Verdict::Same);
    assert_eq!(golden::check(&scratch.0, true), Verdict::Same);
    // A journal that somebody changed by hand is found, and written anew.
    std::fs::write(&scratch.0, text.replace("gamma lost", "gamma found")).expect("a scenario");
    let Verdict::Wrong(why) = golden::check(&scratch.0, false) else { panic!("it is another journal") };
    assert!(why.contains("gamma found") && why.contains("+     5"), "{why}");
    assert_eq!(golden::check(&scratch.0, true), Verdict::Updated);
    assert_eq!(scratch.text(), text);
}

#[test]
fn an_update_changes_nothing_where_a_fact_does_not_hold() {
    for (name, wrong, says) in [
        ("fact", "  db runs on beta at the end\n", "line 11: `db runs on beta at the end`: at 8.000 s"),
        ("cut", "  gamma was cut 1 times\n", "`gamma was cut 1 times`: 0 times"),
        ("late", "  db runs on alpha at 9s\n", "the scenario ends at 8.000 s"),
    ] {
        let text = format!("{SMALL}{wrong}");
        let scratch = Scratch::new(name, &text);
        for is_update in [false, true] {
            let Verdict::Wrong(why) = golden::check(&scratch.0, is_update) else { panic!("{name} holds") };
            assert!(why.contains(says), "{why}");
            assert_eq!(scratch.text(), text);
        }
    }
}

#[test]
fn an_act_without_anybody_to_be_done_to_is_a_fault() {
    for (name, act) in [("nobody", "freeze delta"), ("never", "when off-done freeze alpha")] {
        let text = SMALL.replace("power-off gamma", act);
        let scratch = Scratch::new(name, &text);
        let Verdict::Wrong(why) = golden::check(&scratch.0, true) else { panic!("{act} was done") };
        assert!(why.contains(act), "{why}");
        assert_eq!(scratch.text(), text);
    }
}

#[test]
fn a_mistake_names_file_and_line_and_what_would_be_right() {
    for (at, from, to, says) in [
        (3, "three-node-db.toml", "none.toml", "there is no file none.toml"),
        (3, "cluster three-node-db.toml", "run 1s", "comes before the cluster"),
        (4, "run 5s quietly", "run 5", "right would be: 500ms, 30s, 2m"),
        (4, "run 5s quietly", "run", "right would be: run 30s"),
        (4, "run 5s quietly", "run 3h", "right would be: 500ms"),
        (4, "run 5s quietly", "run 200m", "longer than 7200s"),
        (4, "run 5s quietly", "seed 3", "has one cluster"),
        (5, "power-off gamma", "power-of gamma", "is no act; right would be: power-off NODE"),
        (5, "power-off gamma", "cut gamma = beta", "is none of: |, >, <, ~50%, +200ms"),
        (5, "power-off gamma", "disk gamma wet", "is none of: sound"),
        (5, "power-off gamma", "ask alpha apply none.toml", "there is no file none.toml"),
        (2, "Guards: S1", concat!("Guards: S", 21), "is no rule of docs/INVARIANTS.md"),
        (7, "# Guards: S1\n", "", "Guards: S1 S2 L2"),
        (9, "owners of db", "owner of db", "is no fact; right would be: owners of RESOURCE"),
        (9, "owners of db", "owners of web", "there is no resource web; there are: db"),
        (10, "on alpha at", "on delta at", "there is no node delta; there are: alpha, beta, gamma"),
        (8, "  owners of db at any time <= 1\n  db runs on alpha at the end", "#", "no fact"),
        (10, "---- facts\n", "", "`---- facts` is missing"),
    ] {
        let text = SMALL.replacen(from, to, 1);
        assert_ne!(text, SMALL, "{from}");
        // A line less above moves the others up.
        let at = at - usize::from(to.is_empty() || from.starts_with("  owners of db at any time"));
        let scratch = Scratch::new("mistake", &text);
        let Verdict::Wrong(why) = golden::check(&scratch.0, true) else { panic!("{to} is right") };
        let place = format!("small.scenario:{at}: ");
        let place = if from.starts_with("  owners") { "small.scenario:8: ".to_owned() } else { place };
        assert!(why.contains(&place) && why.contains(says), "wanted {place}{says}\nis {why}");
        assert_eq!(scratch.text(), text);
    }
}

/// What a seed has found stays found: its schedule as a scenario, with its own shape and delays.
#[test]
fn a_seed_is_kept_as_a_scenario_that_lives_as_it_is_written() {
    let seed = (1..).find(|seed| ha_sim::story::of_seed(*seed).0.nodes.len() == 3).expect("most have three");
    let (shape, schedule) = ha_sim::story::of_seed(seed);
    let text = golden::keep(seed, &shape, &schedule).expect("it can be kept");
    let scratch = Scratch::new("kept", &text);
    let (_, scenario, lived) = golden::live_file(&scratch.0).expect("it is read again");
    assert_eq!(scenario.facts.len(), shape.instances().len());
    assert_eq!((lived.faults(), &lived.seen.lines), (vec![], &scenario.expect));
    let outcome = ha_sim::story::live(seed, &shape, &schedule, ha_sim::Pace::Silent);
    assert_eq!((outcome.broken, outcome.tally.fences), (None, lived.seen.cuts.len() as u64), "the same life");
}
