//! The command line. Only its form; what the commands do is in `commands`.

use crate::paint::ColorWhen;
use crate::span::Span;
use clap::{Args, Parser, Subcommand};
use ha_api::SOCKET_DEFAULT;
use ha_model::{NodeId, ResourceId};
use std::path::PathBuf;

/// The end of `hactl --help`; the whole is in `docs/reference/exit-codes.md`.
const EXIT_CODES: &str = "Exit codes: 0 done; 1 refused, or tried and failed; 2 the command or the cluster file is \
    wrong; 3 no daemon answered; 4 no leader can be reached; 5 `status --check`: something is not as wished.\n\
    A question (status, timeline, fence history, config show) is answered by any node; orders go to the leader.";

/// What a stranger to certificates must know of `hactl cluster keys`.
const KEYS: &str = "Copy DIR/NODE to /etc/ha/keys of that node, then remove it here. Keep DIR/ca away from the nodes: \
    it makes the keys of nodes that join later.\n\
    A certificate says \"this is node X\" for ever, and counts as long as the cluster has a node X. So a machine that was \
    taken out is let in again when its name comes back, and a new key does not make its old one void. Where the old one \
    may be in other hands, give the new machine another name; or make all keys anew in another DIR and copy them to \
    every node.";

/// Shows and steers a high-availability cluster through the daemon of this node.
#[derive(Parser, Debug)]
#[command(name = "hactl", version, max_term_width = 80, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Args, Debug)]
pub(crate) struct Global {
    /// The daemon's socket
    #[arg(long, global = true, env = "HA_SOCKET", hide_env_values = true, default_value = SOCKET_DEFAULT, value_name = "PATH")]
    pub(crate) socket: PathBuf,
    /// Answer as JSON, one line (docs/reference/json.md)
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// When to colour words by what they mean
    #[arg(long, global = true, value_enum, default_value = "auto", value_name = "WHEN")]
    pub(crate) color: ColorWhen,
    /// Longest wait for an answer (500ms, 10s, 2m) [default: 15s; `fence test`: 2m]
    #[arg(long, global = true, value_name = "TIME")]
    pub(crate) timeout: Option<Span>,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Nodes, resources, fencing; whatever is not as wished with its reason
    Status {
        /// Show it again and again until Ctrl-C
        #[arg(long, conflicts_with = "check")]
        watch: bool,
        /// Exit with 5 when something is not as wished
        #[arg(long)]
        check: bool,
    },
    /// Empty a node, or let it take part
    #[command(subcommand)]
    Node(Node),
    /// Start, stop, move resources; forget their failures
    #[command(subcommand)]
    Resource(Resource),
    /// Cut and restore the power of nodes; test the way to it
    #[command(subcommand)]
    Fence(Fence),
    /// Check, show, compare and apply cluster files
    #[command(subcommand)]
    Config(Config),
    /// Set a cluster up
    #[command(subcommand)]
    Cluster(Cluster),
    /// What happened, failovers with their milliseconds
    Timeline {
        /// So many of the newest events
        #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
        last: u32,
        /// All that the cluster still has
        #[arg(long, conflicts_with = "last")]
        all: bool,
    },
    /// Versions of this program and of the daemon
    Version,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Node {
    /// Move everything off a node, start nothing there
    Standby { node: NodeId },
    /// Take standby back; let a held node take part again
    Online { node: NodeId },
}

#[derive(Subcommand, Debug)]
pub(crate) enum Resource {
    /// Let it run, whatever the cluster file says; until: hactl resource stop
    Start { resource: ResourceId },
    /// Stop it and keep it stopped, whatever the cluster file says; until: hactl
    /// resource start
    Stop { resource: ResourceId },
    /// Stop and start it once
    Restart { resource: ResourceId },
    /// Run it elsewhere for some time; nothing is left behind after that
    Move {
        resource: ResourceId,
        /// Where; without: away from where it is
        node: Option<NodeId>,
        /// For how long the wish holds (30m, 1h, 2d)
        #[arg(long = "for", value_name = "TIME", default_value = "1h")]
        lasts: Span,
    },
    /// Forget failures, so that it may be tried again where it failed
    Cleanup {
        /// Of this resource; without: of all
        resource: Option<ResourceId>,
        /// On this node only
        #[arg(long)]
        node: Option<NodeId>,
    },
}

#[derive(Subcommand, Debug)]
pub(crate) enum Fence {
    /// Cut a node's power, now; it stays off until: hactl fence on
    Off {
        node: NodeId,
        /// Do not ask for the node's name (for scripts)
        #[arg(long)]
        yes: bool,
    },
    /// Switch a fenced node on
    On { node: NodeId },
    /// Say that you made sure yourself that a node is off: what it held starts
    /// elsewhere at once
    Confirm {
        node: NodeId,
        /// Do not ask for the node's name (for scripts)
        #[arg(long)]
        yes_i_made_sure_it_is_off: bool,
    },
    /// Test the way to the power switches without harm
    Test {
        /// Only of this node
        node: Option<NodeId>,
    },
    /// Past fences
    History {
        /// Only of this node
        node: Option<NodeId>,
    },
}

#[derive(Subcommand, Debug)]
pub(crate) enum Config {
    /// Show the cluster file in force
    Show {
        /// Only its name and SHA-256
        #[arg(long)]
        sha: bool,
    },
    /// Say everything that is wrong with a cluster file; asks no daemon
    Check { file: PathBuf },
    /// What a cluster file would change
    Diff { file: PathBuf },
    /// Check a cluster file, show what changes, put it in force
    Apply { file: PathBuf },
}

#[derive(Subcommand, Debug)]
pub(crate) enum Cluster {
    /// Make the cluster's certificates: DIR/ca stays with you, DIR/NODE goes to each node; asks no daemon
    #[command(after_help = KEYS)]
    Keys {
        /// The cluster file
        file: PathBuf,
        /// Directory to write to; what exists in it is kept
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
}

impl Command {
    /// The command as typed, for the JSON envelope.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Command::Status { .. } => "status",
            Command::Node(Node::Standby { .. }) => "node standby",
            Command::Node(Node::Online { .. }) => "node online",
            Command::Resource(Resource::Start { .. }) => "resource start",
            Command::Resource(Resource::Stop { .. }) => "resource stop",
            Command::Resource(Resource::Restart { .. }) => "resource restart",
            Command::Resource(Resource::Move { .. }) => "resource move",
            Command::Resource(Resource::Cleanup { .. }) => "resource cleanup",
            Command::Fence(Fence::Off { .. }) => "fence off",
            Command::Fence(Fence::On { .. }) => "fence on",
            Command::Fence(Fence::Confirm { .. }) => "fence confirm",
            Command::Fence(Fence::Test { .. }) => "fence test",
            Command::Fence(Fence::History { .. }) => "fence history",
            Command::Config(Config::Show { .. }) => "config show",
            Command::Config(Config::Check { .. }) => "config check",
            Command::Config(Config::Diff { .. }) => "config diff",
            Command::Config(Config::Apply { .. }) => "config apply",
            Command::Cluster(Cluster::Keys { .. }) => "cluster keys",
            Command::Timeline { .. } => "timeline",
            Command::Version => "version",
        }
    }
}
