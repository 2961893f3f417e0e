//! Carries out what the schedule says, and takes it back.
//!
//! Must not know: what is judged. What is not possible any more when its time has come (the host is dark already, nobody
//! can be asked) is said and left out. Invariant: nothing here panics for what the cluster does.

use super::cuts::{Cut, Cuts, from_nodes};
use super::harm::{Deed, Nature};
use super::schedule::{Act, NAMES, Trouble, Who};
use super::words;
use crate::cluster::Cluster;
use ha_lab::Direction;
use ha_lab::clock::boot_ns;
use ha_lab::cluster::DAEMON;
use serde_json::json;
use std::time::Duration;

/// Rounds of the watch over processes between the moment at which a host stands still and its power-off: what the last
/// of them saw alive was alive when its power went.
const ROUNDS_BEFORE_OFF: usize = 2;
/// Limit of their wait; the machine may be busy.
const ROUNDS_WAIT: Duration = Duration::from_secs(5);
/// A silence shorter than this loses nobody with profile `default` (`t_lost` is 1 s).
const HARMLESS_NS: u64 = 700_000_000;
/// A daemon may be away for less than this without harm (`daemon_grace` is 5 s).
const GRACE_NS: u64 = 3_000_000_000;
/// Limit of small commands in a host.
const COMMAND_WAIT: Duration = Duration::from_secs(10);
/// A wish to move ends by itself.
const MOVE_FOR: &str = "10s";
/// Longer than any agent is waited for (20 s). The switch does one thing after the other: so long it is busy, also after
/// its fault has ended.
const LATE_MS: u64 = 22_000;

/// How a fault ends.
#[derive(Debug, Clone)]
enum Undo {
    PowerOn(String),
    Thaw(String),
    Net(usize),
    Release(String),
    Continue(String),
    Switch,
    Disk(String),
    Online(String),
    Start,
    FenceOn(String),
}

/// A fault that has begun.
#[derive(Debug, Clone)]
pub struct Begun {
    /// What was done to whom.
    pub text: String,
    /// Hosts that may be lost by it.
    hosts: Vec<String>,
    /// It must last so long to lose anybody, nanoseconds.
    harmless_ns: u64,
    /// What it can do to them; none where neither a node nor the switch is disturbed.
    nature: Option<Nature>,
    /// It is felt for so long after its end, nanoseconds.
    lingers_ns: u64,
    from_ns: u64,
    undo: Option<Undo>,
}

impl Begun {
    /// What was done, once it has ended; where it was over too soon to lose anybody, that.
    pub fn deed(&self, until_ns: u64) -> Option<Deed> {
        let is_short = until_ns.saturating_sub(self.from_ns) < self.harmless_ns;
        let nature = match self.nature? {
            Nature::Once | Nature::Lasting | Nature::Partial if is_short => Nature::Light,
            nature => nature,
        };
        let until_ns = until_ns + self.lingers_ns;
        Some(Deed { hosts: self.hosts.clone(), from_ns: self.from_ns, until_ns, nature })
    }

    /// The host that an operator wants dark.
    pub fn ordered_off(&self) -> Option<&String> {
        self.hosts.first().filter(|_| self.nature == Some(Nature::Order))
    }
}

/// The hand on one cluster.
pub struct Hand<'a> {
    cluster: &'a Cluster,
    cuts: Cuts,
    /// Files of the cluster that were applied.
    applied: u32,
}

type Outcome<T> = Result<T, String>;

fn say(error: impl std::fmt::Display) -> String {
    error.to_string()
}

impl<'a> Hand<'a> {
    /// On this cluster.
    pub fn on(cluster: &'a Cluster) -> Self {
        Self { cluster, cuts: Cuts::default(), applied: 0 }
    }

    /// Whom a fault meets now.
    fn host_of(&self, who: Who) -> String {
        let hosts = self.cluster.hosts_named();
        let owner = || words::last_owner(self.cluster);
        let leader = || words::leader(self.cluster);
        let found = match who {
            Who::Owner => owner(),
            Who::Leader => leader(),
            Who::Bystander => {
                let busy = [owner(), leader()];
                hosts.iter().find(|host| !busy.contains(&Some((*host).clone()))).cloned()
            }
            Who::Host(at) => Some(NAMES[at].to_string()),
        };
        found.unwrap_or_else(|| hosts[0].clone())
    }

