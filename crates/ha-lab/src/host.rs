//! One host as its power switch holds it: boots it, cuts its power, freezes it, pulls its cables.
//!
//! Must not know: outlets, protocols. Invariants: after `cut_power` returned no process of the incarnation is left
//! and no frame of it can pass; every boot has an incarnation of its own.

use crate::cgroup;
use crate::error::{Context, LabError, Result};
use crate::host_init::INIT_DIR;
use crate::host_launch::HostBoot;
use crate::network::{cable_script, set_link, uncable_script};
use crate::process;
use crate::proto::HostState;
use crate::spec::{LabSpec, Station};
use crate::tool::{ip_batch, run};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// A host that runs.
struct Running {
    launcher: Child,
    init: i32,
    boot_id: String,
    is_frozen: bool,
}

/// A host, powered or not.
pub struct Host {
    spec: LabSpec,
    station: Station,
    /// Its control group, made at each boot.
    cgroup: Option<PathBuf>,
    pulled: BTreeSet<usize>,
    /// Ports and groups of an ended incarnation are still there.
    has_remains: bool,
    running: Option<Running>,
}

impl Host {
    /// A host without power.
    pub fn new(spec: &LabSpec, station: Station, lab_group: Option<&Path>) -> Self {
        let cgroup = lab_group.map(|g| g.join(&station.name));
        Self {
            spec: spec.clone(),
            station,
            cgroup,
            pulled: BTreeSet::new(),
            has_remains: false,
            running: None,
        }
    }

    /// Its incarnation, when it runs.
    pub fn boot_id(&self) -> Option<&str> {
        self.running.as_ref().map(|r| r.boot_id.as_str())
    }

    /// Gives it power: it boots as a new incarnation. Returns when its addresses are up and its init runs.
    pub fn boot(&mut self) -> Result<()> {
        if self.running.is_some() {
            return Ok(());
        }
        self.clean_up();
        let boot_id = new_boot_id()?;
        self.has_remains = true;
        if let Some(group) = &self.cgroup {
            std::fs::create_dir(group).at("create", group)?;
        }
        let mut launcher = Command::new(crate::spawn::own_program()?)
            .arg("host-launch")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .what(|| format!("start the launcher of {}", self.station.name))?;
        let (Some(stdin), Some(stdout)) = (launcher.stdin.take(), launcher.stdout.take()) else {
            unreachable!("both ends were asked to be pipes");
        };
        match self.converse(&boot_id, launcher.id(), stdin, stdout) {
            Ok(init) => {
                self.running = Some(Running { launcher, init, boot_id, is_frozen: false });
                Ok(())
            }
            Err(e) => {
                let _ = launcher.kill();
                let _ = launcher.wait();
                self.clean_up();
                Err(e)
            }
        }
    }

    /// The launcher's protocol (see `host_launch`); returns the init's pid.
    fn converse(&self, boot_id: &str, pid: u32, mut stdin: ChildStdin, stdout: ChildStdout) -> Result<i32> {
        let host = &self.station.name;
        let mut lines = BufReader::new(stdout).lines();
        let mut hear = |word: &str| -> Result<String> {
            match lines.next() {
                Some(Ok(line)) if line.starts_with(word) => Ok(line),
                other => Err(LabError::Gone(format!("boot of {host}: expected `{word}`, got {other:?}"))),
            }
        };
        let boot = HostBoot {
            spec: self.spec.clone(),
            host: host.clone(),
            boot_id: boot_id.to_string(),
            cgroup: self.cgroup.clone(),
        };
        let text = serde_json::to_string(&boot).expect("a boot description is plain data");
        writeln!(stdin, "{text}").what(|| format!("describe {host}"))?;
        hear("netns")?;
        let pulled: Vec<usize> = self.pulled.iter().copied().collect();
        ip_batch(&cable_script(&self.spec, &self.station, &pid.to_string(), &pulled))?;
        writeln!(stdin, "go").what(|| format!("start {host}"))?;
        // The two words come from two processes, in either order.
        let (mut init, mut is_up) = (None, false);
        while init.is_none() || !is_up {
            match hear("")?.as_str() {
                "up" => is_up = true,
                word => {
                    let pid = word.strip_prefix("init ").and_then(|p| p.parse().ok());
                    init = Some(pid.ok_or_else(|| LabError::Gone(format!("boot of {host}: got `{word}`")))?);
                }
            }
        }
        Ok(init.expect("the loop ended with it"))
    }

