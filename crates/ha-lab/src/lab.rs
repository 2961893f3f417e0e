//! The lab as tests and benchmarks hold it: start one, act on it, judge it, and it is gone when the value is dropped.
//!
//! Must not know: how the lab does things; it speaks the control protocol and reads the lab's records.

use crate::error::{Context, LabError, Result};
use crate::json_log;
use crate::ledger::LedgerRecord;
use crate::observe::{AliveWatch, ArpWatch, Client, ClientSpec};
use crate::proto::{Direction, HostState, Output, Place, PowerRecord, Request};
use crate::spec::{CLIENT, LabSpec};
use crate::{outer, rpc, supervisor, terminal};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// A lab that is not up within this time does not come up.
const START_WAIT: Duration = Duration::from_secs(60);
/// The same for its end.
const END_WAIT: Duration = Duration::from_secs(10);
/// Longest wait for an answer beside the time-out of the command itself.
const ANSWER_WAIT: Duration = Duration::from_secs(40);
/// How often a condition is looked at while it is waited for.
const LOOK: Duration = Duration::from_millis(2);

/// A running lab; dropping it ends it.
#[derive(Debug)]
pub struct Lab {
    remote: Remote,
    outer: Child,
}

impl std::ops::Deref for Lab {
    type Target = Remote;
    fn deref(&self) -> &Remote {
        &self.remote
    }
}

impl Lab {
    /// Starts a lab and waits until every powered host is up.
    pub fn start(spec: LabSpec) -> Result<Self> {
        outer::prepare(&spec)?;
        let program = spec.program.clone().map_or_else(find_program, Ok)?;
        let mut outer = Command::new(&program)
            .arg("run")
            .arg("--lifeline")
            .arg("--dir")
            .arg(&spec.dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // A Ctrl-C is for the caller, who ends the lab in order.
            .process_group(0)
            .spawn()
            .at("start", &program)?;
        let stdout = outer.stdout.take().expect("it was asked to be a pipe");
        let (said, ready) = mpsc::sync_channel(1);
        std::thread::spawn(move || {
            let mut line = String::new();
            let _ = BufReader::new(stdout).read_line(&mut line);
            let _ = said.send(line);
        });
        let lab = Self { remote: Remote { spec }, outer };
        match ready.recv_timeout(START_WAIT) {
            Ok(line) if line.trim() == "ready" => Ok(lab),
            Ok(_) => Err(LabError::Gone("it ended during the start; its words are on standard error".into())),
            Err(_) => Err(timed_out("the lab to come up", START_WAIT)),
        }
    }

    /// Pid of the outer process; killing it, even by SIGKILL, ends the lab.
    pub fn outer_pid(&self) -> u32 {
        self.outer.id()
    }
}

impl Lab {
    /// Waits for the end of a lab that was killed; cuts its lifeline first, so that it does end.
    pub fn wait_ended(&mut self) {
        drop(self.outer.stdin.take());
        let end = Instant::now() + END_WAIT;
        while Instant::now() < end {
            if !matches!(self.outer.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(LOOK);
        }
        let _ = self.outer.kill();
        let _ = self.outer.wait();
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.wait_ended();
    }
}

/// The program beside the running one, or what `HA_LAB_PROGRAM` names.
pub fn find_program() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("HA_LAB_PROGRAM") {
        return Ok(path.into());
    }
    let own = std::env::current_exe().what(|| "find the own program".into())?;
    // Tests live in target/debug/deps, programs in target/debug.
    let found = own.ancestors().skip(1).take(2).map(|dir| dir.join("ha-lab")).find(|p| p.is_file());
    found.ok_or_else(|| {
        let text =
            format!("no `ha-lab` beside {}; `cargo build -p ha-lab`, or set HA_LAB_PROGRAM", own.display());
        LabError::Missing(text)
    })
}

fn timed_out(what: &str, waited: Duration) -> LabError {
    LabError::Timeout { what: what.into(), waited_ms: waited.as_millis() as u64 }
}

/// Waits until `is_true` holds.
pub fn wait_for(what: &str, limit: Duration, mut is_true: impl FnMut() -> Result<bool>) -> Result<()> {
    let end = Instant::now() + limit;
    while !is_true()? {
        if Instant::now() > end {
            return Err(timed_out(what, limit));
        }
        std::thread::sleep(LOOK);
    }
    Ok(())
}

/// A lab that runs somewhere: everything that can be asked of it.
#[derive(Debug, Clone)]
pub struct Remote {
    spec: LabSpec,
}

impl Remote {
    /// The lab that runs in this directory.
    pub fn open(dir: &Path) -> Result<Self> {
        Ok(Self { spec: outer::load(dir)? })
    }