    /// Begins a fault.
    pub fn begin(&mut self, act: Act) -> Outcome<Begun> {
        let lab = self.cluster.lab();
        let from_ns = boot_ns();
        let mut begun = Begun {
            text: format!("{act:?}"),
            hosts: Vec::new(),
            harmless_ns: HARMLESS_NS,
            nature: nature_of(act),
            lingers_ns: 0,
            from_ns,
            undo: None,
        };
        let on = |mut begun: Begun, host: &str, undo: Undo| {
            begun.text = format!("{} {host}", act.kind());
            begun.hosts = vec![host.into()];
            begun.undo = Some(undo);
            Ok(begun)
        };
        match act {
            Act::PowerOff(who) => {
                let host = self.host_of(who);
                begun.harmless_ns = 0;
                self.power_off(&host)?;
                on(begun, &host, Undo::PowerOn(host.clone()))
            }
            Act::Freeze(who) => {
                let host = self.host_of(who);
                lab.freeze(&host).map_err(say)?;
                on(begun, &host, Undo::Thaw(host.clone()))
            }
            Act::CutAll(who) => {
                let host = self.host_of(who);
                let undo = Undo::Net(self.cuts.begin(lab, vec![Cut::All(host.clone())])?);
                on(begun, &host, undo)
            }
            Act::CutNodes(who) => {
                let host = self.host_of(who);
                let undo =
                    Undo::Net(self.cuts.begin(lab, from_nodes(self.cluster, &host, true, Direction::Both))?);
                on(begun, &host, undo)
            }
            Act::Mute(who) => {
                let host = self.host_of(who);
                let undo =
                    Undo::Net(self.cuts.begin(lab, from_nodes(self.cluster, &host, true, Direction::AToB))?);
                begun = on(begun, &host, undo)?;
                begun.text += ": nobody hears it";
                Ok(begun)
            }
            Act::Deaf(who) => {
                let host = self.host_of(who);
                let undo =
                    Undo::Net(self.cuts.begin(lab, from_nodes(self.cluster, &host, false, Direction::AToB))?);
                begun = on(begun, &host, undo)?;
                begun.text += ": it hears nobody";
                Ok(begun)
            }
            Act::CutLeader(who) => {
                let (host, leader) = (self.host_of(who), self.host_of(Who::Leader));
                let other = if host == leader { self.cluster.others(&[&leader])[0].clone() } else { host };
                let undo = Undo::Net(
                    self.cuts.begin(lab, vec![Cut::Pair(other.clone(), leader.clone(), Direction::Both)])?,
                );
                begun = on(begun, &other, undo)?;
                begun.text += &format!(" ({leader})");
                begun.hosts.push(leader);
                Ok(begun)
            }
            Act::Split(count) => {
                let hosts = self.cluster.hosts_named();
                // The owner is on the smaller side in half of the clusters' lives, by the order of names.
                let (small, large) = hosts.split_at(count);
                let pairs = small.iter().flat_map(|a| large.iter().map(move |b| (a.clone(), b.clone())));
                let cuts = pairs.map(|(a, b)| Cut::Pair(a, b, Direction::Both)).collect();
                begun.undo = Some(Undo::Net(self.cuts.begin(lab, cuts)?));
                begun.text = format!("{}: {} | {}", act.kind(), small.join(" "), large.join(" "));
                begun.hosts = small.to_vec();
                Ok(begun)
            }
            Act::Cable(who, is_public) => {
                let (host, link) = (self.host_of(who), if is_public { "net0" } else { "net1" });
                let undo = Undo::Net(self.cuts.begin(lab, vec![Cut::Cable(host.clone(), link)])?);
                begun = on(begun, &host, undo)?;
                begun.text += &format!(", {link}");
                Ok(begun)
            }
            Act::Loss(who, percent) => {
                let host = self.host_of(who);
                let on_link = |link| Cut::Loss(host.clone(), link, percent);
                let undo = Undo::Net(self.cuts.begin(lab, vec![on_link("net0"), on_link("net1")])?);
                begun = on(begun, &host, undo)?;
                begun.text += &format!(", {percent} %");
                Ok(begun)
            }
            Act::KillDaemon(who) => {
                let host = self.host_of(who);
                lab.kill_service(&host, DAEMON, libc::SIGKILL).map_err(say)?;
                begun.text = format!("{} on {host}", act.kind());
                Ok(begun)
            }
            Act::StopDaemon(who) => {
                let host = self.host_of(who);
                lab.hold_service(&host, DAEMON).map_err(say)?;
                let _ = lab.kill_service(&host, DAEMON, libc::SIGTERM);
                begun.harmless_ns = GRACE_NS;
                on(begun, &host, Undo::Release(host.clone()))
            }
            Act::StallDaemon(who) => {
                let host = self.host_of(who);
                lab.freeze_process(&host, DAEMON).map_err(say)?;
                on(begun, &host, Undo::Continue(host.clone()))
            }
            Act::KillWeb => self.kill("web", begun),
            Act::KillWriter => self.kill("writer", begun),
            Act::Switch(trouble) => {
                let fault = match trouble {
                    Trouble::Unreachable => json!({"unreachable": true}),
                    Trouble::Slow(ms) => json!({"slow_ms": ms}),
                    Trouble::Failing => json!({"failing": true}),
                    Trouble::Unknown => json!({"unknown": (1..=NAMES.len()).collect::<Vec<_>>()}),
                    Trouble::ActsOnTimeout => json!({"answers_late_ms": LATE_MS}),
                    Trouble::Stuck => json!({"stuck_pending": true}),
                };
                lab.pdu_fault("pdu-a", fault).map_err(say)?;
                begun.text = format!("{}: {trouble:?}", act.kind());
                begun.lingers_ns = LATE_MS * 1_000_000;
                begun.undo = Some(Undo::Switch);
                Ok(begun)
            }
            Act::Disk(who) => {
                let host = self.host_of(who);
                self.sh(&host, &format!("touch {}", crate::disk::FLAG))?;
                // Something that the log must hold.
                let _ = words::ask(self.cluster, Some(&host), &["resource", "cleanup"]);
                on(begun, &host, Undo::Disk(host.clone()))
            }
            Act::Standby(who) => {
                let host = self.host_of(who);
                words::ask(self.cluster, Some(&host), &["node", "standby", &host])?;
                begun.text = format!("{} {host}", act.kind());
                begun.undo = Some(Undo::Online(host));
                Ok(begun)
            }
            Act::Move(who) => {
                let host = self.host_of(who);
                let owner = self.host_of(Who::Owner);
                let target = if host == owner { self.cluster.others(&[&owner])[0].clone() } else { host };
                words::ask(self.cluster, None, &["resource", "move", "vip", &target, "--for", MOVE_FOR])?;
                begun.text = format!("{} to {target}", act.kind());
                Ok(begun)
            }
            Act::Stop => {
                words::ask(self.cluster, None, &["resource", "stop", "web"])?;
                begun.text = act.kind().into();
                begun.undo = Some(Undo::Start);
                Ok(begun)
            }
            Act::Restart => {
                words::ask(self.cluster, None, &["resource", "restart", "web"])?;
                begun.text = act.kind().into();
                Ok(begun)
            }
            Act::Apply(stickiness) => {
                let text = self.cluster.cluster_file();
                let text = text.replace("stickiness = 1000", &format!("stickiness = {stickiness}"));
                self.applied += 1;
                let file = format!("chaos-{}.toml", self.applied);
                self.cluster.hosts_named().iter().for_each(|h| self.cluster.write_config(h, &file, &text));
                words::ask(self.cluster, None, &["config", "apply", &format!("/etc/ha/{file}")])?;
                begun.text = format!("{}: stickiness {stickiness}", act.kind());
                Ok(begun)
            }
            Act::FenceOff(who) => {
                let host = self.host_of(who);
                begun.harmless_ns = 0;
                let asked = words::ask(self.cluster, Some(&host), &["fence", "off", &host, "--yes"]);
                begun = on(begun, &host, Undo::FenceOn(host.clone()))?;
                // Without an answer it may have been carried out all the same: unknown is not refused.
                if let Err(why) = asked {
                    begun.text += &format!(" ({why})");
                }
                Ok(begun)
            }
        }
    }

