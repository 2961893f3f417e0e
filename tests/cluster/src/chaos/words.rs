//! What the cluster says, asked without a claim to an answer: whom a fault meets, and whether everything is well.
//!
//! Must not know: what is judged. Whoever is dark, frozen or without daemon is not asked; no answer is a word too.

use crate::cluster::Cluster;
use crate::sights::Answer;
use ha_lab::HostState;
use ha_lab::clock::boot_ns;
use ha_lab::outage::ProbeRecord;
use serde_json::Value;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::time::Duration;

/// Longest wait of `hactl` for an answer.
const ASK: &str = "4s";
/// Limit of its process.
const ASK_LIMIT: Duration = Duration::from_secs(8);
/// So many are asked until one answers.
const ASKED_MAX: usize = 2;
/// The end of the client's records that is looked at: more than a second of them.
const TAIL: u64 = 128 << 10;
/// A sign of a service that is older is no sign.
const FRESH_NS: u64 = 1_500_000_000;

/// Hosts that can be asked: on, not frozen, with a daemon; those that are not `but` first.
fn able(cluster: &Cluster, but: Option<&str>) -> Vec<String> {
    let states = cluster.lab().hosts().unwrap_or_default();
    let is_able = |s: &HostState| s.is_on && !s.is_frozen && s.services.contains_key(ha_lab::cluster::DAEMON);
    let mut names: Vec<String> = states.into_iter().filter(is_able).map(|s| s.name).collect();
    names.sort_by_key(|name| Some(name.as_str()) == but);
    names
}

/// An operator's order, by the first host that takes it; otherwise why not.
pub fn ask(cluster: &Cluster, but: Option<&str>, args: &[&str]) -> Result<String, String> {
    let mut why = "nobody can be asked".to_string();
    for host in able(cluster, but).into_iter().take(ASKED_MAX) {
        let argv: Vec<&str> = ["hactl", "--timeout", ASK].into_iter().chain(args.iter().copied()).collect();
        match cluster.lab().exec(&host, &argv, ASK_LIMIT) {
            Ok(out) if out.is_success() => return Ok(out.stdout),
            Ok(out) => {
                let said = format!("{}{}", out.stdout, out.stderr);
                why = format!("{host}: {}", said.split_whitespace().collect::<Vec<_>>().join(" "));
            }
            Err(e) => why = format!("{host}: {e}"),
        }
    }
    Err(why)
}

/// The status as this host sees it; null when it says none.
pub fn status(cluster: &Cluster, host: &str) -> Value {
    let argv = ["hactl", "--timeout", ASK, "--json", "status"];
    let out = cluster.lab().exec(host, &argv, ASK_LIMIT);
    let mut answer: Value =
        out.ok().and_then(|out| serde_json::from_str(&out.stdout).ok()).unwrap_or_default();
    answer["data"].take()
}

/// Who leads, by the first word about it.
pub fn leader(cluster: &Cluster) -> Option<String> {
    let asked = able(cluster, None);
    asked.iter().take(ASKED_MAX).find_map(|host| status(cluster, host)["leader"].as_str().map(String::from))
}

/// Who answered last.
pub fn last_owner(cluster: &Cluster) -> Option<String> {
    last_answer(cluster).map(|answer| answer.host)
}

fn last_answer(cluster: &Cluster) -> Option<Answer> {
    let mut file = File::open(cluster.dir().join("clients/client.jsonl")).ok()?;
    let size = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(size.saturating_sub(TAIL))).ok()?;
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    let records = text.lines().rev().filter_map(|line| serde_json::from_str::<ProbeRecord>(line).ok());
    records.filter_map(|record| Answer::of(&record)).next()
}

/// What is not well; None when all is: every host takes part, all agree, nothing is left to do, and from outside one host
/// answers with its own MAC and writes.
pub fn unwell(cluster: &Cluster) -> Option<String> {
    let states = cluster.lab().hosts().unwrap_or_default();
    let is_up = |s: &HostState| s.is_on && !s.is_frozen && s.services.contains_key(ha_lab::cluster::DAEMON);
    if let Some(down) = states.iter().find(|s| !is_up(s)) {
        return Some(format!("{} is not up (on: {}, frozen: {})", down.name, down.is_on, down.is_frozen));
    }
    let mut leader = None;
    for state in &states {
        let status = status(cluster, &state.name);
        if let Some(why) = not_as_wished(&status) {
            return Some(format!("{} says: {why}", state.name));
        }
        let said = status["leader"].as_str().map(String::from);
        if said.is_none() || leader.get_or_insert_with(|| said.clone()) != &said {
            return Some(format!("{} follows {said:?}, others {leader:?}", state.name));
        }
    }
    unserved(cluster)
}

/// What a status has to complain of. What lasts does not count: warnings of the machine.
fn not_as_wished(status: &Value) -> Option<String> {
    if status["state"] != "active" {
        return Some(format!("state {}", status["state"]));
    }
    let rows = |field: &str| status[field].as_array().cloned().unwrap_or_default();
    let name = |row: &Value| row["name"].as_str().or(row["node"].as_str()).unwrap_or("?").to_string();
    if let Some(row) = rows("fences").first() {
        return Some(format!("an open fence of {}: {}", name(row), row["state"]));
    }
    if let Some(row) = rows("nodes").iter().find(|row| row["state"] != "online") {
        return Some(format!("{} is {}", name(row), row["state"]));
    }
    if let Some(row) = rows("resources").iter().find(|row| row["state"] != "running") {
        return Some(format!("{} is {}", name(row), row["state"]));
    }
    let (problems, warnings) = (rows("problems"), rows("warnings"));
    (problems.len() > warnings.len()).then(|| format!("{problems:?}"))
}

fn unserved(cluster: &Cluster) -> Option<String> {
    let since = boot_ns().saturating_sub(FRESH_NS);
    let Some(answer) = last_answer(cluster).filter(|answer| answer.end_ns >= since) else {
        return Some("nobody answers".into());
    };
    if answer.mac.as_deref() != Some(&cluster.mac_of(&answer.host)) {
        return Some(format!("{} answers behind the MAC {:?}", answer.host, answer.mac));
    }
    let blocks = cluster.lab().ledger().unwrap_or_default();
    let Some(block) = blocks.last().filter(|block| block.t_ns >= since) else {
        return Some("nobody writes".into());
    };
    let is_same = block.host == answer.host && block.incarnation == answer.incarnation;
    (!is_same).then(|| format!("{} answers and {} writes", answer.host, block.host))
}