    /// Its description.
    pub fn spec(&self) -> &LabSpec {
        &self.spec
    }

    /// Its directory.
    pub fn dir(&self) -> &Path {
        &self.spec.dir
    }

    /// The directory of a host: `data`, `config`, `log` below it are its /var/lib/ha, /etc/ha, /var/log/ha.
    pub fn host_dir(&self, host: &str) -> PathBuf {
        outer::host_dir(&self.spec.dir, host)
    }

    /// Any request, its answer decoded.
    pub fn ask<T: DeserializeOwned>(&self, request: &Request) -> Result<T> {
        let extra = match request {
            Request::Exec { timeout_ms, .. } => Duration::from_millis(*timeout_ms),
            _ => Duration::ZERO,
        };
        rpc::call(&supervisor::socket(&self.spec.dir), request, ANSWER_WAIT + extra)
    }

    fn tell(&self, request: &Request) -> Result<()> {
        self.ask::<Value>(request).map(drop)
    }

    /// The host's own button, on. Returns when its addresses are up.
    pub fn power_on(&self, host: &str) -> Result<()> {
        self.tell(&Request::PowerOn { host: host.into() })
    }

    /// The host's own button, off: nothing of it is left on return; its outlets stay as they are.
    pub fn power_off(&self, host: &str) -> Result<()> {
        self.tell(&Request::PowerOff { host: host.into() })
    }

    /// Stops every process of the host where it is; its kernel still answers ARP and SYN, as a busy one would.
    pub fn freeze(&self, host: &str) -> Result<()> {
        self.tell(&Request::Freeze { host: host.into() })
    }

    /// Lets a frozen host go on.
    pub fn thaw(&self, host: &str) -> Result<()> {
        self.tell(&Request::Thaw { host: host.into() })
    }

    /// Stops a service's main process (SIGSTOP).
    pub fn freeze_process(&self, host: &str, service: &str) -> Result<()> {
        self.kill_service(host, service, libc::SIGSTOP)
    }

    /// Lets it go on.
    pub fn thaw_process(&self, host: &str, service: &str) -> Result<()> {
        self.kill_service(host, service, libc::SIGCONT)
    }

    /// Sends a signal to a service's main process. The host's init restarts what dies, unless it is held.
    pub fn kill_service(&self, host: &str, service: &str, signal: i32) -> Result<()> {
        self.tell(&Request::Signal { host: host.into(), service: service.into(), signal })
    }

    /// Keeps the host's init from restarting a service (until `release_service` or the next boot).
    pub fn hold_service(&self, host: &str, service: &str) -> Result<()> {
        self.tell(&Request::Hold { host: host.into(), service: service.into(), held: true })
    }

    /// Lets the init restart it.
    pub fn release_service(&self, host: &str, service: &str) -> Result<()> {
        self.tell(&Request::Hold { host: host.into(), service: service.into(), held: false })
    }

    /// Runs a command inside all of a host's namespaces (or in the network of `client`, `ledger` or a switch).
    pub fn exec(&self, host: &str, argv: &[&str], timeout: Duration) -> Result<Output> {
        self.exec_at(Place::Station(host.into()), argv, timeout)
    }

    /// Runs a command inside a host on this process's own terminal, for as long as it takes; its exit code.
    pub fn exec_here(&self, host: &str, argv: Vec<String>) -> Result<i32> {
        terminal::call(&terminal::socket(&self.spec.dir), Place::Station(host.into()), argv)
    }

    /// Runs a command in the lab's root namespaces, where the bridges are.
    pub fn exec_lab(&self, argv: &[&str], timeout: Duration) -> Result<Output> {
        self.exec_at(Place::Lab, argv, timeout)
    }

    fn exec_at(&self, place: Place, argv: &[&str], timeout: Duration) -> Result<Output> {
        let argv = argv.iter().map(|a| a.to_string()).collect();
        self.ask(&Request::Exec { place, argv, timeout_ms: timeout.as_millis() as u64 })
    }

