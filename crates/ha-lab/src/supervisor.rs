//! The supervisor: builds the networks, starts the power switch and the ledger, and serves the control socket.
//!
//! Must not know: how hosts are powered (the switch does that), what observers measure.
//! Invariant: when the switch's process ends, the whole lab ends: a lab without power control judges nothing.

use crate::cut::Cuts;
use crate::error::{Context, LabError, Result};
use crate::exec::{self, Inside};
use crate::proto::{HostState, Place, Request};
use crate::spec::{LEDGER, LEDGER_NUMBER, LEDGER_PORT, LabSpec, StationKind, ipv4};
use crate::{network, power, rpc, terminal, tool};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// Its socket in a lab's directory.
pub fn socket(dir: &Path) -> PathBuf {
    dir.join("control.sock")
}

/// A switch that does not answer within this time hangs: the slowest thing it does is to boot every host.
const POWER_WAIT: Duration = Duration::from_secs(30);
/// Most observers at once.
const WATCHES_MAX: usize = 32;

struct Supervisor {
    spec: LabSpec,
    cgroup: Option<PathBuf>,
    cuts: Mutex<Cuts>,
    watches: Mutex<BTreeMap<String, Child>>,
    /// Cables with a delay, (host, link): what healing has to undo.
    delayed: Mutex<BTreeSet<(String, String)>>,
}

