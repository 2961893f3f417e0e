//! The main program of every agent.
//!
//! Must not know: protocols.
//!
//! Invariants: exit codes are 0, 1 and, for `status` alone, 2; a device is contacted only by an action that needs
//! it; a status call starts no thread and no timer wheel beyond one current-thread runtime.

use std::ffi::OsString;
use std::io::{IsTerminal as _, Read as _, Write as _};
use std::process::ExitCode;

use crate::actions::{self, Action};
use crate::description::AgentDescription;
use crate::device::{Device, DeviceError};
use crate::input::{self, MAX_INPUT_BYTES};
use crate::log::Log;
use crate::nearest::nearest;
use crate::settings::{Settings, UsageError};
use crate::{manual, metadata};

/// Exit code of any failure.
const FAILED: u8 = 1;

/// Where a run gets its input from.
#[derive(Debug, Default)]
pub struct Environment {
    /// Arguments without the program's name; when empty, `stdin` is read.
    pub args: Vec<String>,
    /// Standard input.
    pub stdin: String,
    /// Value of `PCMK_service`: `pacemaker-fenced` disables time-outs by default.
    pub pcmk_service: Option<String>,
    /// Whether messages go to standard error as they come.
    pub echo: bool,
}

/// What a run came to.
#[derive(Debug, PartialEq, Eq)]
pub struct Report {
    /// Exit code.
    pub code: u8,
    /// For standard output.
    pub stdout: String,
    /// All messages for standard error, secrets blanked out.
    pub messages: Vec<String>,
}

/// Runs an agent as a process: reads arguments or standard input, prints, gives the exit code.
///
/// `build` makes the device from the options. It must not contact it: `validate-all` only builds.
pub fn run<D, B>(description: AgentDescription, build: B) -> ExitCode
where
    D: Device,
    B: AsyncFnOnce(&Settings) -> Result<D, DeviceError>,
{
    let args: Result<Vec<String>, OsString> =
        std::env::args_os().skip(1).map(OsString::into_string).collect();
    let Ok(args) = args else {
        let _ = writeln!(std::io::stderr(), "{}: an argument is not UTF-8", description.name);
        return ExitCode::from(FAILED);
    };
    let mut stdin = String::new();
    if args.is_empty() {
        if std::io::stdin().is_terminal() {
            let name = description.name;
            let hint = "reading name=value lines from the terminal until Ctrl-D; for options see";
            let _ = writeln!(std::io::stderr(), "{name}: {hint} {name} --help");
        }
        match std::io::stdin().take(MAX_INPUT_BYTES + 1).read_to_string(&mut stdin) {
            Ok(bytes) if bytes as u64 <= MAX_INPUT_BYTES => {}
            Ok(_) => {
                let _ = writeln!(
                    std::io::stderr(),
                    "{}: more than {MAX_INPUT_BYTES} bytes of input",
                    description.name
                );
                return ExitCode::from(FAILED);
            }
            Err(error) => {
                let _ = writeln!(std::io::stderr(), "{}: standard input: {error}", description.name);
                return ExitCode::from(FAILED);
            }
        }
    }
    let pcmk_service = std::env::var("PCMK_service").ok();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "{}: cannot start: {error}", description.name);
            return ExitCode::from(FAILED);
        }
    };
    let environment = Environment { args, stdin, pcmk_service, echo: true };
    let report = runtime.block_on(run_with(description, environment, build));
    // A reader that went away must not turn a proven off into a failure.
    let _ = std::io::stdout().write_all(report.stdout.as_bytes());
    let _ = std::io::stdout().flush();
    // Name resolution may still block a helper thread: it must not delay the answer.
    runtime.shutdown_background();
    ExitCode::from(report.code)
}

/// Runs an agent inside this process, for tests and for callers that embed it.
pub async fn run_with<D, B>(description: AgentDescription, environment: Environment, build: B) -> Report
where
    D: Device,
    B: AsyncFnOnce(&Settings) -> Result<D, DeviceError>,
{
    let log = Log::new(environment.echo);
    let result = act(&description, environment, &log, build).await;
    let (code, stdout) = match result {
        Ok((code, stdout)) => (code, stdout),
        Err(error) => {
            for line in error.to_string().lines() {
                log.warn(&format!("{}: {line}", description.name));
            }
            (FAILED, String::new())
        }
    };
    Report { code, stdout, messages: log.lines() }
}

async fn act<D, B>(
    description: &AgentDescription,
    environment: Environment,
    log: &Log,
    build: B,
) -> Result<(u8, String), DeviceError>
where
    D: Device,
    B: AsyncFnOnce(&Settings) -> Result<D, DeviceError>,
{
    let values = if environment.args.is_empty() {
        input::from_stdin(description, &environment.stdin)
    } else {
        input::from_args(description, &environment.args)?
    };
    let under_pacemaker = environment.pcmk_service.as_deref() == Some("pacemaker-fenced");
    let settings = Settings::new(description, values, under_pacemaker, log.clone())?;
    if settings.flag("help") {
        return Ok((0, manual::help(description)));
    }
    if settings.flag("version") {
        return Ok((0, format!("{} {}\n", description.name, description.version)));
    }
    let name = settings.get("action").unwrap_or("reboot");
    let action = Action::parse(name).ok_or_else(|| {
        let near = nearest(Action::ALL.iter().map(|(_, known)| (*known).to_owned()), name);
        let hint = near
            .map_or_else(|| format!("one of {}", action_names()), |near| format!("did you mean '{near}'?"));
        UsageError::Argument(format!("unrecognised action '{name}': {hint}"))
    })?;
    match action {
        Action::Metadata => return Ok((0, metadata::metadata_xml(settings.description()))),
        Action::Manpage => return Ok((0, manual::manpage(settings.description()))),
        _ => {}
    }
    if action.needs_plug() && settings.plugs().is_empty() {
        settings.required("plug", "the outlet to act on")?;
        return Err(UsageError::Values(vec!["option 'plug' names no outlet".into()]).into());
    }
    let mut device = build(&settings).await?;
    let outcome = actions::perform(action, &mut device, &settings).await?;
    Ok((outcome.code, outcome.text))
}

fn action_names() -> String {
    Action::ALL.iter().map(|(_, name)| *name).collect::<Vec<_>>().join(", ")
}