    /// Cuts two stations from one another, on one link or all that they share; ARP and open connections too.
    pub fn cut(&self, a: &str, b: &str, direction: Direction, link: Option<&str>) -> Result<()> {
        self.tell(&Request::Cut { a: a.into(), b: b.into(), direction, link: link.map(Into::into) })
    }

    /// Cuts a host from every other station, the power switches included.
    pub fn cut_host(&self, host: &str) -> Result<()> {
        self.tell(&Request::CutHost { host: host.into(), keep_pdu: false })
    }

    /// Cuts a host from every other station, but leaves its way to the power switches.
    pub fn cut_host_keep_pdu(&self, host: &str) -> Result<()> {
        self.tell(&Request::CutHost { host: host.into(), keep_pdu: true })
    }

    /// Pulls a cable: the host sees no carrier. Stays pulled over power cycles.
    pub fn link_down(&self, host: &str, link: &str) -> Result<()> {
        self.tell(&Request::Cable { host: host.into(), link: link.into(), up: false })
    }

    /// Plugs it in.
    pub fn link_up(&self, host: &str, link: &str) -> Result<()> {
        self.tell(&Request::Cable { host: host.into(), link: link.into(), up: true })
    }

    /// Delays what a host sends and receives on a link (needs netem) and loses a share of it (needs nothing).
    /// Zeroes end it.
    pub fn impair(&self, host: &str, link: &str, delay_ms: u32, loss_percent: u8) -> Result<()> {
        self.tell(&Request::Impair { host: host.into(), link: link.into(), delay_ms, loss_percent })
    }

    /// Removes every cut, delay and loss, and plugs every cable.
    pub fn heal(&self) -> Result<()> {
        self.tell(&Request::Heal)
    }

    /// Sets a fault of a simulated switch, in the switch's own words; `Value::Null` clears all.
    pub fn pdu_fault(&self, pdu: &str, fault: Value) -> Result<()> {
        self.tell(&Request::PduFault { pdu: pdu.into(), fault })
    }

    /// What the switch truly did, oldest first.
    pub fn power_journal(&self) -> Result<Vec<PowerRecord>> {
        json_log::read(&self.spec.dir.join("power.jsonl"))
    }

    /// What the shared disk holds, in the order of arrival.
    pub fn ledger(&self) -> Result<Vec<LedgerRecord>> {
        json_log::read(&self.spec.dir.join("ledger.jsonl"))
    }

    /// The state of every host.
    pub fn hosts(&self) -> Result<Vec<HostState>> {
        self.ask(&Request::Hosts)
    }

    /// The state of one host.
    pub fn host_state(&self, host: &str) -> Result<HostState> {
        self.spec.host(host)?;
        let found = self.hosts()?.into_iter().find(|s| s.name == host);
        found.ok_or_else(|| LabError::Gone(format!("no state of {host}")))
    }

    /// Starts an outside client.
    pub fn client(&self, name: &str, spec: &ClientSpec) -> Result<Client> {
        self.watch(name, spec.args())?;
        Ok(Client::of(self, name))
    }

    /// Starts asking who has an address of the public link, every 20 ms: by ARP, or by neighbour discovery.
    pub fn arp_watch(&self, name: &str, address: std::net::IpAddr) -> Result<ArpWatch> {
        let target = address.to_string();
        let args = ["arp-watch", "--interface", "eth0", "--target", &target, "--every-ms", "20"];
        self.watch(name, args.map(Into::into).to_vec())?;
        Ok(ArpWatch::of(self, name))
    }

    /// Starts looking, every 25 ms, which services live in which incarnation.
    pub fn alive_watch(&self, name: &str) -> Result<AliveWatch> {
        self.watch(name, vec!["alive-watch".into()])?;
        Ok(AliveWatch::of(self, name))
    }

    fn watch(&self, name: &str, args: Vec<String>) -> Result<()> {
        self.tell(&Request::Watch { name: name.into(), station: CLIENT.into(), args })
    }

    /// Ends an observer; its records stay.
    pub fn unwatch(&self, name: &str) -> Result<()> {
        self.tell(&Request::Unwatch { name: name.into() })
    }

    pub(crate) fn record_file(&self, name: &str) -> PathBuf {
        self.spec.dir.join("clients").join(format!("{name}.jsonl"))
    }
}
