//! The cluster under test: puts it up, brings it to rest, arranges who owns and who leads, and asks it.
//!
//! Must not know: what is measured. Invariants: a measurement begins only from rest (all nodes in, all running, no wish in
//! force, no fence open); what arranges the cluster is over before that.

use super::cleaner::Cleaner;
use super::cluster_says::{Event, Status};
use super::refused;
use super::row::{Row, Setting};
use crate::clock::boot_ns;
use crate::cluster::{ClusterPlan, DAEMON, Programs, VIP, install, with_daemon};
use crate::error::{LabError, Result};
use crate::lab::Lab;
use crate::observe::{Client, ClientSpec};
use crate::spec::LabSpec;
use nix::time::{ClockId, clock_gettime};
use serde_json::Value;
use std::path::Path;
use std::time::{Duration, Instant};

/// The hosts.
pub const HOSTS: [&str; 3] = ["alpha", "beta", "gamma"];
/// Longest way to rest: a node that is fenced stays off for `off_dwell`, boots, joins, and its fence path is tested.
const REST_LIMIT: Duration = Duration::from_secs(90);
/// How often the cluster is asked meanwhile: seldom, each question is a process of its own on the machine.
const LOOK: Duration = Duration::from_millis(250);
/// Rest before a measurement, so that what healing began is over; a part of it is drawn anew each time, so that failures do
/// not keep step with heartbeats or checks.
const REST: Duration = Duration::from_millis(1500);
const REST_DRAWN_MS: u64 = 500;
/// How long a wish that arranges something holds, in seconds: longer than the move takes, over soon.
pub const WISH_S: u64 = 2;
/// A host that is still off after this time is switched on by hand.
const OFF_LIMIT: Duration = Duration::from_secs(15);
/// How long fenced nodes stay off: the lab's supplies hold no charge, and no outage contains it.
const OFF_DWELL: &str = "1s";
/// How often the cluster is asked before its refusal counts.
const ASK_TRIES: u32 = 4;
/// How often it is tried to arrange owner and leader.
const ARRANGE_TRIES: u32 = 5;

/// A running cluster.
pub struct Bed {
    lab: Option<Lab>,
    cleaner: Cleaner,
    clients: u32,
}

impl std::ops::Deref for Bed {
    type Target = Lab;
    fn deref(&self) -> &Lab {
        self.lab.as_ref().expect("it is taken only when the bed is dropped")
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        drop(self.lab.take());
        self.cleaner.lab_ended();
    }
}

impl Bed {
    /// Puts it up; not at rest yet.
    pub fn start(programs: &Programs, cleaner: &Cleaner, setting: &Setting) -> Result<Self> {
        let dir = cleaner.fresh_dir(&setting.dir)?;
        let lab = Self::start_lab(&dir, programs, setting);
        match &lab {
            Ok(lab) => cleaner.holds(lab),
            Err(_) => cleaner.lab_ended(),
        }
        Ok(Self { lab: Some(lab?), cleaner: cleaner.clone(), clients: 0 })
    }

    fn start_lab(dir: &Path, programs: &Programs, setting: &Setting) -> Result<Lab> {
        let mut plan = ClusterPlan { profile: setting.profile.clone(), ..ClusterPlan::default() };
        plan.timing.insert("off_settle".into(), format!("{}ms", setting.off_settle_ms));
        plan.timing.insert("off_dwell".into(), OFF_DWELL.into());
        let spec = with_daemon(LabSpec::usual(dir, &HOSTS), programs)?;
        install(&spec, &programs.hactl, &plan)?;
        Lab::start(spec)
    }

    /// The `data` of what `hactl` answers. Asked again when leadership moves just then, as an operator would.
    pub fn hactl(&self, args: &[&str]) -> Result<Value> {
        for _ in 1..ASK_TRIES {
            match self.ask_once(args) {
                Err(_) => std::thread::sleep(LOOK),
                done => return done,
            }
        }
        self.ask_once(args)
    }

    /// On any host that runs.
    fn ask_once(&self, args: &[&str]) -> Result<Value> {
        let states = self.hosts()?;
        let able = states.iter().filter(|s| s.is_on && !s.is_frozen && s.services.contains_key(DAEMON));
        let mut why = "no daemon runs".to_owned();
        for host in able {
            let argv: Vec<&str> =
                ["hactl", "--json", "--timeout", "5s"].into_iter().chain(args.iter().copied()).collect();
            let out = self.exec(&host.name, &argv, Duration::from_secs(10))?;
            let mut answer: Value = serde_json::from_str(&out.stdout).unwrap_or_default();
            if answer["ok"] == true {
                return Ok(answer["data"].take());
            }
            why = match answer["error"]["message"].as_str() {
                Some(message) => message.to_owned(),
                None => format!("{}{}", out.stdout, out.stderr),
            };
        }
        Err(refused(format!("hactl {}: {why}", args.join(" "))))
    }

    /// One look.
    pub fn status(&self) -> Result<Status> {
        let data = self.hactl(&["status"])?;
        Status::of(&data).ok_or_else(|| refused("hactl status said nothing of nodes"))
    }

    /// The newest events of the log.
    pub fn events(&self) -> Result<Vec<Event>> {
        Ok(Event::all(&self.hactl(&["timeline", "--last", "300"])?))
    }

    /// Position of the newest event.
    pub fn newest(&self) -> Result<u64> {
        Ok(self.events()?.iter().map(|e| e.index).max().unwrap_or(0))
    }

