//! Keeps what tells of a life in which something went wrong: its story, the journals, the records of the observers.
//!
//! Must not know: what went wrong. Keys and programs are left out.

use super::words;
use crate::cluster::Cluster;
use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

/// A host that does not answer is left out.
const ASK: Duration = Duration::from_secs(5);
/// What is kept of each host.
const OF_HOSTS: [&str; 1] = ["log"];

/// Writes it to a directory, which is made anew.
pub fn keep(cluster: &Cluster, to: &Path, story: &str) -> io::Result<()> {
    if to.exists() {
        fs::remove_dir_all(to)?;
    }
    fs::create_dir_all(to)?;
    fs::write(to.join("story.txt"), story)?;
    let from = cluster.dir();
    copy_files(&from, to)?;
    copy_files(&from.join("clients"), &to.join("clients"))?;
    for host in cluster.hosts_named() {
        for part in OF_HOSTS {
            copy_files(&from.join("hosts").join(&host).join(part), &to.join(&host))?;
        }
        let said = words::status(cluster, &host);
        fs::write(to.join(&host).join("status.json"), serde_json::to_string_pretty(&said)?)?;
        if let Ok(out) = cluster.lab().exec(&host, &["hactl", "timeline", "--all"], ASK) {
            fs::write(to.join(&host).join("timeline.txt"), out.stdout)?;
        }
    }
    Ok(())
}

/// The plain files of one directory.
fn copy_files(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)?.flatten().filter(|e| e.file_type().is_ok_and(|t| t.is_file())) {
        fs::copy(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(())
}
