//! Fence agents by the standard contract, with agents as scripts that record what they were given.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Tidy, is_alive, root, until};
use ha_agent::{Agents, AgentsConfig, Cancel, CgroupRoot, FenceAction, FenceJob, FenceOutcome, FenceResult};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

const SECRET: &str = "s3cr3t-c0mmunity";

struct Bench {
    agents: Agents,
    dir: tempfile::TempDir,
    _tidy: Tidy,
}

/// An agent that knows these parameters, records its input, arguments and environment, and then runs `body`.
fn bench(test: &str, parameters: &[&str], body: &str) -> Bench {
    let root = root(test);
    let dir = tempfile::tempdir().unwrap();
    let parameters: String = parameters.iter().map(|p| format!("<parameter name=\"{p}\"/>")).collect();
    let script = format!(
        "#!/bin/sh\ncd {}\ninput=$(cat)\ncase \"$input\" in *action=metadata*) echo x >> described\n\
         echo '<resource-agent name=\"fence_x\"><parameters>{parameters}</parameters></resource-agent>'; exit 0;; esac\n\
         echo \"$input\" > input; tr '\\0' '\\n' < /proc/$$/cmdline > argv; tr '\\0' '\\n' < /proc/$$/environ > environ\n\
         {body}\n",
        dir.path().display()
    );
    write(&dir.path().join("fence_x"), &script, 0o755);
    let config = AgentsConfig {
        root: root.clone(),
        state_dir: dir.path().join("state"),
        fence_dirs: vec![dir.path().into()],
        ocf_root: dir.path().into(),
    };
    let (agents, _) = Agents::new(config).unwrap();
    Bench { agents, dir, _tidy: Tidy(root) }
}

fn write(path: &Path, text: &str, mode: u32) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

impl Bench {
    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.dir.path().join(name)).unwrap_or_default()
    }

    fn secret(&self, mode: u32) -> String {
        let path = self.dir.path().join("secret");
        write(&path, &format!("{SECRET}\n"), mode);
        path.to_str().unwrap().to_owned()
    }

    async fn call(&self, action: FenceAction, options: &[(&str, &str)]) -> FenceOutcome {
        self.agents.fence(job(action, options)).await
    }
}

fn job(action: FenceAction, options: &[(&str, &str)]) -> FenceJob {
    FenceJob {
        device: "pdu-a".into(),
        agent: "fence_x".into(),
        action,
        plug: Some("3".into()),
        node: Some("alpha".into()),
        options: options.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        timeout: Duration::from_secs(5),
        cancel: Cancel::default(),
    }
}

#[tokio::test]
async fn options_go_by_standard_input_and_a_secret_nowhere_else() {
    let bench = bench("stdin", &["plug", "community", "ip"], "echo \"using $(tail -1 input)\" >&2; exit 0");
    let file = bench.secret(0o600);
    let outcome = bench.call(FenceAction::Off, &[("ip", "10.0.9.1"), ("community_file", &file)]).await;
    assert_eq!(outcome.result, FenceResult::Done);
    let input = bench.read("input");
    let lines: Vec<&str> = input.lines().collect();
    assert_eq!(
        lines,
        ["action=off", "nodename=alpha", "plug=3", &format!("community={SECRET}"), "ip=10.0.9.1"],
        "order: action, node, plug, options"
    );
    let (argv, environ) = (bench.read("argv"), bench.read("environ"));
    assert!(argv.lines().last().unwrap().ends_with("/fence_x"), "no arguments: {argv}");
    assert!(!argv.contains(SECRET) && !environ.contains(SECRET));
    assert!(environ.contains("LC_ALL=C") && !environ.contains("PCMK_service"), "{environ}");
    let echoes = bench.call(FenceAction::Off, &[("community_file", &file)]).await;
    assert_eq!(echoes.stderr, "using community=***\n");
}

#[tokio::test]
async fn an_agent_that_takes_the_file_gets_its_path() {
    let bench =
        bench("file", &["port", "community_file"], "cat $(sed -n 's/^community_file=//p' input) >&2; exit 1");
    let file = bench.secret(0o400);
    let outcome = bench.call(FenceAction::Off, &[("community_file", &file)]).await;
    let input = bench.read("input");
    assert!(input.contains(&format!("community_file={file}\n")) && !input.contains(SECRET), "{input}");
    assert!(
        input.contains("port=3\n") && !input.contains("plug="),
        "the old name, as the agent has it: {input}"
    );
    let FenceResult::Error { code: Some(1), reason } = outcome.result else { panic!("{outcome:?}") };
    assert!(reason.ends_with("exited with code 1: ***"), "{reason}");
    assert_eq!(bench.read("described").lines().count(), 1);
    bench.call(FenceAction::Off, &[]).await;
    assert_eq!(bench.read("described").lines().count(), 1, "a description is remembered");
}

