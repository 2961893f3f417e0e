//! Statuses as a daemon would give them.

use ha_model::{
    FenceRow, Index, Level, NodeRow, Origin, OwnView, PathView, Phase, ResourceRow, StatusView, Term, WallMs,
};

/// 2026-11-22 11:19:12.345 UTC.
pub const NOW: WallMs = WallMs(1_795_346_352_345);

fn node(name: &str, last: u8) -> NodeRow {
    NodeRow {
        name: name.into(),
        role: "member".to_owned(),
        vote: "voter".to_owned(),
        state: "online".to_owned(),
        boot: Some(format!("1f2e3d{last:02}")),
        links: vec![
            (format!("10.0.0.{last}").parse().unwrap(), true),
            (format!("192.168.7.{last}").parse().unwrap(), true),
        ],
        why: None,
    }
}

fn resource(name: &str, group: Option<&str>, agent: &str) -> ResourceRow {
    ResourceRow {
        name: name.into(),
        group: group.map(str::to_owned),
        agent: agent.to_owned(),
        state: "running".to_owned(),
        is_wanted: true,
        node: Some("alpha".into()),
        failures: Vec::new(),
        why: None,
    }
}

fn path(node: &str) -> PathView {
    PathView {
        device: "pdu-a".into(),
        node: node.into(),
        works: true,
        tested_by: Some("alpha".into()),
        at: Some(WallMs(NOW.0 - 42_000)),
        why: None,
    }
}

/// Three nodes, a group and a resource of its own; nothing to complain about.
pub fn healthy() -> StatusView {
    StatusView {
        cluster: "shop".to_owned(),
        seen_by: "alpha".into(),
        at: NOW,
        state: Phase::Active,
        leader: Some("alpha".into()),
        term: Term(3),
        voters: vec!["alpha".into(), "beta".into(), "gamma".into()],
        nodes: vec![node("alpha", 11), node("beta", 12), node("gamma", 13)],
        resources: vec![
            resource("vip", Some("front"), "vip"),
            resource("web", Some("front"), "exec"),
            ResourceRow { node: Some("beta".into()), ..resource("backup", None, "exec") },
        ],
        fences: Vec::new(),
        paths: vec![path("alpha"), path("beta"), path("gamma")],
        waivers: Vec::new(),
        warnings: Vec::new(),
        own_view: None,
    }
}

/// The mark of what beta knows itself while alpha leads.
pub fn own_view() -> OwnView {
    OwnView {
        node: "beta".into(),
        leader: Some("alpha".into()),
        why: "cannot reach the leader alpha".to_owned(),
        position: Index(412),
    }
}

/// beta, cut off from the leader alpha; gamma hears both.
pub fn cut_off() -> StatusView {
    let mut view = healthy();
    view.seen_by = "beta".into();
    view.own_view = Some(own_view());
    silence(&mut view.nodes[0], "silent", Some("no heartbeat for 4.2 s"));
    view
}

/// The second cable of alpha, which leads, was pulled.
pub fn own_link() -> StatusView {
    let mut view = healthy();
    view.nodes.iter_mut().for_each(|row| row.links[1].1 = false);
    view
}

/// A resource that the cluster file disables.
pub fn disabled() -> StatusView {
    let mut view = healthy();
    let row = &mut view.resources[2];
    row.state = "stopped".to_owned();
    row.node = None;
    row.is_wanted = false;
    row.why = Some(
        "disabled in the cluster file (cluster.toml:41:1); start it all the same with: hactl resource start backup"
            .to_owned(),
    );
    view
}

fn silence(node: &mut NodeRow, state: &str, why: Option<&str>) {
    node.state = state.to_owned();
    node.links.iter_mut().for_each(|(_, is_heard)| *is_heard = false);
    node.why = why.map(str::to_owned);
}

fn stop_all(view: &mut StatusView, state: &str, why: Option<&str>) {
    for row in &mut view.resources {
        row.state = state.to_owned();
        row.node = None;
        row.why = why.map(str::to_owned);
    }
}

/// Eight seconds after its start, one node still to come.
pub fn forming() -> StatusView {
    let mut view = healthy();
    view.state = Phase::Forming { waits_for: vec!["gamma".into()], remaining_ms: 11_400 };
    silence(&mut view.nodes[2], "unseen", None);
    view.nodes[2].boot = None;
    view.nodes[1].state = "joining".to_owned();
    let why = "the cluster is forming; it starts once gamma is here or proven off";
    stop_all(&mut view, "stopped", Some(why));
    view
}