    /// Ends a fault.
    pub fn end(&mut self, begun: &Begun) {
        let lab = self.cluster.lab();
        let Some(undo) = &begun.undo else { return };
        // What is refused now (a host that was cut meanwhile cannot be thawed) the healing does.
        match undo {
            Undo::PowerOn(host) => _ = lab.power_on(host),
            Undo::Thaw(host) => _ = lab.thaw(host),
            Undo::Net(id) => {
                self.cuts.end(lab, *id);
            }
            Undo::Release(host) => _ = lab.release_service(host, DAEMON),
            Undo::Continue(host) => _ = lab.thaw_process(host, DAEMON),
            Undo::Switch => _ = lab.pdu_fault("pdu-a", serde_json::Value::Null),
            Undo::Disk(host) => mend_disk(self.cluster, host),
            Undo::Online(host) => _ = words::ask(self.cluster, None, &["node", "online", host]),
            Undo::Start => _ = words::ask(self.cluster, None, &["resource", "start", "web"]),
            Undo::FenceOn(host) => _ = words::ask(self.cluster, Some(host), &["fence", "on", host]),
        }
    }

    /// The button, off, in a way that leaves no doubt about what lived until then: everything stands still first.
    fn power_off(&self, host: &str) -> Outcome<()> {
        let lab = self.cluster.lab();
        lab.freeze(host).map_err(say)?;
        if let Some(watch) = self.cluster.alive() {
            // A watch that stands still for seconds must not leave a frozen host behind that nobody knows of.
            let _ = watch.wait_rounds(ROUNDS_BEFORE_OFF, ROUNDS_WAIT);
        }
        lab.power_off(host).map_err(say)
    }

