//! What a new cluster file does to what runs, and what orders of operators leave behind.

use super::world::World;
use super::{S, formed};
use ha_model::{AdminReply, AdminRequest};
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);

const JOB: &str = "[[resource]]\nname = \"job\"\nagent = \"exec\"\nexclusive = false\nenabled = false\n\
                   options = { start = \"/bin/job\" }\n";

fn in_force(world: &mut World) -> String {
    let AdminReply::Config { text, .. } = world.ask("alpha", AdminRequest::ConfigShow) else { panic!() };
    text
}

fn apply(text: String) -> AdminRequest {
    AdminRequest::ConfigApply { name: "new.toml".into(), text }
}

fn change(world: &mut World, from: &str, to: &str) -> AdminReply {
    let text = in_force(world);
    assert!(text.contains(from), "{from}");
    world.ask("beta", apply(text.replace(from, to)))
}

fn taken(world: &mut World, from: &str, to: &str) {
    let reply = change(world, from, to);
    assert!(matches!(reply, AdminReply::Done { .. }), "{reply:?}");
}

fn refused(reply: &AdminReply) -> (&str, &str) {
    let AdminReply::Refused { why, help } = reply else { panic!("{reply:?}") };
    (why, help.as_deref().unwrap_or_default())
}

/// A start waits for its permission; what ended meanwhile was there when it was planned.
#[test]
fn s11_a_member_is_not_ordered_to_start_when_the_one_before_it_has_just_ended() {
    for ms in 0..8 {
        let mut world = formed();
        world.ask("beta", AdminRequest::ResourceStop { resource: "web".into() });
        world.run(S);
        let leader = world.leader();
        world.ask_only(leader.as_str(), AdminRequest::ResourceStart { resource: "web".into() });
        world.run(MS * ms);
        world.kill_process("alpha", "vip");
        world.run_until(5 * S, "both run again", |w| w.owner("web").is_some() && w.owner("vip").is_some());
    }
}

/// Nothing says yet what it would be a change of: a node that forms the cluster would be none of it.
#[test]
fn a_file_is_refused_until_the_one_that_the_cluster_forms_with_is_in_force() {
    let mut world = World::three();
    world.run_until(10 * S, "somebody leads", |w| w.has_leader());
    let leader = &world.leader();
    assert!(world.core(leader).state().config.is_none(), "the moment is over");
    let text = World::three_text().replace("gamma", "delta");
    let id = world.ask_only(leader.as_str(), apply(text));
    world.run_until(10 * S, "web runs", |w| w.owner("web").is_some());
    let reply = world.reply(leader.as_str(), id).expect("it is answered");
    assert!(refused(&reply).0.contains("just forming"), "{reply:?}");
    assert!(world.is_member("gamma"));
}

#[test]
fn a_new_pause_between_checks_counts_for_what_runs() {
    let mut world = formed();
    taken(&mut world, "interval = \"1s\"", "interval = \"5m\"");
    let starts = world.log_of("start").len();
    world.die_unseen("alpha", "web");
    world.run(20 * S);
    assert_eq!(world.log_of("start").len(), starts, "checked as before");
    taken(&mut world, "interval = \"5m\"", "interval = \"1s\"");
    world.run_until(2 * S, "web runs again", |w| w.owner("web").is_some());
    assert!(world.log_of("stop").iter().all(|l| l != "alpha vip"), "{:?}", world.journal);
}

#[test]
fn what_runs_keeps_its_options_or_is_stopped_first() {
    let mut world = formed();
    let reply = change(&mut world, "/bin/web", "/bin/www");
    let (why, help) = refused(&reply);
    assert!(why.starts_with("web may be running on alpha"), "{why}");
    assert_eq!(help, "hactl resource stop web, then apply, then hactl resource start web");
    world.ask("beta", AdminRequest::ResourceStop { resource: "web".into() });
    world.run_until(5 * S, "web stopped", |w| w.owner("web").is_none());
    world.run(S);
    taken(&mut world, "/bin/web", "/bin/www");
    world.ask("beta", AdminRequest::ResourceStart { resource: "web".into() });
    world.run_until(5 * S, "web runs", |w| w.owner("web").is_some());
    assert_eq!(world.commands["web"], "/bin/www");
    // That way leaves nothing behind: the file alone says from here on whether it runs.
    taken(&mut world, "name = \"web\"", "name = \"web\"\nenabled = false");
    world.run_until(5 * S, "web stopped", |w| w.owner("web").is_none());
}