#[tokio::test]
async fn a_secret_that_others_can_read_is_refused_before_anything_is_asked() {
    let bench = bench("mode", &["plug", "community"], "exit 0");
    let file = bench.secret(0o644);
    let outcome = bench.call(FenceAction::Off, &[("community_file", &file)]).await;
    let FenceResult::Refused { why } = outcome.result else { panic!("{outcome:?}") };
    assert!(
        why.contains(&file) && why.contains("mode 0644") && why.contains(&format!("chmod 600 {file}")),
        "{why}"
    );
    assert_eq!(bench.read("input"), "", "the agent was not run");
}

#[tokio::test]
async fn status_is_read_from_the_exit_code() {
    for (code, expected) in [(0, Some(FenceResult::On)), (2, Some(FenceResult::Off)), (1, None), (3, None)] {
        let bench =
            bench(&format!("status{code}"), &["plug"], &format!("echo unknown outlet >&2; exit {code}"));
        let result = bench.call(FenceAction::Status, &[]).await.result;
        match expected {
            Some(expected) => assert_eq!(result, expected),
            None => {
                let reason =
                    format!("fence_x status of device pdu-a exited with code {code}: unknown outlet");
                assert_eq!(result, FenceResult::Error { code: Some(code), reason });
            }
        }
    }
}

#[tokio::test]
async fn exit_2_of_off_is_an_error() {
    let bench = bench("off2", &["plug"], "exit 2");
    let result = bench.call(FenceAction::Off, &[]).await.result;
    assert!(matches!(result, FenceResult::Error { code: Some(2), .. }), "{result:?}");
}

#[tokio::test]
async fn a_hanging_agent_and_its_helpers_die_at_the_deadline() {
    let bench = bench("hang", &["plug"], "setsid sleep 300 & echo $! > helper; sleep 301");
    bench.agents.fence_metadata("fence_x").await.unwrap();
    let mut job = job(FenceAction::Off, &[]);
    job.timeout = Duration::from_millis(400);
    let outcome = bench.agents.fence(job).await;
    assert_eq!(outcome.result, FenceResult::TimedOut);
    let helper: i32 = bench.read("helper").trim().parse().unwrap();
    assert!(!is_alive(helper), "it could still switch something off later");
}

#[tokio::test]
async fn a_new_session_kills_what_an_old_one_left() {
    let bench = bench("left", &["plug"], "echo $$ > pid; exec sleep 300");
    let elsewhere = Tidy(root("left-elsewhere"));
    let marked = CgroupRoot::marked(&format!("left-{}", std::process::id()), "test");
    for root in [bench._tidy.0.clone(), elsewhere.0.clone(), marked] {
        // Every session begins below the bench's root, the next one below `root`.
        Agents::new(bench.config_again(&bench._tidy.0)).unwrap();
        let _ = fs::remove_file(bench.dir.path().join("pid"));
        let call = bench.call(FenceAction::Off, &[]);
        let pid = || fs::read_to_string(bench.dir.path().join("pid")).ok()?.trim().parse::<i32>().ok();
        tokio::pin!(call);
        tokio::select! {
            outcome = &mut call => panic!("{outcome:?}"),
            () = until("it runs", || pid().is_some_and(is_alive)) => {
                Agents::new(bench.config_again(&root)).unwrap();
                let pid = pid().unwrap();
                until("the old session's agent is gone", || !is_alive(pid)).await;
            }
        }
    }
}

impl Bench {
    fn config_again(&self, root: &CgroupRoot) -> AgentsConfig {
        AgentsConfig {
            root: root.clone(),
            state_dir: self.dir.path().join("state"),
            fence_dirs: vec![],
            ocf_root: self.dir.path().into(),
        }
    }
}

#[tokio::test]
async fn a_missing_agent_and_a_smuggled_option_are_refused() {
    let bench = bench("bad", &["plug", "ip"], "exit 0");
    let mut missing = job(FenceAction::Off, &[]);
    missing.agent = "fence_none".into();
    let FenceResult::Refused { why } = bench.agents.fence(missing).await.result else {
        panic!("a missing agent")
    };
    assert!(why.contains("`fence_none` does not exist (searched in "), "{why}");
    let smuggled = bench.call(FenceAction::Status, &[("ip", "x\naction=off")]).await.result;
    assert!(matches!(&smuggled, FenceResult::Refused { why } if why.contains("line break")), "{smuggled:?}");
    let overridden = bench.call(FenceAction::Status, &[("action", "off"), ("plug", "9")]).await.result;
    assert_eq!(overridden, FenceResult::On);
    assert_eq!(bench.read("input"), "action=status\nnodename=alpha\nplug=3\n", "ours win");
}

#[tokio::test]
async fn an_agent_that_cannot_describe_itself_is_called_with_the_usual_names() {
    let bench = bench("nodesc", &[], "exit 0");
    write(&bench.dir.path().join("fence_x"), "#!/bin/sh\ncat > $(dirname $0)/input; exit 1\n", 0o755);
    let file = bench.secret(0o600);
    let outcome = bench.call(FenceAction::Off, &[("passwd_file", &file)]).await;
    assert!(matches!(outcome.result, FenceResult::Error { code: Some(1), .. }), "{outcome:?}");
    assert_eq!(bench.read("input"), format!("action=off\nnodename=alpha\nplug=3\npasswd={SECRET}\n"));
}
