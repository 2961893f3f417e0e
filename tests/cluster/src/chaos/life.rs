//! One life: a cluster is put up, disturbed by its schedule, healed, and judged.
//!
//! Must not know: how a fault is done, how lives are added up. Invariant: a life that breaks off (a panic of the harness,
//! a lab that does not come up) is told and counted, never left out.

use super::fences;
use super::hand::{Begun, Hand, mend_disk};
use super::harm::Deed;
use super::schedule::{Act, Fault, Schedule, Who};
use super::{keep, words};
use crate::cluster::Cluster;
use crate::judge::Violation;
use crate::make_disks_breakable;
use crate::plan::{Plan, Writer};
use ha_lab::clock::boot_ns;
use ha_lab::cluster::{DAEMON, SwitchFace};
use ha_lab::{PowerEffect, PowerRecord};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// A cluster serves within this time after its start, and again after everything was healed (L1, L2, L3). The longest
/// way there: a switch that is still busy with an answer that it gave too late, an attempt to fence that was put off
/// (`fence_retry_max`, 30 s), one that takes its longest (three times its agent's 20 s), and the wait before power is
/// switched on again when an earlier attempt never reported (as long, and `ORDER_VALID`): 180 s. The rest is for a busy
/// machine.
pub const WELL_WITHIN: Duration = Duration::from_secs(240);
/// How often it is asked.
const LOOK: Duration = Duration::from_millis(300);
/// How often what an operator has to do is tried again.
const NUDGE: Duration = Duration::from_secs(4);
/// A node that the cluster cut is switched on again by the cluster, not by the healing: after `off_dwell` (5 s), or after
/// the longest attempt (above) when an earlier one never reported. A new leader counts that anew: it cannot know when the
/// attempt began.
const STAYS_OFF: Duration = Duration::from_secs(150);
/// With a lying switch: long enough for a fence that fails to be seen, and a takeover.
const LIE_FOR_MS: u64 = 8_000;
/// With a lying switch, the life ends when the takeover has had its time.
const AFTER_LIES: Duration = Duration::from_secs(4);

/// What is to be lived.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Seed of all lives.
    pub seed: u64,
    /// The switch says what it is asked to and does nothing: the negative control.
    pub is_lying: bool,
    /// Where clusters live.
    pub dir: PathBuf,
    /// Where what went wrong is kept.
    pub keep: PathBuf,
}

/// What came of a life.
#[derive(Debug, Default)]
pub struct Life {
    /// Kinds of faults that were done, with their numbers.
    pub kinds: BTreeMap<&'static str, usize>,
    /// What was done and seen, with its times.
    pub story: String,
    /// What must never happen.
    pub violations: Vec<String>,
    /// The rules that the judge saw broken by owners: S1, S2, or a watch that was missing. What broke off, was not well
    /// in time or was cut for nothing is none of them.
    pub condemned: BTreeSet<&'static str>,
    /// It broke off: the harness panicked, or the cluster was not put up.
    pub is_broken_off: bool,
    /// The longest time from a watch's last look to what another witness saw, milliseconds.
    pub unseen_ms: u64,
    /// Cuts that the switch carried out.
    pub fences: usize,
    /// Of those, the ones that took a running host's power.
    pub darkened: usize,
    /// Of those, the ones with no other reason than a machine that stood still.
    pub stalled: usize,
    /// Outages of takeovers from a host that was cut, milliseconds.
    pub failovers_ms: Vec<f64>,
    /// Outages of moves in order, milliseconds.
    pub moves_ms: Vec<f64>,
    /// Terms after the first: how often somebody was elected.
    pub elections: u64,
    /// From the end of the healing's first round to a well cluster, milliseconds.
    pub well_ms: Option<u64>,
    /// Answers and blocks that were judged.
    pub signs: usize,
}

struct Living<'a> {
    cluster: &'a Cluster,
    life: Life,
    begun_ns: u64,
    deeds: Vec<Deed>,
    term: u64,
    healed_ns: u64,
    ordered_off: BTreeSet<String>,
}

