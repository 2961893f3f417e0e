//! The command line of `ha-lab`.
//!
//! Must not know: how anything is done; each command is one call.

use clap::{Parser, Subcommand};
use ha_lab::bench;
use ha_lab::cluster::{ClusterPlan, Programs, SwitchFace};
use ha_lab::demo::{self, DemoSpec, Play};
use ha_lab::error::{LabError, Result};
use ha_lab::proto::Request;
use ha_lab::{
    LabSpec, Remote, alive_watch, arp_watch, cgroup, check, exec, host_launch, lab_init, ledger, network,
    outer, power, probe, supervisor, web, web_ask,
};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// Simulated hosts on one machine, controlled and judged from outside.
#[derive(Parser)]
#[command(name = "ha-lab", version)]
pub struct Cli {
    /// Enter this pinned network namespace first.
    #[arg(long, hide = true)]
    netns: Option<PathBuf>,
    #[command(subcommand)]
    command: Cmd,
}

#[derive(Subcommand)]
enum Cmd {
    /// Say what this machine permits and what is missing.
    Check,
    /// Remove control groups that dead labs left behind.
    Sweep,
    /// Run a lab until Ctrl-C.
    Run {
        /// Its directory, absolute.
        #[arg(long)]
        dir: PathBuf,
        /// Begin a usual lab with these hosts; without it the directory describes the lab (`lab.json`).
        #[arg(long, value_delimiter = ',')]
        hosts: Vec<String>,
        /// End when standard input ends.
        #[arg(long)]
        lifeline: bool,
    },
    /// Send one request to a running lab and print its answer.
    Ctl {
        /// Its directory.
        dir: PathBuf,
        /// The request, as JSON: {"cmd":"power_off","host":"alpha"}.
        request: String,
    },
    /// Run a command inside a host of a running lab.
    Exec {
        /// Its directory.
        dir: PathBuf,
        /// The host, or `client`, `ledger`, a switch.
        station: String,
        /// Time-out in milliseconds.
        #[arg(long, default_value_t = 60_000)]
        timeout_ms: u64,
        /// Program and arguments.
        #[arg(last = true, required = true)]
        argv: Vec<String>,
    },
    /// The tiny service: answers each request with `ID INCARNATION PID COUNTER`.
    Web {
        /// Address and port; the address need not be present yet.
        #[arg(long)]
        listen: SocketAddr,
        /// First word of the answer; the host name by default.
        #[arg(long)]
        id: Option<String>,
    },
    /// Ask the tiny service once; exit code 0 when it answers.
    Ask {
        /// Address and port.
        target: SocketAddr,
        /// How long to wait, in milliseconds.
        #[arg(long, default_value_t = 1000)]
        timeout_ms: u64,
    },
    /// Announce an address by gratuitous ARP, for stand-ins of the cluster's own services.
    Announce {
        /// Interface.
        interface: String,
        /// Address.
        address: Ipv4Addr,
    },
    /// Three real daemons on simulated hosts, one failover, then a lab to play with.
    Demo {
        /// Its directory; an earlier demonstration there is removed.
        #[arg(long, default_value = "/tmp/ha-demo")]
        dir: PathBuf,
        /// The daemon.
        #[arg(long)]
        hanode: PathBuf,
        /// The command line.
        #[arg(long)]
        hactl: PathBuf,
        /// Directory of the fence agents.
        #[arg(long)]
        agents: PathBuf,
        /// Pace: `default` or `fast`.
        #[arg(long, default_value = "default")]
        profile: String,
        /// Use the switch by HTTP instead of SNMP.
        #[arg(long)]
        http: bool,
        /// How long the service may take to appear, in seconds.
        #[arg(long, default_value_t = 60)]
        limit_s: u64,
        /// End after the failover.
        #[arg(long)]
        once: bool,
    },
    /// Do something to a running demonstration: fail|on|freeze|thaw|cut|heal|kill-daemon NODE, hactl ….
    DemoCtl {
        /// Its directory.
        #[arg(long, default_value = "/tmp/ha-demo")]
        dir: PathBuf,
        /// What.
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<String>,
    },
    /// Measure the cluster: failures again and again, judged by the outside client.
    Bench {
        /// What to measure.
        #[command(subcommand)]
        what: bench::BenchCommand,
    },
    /// Write numbered blocks to the ledger.
    Writer {
        /// The ledger's address and port.
        #[arg(long)]
        ledger: SocketAddr,
        /// Who writes; the host name by default.
        #[arg(long)]
        id: Option<String>,
        /// Pause between blocks in milliseconds.
        #[arg(long, default_value_t = 5)]
        every_ms: u64,
    },
    /// Keep the ledger.
    Ledger {
        /// Address and port.
        #[arg(long)]
        listen: SocketAddr,
        /// Journal.
        #[arg(long)]
        out: PathBuf,
    },
    /// Ask an address for its answer again and again.
    Probe {
        /// Address and port.
        #[arg(long)]
        target: SocketAddr,
        /// Ask by HTTP for this path.
        #[arg(long)]
        http_path: Option<String>,
        /// How often, in milliseconds.
        #[arg(long, default_value_t = 5)]
        every_ms: u64,
        /// How long an answer may take, in milliseconds.
        #[arg(long, default_value_t = 50)]
        timeout_ms: u64,
        /// Records.
        #[arg(long)]
        out: PathBuf,
    },
    /// Ask who has an address again and again.
    ArpWatch {
        /// Interface.
        #[arg(long)]
        interface: String,
        /// Address.
        #[arg(long)]
        target: IpAddr,
        /// How often, in milliseconds.
        #[arg(long, default_value_t = 20)]
        every_ms: u64,
        /// Records.
        #[arg(long)]
        out: PathBuf,
    },
    /// Look again and again which services live in which incarnation.
    AliveWatch {
        /// How often, in milliseconds.
        #[arg(long, default_value_t = 25)]
        every_ms: u64,
        /// Records.
        #[arg(long)]
        out: PathBuf,
    },
    #[command(hide = true)]
    LabInit {
        dir: PathBuf,
        #[arg(long)]
        cgroup: Option<PathBuf>,
    },
    #[command(hide = true)]
    Supervise {
        dir: PathBuf,
        #[arg(long)]
        cgroup: Option<PathBuf>,
    },
    #[command(hide = true)]
    Power {
        dir: PathBuf,
        #[arg(long)]
        cgroup: Option<PathBuf>,
    },
    #[command(hide = true)]
    HostLaunch,
    #[command(hide = true)]
    Nsexec {
        #[arg(long)]
        init: Option<i32>,
        #[arg(long)]
        cgroup: Option<PathBuf>,
        #[arg(long)]
        net: Option<PathBuf>,
        #[arg(last = true, required = true)]
        argv: Vec<String>,
    },
}

