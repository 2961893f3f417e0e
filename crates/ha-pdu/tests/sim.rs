//! The switch as a program, judged by net-snmp's tools and plain HTTP.
//!
//! Needs the Debian package snmp; a missing one is a failure that names it.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const RPDU_STATE: &str = "1.3.6.1.4.1.318.1.1.12.3.5.1.1.4";
const RPDU_PENDING: &str = "1.3.6.1.4.1.318.1.1.12.3.5.1.1.5";
const RPDU_COMMAND: &str = "1.3.6.1.4.1.318.1.1.12.3.3.1.1.4";
const RPDU_ON_DELAY: &str = "1.3.6.1.4.1.318.1.1.12.3.4.1.1.4";
const RPDU2_STATE: &str = "1.3.6.1.4.1.318.1.1.26.9.2.3.1.5";
const RPDU2_PENDING: &str = "1.3.6.1.4.1.318.1.1.26.9.2.3.1.6";
const RPDU2_COMMAND: &str = "1.3.6.1.4.1.318.1.1.26.9.2.4.1.5";
const MASTERSWITCH: &str = "1.3.6.1.4.1.318.1.1.4.4.2.1.3";

const V1: &[&str] = &["-v1", "-c", "private"];
const V2C: &[&str] = &["-v2c", "-c", "private"];
const V3: &[&str] = &[
    "-v3",
    "-u",
    "admin",
    "-l",
    "authPriv",
    "-a",
    "SHA",
    "-A",
    "auth-phrase",
    "-x",
    "AES",
    "-X",
    "priv-phrase",
];

struct Sim {
    child: Child,
    http: String,
    snmp: String,
    control: String,
}

impl Drop for Sim {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Sim {
    fn start(more: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_ha-pdu-sim"))
            .args([
                "--http",
                "127.0.0.1:0",
                "--snmp",
                "127.0.0.1:0",
                "--control",
                "127.0.0.1:0",
                "--outlets",
                "3",
            ])
            .args(["--user", "admin:SHA:auth-phrase:AES:priv-phrase"])
            .args(more)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = Vec::new();
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            if line == "ready" {
                break;
            }
            said.push(line);
        }
        let find = |what: &str| {
            said.iter()
                .find_map(|line| line.strip_prefix(what))
                .unwrap_or_else(|| panic!("{said:?}"))
                .trim()
                .to_owned()
        };
        Self { http: find("http"), snmp: find("snmp"), control: find("control"), child }
    }

    /// Runs one of net-snmp's tools; gives the value alone, or the error.
    fn snmp(&self, tool: &str, access: &[&str], oid: &str, set: &[&str]) -> Result<String, String> {
        let path = format!("/usr/bin/{tool}");
        assert!(Path::new(&path).exists(), "{path} is missing: install the Debian package 'snmp'");
        let output = Command::new(path)
            .args(access)
            .args(["-t", "1", "-r", "0", "-m", "", "-Onqv", &self.snmp, oid])
            .args(set)
            .env("MIBS", "")
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().trim().to_owned();
        if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
    }

    fn get(&self, access: &[&str], column: &str, outlet: u32) -> Result<String, String> {
        self.snmp("snmpget", access, &format!("{column}.{outlet}"), &[])
    }

    fn set(&self, access: &[&str], column: &str, outlet: u32, value: i32) -> Result<String, String> {
        self.snmp("snmpset", access, &format!("{column}.{outlet}"), &["i", &value.to_string()])
    }

    fn fault(&self, json: &str) {
        let (status, _) =
            request(&self.control, "PUT", "/faults", "Content-Type: application/json\r\n", json);
        assert_eq!(status, 200);
    }

    fn outlets(&self) -> String {
        request(&self.control, "GET", "/outlets", "", "").1
    }

    fn journal(&self) -> String {
        request(&self.control, "GET", "/journal", "", "").1
    }

