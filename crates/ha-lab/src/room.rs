//! The machine room: which outlet feeds which host, and the only hands that give or take power.
//!
//! Must not know: the switches' protocols. Invariants: a host runs only while an outlet feeds it (or nothing is wired
//! to it); everything that was truly done is in the journal before the caller hears of it.

use crate::clock::boot_ns;
use crate::error::{LabError, Result};
use crate::host::Host;
use crate::json_log::JsonLog;
use crate::proto::{HostState, PowerEffect, PowerRecord};
use crate::spec::{LabSpec, StationKind};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

/// Bound of the power journal: far beyond what a lab switches.
const JOURNAL_MAX: u64 = 16 << 20;
/// A switch has at least this many outlets, wired or not.
pub const OUTLETS_MIN: u32 = 8;

/// Who changed an outlet.
#[derive(Debug, Clone)]
struct Cause {
    pdu: Option<String>,
    outlet: Option<u32>,
    text: String,
}

/// The room.
pub struct Room {
    spec: LabSpec,
    hosts: BTreeMap<String, Mutex<Host>>,
    /// State of every outlet. Locked shortly, never while a host boots.
    outlets: Mutex<BTreeMap<(String, u32), bool>>,
    journal: Mutex<JsonLog>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere leaves plain data behind; the lab goes on so that its journal can be read.
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

impl Room {
    /// A room with every host dark and every outlet on.
    pub fn new(spec: LabSpec, cgroup: Option<&Path>) -> Result<Arc<Self>> {
        let hosts = spec
            .stations()
            .into_iter()
            .filter(|s| s.kind == StationKind::Host)
            .map(|s| (s.name.clone(), Mutex::new(Host::new(&spec, s, cgroup))))
            .collect();
        let outlets = spec
            .pdus
            .iter()
            .flat_map(|p| {
                let last = p.outlets.keys().copied().max().unwrap_or(0).max(OUTLETS_MIN);
                (1..=last).map(|n| ((p.name.clone(), n), true))
            })
            .collect();
        let journal = JsonLog::open(&spec.dir.join("power.jsonl"), JOURNAL_MAX)?;
        Ok(Arc::new(Self { spec, hosts, outlets: Mutex::new(outlets), journal: Mutex::new(journal) }))
    }

    /// Boots the hosts that the description wants powered, all at once.
    pub fn start(&self) -> Result<()> {
        let wanted: Vec<_> = self.spec.hosts.iter().filter(|h| h.powered).map(|h| h.name.as_str()).collect();
        std::thread::scope(|scope| {
            let boots: Vec<_> = wanted.iter().map(|h| scope.spawn(|| self.give(h, &by("start")))).collect();
            boots
                .into_iter()
                .try_for_each(|b| b.join().unwrap_or_else(|_| Err(LabError::Gone("a boot panicked".into()))))
        })
    }

    /// The description.
    pub fn spec(&self) -> &LabSpec {
        &self.spec
    }

    /// The host of that name, locked.
    pub fn host(&self, name: &str) -> Result<MutexGuard<'_, Host>> {
        self.spec.host(name)?;
        Ok(lock(&self.hosts[name]))
    }

    /// The state of every host.
    pub fn states(&self) -> Vec<HostState> {
        self.hosts.values().map(|h| lock(h).state()).collect()
    }

    /// Plugs every cable of every host.
    pub fn plug_all(&self) -> Result<()> {
        self.hosts.values().try_for_each(|h| lock(h).plug_all())
    }

    /// The host's own button, on.
    pub fn button_on(&self, host: &str) -> Result<()> {
        self.spec.host(host)?;
        if !self.is_fed(host) {
            return Err(LabError::Refused(format!("no outlet of {host} is on, its button does nothing")));
        }
        self.give(host, &by("button"))
    }

    /// The host's own button, held until it is off.
    pub fn button_off(self: &Arc<Self>, host: &str) -> Result<()> {
        self.take(host, &by("button"))
    }

