//! `docs/reference/hactl.md`, made from the command line's own definition, and checks of its neighbours.

use crate::cli::Cli;
use crate::outcome::Exit;
use clap::{Command, CommandFactory};
use std::fmt::Write;
use std::path::PathBuf;

fn page(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference").join(name)
}

fn options(out: &mut String, command: &Command, only_global: bool) {
    for argument in command.get_arguments() {
        let id = argument.get_id().as_str();
        if id == "help" || id == "version" || argument.is_global_set() != only_global {
            continue;
        }
        let name = match (argument.get_long(), argument.get_value_names()) {
            (Some(long), Some(values)) if argument.get_action().takes_values() => {
                format!("--{long} {}", values[0])
            }
            (Some(long), _) => format!("--{long}"),
            (None, _) => id.to_uppercase(),
        };
        let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
        if help.is_empty() {
            continue;
        }
        let default = argument.get_default_values().first().and_then(|value| value.to_str());
        let default = default
            .filter(|_| argument.get_action().takes_values())
            .map_or_else(String::new, |d| format!(" [default: {d}]"));
        let _ = writeln!(out, "- `{name}`: {help}{default}");
    }
}

fn commands(out: &mut String, command: &Command, path: &str) {
    for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help") {
        let path = format!("{path} {}", inner.get_name());
        let about = inner.get_about().map(ToString::to_string).unwrap_or_default();
        if inner.has_subcommands() {
            let _ = writeln!(out, "## {path}\n\n{about}.\n");
        } else {
            let depth = if path.matches(' ').count() > 1 { "###" } else { "##" };
            let mut usage = path.clone();
            for argument in inner.get_positionals() {
                let name = argument.get_id().as_str().to_uppercase();
                let word = if argument.is_required_set() { format!(" {name}") } else { format!(" [{name}]") };
                usage.push_str(&word);
            }
            for required in inner.get_opts().filter(|argument| argument.is_required_set()) {
                let value = required.get_value_names().map_or("", |names| names[0].as_str());
                let _ = write!(usage, " --{} {value}", required.get_long().unwrap_or_default());
            }
            let _ = writeln!(out, "{depth} {usage}\n\n{about}.\n");
            let mut list = String::new();
            options(&mut list, inner, false);
            if !list.is_empty() {
                let _ = writeln!(out, "{list}");
            }
            if let Some(more) = inner.get_after_help() {
                let _ = writeln!(out, "{}\n", more.to_string().replace('\n', "\n\n"));
            }
        }
        commands(out, inner, &path);
    }
}

fn markdown() -> String {
    let cli = Cli::command();
    let mut out = String::from(
        "# hactl\n\nMade from the program's own definition (`UPDATE_GOLDEN=1 cargo test -p hactl` rewrites it). \
         Shows and steers the\ncluster through the daemon of the node it runs on. Exit codes: \
         [exit-codes.md](exit-codes.md); `--json`: [json.md](json.md).\n\n\
         `hactl` may be used by root and by the members of the socket's group. Times are UTC. A mistyped command, \
         option,\nnode or resource is answered by one line with the nearest name, and nothing is done.\n\n\
         ## Options of every command\n\n",
    );
    options(&mut out, &cli, true);
    out.push('\n');
    commands(&mut out, &cli, "hactl");
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

#[test]
fn page_of_commands_is_up_to_date() {
    let (path, text) = (page("hactl.md"), markdown());
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text, "UPDATE_GOLDEN=1 rewrites it");
}

#[test]
fn every_exit_code_is_documented() {
    let text = std::fs::read_to_string(page("exit-codes.md")).unwrap();
    let all = [Exit::Done, Exit::Failed, Exit::Usage, Exit::Unreachable, Exit::NoLeader, Exit::NotAsWished];
    for (number, exit) in all.into_iter().enumerate() {
        assert_eq!(exit as usize, number, "the numbers are part of the interface");
        assert!(text.contains(&format!("| {number} |")), "{number}");
    }
}

/// Every command has its form of `data`, every error its code.
#[test]
fn json_page_names_every_command_and_error() {
    let text = std::fs::read_to_string(page("json.md")).unwrap();
    let mut missing = Vec::new();
    let cli = Cli::command();
    for command in cli.get_subcommands() {
        let inner: Vec<_> = command.get_subcommands().collect();
        let names = if inner.is_empty() {
            vec![command.get_name().to_owned()]
        } else {
            inner.iter().map(|i| format!("{} {}", command.get_name(), i.get_name())).collect()
        };
        missing.extend(names.into_iter().filter(|name| !text.contains(&format!("`{name}`"))));
    }
    for code in [
        "usage",
        "bad-configuration",
        "unreadable-file",
        "keys-failed",
        "refused",
        "no-leader",
        "no-fence-path",
        "daemon-not-running",
        "not-permitted",
        "connect-failed",
        "timed-out",
        "wrong-protocol",
        "request-too-long",
        "answer-too-long",
        "bad-request",
        "internal",
        "system",
    ] {
        if !text.contains(&format!("`{code}`")) {
            missing.push(code.to_owned());
        }
    }
    assert_eq!(missing, Vec::<String>::new());
}