    fn until(&self, what: &str, truth: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while !truth(self) {
            assert!(Instant::now() < deadline, "never: {what}; {}", self.journal());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// A request of one connection: status and body.
fn request(addr: &str, method: &str, path: &str, headers: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(addr).unwrap();
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: pdu\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split_whitespace().nth(1).unwrap().parse().unwrap();
    (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
}

#[test]
fn every_table_has_its_own_numbers_for_one_outlet() {
    let sim = Sim::start(&[]);
    let read = || {
        [RPDU_STATE, RPDU2_STATE, RPDU2_COMMAND, MASTERSWITCH].map(|column| sim.get(V2C, column, 2).unwrap())
    };
    assert_eq!(read(), ["1", "2", "1", "1"]);
    for (number, column) in [RPDU_COMMAND, RPDU2_COMMAND, MASTERSWITCH].into_iter().enumerate() {
        for access in [V1, V2C, V3] {
            sim.set(access, column, 2, 2).unwrap();
            assert_eq!(read(), ["2", "1", "2", "2"], "table {number}");
            assert_eq!(sim.outlets(), r#"{"1":true,"2":false,"3":true}"#);
            sim.set(access, column, 2, 1).unwrap();
            assert_eq!(read(), ["1", "2", "1", "1"], "table {number}");
        }
    }
}

#[test]
fn what_is_not_there_is_said_as_each_version_says_it() {
    let sim = Sim::start(&[]);
    assert!(sim.get(V1, RPDU_STATE, 4).unwrap_err().contains("noSuchName"));
    // Versions 2c and 3 say it by a value, and the tool ends with 0: a client must look at the value.
    for access in [V2C, V3] {
        assert!(sim.get(access, RPDU_STATE, 4).unwrap().contains("No Such Instance"));
    }
    for access in [V1, V2C, V3] {
        assert!(sim.set(access, RPDU_COMMAND, 4, 2).is_err());
    }
    assert!(sim.journal().contains("no such outlet"), "{}", sim.journal());
    assert_eq!(sim.outlets(), r#"{"1":true,"2":true,"3":true}"#);
    assert_eq!(sim.snmp("snmpget", V2C, "1.3.6.1.2.1.1.2.0", &[]).unwrap(), ".1.3.6.1.4.1.318.1.3.4.5");
}

#[test]
fn the_read_community_and_wrong_values_change_nothing() {
    let sim = Sim::start(&[]);
    assert_eq!(sim.get(&["-v2c", "-c", "public"], RPDU_STATE, 1).unwrap(), "1");
    assert!(sim.set(&["-v2c", "-c", "public"], RPDU_COMMAND, 1, 2).is_err());
    assert!(sim.set(V2C, RPDU_COMMAND, 1, 8).unwrap_err().contains("wrongValue"), "8 cancels in rPDU2 only");
    assert!(
        sim.set(V2C, RPDU2_COMMAND, 1, 4).unwrap_err().contains("wrongValue"),
        "4 is delayed on in rPDU only"
    );
    assert!(sim.set(V2C, RPDU_STATE, 1, 2).unwrap_err().contains("notWritable"));
    assert!(sim.get(&["-v2c", "-c", "stranger"], RPDU_STATE, 1).unwrap_err().contains("Timeout"));
    assert_eq!(sim.journal(), "[]");
}

#[test]
fn a_delayed_on_survives_an_off_unless_it_is_cancelled() {
    for (command, delayed_on, cancel, pending) in
        [(RPDU_COMMAND, 4, 7, RPDU_PENDING), (RPDU2_COMMAND, 5, 8, RPDU2_PENDING)]
    {
        let sim = Sim::start(&[]);
        sim.set(V2C, RPDU_ON_DELAY, 1, 1).unwrap();
        sim.set(V2C, command, 1, 2).unwrap();
        sim.set(V2C, command, 1, delayed_on).unwrap();
        assert_eq!(sim.get(V2C, pending, 1).unwrap(), "1");
        sim.set(V2C, command, 1, 2).unwrap();
        sim.until("the delayed on", |sim| sim.outlets().contains(r#""1":true"#));
        assert_eq!(sim.get(V2C, pending, 1).unwrap(), "2");

        sim.set(V2C, RPDU_ON_DELAY, 1, 1).unwrap();
        sim.set(V2C, command, 1, delayed_on).unwrap();
        sim.set(V2C, command, 1, cancel).unwrap();
        sim.set(V2C, command, 1, 2).unwrap();
        assert_eq!(sim.get(V2C, pending, 1).unwrap(), "2");
        // An outlet that is never told shows when its time would have been over.
        sim.set(V2C, command, 2, 2).unwrap();
        sim.set(V2C, command, 2, delayed_on).unwrap();
        sim.until("the other outlet's delayed on", |sim| sim.outlets().contains(r#""2":true"#));
        assert!(sim.outlets().contains(r#""1":false"#), "{}", sim.journal());
    }
}

#[test]
fn silence_holds_for_every_version_and_what_came_in_it_is_lost() {
    let sim = Sim::start(&[]);
    // Version 3 starts with a discovery that would be answered without any rights.
    sim.fault(r#"{"unreachable":true}"#);
    for access in [V1, V2C, V3] {
        assert!(sim.set(access, RPDU_COMMAND, 1, 2).unwrap_err().contains("Timeout"));
    }
    sim.fault("{}");
    assert_eq!(sim.get(V3, RPDU_STATE, 1).unwrap(), "1");
    assert_eq!(sim.journal(), "[]");
    let (status, _) =
        request(&sim.control, "PUT", "/faults", "Content-Type: application/json\r\n", r#"{"typo":1}"#);
    assert_eq!(status, 422, "a fault that does not exist must not pass for none");
}

#[test]
fn a_failing_device_says_so() {
    let sim = Sim::start(&["--faults", r#"{"failing":true}"#]);
    assert!(sim.get(V2C, RPDU_STATE, 1).unwrap_err().contains("genError"));
    assert!(sim.set(V2C, RPDU_COMMAND, 1, 2).is_err());
    assert!(sim.journal().contains("device failure"));
}

#[test]
fn http_needs_a_login_and_a_csrf_header() {
    let sim = Sim::start(&[]);
    for path in ["/restapi/relay/outlets/0/state/", "/netio.json", "/outlet/1"] {
        assert_eq!(request(&sim.http, "GET", path, "", "").0, 401, "{path}");
    }
    // admin:1234, and admin:wrong
    let basic = "Authorization: Basic YWRtaW46MTIzNA==\r\n";
    let (status, body) =
        request(&sim.http, "POST", "/netio.json", basic, r#"{"Outputs":[{"ID":2,"Action":0}]}"#);
    assert_eq!(status, 200);
    assert!(body.contains(r#""ID":2"#) && body.contains(r#""State":0"#), "{body}");
    let wrong = "Authorization: Basic YWRtaW46d3Jvbmc=\r\n";
    assert_eq!(request(&sim.http, "POST", "/outlet/1", wrong, "off").0, 401);
    // Basic does not open what wants Digest.
    assert_eq!(request(&sim.http, "PUT", "/restapi/relay/outlets/0/state/", basic, "value=false").0, 401);
    assert_eq!(sim.outlets(), r#"{"1":true,"2":false,"3":true}"#);
    assert_eq!(request(&sim.http, "GET", "/outlet/9", basic, "").0, 404);
}

#[test]
fn short_off_of_netio_turns_an_outlet_on() {
    let sim = Sim::start(&[]);
    let basic = "Authorization: Basic YWRtaW46MTIzNA==\r\n";
    let post = |body: &str| assert_eq!(request(&sim.http, "POST", "/netio.json", basic, body).0, 200);
    post(r#"{"Outputs":[{"ID":1,"Action":0}]}"#);
    post(r#"{"Outputs":[{"ID":1,"Action":2,"Delay":100}]}"#);
    sim.until("on by a short off", |sim| sim.outlets().contains(r#""1":true"#));
}

#[test]
fn state_and_journal_are_kept_in_files() {
    let dir = tempfile::tempdir().unwrap();
    let (state, journal) = (dir.path().join("state.json"), dir.path().join("journal"));
    let files = ["--state", state.to_str().unwrap(), "--journal", journal.to_str().unwrap()];
    let sim = Sim::start(&files);
    sim.set(V2C, RPDU_COMMAND, 3, 2).unwrap();
    drop(sim);
    assert_eq!(fs::read_to_string(&state).unwrap(), r#"{"1":true,"2":true,"3":false}"#);
    let sim = Sim::start(&files);
    assert_eq!(sim.get(V1, RPDU_STATE, 3).unwrap(), "2");
    sim.set(V3, RPDU_COMMAND, 3, 1).unwrap();
    let lines = fs::read_to_string(&journal).unwrap();
    let lines: Vec<&str> = lines.lines().collect();
    assert_eq!(lines.len(), 2);
    assert!(lines[0].contains(r#""protocol":"snmp_v2c","outlet":3,"command":"off""#), "{lines:?}");
    assert!(lines[1].contains(r#""protocol":"snmp_v3","outlet":3,"command":"on""#), "{lines:?}");
}

#[test]
fn sigterm_ends_it() {
    let mut sim = Sim::start(&[]);
    let pid = nix::unistd::Pid::from_raw(i32::try_from(sim.child.id()).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    assert!(sim.child.wait().unwrap().success());
}