    /// The outlets of a switch, by number.
    pub fn outlets(&self, pdu: &str) -> BTreeMap<u32, bool> {
        let all = lock(&self.outlets);
        all.iter().filter(|((p, _), _)| p == pdu).map(|((_, n), on)| (*n, *on)).collect()
    }

    /// Opens or closes an outlet, with all that follows for the host on it. Off: returns when the host is gone. On:
    /// returns at once, the host boots by itself, as behind a real switch.
    pub fn set_outlet(self: &Arc<Self>, pdu: &str, outlet: u32, on: bool, who: &str) -> Result<()> {
        let host =
            self.spec.pdus.iter().find(|p| p.name == pdu).and_then(|p| p.outlets.get(&outlet)).cloned();
        let was_fed = host.as_ref().is_some_and(|h| self.is_fed(h));
        let key = (pdu.to_string(), outlet);
        let Some(was_on) = lock(&self.outlets).get_mut(&key).map(|s| std::mem::replace(s, on)) else {
            return Err(LabError::Refused(format!("{pdu} has no outlet {outlet}")));
        };
        let Some(host) = host else { return Ok(()) };
        let cause = Cause { pdu: Some(pdu.into()), outlet: Some(outlet), text: who.into() };
        let is_fed = self.is_fed(&host);
        if was_on == on || was_fed == is_fed {
            return self.record(&host, PowerEffect::None, boot_ns(), &cause, None);
        }
        if !is_fed {
            return self.take(&host, &cause);
        }
        let room = self.clone();
        std::thread::spawn(move || {
            if let Err(e) = room.give(&host, &cause) {
                eprintln!("ha-lab power: {host} did not boot: {e}");
            }
        });
        Ok(())
    }

    /// Whether any outlet of the host is on; a host that nothing is wired to has power from the wall.
    fn is_fed(&self, host: &str) -> bool {
        let outlets = lock(&self.outlets);
        let mut wired = self.spec.pdus.iter().flat_map(|p| {
            p.outlets.iter().filter(|(_, h)| *h == host).map(|(n, _)| outlets[&(p.name.clone(), *n)])
        });
        wired.next().is_none_or(|first| first || wired.any(|on| on))
    }

    fn give(&self, name: &str, cause: &Cause) -> Result<()> {
        let mut host = self.host(name)?;
        let began = boot_ns();
        // The outlet may have opened again while the host was locked by another's work.
        if host.state().is_on || !self.is_fed(name) {
            return self.record(name, PowerEffect::None, began, cause, None);
        }
        let done = host.boot();
        let effect = if done.is_ok() { PowerEffect::On } else { PowerEffect::BootFailed };
        self.record(name, effect, began, cause, host.boot_id())?;
        done
    }

    fn take(self: &Arc<Self>, name: &str, cause: &Cause) -> Result<()> {
        let mut host = self.host(name)?;
        let began = boot_ns();
        let ended = host.cut_power()?;
        let effect = if ended.is_some() { PowerEffect::Off } else { PowerEffect::None };
        self.record(name, effect, began, cause, ended.as_deref())?;
        drop(host);
        // The remains are nobody's wait; a boot that comes first removes them itself.
        let (room, name) = (self.clone(), name.to_string());
        std::thread::spawn(move || lock(&room.hosts[&name]).clean_up());
        Ok(())
    }

    fn record(
        &self,
        host: &str,
        effect: PowerEffect,
        began: u64,
        cause: &Cause,
        boot_id: Option<&str>,
    ) -> Result<()> {
        lock(&self.journal).write(&PowerRecord {
            t_ns: boot_ns(),
            began_ns: began,
            pdu: cause.pdu.clone(),
            outlet: cause.outlet,
            host: host.into(),
            effect,
            cause: cause.text.clone(),
            boot_id: boot_id.map(Into::into),
        })
    }
}

fn by(text: &str) -> Cause {
    Cause { pdu: None, outlet: None, text: text.into() }
}