/// Does what the command line says; the exit code.
pub fn run(cli: Cli) -> Result<u8> {
    if let Some(path) = &cli.netns {
        network::enter(path)?;
    }
    match cli.command {
        Cmd::Check => {
            let findings = check::check();
            findings.iter().for_each(|f| println!("{f}"));
            return Ok(findings.iter().any(|f| f.is_needed && !f.is_ok).into());
        }
        Cmd::Sweep => cgroup::sweep()?.iter().for_each(|path| println!("removed {}", path.display())),
        Cmd::Run { dir, hosts, lifeline } => {
            if !hosts.is_empty() {
                let names: Vec<&str> = hosts.iter().map(String::as_str).collect();
                outer::prepare(&LabSpec::usual(&dir, &names))?;
            }
            outer::run(&dir, lifeline)?;
        }
        Cmd::Ctl { dir, request } => {
            let request: Request = serde_json::from_str(&request)
                .map_err(|e| LabError::Refused(format!("not a request: {e}")))?;
            println!("{}", Remote::open(&dir)?.ask::<serde_json::Value>(&request)?);
        }
        Cmd::Exec { dir, station, timeout_ms, argv } => {
            let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
            let out = Remote::open(&dir)?.exec(&station, &argv, Duration::from_millis(timeout_ms))?;
            print!("{}", out.stdout);
            eprint!("{}", out.stderr);
            return Ok(out.code.map_or(124, |c| c.clamp(0, 255) as u8));
        }
        Cmd::Web { listen, id } => web::run(listen, &id.map_or_else(host_name, Ok)?)?,
        Cmd::Ask { target, timeout_ms } => {
            println!("{}", web_ask::ask(target, Duration::from_millis(timeout_ms.max(1)))?);
        }
        Cmd::Announce { interface, address } => arp_watch::announce(&interface, address)?,
        Cmd::Demo { dir, hanode, hactl, agents, profile, http, limit_s, once } => {
            let face = if http { SwitchFace::Http } else { SwitchFace::Snmp };
            demo::run(&DemoSpec {
                dir,
                programs: Programs { hanode, hactl, agents },
                plan: ClusterPlan { profile, face, ..ClusterPlan::default() },
                once,
                limit: Duration::from_secs(limit_s),
            })?;
        }
        Cmd::DemoCtl { dir, words } => return demo::play(&Remote::open(&dir)?, &Play::parse(&words)?),
        Cmd::Bench { what } => return bench::command(&what).map(|is_clean| u8::from(!is_clean)),
        Cmd::Writer { ledger, id, every_ms } => {
            ledger::write_blocks(ledger, &id.map_or_else(host_name, Ok)?, Duration::from_millis(every_ms))?;
        }
        Cmd::Ledger { listen, out } => ledger::run(listen, &out)?,
        Cmd::Probe { target, http_path, every_ms, timeout_ms, out } => {
            let ms = Duration::from_millis;
            probe::run(target, http_path, ms(every_ms.max(1)), ms(timeout_ms), &out)?;
        }
        Cmd::ArpWatch { interface, target, every_ms, out } => {
            arp_watch::run(&interface, target, Duration::from_millis(every_ms.max(1)), &out)?;
        }
        Cmd::AliveWatch { every_ms, out } => {
            alive_watch::run(Duration::from_millis(every_ms.max(1)), &out)?;
        }
        Cmd::LabInit { dir, cgroup } => lab_init::run(&dir, cgroup.as_deref())?,
        Cmd::Supervise { dir, cgroup } => supervisor::run(&dir, cgroup.as_deref())?,
        Cmd::Power { dir, cgroup } => power::run(&dir, cgroup.as_deref())?,
        Cmd::HostLaunch => host_launch::run()?,
        Cmd::Nsexec { init, cgroup, net, argv } => {
            let code = match (init, net) {
                (Some(init), _) => exec::enter_host(init, cgroup.as_deref(), &argv)?,
                (None, Some(net)) => exec::enter_network(&net, &argv)?,
                (None, None) => return Err(LabError::Refused("nsexec needs --init or --net".into())),
            };
            return Ok(code.clamp(0, 255) as u8);
        }
    }
    Ok(0)
}

fn host_name() -> Result<String> {
    let name = nix::unistd::gethostname()
        .map_err(|e| LabError::Io { what: "read the host name".into(), source: e.into() })?;
    Ok(name.to_string_lossy().into_owned())
}