/// Builds the lab and serves it for ever. Prints `ready` on standard output once every host is up.
pub fn run(dir: &Path, cgroup: Option<&Path>) -> Result<()> {
    let spec = crate::outer::load(dir)?;
    network::make_bridges(&spec)?;
    tool::run("nft", &["-f", "-"], &Cuts::default().nft())?;
    for station in spec.stations() {
        if station.kind != StationKind::Host {
            network::make_station(&spec, &station)?;
        }
    }
    let supervisor = Arc::new(Supervisor {
        cgroup: cgroup.map(Into::into),
        cuts: Mutex::default(),
        watches: Mutex::default(),
        delayed: Mutex::default(),
        spec: spec.clone(),
    });
    let address = ipv4(spec.links.last().expect("a lab has a link"), LEDGER_NUMBER);
    let mut ledger = supervisor.in_network(LEDGER)?;
    ledger.arg("ledger").args(["--listen", &format!("{address}:{LEDGER_PORT}"), "--out"]);
    let ledger = ledger.arg(dir.join("ledger.jsonl")).spawn().what(|| "start the ledger".into())?;
    end_lab_with(ledger, "ledger");

    let _ = std::fs::remove_file(power::socket(dir));
    let mut switch = Command::new(crate::spawn::own_program()?);
    switch.arg("power").arg(dir).stdin(Stdio::null());
    if let Some(group) = cgroup {
        switch.arg("--cgroup").arg(group);
    }
    let mut switch = switch.spawn().what(|| "start the power switch".into())?;
    while !power::socket(dir).exists() {
        if let Some(status) = switch.try_wait().what(|| "look at the power switch".into())? {
            return Err(LabError::Gone(format!("the power switch ended: {status}")));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    end_lab_with(switch, "power switch");
    supervisor.ask_switch::<Vec<HostState>>(&Request::Hosts)?;
    let listener = rpc::listen(&socket(dir))?;
    let terminal = rpc::listen(&terminal::socket(dir))?;
    let theirs = Arc::clone(&supervisor);
    std::thread::spawn(move || terminal::serve(&terminal, move |place| theirs.inside(place)));
    println!("ready");
    rpc::serve(&listener, move |request| supervisor.handle(request))
}

/// Ends this process, and with it the lab, when a process that it cannot do without ends.
fn end_lab_with(mut child: Child, name: &'static str) {
    std::thread::spawn(move || {
        let status = child.wait();
        eprintln!("ha-lab: the {name} ended ({status:?}); so does the lab");
        std::process::exit(3);
    });
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

impl Supervisor {
    fn handle(&self, request: Request) -> Result<Value> {
        match request {
            Request::Exec { place, argv, timeout_ms } => {
                let inside = self.inside(&place)?;
                Ok(json!(exec::run(&inside, &argv, Duration::from_millis(timeout_ms))?))
            }
            Request::Cut { a, b, direction, link } => {
                self.change(|cuts| cuts.cut(&self.spec, &a, &b, direction, link.as_deref()))
            }
            Request::CutHost { host, keep_pdu } => {
                self.change(|cuts| cuts.cut_station(&self.spec, &host, keep_pdu))
            }
            Request::Heal => {
                self.change(|cuts| {
                    *cuts = Cuts::default();
                    Ok(())
                })?;
                self.clear_delays();
                self.ask_switch(&request)
            }
            Request::Impair { host, link, delay_ms, loss_percent } => {
                self.impair(&host, &link, delay_ms, loss_percent)
            }
            Request::Watch { name, station, args } => self.watch(&name, &station, &args),
            Request::Unwatch { name } => match lock(&self.watches).remove(&name) {
                Some(mut child) => {
                    child.kill().and_then(|()| child.wait()).what(|| format!("end observer {name}"))?;
                    Ok(Value::Null)
                }
                None => Err(LabError::Refused(format!("no observer `{name}`"))),
            },
            Request::Hosts
            | Request::PowerOn { .. }
            | Request::PowerOff { .. }
            | Request::Freeze { .. }
            | Request::Thaw { .. }
            | Request::Cable { .. }
            | Request::Signal { .. }
            | Request::Hold { .. }
            | Request::PduFault { .. } => self.ask_switch(&request),
        }
    }

    fn ask_switch<T: serde::de::DeserializeOwned>(&self, request: &Request) -> Result<T> {
        rpc::call(&power::socket(&self.spec.dir), request, POWER_WAIT)
    }

    /// Changes the rules: tried on a copy, loaded whole, kept only if nft took them.
    fn change(&self, change: impl FnOnce(&mut Cuts) -> Result<()>) -> Result<Value> {
        let mut cuts = lock(&self.cuts);
        let mut next = cuts.clone();
        change(&mut next)?;
        tool::run("nft", &["-f", "-"], &next.nft())?;
        *cuts = next;
        Ok(Value::Null)
    }

    fn inside(&self, place: &Place) -> Result<Inside> {
        let Place::Station(name) = place else { return Ok(Inside::Lab) };
        let stations = self.spec.stations();
        let station = stations.iter().find(|s| s.name == *name);
        match station.map(|s| s.kind) {
            None => Err(LabError::Refused(format!("no station `{name}`"))),
            Some(StationKind::Host) => {
                let states: Vec<HostState> = self.ask_switch(&Request::Hosts)?;
                let state = states.iter().find(|s| s.name == *name);
                match state.and_then(|s| s.init_pid.map(|init| (init, s.is_frozen))) {
                    None => Err(LabError::Refused(format!("{name} is off"))),
                    Some((_, true)) => Err(LabError::Refused(format!("{name} is frozen"))),
                    Some((init, false)) => {
                        Ok(Inside::Host { init, cgroup: self.cgroup.as_ref().map(|g| g.join(name)) })
                    }
                }
            }
            Some(StationKind::Pdu | StationKind::Observer) => {
                Ok(Inside::Network(network::netns_path(&self.spec.dir, name)))
            }
        }
    }

    /// Delay by netem on both ends of the cable, where the kernel has it; loss by the bridges' own rules.
    fn impair(&self, host: &str, link: &str, delay_ms: u32, loss_percent: u8) -> Result<Value> {
        self.spec.host(host)?;
        self.spec.link_index(link)?;
        let cable = (host.to_string(), link.to_string());
        if delay_ms > 0 {
            lock(&self.delayed).insert(cable.clone());
            self.delay(host, link, &format!("replace dev DEV root netem delay {delay_ms}ms limit 100000"))?;
        } else if lock(&self.delayed).remove(&cable) {
            self.delay(host, link, "del dev DEV root")?;
        }
        self.change(|cuts| {
            cuts.set_loss(&crate::spec::port(host, link), loss_percent);
            Ok(())
        })
    }

    fn delay(&self, host: &str, link: &str, qdisc: &str) -> Result<()> {
        let ends = [
            (Inside::Lab, crate::spec::port(host, link)),
            (self.inside(&Place::Station(host.into()))?, format!("eth{}", self.spec.link_index(link)?)),
        ];
        for (inside, device) in ends {
            let line = format!("tc qdisc {}", qdisc.replace("DEV", &device));
            let argv: Vec<String> = line.split(' ').map(Into::into).collect();
            let out = exec::run(&inside, &argv, Duration::from_secs(5))?;
            if !out.is_success() {
                let why = out.stderr.trim();
                return Err(LabError::Missing(format!(
                    "delays need the kernel's netem (CONFIG_NET_SCH_NETEM, module sch_netem); `{line}`: {why}"
                )));
            }
        }
        Ok(())
    }

    /// Removes every delay. A host that was powered off or is frozen lost or keeps its inner one until its next boot.
    fn clear_delays(&self) {
        for (host, link) in std::mem::take(&mut *lock(&self.delayed)) {
            let _ = self.delay(&host, &link, "del dev DEV root");
        }
    }

    fn in_network(&self, station: &str) -> Result<Command> {
        let mut command = Command::new(crate::spawn::own_program()?);
        command.arg("--netns").arg(network::netns_path(&self.spec.dir, station)).stdin(Stdio::null());
        Ok(command)
    }

    fn watch(&self, name: &str, station: &str, args: &[String]) -> Result<Value> {
        let is_observer =
            self.spec.stations().iter().any(|s| s.name == station && s.kind != StationKind::Host);
        let is_word = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        if !is_observer || !is_word {
            return Err(LabError::Refused(format!(
                "observer `{name}` at `{station}`: bad name or no such station"
            )));
        }
        let mut watches = lock(&self.watches);
        if watches.contains_key(name) || watches.len() >= WATCHES_MAX {
            return Err(LabError::Refused(format!("observer `{name}` runs already, or {WATCHES_MAX} do")));
        }
        let out = self.spec.dir.join("clients").join(format!("{name}.jsonl"));
        let mut command = self.in_network(station)?;
        let child =
            command.args(args).arg("--out").arg(out).spawn().what(|| format!("start observer {name}"))?;
        watches.insert(name.into(), child);
        Ok(Value::Null)
    }
}