/// Lives it.
pub fn live(settings: &Settings, number: u32) -> Life {
    let mut schedule = Schedule::of(settings.seed, number);
    if settings.is_lying {
        schedule.for_lies(Act::Freeze(Who::Owner), LIE_FOR_MS);
    }
    let plan = Plan {
        hosts: super::schedule::NAMES[..schedule.hosts].iter().map(ToString::to_string).collect(),
        face: if schedule.is_http { SwitchFace::Http } else { SwitchFace::Snmp },
        writer: if schedule.is_disk_first { Writer::First } else { Writer::InFront },
        prepare: make_disks_breakable,
        watches_processes: true,
        tells_failures: false,
        wait_for_service: false,
        within: Some(settings.dir.clone()),
        ..Plan::default()
    };
    let broke_off = |life: &mut Life, what: &str, panic: Box<dyn std::any::Any + Send>| {
        super::ending::stand_aside();
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
        life.is_broken_off = true;
        life.violations.push(format!("broke off: {what}: {}", text.unwrap_or_default()));
    };
    let cluster = match catch_unwind(AssertUnwindSafe(|| Cluster::start(plan))) {
        Ok(cluster) => cluster,
        Err(panic) => {
            let mut life = Life::default();
            broke_off(&mut life, "the cluster was not put up", panic);
            return life;
        }
    };
    let mut living = Living {
        cluster: &cluster,
        life: Life::default(),
        begun_ns: boot_ns(),
        deeds: Vec::new(),
        term: 0,
        healed_ns: u64::MAX,
        ordered_off: BTreeSet::new(),
    };
    let told = catch_unwind(AssertUnwindSafe(|| living.run(&schedule, settings)));
    let mut life = living.life;
    if let Err(panic) = told {
        broke_off(&mut life, "the harness panicked", panic);
    }
    super::ending::stand_aside();
    if !life.violations.is_empty() {
        let dir = settings.keep.join(format!("seed-{}-life-{number}", settings.seed));
        let kept = keep::keep(&cluster, &dir, &told_of(settings, number, &schedule, &life));
        let _ = writeln!(
            life.story,
            "kept: {}",
            kept.map_or_else(|e| e.to_string(), |()| dir.display().to_string())
        );
    }
    life
}

/// The whole of what is known of a life in which something went wrong.
fn told_of(settings: &Settings, number: u32, schedule: &Schedule, life: &Life) -> String {
    format!(
        "seed {}, life {number}\n{schedule}\n{}\n{}\n",
        settings.seed,
        life.story,
        life.violations.join("\n")
    )
}

