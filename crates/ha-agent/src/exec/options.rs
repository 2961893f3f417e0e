//! The options of an `exec` resource.

use crate::argv;
use crate::job::ResourceAgent;
use crate::nearest::nearest;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A service as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exec {
    /// Either stays in the foreground and is the service, or exits with 0 and leaves it in the background.
    pub start: Vec<String>,
    /// Ends the service; without it, SIGTERM does.
    pub stop: Option<Vec<String>>,
    /// Exits with 0 while the service is well.
    pub check: Option<Vec<String>>,
    /// Where a daemonizing service writes the id of its main process.
    pub pidfile: Option<PathBuf>,
}

impl Exec {
    /// Reads the options.
    ///
    /// # Errors
    /// One sentence that names the option and says what to write.
    pub fn from_options(options: &BTreeMap<String, String>) -> Result<Self, String> {
        let known = || ResourceAgent::Exec.options().iter().map(|(name, _)| *name);
        if let Some(unknown) = options.keys().find(|k| !known().any(|n| n == k.as_str())) {
            let near = nearest(unknown, known()).map_or(String::new(), |n| format!("; did you mean `{n}`?"));
            return Err(format!("option `{unknown}` is not known{near}"));
        }
        let command = |key: &str| {
            let split = |line: &String| argv::split(line).map_err(|why| format!("option `{key}`: {why}"));
            options.get(key).map(split).transpose()
        };
        Ok(Self {
            start: command("start")?.ok_or("option `start` is missing")?,
            stop: command("stop")?,
            check: command("check")?,
            pidfile: options.get("pidfile").map(PathBuf::from),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<const N: usize>(pairs: [(&str, &str); N]) -> Result<Exec, String> {
        Exec::from_options(&pairs.map(|(k, v)| (k.to_owned(), v.to_owned())).into())
    }

    #[test]
    fn errors_name_the_option() {
        assert_eq!(read([]), Err("option `start` is missing".into()));
        let why = read([("start", "a"), ("chek", "b")]).unwrap_err();
        assert_eq!(why, "option `chek` is not known; did you mean `check`?");
        let why = read([("start", "a"), ("stop", "b 'c")]).unwrap_err();
        assert_eq!(why, "option `stop`: a quote (') is not closed");
    }
}
