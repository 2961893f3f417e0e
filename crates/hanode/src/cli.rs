//! The daemon's options. Everything about the cluster is in the cluster file; here is only where things lie.

use clap::Parser;
use std::path::PathBuf;

/// Port of the streams (TCP) and heartbeats (UDP) unless said otherwise.
pub const PORT: u16 = 5407;

/// The high-availability daemon of a node.
#[derive(Debug, Clone, Parser)]
#[command(version, about)]
pub struct Options {
    /// Cluster file; once the cluster is formed, its log is the truth
    #[arg(long, default_value = "/etc/ha/cluster.toml")]
    pub config: PathBuf,
    /// Name of this node in the cluster file; default: the host name up to the first dot
    #[arg(long)]
    pub node: Option<String>,
    /// Certificate and key of this node, made by `hactl cluster keys`
    #[arg(long, default_value = "/etc/ha/keys")]
    pub keys: PathBuf,
    /// Durable state: votes, log
    #[arg(long, default_value = "/var/lib/ha")]
    pub data: PathBuf,
    /// State that must not survive a boot
    #[arg(long, default_value = "/run/ha")]
    pub run: PathBuf,
    /// File with the id of this boot; default: /run/ha/boot_id where it exists, else the kernel's
    #[arg(long)]
    pub boot_id: Option<PathBuf>,
    /// Operators' socket
    #[arg(long, default_value = "/run/ha/hanode.sock")]
    pub socket: PathBuf,
    /// Group that may use the socket; default: the daemon's own
    #[arg(long)]
    pub socket_group: Option<String>,
    /// Directories with fence agents, in order
    #[arg(long, default_values = ["/usr/lib/ha/fencing-agents", "/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin"])]
    pub fence_agents: Vec<PathBuf>,
    /// Where OCF resource agents are: resource.d/PROVIDER/TYPE below it
    #[arg(long, default_value = "/usr/lib/ocf")]
    pub ocf_root: PathBuf,
    /// TCP and UDP port on every link
    #[arg(long, default_value_t = PORT)]
    pub port: u16,
}