/// Cut off from the other two.
pub fn no_quorum() -> StatusView {
    let mut view = healthy();
    view.state = Phase::NoQuorum { heard: vec!["alpha".into()], needed: 2 };
    view.leader = None;
    for node in &mut view.nodes[1..] {
        silence(node, "lost", Some("no heartbeat for 4210 ms"));
    }
    view.own_view = Some(OwnView {
        node: "alpha".into(),
        leader: None,
        why: "no leader is known here".to_owned(),
        ..own_view()
    });
    stop_all(&mut view, "stopped", Some("no quorum: alpha gave up its grant and stopped it"));
    view
}

/// alpha was lost and its switch does not answer.
pub fn fence_failing() -> StatusView {
    let mut view = healthy();
    view.seen_by = "beta".into();
    view.leader = Some("beta".into());
    view.term = Term(4);
    silence(&mut view.nodes[0], "fencing", Some("lost: no heartbeat for 1003 ms"));
    for row in &mut view.resources[..2] {
        row.state = "blocked".to_owned();
        row.why = Some("waits for the proof that alpha is off".to_owned());
    }
    view.fences = vec![FenceRow {
        node: "alpha".into(),
        reason: "it is lost and may still hold resources".to_owned(),
        attempts: 3,
        state: "blocked".to_owned(),
        why: Some(
            "pdu-a: no answer from 10.0.9.1 within 5 s; mend the way to it, or make sure that alpha is off, \
             then: hactl fence confirm alpha"
                .to_owned(),
        ),
        next_ms: Some(3_800),
    }];
    view.paths[0].works = false;
    view.paths[0].why = Some("no answer from 10.0.9.1 within 5 s".to_owned());
    view.paths[1].works = false;
    view.paths[1].tested_by = None;
    view.paths[1].at = None;
    view
}

/// A member without a fence path: nothing exclusive starts; a program that is missing; a stop that failed before.
pub fn blocked() -> StatusView {
    let mut view = healthy();
    view.paths.clear();
    for row in &mut view.resources[..2] {
        row.state = "blocked".to_owned();
        row.node = None;
        row.why = Some(
            "no node may run it: alpha, beta and gamma have no fence path; add their outlets to a [[fence]]"
                .to_owned(),
        );
    }
    view.resources[2].state = "failed".to_owned();
    view.resources[2].failures = vec![("alpha".into(), 3), ("beta".into(), 1)];
    view.resources[2].why = Some(
        "start failed on beta: cannot run /opt/company/releases/2026-11/backup/bin/backup-server-main: No such \
         file or directory"
            .to_owned(),
    );
    view
}

/// A waiver, a standby, a broken link, a warning.
pub fn waiver() -> StatusView {
    let mut view = healthy();
    view.waivers =
        vec![("i-accept-that-two-members-stop-when-one-is-lost".to_owned(), "cluster.toml:3:1".to_owned())];
    view.nodes[1].state = "standby".to_owned();
    view.nodes[1].why = Some("standby since 10:02 UTC, asked by anna@alpha".to_owned());
    view.nodes[2].links[1].1 = false;
    view.nodes[2].role = "witness".to_owned();
    view.warnings = vec![(
        "gamma".into(),
        Level::Warning,
        "the heartbeat thread is not permitted to run in real time: give hanode CAP_SYS_NICE".to_owned(),
    )];
    view
}

/// A move that holds for a while.
pub fn moved() -> StatusView {
    let mut view = healthy();
    for row in &mut view.resources[..2] {
        row.node = Some("beta".into());
    }
    let (when, until) = (view.at, WallMs(view.at.0 + 3_600_000));
    let by = Origin::Admin { who: "anna on alpha".to_owned(), when, until: Some(until) };
    // The daemon's own words.
    view.resources[0].why = Some(ha_model::moved(&"beta".into(), &by, until));
    view
}

/// Names as long as they may be, IPv6 links.
pub fn wide() -> StatusView {
    let mut view = healthy();
    let long = "n".repeat(63);
    view.nodes[0].name = long.as_str().into();
    view.nodes[1].links = vec![
        ("2001:db8:1234:5678:9abc:def0:1234:5678".parse().unwrap(), true),
        ("2001:db8:1234:5678:9abc:def0:1234:9999".parse().unwrap(), false),
    ];
    view.resources[0].name = "r".repeat(63).as_str().into();
    view.resources[0].node = Some(long.as_str().into());
    view.resources[0].state = "failed".to_owned();
    view.resources[0].failures = vec![(long.as_str().into(), 3)];
    view.paths[0].works = false;
    view.paths[0].device = "d".repeat(63).as_str().into();
    view.paths[0].node = long.as_str().into();
    view.warnings = vec![(long.as_str().into(), Level::Alarm, "word ".repeat(60))];
    view
}
