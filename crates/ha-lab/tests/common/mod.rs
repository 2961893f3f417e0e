//! What the lab's own tests share: a lab in a directory of its own, or a failure that says what the machine lacks.
#![allow(dead_code, clippy::unwrap_used)]

use ha_lab::{Lab, LabSpec, Output, PROGRAM, ServiceSpec};
use std::time::Duration;

/// Limit of waits that normally take milliseconds; the machine may be busy.
pub const SOON: Duration = Duration::from_secs(20);

pub const PROGRAM_FILE: &str = env!("CARGO_BIN_EXE_ha-lab");

/// A lab and the directory that goes with it.
pub struct Place {
    pub lab: Lab,
    pub dir: tempfile::TempDir,
}

impl std::ops::Deref for Place {
    type Target = Lab;
    fn deref(&self) -> &Lab {
        &self.lab
    }
}

/// A usual description in a fresh directory.
pub fn spec(hosts: &[&str]) -> (tempfile::TempDir, LabSpec) {
    let dir = tempfile::tempdir().unwrap();
    let mut spec = LabSpec::usual(dir.path().join("lab"), hosts);
    spec.program = Some(PROGRAM_FILE.into());
    (dir, spec)
}

/// Starts it; a machine that does not permit labs fails the test and says why.
pub fn start((dir, spec): (tempfile::TempDir, LabSpec)) -> Place {
    match Lab::start(spec) {
        Ok(lab) => Place { lab, dir },
        Err(e) => {
            let missing: Vec<String> = ha_lab::check::check().iter().map(|f| f.to_string()).collect();
            panic!("{e}\nthis machine:\n{}", missing.join("\n"));
        }
    }
}

/// The tiny service on an address.
pub fn web(listen: &str) -> ServiceSpec {
    ServiceSpec::new("web", &[PROGRAM, "web", "--listen", listen])
}

impl Place {
    /// A shell script in a host; it must succeed. Its output.
    pub fn sh(&self, host: &str, script: &str) -> String {
        let out: Output = self.exec(host, &["bash", "-c", script], SOON).unwrap();
        assert!(out.is_success(), "`{script}` in {host}: {out:?}");
        out.stdout
    }

    /// Posts `word` to an outlet of the switch at `address`, from a host. The switch's answer.
    pub fn outlet(&self, from: &str, address: &str, outlet: u32, word: &str) -> String {
        let request = format!(
            "POST /outlet/{outlet} HTTP/1.1\\r\\nHost: pdu\\r\\nAuthorization: Basic YWRtaW46MTIzNA==\\r\\n\
             Content-Length: {}\\r\\nConnection: close\\r\\n\\r\\n{word}",
            word.len()
        );
        self.sh(from, &format!("exec 3<>/dev/tcp/{address}/80; printf '{request}' >&3; cat <&3"))
    }
}
