//! Files of the hosts: the cluster file as a scenario wants it, secrets, the daemons' journals.
//!
//! Must not know: what is in them.

use crate::cluster::Cluster;
use ha_lab::LabSpec;
use ha_lab::cluster::DAEMON;
use ha_lab::outer::host_dir;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// Changes the cluster file of every host, before anything runs (`Plan::prepare`).
pub fn edit_cluster_file(spec: &LabSpec, edit: impl Fn(&str) -> String) {
    for host in &spec.hosts {
        let path = host_dir(&spec.dir, &host.name).join("config/cluster.toml");
        let text = fs::read_to_string(&path).expect("it was installed");
        let edited = edit(&text);
        assert_ne!(edited, text, "the edit of the cluster file changed nothing");
        fs::write(&path, edited).expect("the lab's directory is writable");
    }
}

/// Gives every host a secret file `/etc/ha/secrets/NAME` (`Plan::prepare`).
pub fn write_secret(spec: &LabSpec, name: &str, secret: &str) {
    for host in &spec.hosts {
        let path = host_dir(&spec.dir, &host.name).join("config/secrets").join(name);
        fs::write(&path, format!("{secret}\n")).expect("the lab's directory is writable");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("it is ours");
    }
}

/// The program for what no other program does in a lab (`src/bin/cluster-helper.rs`), built beside the test.
pub fn helper() -> PathBuf {
    let lab = ha_lab::find_program().unwrap_or_else(|e| panic!("{e}"));
    let helper = lab.with_file_name("cluster-helper");
    assert!(helper.is_file(), "no {}: cargo build -p ha-cluster-tests", helper.display());
    helper
}

impl Cluster {
    /// A file of a host below /etc/ha, as seen from outside.
    pub fn config_path(&self, host: &str, file: &str) -> PathBuf {
        self.lab().host_dir(host).join("config").join(file)
    }

    /// The cluster file as it was installed.
    pub fn cluster_file(&self) -> String {
        let first = &self.lab().spec().hosts[0].name;
        fs::read_to_string(self.config_path(first, "cluster.toml")).expect("it was installed")
    }

    /// Writes a file below /etc/ha of a host.
    pub fn write_config(&self, host: &str, file: &str, text: &str) {
        fs::write(self.config_path(host, file), text).expect("the lab's directory is writable");
    }

    /// What the daemon of a host wrote to its journal.
    pub fn journal(&self, host: &str) -> String {
        let path = self.lab().host_dir(host).join("log").join(format!("{DAEMON}.log"));
        fs::read_to_string(path).unwrap_or_default()
    }

    /// Everything that is not as wished, as a host says it.
    pub fn problems(&self, host: &str) -> Vec<String> {
        let status = self.status_json(host);
        let all = status["problems"].as_array().cloned().unwrap_or_default();
        all.iter().map(|p| p.as_str().unwrap_or_default().to_string()).collect()
    }

    /// Waits until a host says a sentence of what is not as wished that contains all these words; the sentence.
    #[track_caller]
    pub fn wait_problem(&self, host: &str, words: &[&str], limit: std::time::Duration) -> String {
        let end = std::time::Instant::now() + limit;
        loop {
            let problems = self.problems(host);
            if let Some(found) = problems.iter().find(|p| words.iter().all(|w| p.contains(w))) {
                return found.clone();
            }
            assert!(std::time::Instant::now() < end, "{host} never said {words:?}, but: {problems:#?}");
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }

    /// The newest events of the timeline, as sentences, oldest first.
    pub fn events(&self, host: &str) -> Vec<String> {
        let timeline = self.json(host, &["timeline", "--all"]);
        let events = timeline["events"].as_array().cloned().unwrap_or_default();
        events.iter().map(|e| e["text"].as_str().unwrap_or_default().to_string()).collect()
    }

    /// Waits until the timeline has an event that contains all these words.
    #[track_caller]
    pub fn wait_event(&self, host: &str, words: &[&str], limit: std::time::Duration) -> String {
        let mut found = None;
        self.wait(&format!("an event {words:?}"), limit, || {
            found = self.events(host).into_iter().find(|e| words.iter().all(|w| e.contains(w)));
            found.is_some()
        });
        found.expect("the wait ends with it")
    }

    /// How often an outlet of this host was switched off, whether or not the host was still on.
    pub fn switched_off(&self, host: &str) -> usize {
        let records = self.lab().power_journal().expect("the journal");
        let by_outlet = records.iter().filter(|r| r.host == host && r.outlet.is_some());
        by_outlet.filter(|r| r.effect != ha_lab::PowerEffect::On).count()
    }

    /// Holds for some time that nobody answers at the address and nothing reaches the disk. Probes already under way
    /// at the start do not count.
    #[track_caller]
    pub fn hold_nothing_runs(&self, span: std::time::Duration) {
        let since = ha_lab::clock::boot_ns();
        std::thread::sleep(span);
        let answers = self.answers_since(since);
        assert!(answers.is_empty(), "somebody answers: {:?}", answers.first());
        let blocks = self.lab().ledger().expect("the ledger");
        let new = blocks.iter().find(|b| b.t_ns >= since);
        assert!(new.is_none(), "somebody writes: {new:?}");
    }

    /// Holds for some time that this host alone goes on answering, and that nobody's power is cut and nobody is lost.
    #[track_caller]
    pub fn hold_undisturbed(&self, owner: &str, span: std::time::Duration) {
        let since = ha_lab::clock::boot_ns();
        let cuts = self.lab().power_journal().expect("the journal").len();
        std::thread::sleep(span);
        let answers = self.answers_since(since);
        assert!(answers.len() > 10, "{} answers in {span:?}", answers.len());
        let other = answers.iter().find(|a| a.host != owner);
        assert!(other.is_none(), "{other:?}");
        assert_eq!(self.lab().power_journal().expect("the journal").len(), cuts, "the power switch was used");
    }
}
