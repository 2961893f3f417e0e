//! What an operator reads before a change is applied.

mod mistakes;

use ha_config::{Consequence, Item, diff, parse};
use ha_model::ClusterConfig;
use mistakes::BASE;

fn config(text: &str) -> ClusterConfig {
    parse("cluster.toml", text).unwrap_or_else(|errors| panic!("{errors}")).config
}

/// The lines for the base with one text replaced.
fn lines(from: &str, to: &str) -> Vec<String> {
    assert!(BASE.contains(from), "{from}");
    diff(&config(BASE), &config(&BASE.replacen(from, to, 1))).iter().map(ToString::to_string).collect()
}

#[test]
fn layout_and_comments_are_no_difference() {
    assert_eq!(lines("profile = \"default\"\n", "# nothing new\n\n"), Vec::<String>::new());
}

#[test]
fn each_change_says_what_it_does() {
    let untouched = "used from the next time on; nothing that runs is touched";
    let web_first = "refused unless it is stopped: first hactl resource stop web, then apply, then hactl resource start web";
    let lapses = "the path proves nothing until its outlets were read on again (`hactl fence test`); refused while a \
                  node on it is lost or being fenced and not proven off";
    let nodes_stay = "refused: a cluster keeps its nodes, their roles, links and votes; form the cluster anew: stop \
                      every resource, then hanode on every node; move its data directory away; put the new file on \
                      every node (and a new node's keys); start hanode";
    let cases = [
        (
            "\"/bin/web\",",
            "\"/bin/www\",",
            format!("resource web: option start changes from /bin/web to /bin/www: {web_first}"),
        ),
        (
            ", check = \"/bin/web --check\"",
            "",
            format!("resource web: option check changes from /bin/web --check to nothing: {web_first}"),
        ),
        (
            "interval = \"1s\"",
            "interval = \"2s\"",
            format!("resource web: monitor.interval changes from 1s to 2s: {untouched}"),
        ),
        (
            "agent = \"exec\"",
            "agent = \"exec\"\nenabled = false",
            "resource web: enabled changes from true to false: it will be stopped".to_owned(),
        ),
        (
            "alpha = 100",
            "alpha = 100, beta = 50",
            "group front: preference for beta changes from nothing to 50: it may move".to_owned(),
        ),
        (
            "stickiness = 10",
            "stickiness = 20",
            "cluster: stickiness changes from 10 to 20: it may move".to_owned(),
        ),
        (
            "\"10.0.9.1\"",
            "\"10.0.9.2\"",
            format!("fence device pdu-a: option ip changes from 10.0.9.1 to 10.0.9.2: {lapses}"),
        ),
        ("[\"2\"]", "[\"5\"]", format!("fence device pdu-a: outlets of beta changes from 2 to 5: {lapses}")),
        (
            "192.168.7.12",
            "192.168.7.22",
            format!(
                "node beta: links changes from 10.0.0.12, 192.168.7.12 to 10.0.0.12, 192.168.7.22: {nodes_stay}"
            ),
        ),
        (
            "name = \"shop\"",
            "name = \"store\"",
            "cluster: name changes from shop to store: refused: a cluster keeps its name for life".to_owned(),
        ),
    ];
    for (from, to, want) in cases {
        assert_eq!(lines(from, to), [want]);
    }
}

#[test]
fn another_address_is_another_object() {
    let shown = lines("10.0.0.100/24", "10.0.0.101/24");
    assert_eq!(shown.len(), 2, "{shown:?}");
    assert!(shown.iter().all(|line| line.contains("refused unless it is stopped")), "{shown:?}");
    assert!(shown[1].contains("objects changes from address/10.0.0.100 to address/10.0.0.101"), "{shown:?}");
    let same = lines("10.0.0.100/24", "10.0.0.100/16");
    assert_eq!(same.len(), 1, "the prefix is an option, not the object: {same:?}");
}

#[test]
fn added_and_removed_things_are_told_apart() {
    let delta = "[[node]]\nname = \"delta\"\nlinks = [\"10.0.0.14\", \"192.168.7.14\"]\n\n[[fence]]";
    let bigger = config(
        &BASE.replacen("[[fence]]", delta, 1).replace("gamma = [\"3\"]", "gamma = [\"3\"], delta = [\"4\"]"),
    );
    let base = config(BASE);
    let kinds = |changes: Vec<ha_config::Change>| -> Vec<(Item, Consequence)> {
        changes.into_iter().map(|change| (change.item, change.consequence)).collect()
    };
    let added = kinds(diff(&base, &bigger));
    assert_eq!(added[0], (Item::Node("delta".into()), Consequence::NodesStay));
    assert_eq!(added[1].1, Consequence::EvidenceLapses);
    assert_eq!(added[2], (Item::Levels("delta".into()), Consequence::NextFence));
    let removed = kinds(diff(&bigger, &base));
    assert_eq!(removed[0], (Item::Node("delta".into()), Consequence::NodeStaysIn));
    assert_eq!(removed[2], (Item::Levels("delta".into()), Consequence::PathGone));
}

#[test]
fn another_pace_shows_every_time_that_follows() {
    let shown = lines("profile = \"default\"", "profile = \"fast\"");
    let says = |start: &str, end: &str| {
        let line = shown.iter().find(|line| line.starts_with(start));
        assert!(line.is_some_and(|line| line.ends_with(end)), "{start} … {end} in {shown:?}");
    };
    let refused = "refused while hanode runs with the old one: change the file on every node, stop hanode on all of \
                   them, start it again, then apply the file; the votes follow when each hanode is started once \
                   more";
    says("cluster: profile changes from default to fast: ", refused);
    says("timing: t_lost changes from 1s to 150ms: ", refused);
    says("timing: t_lease changes from ", refused);
    says(
        "timing: t_grant changes from 3s to 450ms: ",
        "all nodes adopt it together; nothing that runs is touched",
    );
    says("timing: beat changes from ", "from its next start on: put this file on its node too");
    assert!(!shown.iter().any(|line| line.contains("startup_wait")), "fixed times stay");
}

#[test]
fn a_resource_that_is_gone_or_new_but_disabled_is_not_said_to_start_or_stop() {
    let job = "\n[[resource]]\nname = \"job\"\nagent = \"exec\"\noptions = { start = \"/bin/job\" }\n";
    let (base, with) = (config(BASE), config(&format!("{BASE}{job}")));
    let disabled = config(&format!("{BASE}{}", job.replace("agent", "enabled = false\nagent")));
    let line = |old, new| diff(old, new).iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(line(&base, &with), ["resource job: new: it will be started"]);
    assert_eq!(line(&base, &disabled), ["resource job: new: it is not started: it is disabled"]);
    let gone =
        "resource job: removed: refused unless it is stopped: first hactl resource stop job, then apply";
    assert_eq!(line(&with, &base), [gone]);
}