    /// Takes its power away: links first, so that nothing it had queued gets out, then every process at once.
    /// Returns the incarnation that ended.
    pub fn cut_power(&mut self) -> Result<Option<String>> {
        let Some(mut running) = self.running.take() else { return Ok(None) };
        let ports = self.station.links.iter().map(|&i| self.station.port(&self.spec.links[i]));
        let is_dead_already = matches!(running.launcher.try_wait(), Ok(Some(_)));
        let unlinked: Result<Vec<()>> = ports.map(|port| set_link(&port, false)).collect();
        if let Some(group) = &self.cgroup {
            cgroup::kill(group).at("kill", group)?;
        }
        // Already dead is as good; the launcher ends when the init and its whole pid namespace are gone.
        let _ = kill(Pid::from_raw(running.init), Signal::SIGKILL);
        running.launcher.wait().what(|| format!("wait for the end of {}", self.station.name))?;
        if let Some(group) = &self.cgroup {
            cgroup::wait_empty(group).at("wait for", group)?;
        }
        if !is_dead_already {
            // It is dead all the same, but something that it had queued may have got out.
            unlinked?;
        }
        Ok(Some(running.boot_id))
    }

    /// Removes what a dead host leaves: its ports and its control groups. Not part of the moment of power-off.
    pub fn clean_up(&mut self) {
        if self.running.is_some() || !std::mem::take(&mut self.has_remains) {
            return;
        }
        // Ports vanish with the dead network namespace too, whoever is first: a missing one is no failure.
        let _ = run("ip", &["-force", "-batch", "-"], &uncable_script(&self.spec, &self.station));
        if let Some(group) = &self.cgroup {
            let _ = cgroup::remove(group);
        }
    }

    /// Stops every process where it is, or lets them go on.
    pub fn freeze(&mut self, is_frozen: bool) -> Result<()> {
        let name = self.station.name.clone();
        let running = self.running.as_mut().ok_or_else(|| off(&name))?;
        match &self.cgroup {
            Some(group) => cgroup::freeze(group, is_frozen).at("freeze", group)?,
            None => process::stop_all(running.init, is_frozen)?,
        }
        running.is_frozen = is_frozen;
        Ok(())
    }

    /// Plugs or pulls a cable. A pulled one stays pulled over power cycles.
    pub fn cable(&mut self, link: &str, is_plugged: bool) -> Result<()> {
        let i = self.spec.link_index(link)?;
        if is_plugged {
            self.pulled.remove(&i)
        } else {
            self.pulled.insert(i)
        };
        if self.running.is_some() {
            set_link(&self.station.port(&self.spec.links[i]), is_plugged)?;
        }
        Ok(())
    }

    /// Plugs every cable.
    pub fn plug_all(&mut self) -> Result<()> {
        for i in self.pulled.clone() {
            self.cable(&self.spec.links[i].name.clone(), true)?;
        }
        Ok(())
    }

    /// Sends a signal to a service's main process.
    pub fn signal(&self, service: &str, signal: i32) -> Result<()> {
        let running = self.running.as_ref().ok_or_else(|| off(&self.station.name))?;
        let services = process::services(running.init);
        let pid = services.get(service).ok_or_else(|| {
            LabError::Refused(format!(
                "{} runs no service `{service}` now, but {services:?}",
                self.station.name
            ))
        })?;
        let signal = Signal::try_from(signal).what(|| format!("signal {signal}"))?;
        kill(Pid::from_raw(*pid), signal).what(|| format!("signal {service}"))
    }

    /// Keeps the init from starting a service again, or lets it. Ends with the incarnation.
    pub fn hold(&self, service: &str, is_held: bool) -> Result<()> {
        let running = self.running.as_ref().ok_or_else(|| off(&self.station.name))?;
        let file = process::host_path(running.init, INIT_DIR).join(format!("{service}.hold"));
        if is_held {
            return std::fs::write(&file, "").at("write", &file);
        }
        match std::fs::remove_file(&file) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e).at("remove", &file),
            _ => Ok(()),
        }
    }

    /// What it is doing. A host whose init died by itself shows as off.
    pub fn state(&mut self) -> HostState {
        if self.running.as_mut().is_some_and(|r| matches!(r.launcher.try_wait(), Ok(Some(_)))) {
            self.running = None;
            self.clean_up();
        }
        let running = self.running.as_ref();
        HostState {
            name: self.station.name.clone(),
            is_on: running.is_some(),
            is_frozen: running.is_some_and(|r| r.is_frozen),
            boot_id: running.map(|r| r.boot_id.clone()),
            init_pid: running.map(|r| r.init),
            services: running.map(|r| process::services(r.init)).unwrap_or_default(),
            pulled: self.pulled.iter().map(|&i| self.spec.links[i].name.clone()).collect(),
        }
    }
}

fn off(host: &str) -> LabError {
    LabError::Refused(format!("{host} is off"))
}

/// A fresh incarnation: the kernel's own generator of random UUIDs.
fn new_boot_id() -> Result<String> {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/uuid").what(|| "draw a boot id".into())?;
    Ok(text.trim().to_string())
}
