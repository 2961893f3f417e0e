//! `hactl config …`. Files are checked here before a daemon is asked anything, with the same rules.

use crate::cli::Config;
use crate::context::{Context, unexpected};
use crate::outcome::{Exit, Failure, Success};
use crate::paint::ColorWhen;
use crate::{problems, text};
use ha_config::{Change, Diagnostic, Parsed, Severity, format_duration};
use ha_model::{AdminReply, AdminRequest, ClusterConfig, NodeId, OwnView, WallMs};
use serde_json::{Value, json};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// `hactl config …`.
pub(crate) fn run(context: &Context, command: Config) -> Result<Success, Failure> {
    match command {
        Config::Show { sha } => show(context, sha),
        Config::Check { file } => check(context, &file),
        Config::Diff { file } => diff(context, &file),
        Config::Apply { file } => apply(context, &file),
    }
}

/// A cluster file that was read and accepted.
pub(crate) struct Accepted {
    /// Its name as given.
    pub(crate) name: String,
    /// Its text.
    pub(crate) text: String,
    /// What it says.
    pub(crate) parsed: Parsed,
}

/// Reads and checks a cluster file.
pub(crate) fn read(file: &Path) -> Result<Accepted, Failure> {
    let name = file.display().to_string();
    let failed = |error: std::io::Error| {
        let help = "name a cluster file; the one in force is shown by: hactl config show".to_owned();
        Failure::new(Exit::Usage, "unreadable-file", format!("cannot read {name}: {error}"), Some(help))
    };
    let mut bytes = Vec::new();
    let limit = ha_config::limits::FILE_BYTES_MAX as u64 + 1;
    File::open(file).and_then(|file| file.take(limit).read_to_end(&mut bytes)).map_err(failed)?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let message = format!("{name} is no text: byte {at} is not UTF-8");
        Failure::new(Exit::Usage, "bad-configuration", message, None)
    })?;
    match ha_config::parse(&name, &text) {
        Ok(parsed) => Ok(Accepted { name, text, parsed }),
        Err(wrong) => {
            let n = wrong.error_count();
            let message = format!("{name}: {n} error{}", if n == 1 { "" } else { "s" });
            let color = ColorWhen::Auto.wanted(&std::io::stderr());
            let mut failure = Failure::new(Exit::Usage, "bad-configuration", message, None);
            failure.excerpt = Some(wrong.render(color));
            failure.data = Some(json!({ "diagnostics": diagnostics(&wrong.file, &wrong.items) }));
            Err(failure)
        }
    }
}