    fn kill(&self, service: &str, mut begun: Begun) -> Outcome<Begun> {
        let host = self.host_of(Who::Owner);
        let pattern = format!("^{} {service} ", ha_lab::PROGRAM);
        let argv = ["pkill", "-KILL", "-f", &pattern];
        let out = self.cluster.lab().exec(&host, &argv, COMMAND_WAIT).map_err(say)?;
        if !out.is_success() {
            return Err(format!("{service} does not run on {host}"));
        }
        begun.text = format!("{service} killed on {host}");
        Ok(begun)
    }

    fn sh(&self, host: &str, script: &str) -> Outcome<()> {
        let out = self.cluster.lab().exec(host, &["bash", "-c", script], COMMAND_WAIT).map_err(say)?;
        if out.is_success() { Ok(()) } else { Err(format!("`{script}` on {host}: {}", out.stderr.trim())) }
    }
}

/// What an act can do to the hosts that it meets.
fn nature_of(act: Act) -> Option<Nature> {
    match act {
        Act::PowerOff(_) | Act::Freeze(_) | Act::StopDaemon(_) | Act::StallDaemon(_) | Act::Disk(_) => {
            Some(Nature::Once)
        }
        Act::CutAll(_) | Act::CutNodes(_) | Act::Mute(_) | Act::Deaf(_) | Act::Split(_) => {
            Some(Nature::Lasting)
        }
        Act::CutLeader(_) | Act::Cable(..) | Act::Loss(..) => Some(Nature::Partial),
        Act::FenceOff(_) => Some(Nature::Order),
        Act::KillDaemon(_) => Some(Nature::Light),
        Act::Switch(_) => Some(Nature::Switch),
        Act::KillWeb
        | Act::KillWriter
        | Act::Standby(_)
        | Act::Move(_)
        | Act::Stop
        | Act::Restart
        | Act::Apply(_) => None,
    }
}

/// Ends the failing of a host's disk, where it fails. A daemon that could not write takes no part until it is started
/// again. A host that is frozen or dark cannot be mended: the healing does it again.
pub fn mend_disk(cluster: &Cluster, host: &str) {
    let flag = crate::disk::FLAG;
    let script = format!("test -e {flag} && rm {flag}");
    let out = cluster.lab().exec(host, &["bash", "-c", &script], COMMAND_WAIT);
    if out.is_ok_and(|out| out.is_success()) {
        let _ = cluster.lab().kill_service(host, DAEMON, libc::SIGKILL);
    }
}
