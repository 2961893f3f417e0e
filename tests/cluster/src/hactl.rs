//! The cluster's own words: for waiting and for learning who leads, not for judging.
//!
//! Must not know: what is judged.

use crate::cluster::{Cluster, SOON};
use ha_lab::Output;
use serde_json::Value;
use std::time::Duration;

/// The longest command of `hactl` tests every fence path.
const HACTL_LIMIT: Duration = Duration::from_secs(30);

impl Cluster {
    /// Runs `hactl` in a host.
    #[track_caller]
    pub fn hactl(&self, host: &str, args: &[&str]) -> Output {
        let argv: Vec<&str> = std::iter::once("hactl").chain(args.iter().copied()).collect();
        self.lab().exec(host, &argv, HACTL_LIMIT).expect("the lab answers")
    }

    /// The same; it must succeed.
    #[track_caller]
    pub fn hactl_ok(&self, host: &str, args: &[&str]) {
        let out = self.hactl(host, args);
        assert!(out.is_success(), "hactl {} on {host}: {out:?}", args.join(" "));
    }

    /// The `data` of an answer of `hactl --json`; null when there is none.
    pub fn json(&self, host: &str, args: &[&str]) -> Value {
        let args: Vec<&str> = std::iter::once("--json").chain(args.iter().copied()).collect();
        let out = self.hactl(host, &args);
        let mut answer: Value = serde_json::from_str(&out.stdout).unwrap_or_default();
        answer["data"].take()
    }

    /// The status as a host sees it; null when its daemon does not answer.
    pub fn status_json(&self, host: &str) -> Value {
        self.json(host, &["status"])
    }

    /// Any host that can be asked: on, not frozen, with a daemon.
    #[track_caller]
    pub fn any_host(&self) -> String {
        let states = self.lab().hosts().expect("the lab answers");
        let able = states.into_iter().find(|s| s.is_on && !s.is_frozen && s.services.contains_key("hanode"));
        able.expect("a host with a daemon is up").name
    }

    /// Whether some host says that nothing is left to do. What lasts does not count: warnings of the machine, and
    /// resources that the cluster file disables.
    pub fn is_quiet(&self) -> bool {
        let status = self.status_json(&self.any_host());
        let rows = |field: &str| status[field].as_array().cloned();
        let is_disabled = |row: &Value| row["why"].as_str().is_some_and(|why| why.starts_with("disabled"));
        let Some(((problems, warnings), resources)) =
            rows("problems").zip(rows("warnings")).zip(rows("resources"))
        else {
            return false;
        };
        problems.len() <= warnings.len() + resources.iter().filter(|row| is_disabled(row)).count()
    }

    /// Who leads, once every host that can be asked agrees.
    #[track_caller]
    pub fn leader(&self) -> String {
        let mut leader = None;
        self.wait("a leader that everybody follows", SOON, || {
            let states = self.lab().hosts().expect("the lab answers");
            let able = states.iter().filter(|s| s.is_on && !s.is_frozen && s.services.contains_key("hanode"));
            let said: Vec<_> =
                able.map(|s| self.status_json(&s.name)["leader"].as_str().map(String::from)).collect();
            leader = said.first().cloned().flatten();
            leader.is_some() && said.iter().all(|l| *l == leader)
        });
        leader.expect("the wait ends with it")
    }

    /// One sentence of a resource's or node's state: `state` in the row of that name.
    pub fn state_of(&self, host: &str, kind: &str, name: &str) -> String {
        let status = self.status_json(host);
        let row = status[kind].as_array().and_then(|rows| rows.iter().find(|r| r["name"] == name).cloned());
        row.map(|r| r["state"].as_str().unwrap_or_default().to_string()).unwrap_or_default()
    }
}
