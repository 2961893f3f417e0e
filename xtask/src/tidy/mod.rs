//! `cargo xtask tidy`: a test of the tree itself, in about a second.
//!
//! Each rule is a function from files to findings, so that its own test can feed it a bad file. Must not know: what
//! the code does; it reads text and manifests, it compiles nothing.

mod citations;
mod crates;
mod links;
mod lock;
mod places;
mod purity;
mod source;
mod style;
mod tree;

use crate::cargo::{cargo, root};
use crate::compare;
use crate::error::{Result, Trying};
pub use tree::File;

/// Options of `tidy`.
#[derive(clap::Args, Default)]
pub struct Options {
    /// Only the errors, not the warnings.
    #[arg(long)]
    quiet: bool,
    /// Leave out `cargo fmt --check`.
    #[arg(long)]
    no_fmt: bool,
}

/// What a rule has found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Path within the repository.
    pub path: String,
    /// Line, from 1; 0 for the whole file.
    pub line: usize,
    /// A warning does not fail the run.
    pub is_error: bool,
    /// The rule, what is wrong, what to do.
    pub text: String,
}

impl Finding {
    fn error(path: &str, line: usize, text: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, is_error: true, text: text.into() }
    }

    fn warning(path: &str, line: usize, text: impl Into<String>) -> Self {
        Self { is_error: false, ..Self::error(path, line, text) }
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = if self.is_error { "error" } else { "warning" };
        match self.line {
            0 => write!(f, "{kind}: {}: {}", self.path, self.text),
            line => write!(f, "{kind}: {}:{line}: {}", self.path, self.text),
        }
    }
}

/// From files to what is wrong with them.
type Rule = fn(&[File]) -> Vec<Finding>;

/// Every rule over a set of files, sorted by place.
fn judge(files: &[File]) -> Vec<Finding> {
    let rules: [Rule; 7] = [
        crates::check,
        purity::check,
        style::check,
        citations::check,
        links::check,
        places::check,
        lock::check,
    ];
    let mut found: Vec<Finding> = rules.iter().flat_map(|rule| rule(files)).collect();
    found.sort();
    found
}

/// Runs it; true without errors.
pub fn command(options: &Options) -> Result<bool> {
    let files = tree::read(&root())?;
    let found = judge(&files);
    let errors = found.iter().filter(|f| f.is_error).count();
    for finding in found.iter().filter(|f| f.is_error || !options.quiet) {
        println!("{finding}");
    }
    println!("tidy: {} files, {errors} errors, {} warnings", files.len(), found.len() - errors);
    let is_formatted = options.no_fmt || is_formatted()?;
    if !is_formatted {
        println!("error: run cargo fmt");
    }
    Ok(errors == 0 && is_formatted)
}

fn is_formatted() -> Result<bool> {
    let of = |manifest| {
        let status = cargo().args(["fmt", "--all", "--check", "--manifest-path"]).arg(manifest).status();
        Ok(status.trying(|| "run cargo fmt (rustup component add rustfmt)".into())?.success())
    };
    Ok(of(root().join("Cargo.toml"))? & of(compare::manifest())?)
}
