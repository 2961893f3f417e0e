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
    let cases = [
        ("\"/bin/web\",", "\"/bin/www\",", "resource web: option start changes from /bin/web to /bin/www: it will be restarted".to_owned()),
        (", check = \"/bin/web --check\"", "", "resource web: option check changes from /bin/web --check to nothing: it will be restarted".to_owned()),
        ("interval = \"1s\"", "interval = \"2s\"", format!("resource web: monitor.interval changes from 1s to 2s: {untouched}")),
        ("agent = \"exec\"", "agent = \"exec\"\nenabled = false", "resource web: enabled changes from true to false: it will be stopped".to_owned()),
        ("alpha = 100", "alpha = 100, beta = 50", "group front: preference for beta changes from nothing to 50: it may move".to_owned()),
        ("stickiness = 10", "stickiness = 20", "cluster: stickiness changes from 10 to 20: it may move".to_owned()),
        ("\"10.0.9.1\"", "\"10.0.9.2\"", "fence device pdu-a: option ip changes from 10.0.9.1 to 10.0.9.2: the path proves nothing until its outlets were read on again (`hactl fence test`)".to_owned()),
        ("[\"2\"]", "[\"5\"]", "fence device pdu-a: outlets of beta changes from 2 to 5: the path proves nothing until its outlets were read on again (`hactl fence test`)".to_owned()),
        ("192.168.7.12", "192.168.7.22", "node beta: links changes from 10.0.0.12, 192.168.7.12 to 10.0.0.12, 192.168.7.22: the node connects anew; nothing that runs is touched".to_owned()),
        ("name = \"shop\"", "name = \"store\"", "cluster: name changes from shop to store: refused: a cluster keeps its name for life".to_owned()),
    ];
    for (from, to, want) in cases {
        assert_eq!(lines(from, to), [want]);
    }
}

#[test]
fn another_address_is_another_object() {
    let shown = lines("10.0.0.100/24", "10.0.0.101/24");
    assert_eq!(shown.len(), 2, "{shown:?}");
    assert!(shown.iter().all(|line| line.ends_with("it will be restarted")), "{shown:?}");
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
    assert_eq!(added[0], (Item::Node("delta".into()), Consequence::Joins));
    assert_eq!(added[1].1, Consequence::EvidenceLapses);
    assert_eq!(added[2], (Item::Levels("delta".into()), Consequence::NextTime));
    let removed = kinds(diff(&bigger, &base));
    assert_eq!(removed[0], (Item::Node("delta".into()), Consequence::Leaves));
    assert_eq!(removed[2], (Item::Levels("delta".into()), Consequence::PathGone));
}

#[test]
fn another_pace_shows_every_time_that_follows() {
    let shown = lines("profile = \"default\"", "profile = \"fast\"");
    assert_eq!(
        shown[0],
        "cluster: profile changes from default to fast: all nodes adopt it together; nothing that runs is touched"
    );
    assert!(
        shown.iter().any(|line| line.starts_with("timing: t_lost changes from 1s to 150ms")),
        "{shown:?}"
    );
    assert!(
        shown.iter().any(|line| line.starts_with("timing: t_grant changes from 3s to 450ms")),
        "{shown:?}"
    );
    assert!(!shown.iter().any(|line| line.contains("startup_wait")), "fixed times stay");
}