#[test]
fn times_that_the_votes_rest_on_wait_for_a_restart_of_the_daemons() {
    let mut world = formed();
    let reply = change(&mut world, "[timing]", "[timing]\nt_lost = \"2s\"");
    let (why, help) = refused(&reply);
    assert!(why.starts_with("t_lost and t_lease cannot change"), "{why}");
    assert!(help.contains(ha_config::PACE_ANEW), "{help}");
}

/// A start of what needs no permission, and a file that changes its command, in every order and at every distance: it
/// runs with the command of the file in force, whichever came first.
#[test]
fn what_needs_no_permission_never_runs_with_the_options_of_an_older_file() {
    let mut answers = std::collections::BTreeSet::new();
    for ms in 0..16 {
        let mut world = formed();
        taken(&mut world, "[[group]]", &format!("{JOB}[[group]]"));
        world.run(S);
        let text = in_force(&mut world).replace("/bin/job", "/bin/task");
        let leader = world.leader();
        world.ask_only(leader.as_str(), AdminRequest::ResourceStart { resource: "job".into() });
        world.run(ms * MS);
        let asked = world.ask_only(leader.as_str(), apply(text));
        world.run_until(5 * S, "job runs", |w| w.owner("job").is_some());
        world.run(S);
        let reply = world.reply(leader.as_str(), asked).expect("answered by now");
        answers.insert(matches!(reply, AdminReply::Done { .. }));
        let is_new = in_force(&mut world).contains("/bin/task");
        assert_eq!(is_new, matches!(reply, AdminReply::Done { .. }), "{reply:?}");
        let expected = if is_new { "/bin/task" } else { "/bin/job" };
        assert_eq!(world.commands["job"], expected, "{ms} ms apart: {reply:?}");
    }
    assert_eq!(answers.len(), 2, "both orders were tried: {answers:?}");
}

#[test]
fn what_runs_without_a_permission_is_not_removed_under_it() {
    let mut world = formed();
    taken(&mut world, "[[group]]", &format!("{JOB}[[group]]"));
    world.ask("beta", AdminRequest::ResourceStart { resource: "job".into() });
    world.run_until(5 * S, "job runs", |w| w.owner("job").is_some());
    world.run(S);
    let reply = change(&mut world, JOB, "");
    let (why, help) = refused(&reply);
    assert!(why.contains("it cannot be removed under it"), "{why}");
    assert_eq!(help, "hactl resource stop job, then apply");
    world.ask("beta", AdminRequest::ResourceStop { resource: "job".into() });
    world.run_until(5 * S, "job stopped", |w| w.owner("job").is_none());
    world.run(S);
    taken(&mut world, JOB, "");
}

#[test]
fn a_restart_of_what_does_not_run_is_refused_and_comes_back_never() {
    let mut world = formed();
    world.ask("beta", AdminRequest::ResourceStop { resource: "web".into() });
    world.run_until(5 * S, "web stopped", |w| w.owner("web").is_none());
    world.run(S);
    let reply = world.ask("beta", AdminRequest::ResourceRestart { resource: "web".into() });
    let (why, help) = refused(&reply);
    assert!(why.contains("does not run") && help.contains("hactl resource start web"), "{why} {help}");
    let starts = world.log_of("start").len();
    world.ask("beta", AdminRequest::ResourceStart { resource: "web".into() });
    world.run_until(5 * S, "web runs", |w| w.owner("web").is_some());
    world.run(5 * S);
    assert_eq!(world.log_of("start").len(), starts + 1, "{:?}", world.journal);
}

#[test]
fn a_restart_that_its_node_did_not_live_to_see_is_no_outage_after_the_failover() {
    let mut world = formed();
    world.leave_leading("alpha");
    world.run(S);
    world.freeze("alpha");
    let asker = world.leader();
    world.ask(asker.as_str(), AdminRequest::ResourceRestart { resource: "web".into() });
    world.run_until(20 * S, "web runs elsewhere", |w| w.owner("web").is_some_and(|n| n != "alpha".into()));
    let starts = world.log_of("start").len();
    world.run(5 * S);
    assert_eq!(world.log_of("start").len(), starts, "{:?}", world.journal);
}