impl Living<'_> {
    fn run(&mut self, schedule: &Schedule, settings: &Settings) {
        if let Err(why) = self.wait_well("serve after its start") {
            self.life.violations.push(why);
            return self.judge();
        }
        if settings.is_lying {
            self.cluster.make_switches_lie();
        }
        self.note("serves");
        self.disturb(&schedule.faults, settings.is_lying);
        if settings.is_lying {
            std::thread::sleep(AFTER_LIES);
        } else {
            self.heal();
        }
        self.judge();
    }

    /// A line of the story, with its time from the beginning.
    fn note(&mut self, text: &str) {
        let s = (boot_ns() - self.begun_ns) as f64 / 1e9;
        let _ = writeln!(self.life.story, "{s:>8.3} s  {text}");
    }

    fn disturb(&mut self, faults: &[Fault], is_lying: bool) {
        let mut hand = Hand::on(self.cluster);
        let begin = Instant::now();
        let mut active: Vec<(u64, Begun)> = Vec::new();
        let mut coming = faults.iter().peekable();
        loop {
            let next_end = active.iter().map(|(end, _)| *end).min();
            let next_begin = coming.peek().map(|fault| fault.at_ms);
            let Some(at_ms) = next_end.into_iter().chain(next_begin).min() else { break };
            super::ending::stand_aside();
            std::thread::sleep(Duration::from_millis(at_ms).saturating_sub(begin.elapsed()));
            if let Some(at) = active.iter().position(|(end, _)| *end == at_ms) {
                let (_, begun) = active.remove(at);
                self.end(&mut hand, &begun);
                continue;
            }
            let fault = coming.next().expect("it was looked at");
            // The switch stays a liar; its other faults would end that.
            if is_lying && matches!(fault.act, Act::Switch(_)) {
                continue;
            }
            self.look();
            match hand.begin(fault.act) {
                Ok(begun) => {
                    *self.life.kinds.entry(fault.act.kind()).or_default() += 1;
                    self.note(&begun.text);
                    self.ordered_off.extend(begun.ordered_off().cloned());
                    if fault.for_ms > 0 {
                        let now_ms = begin.elapsed().as_millis() as u64;
                        active.push((now_ms + fault.for_ms, begun));
                    } else {
                        self.deeds.extend(begun.deed(boot_ns()));
                    }
                }
                Err(why) => self.note(&format!("not possible: {:?}: {why}", fault.act)),
            }
        }
    }

    fn end(&mut self, hand: &mut Hand<'_>, begun: &Begun) {
        hand.end(begun);
        self.deeds.extend(begun.deed(boot_ns()));
        self.note(&format!("over: {}", begun.text));
    }

    /// The term, as the leader sees it.
    fn look(&mut self) {
        let Some(leader) = words::leader(self.cluster) else { return };
        let status = words::status(self.cluster, &leader);
        self.term = self.term.max(status["term"].as_u64().unwrap_or(0));
    }

    /// Ends every fault and does what an operator would, until all is well again.
    fn heal(&mut self) {
        self.healed_ns = boot_ns();
        self.note("everything is healed");
        let lab = self.cluster.lab();
        let _ = lab.pdu_fault("pdu-a", serde_json::Value::Null);
        let _ = lab.heal();
        for host in self.cluster.hosts_named() {
            let _ = lab.thaw(&host);
            let _ = lab.release_service(&host, DAEMON);
            let _ = lab.thaw_process(&host, DAEMON);
            mend_disk(self.cluster, &host);
        }
        let _ = words::ask(self.cluster, None, &["resource", "cleanup"]);
        let since = Instant::now();
        match self.wait_well("be well again after everything was healed") {
            Ok(()) => {
                self.life.well_ms = Some(since.elapsed().as_millis() as u64);
                self.look();
                self.note("all is well again");
            }
            Err(why) => self.life.violations.push(why),
        }
    }

    fn wait_well(&mut self, what: &str) -> Result<(), String> {
        let end = Instant::now() + WELL_WITHIN;
        let mut nudge_at = Instant::now();
        loop {
            super::ending::stand_aside();
            if self.healed_ns != u64::MAX && Instant::now() >= nudge_at {
                self.nudge();
                nudge_at = Instant::now() + NUDGE;
            }
            let Some(why) = words::unwell(self.cluster) else { return Ok(()) };
            if Instant::now() >= end {
                return Err(format!("L1 L2 L3: it did not {what} within {WELL_WITHIN:?}: {why}"));
            }
            std::thread::sleep(LOOK);
        }
    }

    /// What only a human does: a dark host is switched on, a held or emptied one let in again, a stopped resource started.
    fn nudge(&mut self) {
        let lab = self.cluster.lab();
        for state in lab.hosts().unwrap_or_default().into_iter().filter(|state| !state.is_on) {
            let _ = lab.power_on(&state.name);
        }
        let Some(leader) = words::leader(self.cluster) else { return };
        let status = words::status(self.cluster, &leader);
        let rows = |field: &str| status[field].as_array().cloned().unwrap_or_default();
        for row in rows("nodes") {
            let Some(name) = row["name"].as_str() else { continue };
            let done = match row["state"].as_str() {
                Some("standby" | "held") => words::ask(self.cluster, None, &["node", "online", name]),
                // What an operator switched off, he switches on.
                Some("off") if self.ordered_off.contains(name) => {
                    words::ask(self.cluster, None, &["fence", "on", name])
                }
                Some("off") if self.stays_off(name) => {
                    let why = format!("L2: the cluster cut {name} and did not switch it on again");
                    self.life.violations.push(why);
                    words::ask(self.cluster, None, &["fence", "on", name])
                }
                _ => continue,
            };
            self.note(&format!(
                "nudged {name}, {}: {}",
                row["state"],
                done.map_or_else(|e| e, |_| "done".into())
            ));
        }
        // `is_wanted` is the cluster file's wish; what an operator stopped says how it is started.
        let is_stopped =
            |row: &serde_json::Value| row["why"].as_str().is_some_and(|w| w.contains("hactl resource start"));
        for row in rows("resources").into_iter().filter(is_stopped) {
            let name = row["name"].as_str().unwrap_or_default();
            let done = words::ask(self.cluster, None, &["resource", "start", name]);
            self.note(&format!("started {name}: {}", done.map_or_else(|e| e, |_| "done".into())));
        }
    }

    /// Whether a host has been dark, since everything was healed, for longer than the cluster takes to switch it on.
    fn stays_off(&self, host: &str) -> bool {
        let lab = self.cluster.lab();
        let is_dark = lab.host_state(host).is_ok_and(|state| !state.is_on);
        let journal = lab.power_journal().unwrap_or_default();
        let last = journal.iter().rev().find(|r| r.host == host && r.effect == PowerEffect::Off);
        let since = last.map_or(self.healed_ns, |r| r.t_ns.max(self.healed_ns));
        is_dark && u128::from(boot_ns().saturating_sub(since)) > STAYS_OFF.as_nanos()
    }

    fn judge(&mut self) {
        let judge = self.cluster.judge();
        let life = &mut self.life;
        let found = judge.unproven_takeovers();
        life.condemned.extend(found.iter().map(Violation::rule));
        life.violations.extend(summed_up(&found));
        let unseen = judge.longest_unseen().into_iter().filter_map(|(_, longest)| longest);
        life.unseen_ms = unseen.max().unwrap_or(0) / 1_000_000;
        let cuts = fences::judge(&judge.opened, &judge.power, &self.deeds, &judge.rounds, self.healed_ns);
        life.violations.extend(cuts.wrong.iter().map(ToString::to_string));
        (life.fences, life.stalled) = (cuts.all, cuts.stalled);
        let is_darkened = |r: &&PowerRecord| r.effect == PowerEffect::Off && r.outlet.is_some();
        life.darkened = judge.power.iter().filter(is_darkened).count();
        life.elections = self.term.saturating_sub(1);
        life.signs = judge.answers.len() + judge.ledger.len();
        for pair in judge.answering().windows(2).filter(|w| w[0].owner != w[1].owner) {
            let ms = pair[1].first_ns.saturating_sub(pair[0].last_ns) as f64 / 1e6;
            let is_cut = judge.cut_at(&pair[0].owner).is_some_and(|cut| cut <= pair[1].first_ns);
            if is_cut { life.failovers_ms.push(ms) } else { life.moves_ms.push(ms) }
        }
        for record in judge.power.iter().filter(|r| r.effect != PowerEffect::None) {
            let at = record.t_ns.saturating_sub(self.begun_ns) as f64 / 1e9;
            let _ = writeln!(
                life.story,
                "{at:>8.3} s  power: {} {:?} by {}",
                record.host, record.effect, record.cause
            );
        }
    }
}

/// One of each kind, with how many more there are: two owners are seen in every round of the watch.
fn summed_up(found: &[Violation]) -> Vec<String> {
    let mut kinds: Vec<(std::mem::Discriminant<Violation>, &Violation, usize)> = Vec::new();
    for violation in found {
        let kind = std::mem::discriminant(violation);
        match kinds.iter_mut().find(|(known, _, _)| *known == kind) {
            Some((_, _, count)) => *count += 1,
            None => kinds.push((kind, violation, 1)),
        }
    }
    kinds
        .into_iter()
        .map(|(_, first, count)| format!("{} ({count} of this kind): {first:?}", first.rule()))
        .collect()
}
