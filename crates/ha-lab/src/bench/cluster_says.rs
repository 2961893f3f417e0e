//! What the cluster says of itself, from `hactl --json` (docs/reference/json.md), as far as the benchmark needs it.
//!
//! Must not know: hosts, files. Pure: JSON in, facts out. What is missing reads as "not so", never as "so".

use serde_json::Value;

/// One look at the cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// Who leads.
    pub leader: Option<String>,
    /// Nodes: name, state in one word, why.
    pub nodes: Vec<(String, String, String)>,
    /// Resources: name, state in one word, where; whether a sentence says that something of it is special.
    pub resources: Vec<(String, String, Option<String>, Option<String>)>,
    /// Open fences.
    pub fences: usize,
    /// Whatever is not as wished, warnings of the machine aside.
    pub problems: Vec<String>,
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

impl Status {
    /// From the `data` of `hactl --json status`; None when it is none.
    pub fn of(data: &Value) -> Option<Self> {
        data["nodes"].as_array()?;
        // Warnings of the machine (no realtime scheduling …) last for ever; each is a problem "NODE: TEXT" too.
        let warnings: Vec<String> =
            list(&data["warnings"]).map(|w| format!("{}: {}", text(&w[0]), text(&w[2]))).collect();
        Some(Self {
            leader: data["leader"].as_str().map(Into::into),
            nodes: list(&data["nodes"])
                .map(|n| (text(&n["name"]), text(&n["state"]), text(&n["why"])))
                .collect(),
            resources: list(&data["resources"])
                .map(|r| {
                    let word = |field: &str| r[field].as_str().map(str::to_owned);
                    (text(&r["name"]), text(&r["state"]), word("node"), word("why"))
                })
                .collect(),
            fences: data["fences"].as_array().map_or(usize::MAX, Vec::len),
            problems: list(&data["problems"]).map(text).filter(|p| !warnings.contains(p)).collect(),
        })
    }

    /// Where everything runs, when everything runs on one node.
    pub fn owner(&self) -> Option<&str> {
        let mut places = self.resources.iter().map(|(_, state, node, _)| match state.as_str() {
            "running" => node.as_deref(),
            _ => None,
        });
        let first = places.next()??;
        places.all(|p| p == Some(first)).then_some(first)
    }

    /// Why the cluster is not at rest; None when it is: all nodes in, all running, nothing open, no wish in force.
    pub fn unrest(&self) -> Option<String> {
        let node = self.nodes.iter().find(|(_, state, _)| state != "online");
        let wish = self.resources.iter().find(|(.., why)| why.is_some());
        match (&self.leader, node, wish) {
            (None, ..) => Some("there is no leader".into()),
            (_, Some((name, state, why)), _) => Some(format!("{name} is {state}: {why}")),
            (.., Some((name, state, _, why))) => {
                Some(format!("{name} is {state}: {}", why.clone().unwrap_or_default()))
            }
            _ if self.owner().is_none() => Some("not everything runs on one node".into()),
            _ if self.fences > 0 => Some("a fence is open".into()),
            _ => self.problems.first().cloned(),
        }
    }
}

/// One event of the timeline.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Position in the log.
    pub index: u64,
    /// Wall time of its proposal, milliseconds.
    pub at_ms: f64,
    /// Its kind: `NodeLost`, `Running` …
    pub kind: String,
    /// Its fields.
    pub fields: Value,
}

impl Event {
    /// The events in the `data` of `hactl --json timeline`.
    pub fn all(data: &Value) -> Vec<Self> {
        list(&data["events"])
            .filter_map(|e| {
                let (kind, fields) = e["notice"].as_object()?.iter().next()?;
                Some(Self {
                    index: e["index"].as_u64()?,
                    at_ms: e["at"].as_i64()? as f64,
                    kind: kind.clone(),
                    fields: fields.clone(),
                })
            })
            .collect()
    }

    /// Whether it is of this kind and each of these fields has this value.
    pub fn is(&self, kind: &str, fields: &[(&str, &str)]) -> bool {
        self.kind == kind && fields.iter().all(|(name, value)| self.fields[*name] == *value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn status() -> Value {
        json!({
            "leader": "beta", "fences": [],
            "nodes": [{"name": "alpha", "state": "online", "why": null}],
            "resources": [
                {"name": "vip", "state": "running", "node": "alpha", "why": null},
                {"name": "web", "state": "running", "node": "alpha", "why": null},
            ],
            "warnings": [["alpha", "Warning", "no realtime"]],
            "problems": ["alpha: no realtime"],
        })
    }

    #[test]
    fn at_rest_only_when_all_is_well() {
        let healthy = Status::of(&status()).unwrap();
        assert_eq!((healthy.unrest(), healthy.owner()), (None, Some("alpha")));
        let broken: [(&str, Value); 6] = [
            ("/leader", Value::Null),
            ("/nodes/0/state", "off".into()),
            ("/resources/1/state", "starting".into()),
            ("/resources/1/node", "beta".into()),
            ("/resources/0/why", "moved".into()),
            ("/problems/0", "the path is broken".into()),
        ];
        for (place, value) in broken {
            let mut data = status();
            *data.pointer_mut(place).unwrap() = value;
            assert!(Status::of(&data).unwrap().unrest().is_some(), "{place}");
        }
        assert_eq!(Status::of(&Value::Null), None, "no answer is not a healthy cluster");
    }

    #[test]
    fn events_by_kind_and_field() {
        let data = json!({"events": [
            {"index": 4, "at": 1000, "notice": {"Running": {"instance": "web", "node": "beta"}}},
        ]});
        let events = Event::all(&data);
        assert!(events[0].is("Running", &[("instance", "web")]));
        assert!(!events[0].is("Running", &[("instance", "vip")]));
        assert!(!events[0].is("Starting", &[]));
    }
}
