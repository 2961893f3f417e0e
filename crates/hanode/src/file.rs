//! The cluster file of this node, beside the configuration in force: once a cluster is formed the log is the truth,
//! and a file that says something else is told, not followed.
//!
//! Must not know: what the file means. Invariant: the core's thread never waits for the file's disk; a thread of its
//! own reads.

use ha_core::state::ConfigInForce;
use ha_model::{Level, Origin};
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

/// How often it is looked whether the file changed: soon enough for whoever has just copied it.
const PERIOD: Duration = Duration::from_secs(5);

/// What the file holds, or why it cannot be read.
type Content = Result<String, String>;

/// The file and what it holds now.
#[derive(Debug)]
pub struct ClusterFile {
    path: PathBuf,
    content: Arc<Mutex<Content>>,
    told: Option<String>,
}

impl ClusterFile {
    /// Watches a file whose text at the daemon's start is known, as long as this value lives.
    pub fn watch(path: &str, text: &str) -> Self {
        let file = Self {
            path: PathBuf::from(path),
            content: Arc::new(Mutex::new(Ok(text.to_owned()))),
            told: None,
        };
        let (path, content) = (file.path.clone(), Arc::downgrade(&file.content));
        let thread = std::thread::Builder::new().name("cluster-file".into());
        if let Err(error) = thread.spawn(move || keep_reading(&path, &content)) {
            tracing::warn!(
                "changes of {} are not seen: no thread can be started ({error})",
                file.path.display()
            );
        }
        file
    }

    /// What an operator should know of it, while a configuration is in force.
    pub fn note(&self, in_force: &ConfigInForce) -> Option<(Level, String)> {
        let path = self.path.display();
        let content = self.content.lock().unwrap_or_else(PoisonError::into_inner);
        match &*content {
            Ok(text) if *text == in_force.text => None,
            Ok(_) => {
                let from = match &in_force.origin {
                    Origin::File { .. } => "the file with which the cluster was formed".to_owned(),
                    origin @ (Origin::Admin { .. } | Origin::Cib { .. } | Origin::Default) => {
                        format!("applied {origin}")
                    }
                };
                let text = format!(
                    "this node's {path} differs from the configuration in force ({from}): hactl config diff {path}"
                );
                Some((Level::Info, text))
            }
            Err(why) => {
                let text = format!(
                    "this node's {path} cannot be read ({why}): hanode would not start again; write it anew with: hactl config show > {path}"
                );
                Some((Level::Warning, text))
            }
        }
    }

    /// The same, when it is new: for the journal, which shall not repeat it.
    pub fn news(&mut self, in_force: Option<&ConfigInForce>) -> Option<(Level, String)> {
        let note = in_force.and_then(|c| self.note(c));
        let text = note.as_ref().map(|(_, text)| text.clone());
        let is_new = self.told != text;
        self.told = text;
        note.filter(|_| is_new)
    }
}

fn keep_reading(path: &Path, content: &Weak<Mutex<Content>>) {
    let mut seen = None;
    while let Some(content) = content.upgrade() {
        let is_here = look(path);
        // Without a stamp there is an error to be told, and it may be another one each time.
        if is_here.is_none() || is_here != seen {
            let new = read(path);
            *content.lock().unwrap_or_else(PoisonError::into_inner) = new;
        }
        seen = is_here;
        drop(content);
        std::thread::sleep(PERIOD);
    }
}

/// What tells one state of a file from the next: inode, length, time of its change in ns.
fn look(path: &Path) -> Option<(u64, u64, i64, i64)> {
    let m = std::fs::metadata(path).ok()?;
    Some((m.ino(), m.len(), m.ctime(), m.ctime_nsec()))
}

fn read(path: &Path) -> Content {
    let limit = ha_config::limits::FILE_BYTES_MAX as u64 + 1;
    let mut text = String::new();
    match File::open(path).and_then(|file| file.take(limit).read_to_string(&mut text)) {
        Ok(_) => Ok(text),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ha_model::{Index, WallMs};

    fn in_force(text: &str, origin: Origin) -> ConfigInForce {
        ConfigInForce { name: "new.toml".into(), text: text.into(), origin, index: Index(7) }
    }

    fn by_anna() -> Origin {
        Origin::Admin { who: "anna on alpha".into(), when: WallMs(0), until: None }
    }

    /// No thread: what it would read is given.
    fn holding(content: Content) -> ClusterFile {
        ClusterFile {
            path: "/etc/ha/cluster.toml".into(),
            content: Arc::new(Mutex::new(content)),
            told: None,
        }
    }

    #[test]
    fn a_file_that_differs_is_told_with_what_to_do_and_no_longer_than_it_does() {
        let file = holding(Ok("a".into()));
        assert_eq!(file.note(&in_force("a", by_anna())), None);
        let (level, text) = file.note(&in_force("b", by_anna())).unwrap();
        let expected = "this node's /etc/ha/cluster.toml differs from the configuration in force (applied by anna \
                        on alpha): hactl config diff /etc/ha/cluster.toml";
        assert_eq!((level, text.as_str()), (Level::Info, expected));
        let formed = Origin::File { name: "cluster.toml".into(), line: 1, column: 1 };
        assert!(file.note(&in_force("b", formed)).unwrap().1.contains("with which the cluster was formed"));
        let lost = holding(Err("No such file or directory".into())).note(&in_force("a", by_anna())).unwrap();
        assert_eq!(lost.0, Level::Warning);
        assert!(lost.1.ends_with("hactl config show > /etc/ha/cluster.toml"), "{}", lost.1);
    }

    #[test]
    fn the_journal_hears_of_it_once_for_each_configuration() {
        let mut file = holding(Ok("a".into()));
        let (b, a) = (in_force("b", by_anna()), in_force("a", by_anna()));
        assert_eq!(file.news(None), None, "the cluster is still to be formed");
        assert!(file.news(Some(&b)).is_some());
        assert_eq!(file.news(Some(&b)), None);
        assert_eq!(file.news(Some(&a)), None, "nothing is wrong any more");
        assert!(file.news(Some(&b)).is_some(), "it differs again");
    }

    #[test]
    fn what_is_on_disk_counts_as_soon_as_it_is_read() {
        let path = std::env::temp_dir().join(format!("hanode-file-{}.toml", std::process::id()));
        std::fs::write(&path, "on disk").unwrap();
        let file = ClusterFile::watch(path.to_str().unwrap(), "at start");
        let deadline = std::time::Instant::now() + Duration::from_secs(10);
        let on_disk = in_force("on disk", by_anna());
        while file.note(&on_disk).is_some() {
            assert!(std::time::Instant::now() < deadline, "it is never read");
            std::thread::yield_now();
        }
        std::fs::remove_file(&path).unwrap();
        assert!(read(&path).unwrap_err().contains("No such file"));
        assert_eq!(look(&path), None);
    }
}