    /// Waits until the log says that the service runs, after that position; what it says from there on.
    pub fn events_until_up(&self, since: u64, node: &str) -> Result<Vec<Event>> {
        let mut found = Vec::new();
        self.wait("the log to say that the service runs", Duration::from_secs(10), || {
            found = self.events()?;
            found.retain(|e| e.index > since);
            Ok(found.iter().any(|e| e.is("Running", &[("instance", "web"), ("node", node)])))
        })?;
        Ok(found)
    }

    /// Waits, looking seldom. A look that fails (no leader yet) is a look that found nothing.
    pub fn wait(&self, what: &str, limit: Duration, mut is_true: impl FnMut() -> Result<bool>) -> Result<()> {
        let end = Instant::now() + limit;
        loop {
            let looked = is_true();
            if matches!(looked, Ok(true)) {
                return Ok(());
            }
            if Instant::now() > end {
                let why = looked.err().map(|e| format!(" ({e})")).unwrap_or_default();
                let waited_ms = limit.as_millis() as u64;
                return Err(LabError::Timeout { what: format!("{what}{why}"), waited_ms });
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Heals everything and waits for rest.
    pub fn settle(&self) -> Result<()> {
        self.heal()?;
        let began = Instant::now();
        let mut unrest = "it was not asked yet".to_owned();
        let is_resting = self.wait("rest", REST_LIMIT, || {
            for host in self.hosts()? {
                if host.is_frozen {
                    self.thaw(&host.name)?;
                }
            }
            let status = self.status()?;
            unrest = match status.unrest() {
                None => return Ok(true),
                Some(why) => why,
            };
            self.help(&status, began);
            Ok(false)
        });
        is_resting.map_err(|e| refused(format!("the cluster did not come to rest: {unrest}; {e}")))?;
        std::thread::sleep(REST + Duration::from_millis(boot_ns() / 1000 % REST_DRAWN_MS));
        Ok(())
    }

    /// What an operator would do: let fenced nodes in again (three fences in an hour hold a node), switch on what stays
    /// off, forget failures.
    fn help(&self, status: &Status, since: Instant) {
        // Each is repeated at the next look when it was too early.
        for (node, state, why) in &status.nodes {
            if why.contains("hactl node online") {
                let _ = self.hactl(&["node", "online", node]);
            } else if state == "off" && since.elapsed() > OFF_LIMIT {
                let _ = self.hactl(&["fence", "on", node]);
                let _ = self.power_on(node);
            }
        }
        if status.resources.iter().any(|(_, state, ..)| state == "failed" || state == "blocked") {
            let _ = self.hactl(&["resource", "cleanup"]);
        }
    }

    /// Brings the cluster to rest with the owner leading, or another; (owner, leader).
    pub fn arrange(&self, leads: bool) -> Result<(String, String)> {
        for _ in 0..ARRANGE_TRIES {
            let status = self.status()?;
            let (Some(owner), Some(leader)) = (status.owner(), &status.leader) else {
                self.settle()?;
                continue;
            };
            if (owner == leader) == leads {
                return Ok((owner.to_owned(), leader.clone()));
            }
            let other = HOSTS.into_iter().find(|h| *h != owner && (h == leader) == leads);
            let to = other.expect("of three hosts one leads and two do not");
            self.hactl(&["resource", "move", "vip", to, "--for", &format!("{WISH_S}s")])?;
            self.wait(&format!("the services to move to {to}"), Duration::from_secs(10), || {
                Ok(self.status()?.owner() == Some(to))
            })?;
            self.settle()?;
        }
        Err(refused("owner and leader could not be arranged: leadership moved each time"))
    }

    /// A client of its own for one measurement, that is answered already.
    pub fn client(&mut self) -> Result<(String, Client)> {
        self.clients += 1;
        let name = format!("run{}", self.clients);
        let client = self.lab().client(&name, &ClientSpec::parse(&format!("http://{VIP}/"))?)?;
        Ok((name, client))
    }

    fn lab(&self) -> &Lab {
        self
    }

    /// What would explain a failed or slow run: timeline, status and logs of each daemon, what the power switch did.
    pub fn keep_evidence(&self, to: Option<&Path>, setting: &Setting, row: Row, number: u32) {
        let Some(to) = to else { return };
        let name = format!("{}-{}-{}-{number}", setting.profile, setting.off_settle_ms, row.word());
        let dir = to.join(name);
        let kept = std::fs::create_dir_all(&dir).and_then(|()| {
            let words: [(&str, &[&str]); 2] =
                [("timeline", &["hactl", "timeline", "--all"]), ("status", &["hactl", "status"])];
            for host in HOSTS {
                let log = self.host_dir(host).join("log").join(format!("{DAEMON}.log"));
                std::fs::copy(log, dir.join(format!("{host}.log")))?;
                for (name, argv) in words {
                    if let Ok(out) = self.exec(host, argv, Duration::from_secs(10)) {
                        std::fs::write(dir.join(format!("{host}.{name}")), out.stdout + &out.stderr)?;
                    }
                }
            }
            std::fs::copy(self.dir().join("power.jsonl"), dir.join("power.jsonl")).map(drop)
        });
        if let Err(e) = kept {
            eprintln!("  its logs could not be kept in {}: {e}", dir.display());
        }
    }
}

/// Wall time minus boot time now, milliseconds: from the client's clock to the timeline's. One machine, one clock.
pub fn wall_minus_boot_ms() -> f64 {
    let wall = clock_gettime(ClockId::CLOCK_REALTIME).expect("CLOCK_REALTIME always exists");
    let wall_ns = wall.tv_sec() as f64 * 1e9 + wall.tv_nsec() as f64;
    (wall_ns - boot_ns() as f64) / 1e6
}
