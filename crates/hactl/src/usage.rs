//! A mistyped command line: one line that names what is wrong and the nearest valid word.

use crate::cli::Cli;
use crate::names;
use crate::outcome::{self, Failure};
use crate::paint::ColorWhen;
use clap::CommandFactory;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use std::process::ExitCode;

/// Reports a refused command line; help and version are no errors.
pub(crate) fn report(error: &clap::Error) -> ExitCode {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            outcome::print(&error.render().to_string());
            ExitCode::SUCCESS
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            eprint!("{}", error.render());
            ExitCode::from(outcome::Exit::Usage as u8)
        }
        _ => {
            let json = std::env::args_os().any(|argument| argument == "--json");
            outcome::show("", Err(Failure::usage(one_line(error))), json, ColorWhen::Auto)
        }
    }
}

fn one_line(error: &clap::Error) -> String {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        Some(ContextValue::Strings(texts)) => Some(texts.join(", ")),
        _ => None,
    };
    let list = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => vec![text.clone()],
        Some(ContextValue::Strings(texts)) => texts.clone(),
        _ => Vec::new(),
    };
    let near = |typed: &str, near: Vec<String>, all: Vec<String>| {
        let near: Vec<&str> = near.iter().map(String::as_str).collect();
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        match ha_config::nearest(typed, all.iter().chain(&near).copied()).or(near.first().copied()) {
            Some(name) => format!(": did you mean \"{name}\"?"),
            None => names::suggestion(typed, &all),
        }
    };
    let argument = text(ContextKind::InvalidArg).unwrap_or_default();
    match error.kind() {
        ErrorKind::InvalidSubcommand => {
            let typed = text(ContextKind::InvalidSubcommand).unwrap_or_default();
            let all = siblings(&typed);
            format!(
                "unknown command \"{typed}\"{}",
                near(&typed, list(ContextKind::SuggestedSubcommand), all)
            )
        }
        ErrorKind::UnknownArgument if argument.starts_with('-') => {
            let hint = near(&argument, list(ContextKind::SuggestedArg), Vec::new());
            format!(
                "unknown option \"{argument}\"{}",
                if hint.is_empty() { "; see --help".into() } else { hint }
            )
        }
        ErrorKind::UnknownArgument => format!("\"{argument}\" is one word too many; see --help"),
        ErrorKind::InvalidValue => {
            let typed = text(ContextKind::InvalidValue).unwrap_or_default();
            let all = list(ContextKind::ValidValue);
            if typed.is_empty() {
                return format!("{argument} needs a value (there are {})", all.join(", "));
            }
            let near = near(&typed, list(ContextKind::SuggestedValue), all);
            format!("\"{typed}\" is no value of {argument}{near}")
        }
        ErrorKind::ValueValidation => {
            let typed = text(ContextKind::InvalidValue).unwrap_or_default();
            let why = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
            format!("\"{typed}\" is no value of {argument}: {why}")
        }
        ErrorKind::MissingRequiredArgument => format!("missing: {argument}; see --help"),
        ErrorKind::ArgumentConflict => {
            let other = text(ContextKind::PriorArg).unwrap_or_default();
            format!("{argument} cannot be used with {other}")
        }
        _ => {
            let rendered = error.render().to_string();
            rendered.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned()
        }
    }
}

/// The commands that could have stood where `typed` stands on this process's command line.
fn siblings(typed: &str) -> Vec<String> {
    let mut command = Cli::command();
    for word in std::env::args().skip(1).take_while(|word| word != typed) {
        if let Some(inner) = command.find_subcommand(&word) {
            command = inner.clone();
        }
    }
    command.get_subcommands().map(|c| c.get_name().to_owned()).collect()
}