fn diagnostics(file: &str, items: &[Diagnostic]) -> Vec<Value> {
    items
        .iter()
        .map(|item| {
            let severity = match item.severity {
                Severity::Note => "note",
                Severity::Warning => "warning",
                Severity::Error => "error",
            };
            json!({
                "severity": severity,
                "code": item.code.word(),
                "message": item.message,
                "help": item.help,
                "file": file,
                "line": item.span.line,
                "column": item.span.column,
            })
        })
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What an accepted file means where nobody typed it: who votes, and the times that follow from the pace.
fn meaning(config: &ClusterConfig) -> String {
    let (voters, learners) = (config.voters(), config.learners());
    let t = &config.timing;
    let mut out = String::new();
    let follow = match learners.as_slice() {
        [] => String::new(),
        [one] => format!("; {one} follows without a vote"),
        many => format!("; {} follow without a vote", problems::list(many)),
    };
    text::sentence(&mut out, 2, &format!("voters: {}{follow}", problems::list(&voters)));
    text::sentence(
        &mut out,
        2,
        &format!(
            "a node that is silent for {} is lost; what it held starts elsewhere once its power was read off \
             twice, {} apart",
            format_duration(t.t_lost),
            format_duration(t.off_settle)
        ),
    );
    for waiver in config.waivers.keys() {
        text::sentence(&mut out, 2, &format!("waived: {}", waiver.word()));
    }
    out
}

fn check(context: &Context, file: &Path) -> Result<Success, Failure> {
    let Accepted { name, text, parsed } = read(file)?;
    let config = &parsed.config;
    let mut shown = ha_config::render(&name, &text, &parsed.warnings, context.color);
    text::hanging(
        &mut shown,
        "",
        2,
        &format!(
            "{name}: accepted; cluster {}, {}, {}, {}",
            config.name,
            counted(config.nodes.len(), "node"),
            counted(config.resources.len(), "resource"),
            counted(config.devices.len(), "fence device"),
        ),
    );
    shown.push_str(&meaning(config));
    let data = json!({
        "cluster": config.name,
        "sha256": hex(&config.sha256),
        "nodes": config.nodes.keys().collect::<Vec<_>>(),
        "voters": config.voters(),
        "waivers": config.waivers.keys().map(|waiver| waiver.word()).collect::<Vec<_>>(),
        "diagnostics": diagnostics(&name, &parsed.warnings),
    });
    Ok(Success { text: shown, data, node: None, at: None, exit: Exit::Done })
}

fn counted(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// The configuration in force.
struct InForce {
    node: NodeId,
    at: WallMs,
    name: String,
    text: String,
    sha256: String,
    own_view: Option<OwnView>,
}

fn in_force(context: &Context) -> Result<InForce, Failure> {
    let answer = context.ask(&AdminRequest::ConfigShow)?;
    match answer.reply {
        AdminReply::Config { name, text, sha256, own_view } => {
            Ok(InForce { node: answer.node, at: answer.at, name, text, sha256, own_view })
        }
        _ => Err(unexpected(&answer)),
    }
}

/// What a file would change in the configuration in force.
fn changes(live: &InForce, new: &Accepted) -> Result<Vec<Change>, Failure> {
    let old = ha_config::parse(&live.name, &live.text).map_err(|_| {
        let message = "this program does not accept the configuration in force";
        let help = "hactl and hanode must come from the same release; compare with: hactl version";
        Failure::new(Exit::Failed, "bad-configuration", message, Some(help.to_owned()))
            .answered_by(&live.node)
    })?;
    Ok(ha_config::diff(&old.config, &new.parsed.config))
}

fn list(changes: &[Change]) -> String {
    let mut out = String::new();
    for change in changes {
        text::hanging(&mut out, "- ", 2, &change.to_string());
    }
    out
}

fn words(changes: &[Change]) -> Vec<String> {
    changes.iter().map(ToString::to_string).collect()
}

fn diff(context: &Context, file: &Path) -> Result<Success, Failure> {
    let new = read(file)?;
    let live = in_force(context)?;
    let changes = changes(&live, &new)?;
    let is_same_text = live.text == new.text;
    let shown = match (changes.is_empty(), is_same_text) {
        (true, true) => format!("{} is in force as it is\n", new.name),
        (true, false) => format!("{} differs from {} in layout and comments only\n", new.name, live.name),
        (false, _) => list(&changes),
    };
    let shown = format!("{}{shown}", text::own_view(live.own_view.as_ref()));
    let data = json!({
        "changes": words(&changes),
        "is_same_text": is_same_text,
        "in_force_sha256": live.sha256,
        "own_view": live.own_view,
    });
    Ok(Success { text: shown, data, node: Some(live.node), at: Some(live.at), exit: Exit::Done })
}

fn apply(context: &Context, file: &Path) -> Result<Success, Failure> {
    let new = read(file)?;
    let live = in_force(context)?;
    let changes = changes(&live, &new)?;
    if live.text == new.text {
        let text = format!("{} is in force already; nothing to do\n", new.name);
        let data = json!({ "changes": [], "sha256": live.sha256, "message": text.trim_end() });
        return Ok(Success { text, data, node: Some(live.node), at: Some(live.at), exit: Exit::Done });
    }
    let mut shown = ha_config::render(&new.name, &new.text, &new.parsed.warnings, context.color);
    shown.push_str(&list(&changes));
    let sha256 = hex(&new.parsed.config.sha256);
    // Shown before it is asked for, so that a refusal stands below what it refuses.
    if !context.json {
        crate::outcome::print(&shown);
    }
    let request = AdminRequest::ConfigApply { name: new.name, text: new.text };
    let mut success = context.order(&request)?;
    success.data["changes"] = json!(words(&changes));
    success.data["sha256"] = json!(sha256);
    Ok(success)
}

fn show(context: &Context, sha: bool) -> Result<Success, Failure> {
    let live = in_force(context)?;
    // The text goes into files: what is said of it does not stand in it.
    if !context.json {
        eprint!("{}", text::own_view(live.own_view.as_ref()));
    }
    let mut data = json!({ "name": live.name, "sha256": live.sha256, "own_view": live.own_view });
    let mut shown = format!("{}  {}\n", live.sha256, live.name);
    if !sha {
        data["text"] = json!(live.text);
        shown = live.text;
        if !shown.ends_with('\n') {
            shown.push('\n');
        }
    }
    Ok(Success { text: shown, data, node: Some(live.node), at: Some(live.at), exit: Exit::Done })
}
