//! The simulated power switch as a program, for tests and for people.
//!
//! Prints `http ADDRESS`, `snmp ADDRESS`, `control ADDRESS` for what it serves, then `ready`; ends on SIGTERM or
//! SIGINT. The control address serves `GET /faults`, `PUT /faults` (JSON, whole), `GET /journal`, `GET /outlets`.
//!
//! Must not know: how faults and faces work.

use std::error::Error;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::response::Json;
use axum::routing::get;
use clap::{Parser, ValueEnum};
use ha_pdu::{
    FileRelay, HttpOptions, MemoryRelay, ObjectId, Pdu, PduFaults, Record, Relay, SnmpOptions, SnmpUser,
    serve_http, serve_snmp,
};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// A simulated power switch with HTTP and SNMP faces.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Serve HTTP here (port 0: any).
    #[arg(long, value_name = "ADDRESS:PORT")]
    http: Option<SocketAddr>,
    /// Serve SNMP v1, v2c and v3 here (port 0: any).
    #[arg(long, value_name = "ADDRESS:PORT")]
    snmp: Option<SocketAddr>,
    /// Serve faults, journal and the true relay states here.
    #[arg(long, value_name = "ADDRESS:PORT")]
    control: Option<SocketAddr>,
    /// How many outlets.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=48))]
    outlets: u32,
    /// Keep the relays' states in this file.
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Append each command and what came of it to this file, one JSON object a line.
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
    /// Faults from the start, such as `{"slow_ms":500,"unknown":[2]}`.
    #[arg(long, value_name = "JSON")]
    faults: Option<String>,
    /// What SNMP says the device is.
    #[arg(long, value_enum, default_value = "apc-rpdu")]
    model: Model,
    /// Community that may read.
    #[arg(long, default_value = "public")]
    read_community: String,
    /// Community that may read and write.
    #[arg(long, default_value = "private")]
    community: String,
    /// A user of SNMP v3: NAME, NAME:AUTH:PHRASE or NAME:AUTH:PHRASE:PRIV:PHRASE.
    #[arg(long = "user", value_name = "USER", value_parser = snmp_user)]
    users: Vec<SnmpUser>,
    /// User of the HTTP face.
    #[arg(long, default_value = "admin")]
    http_user: String,
    /// Password of the HTTP face.
    #[arg(long, default_value = "1234")]
    http_password: String,
}

#[derive(Clone, Copy, ValueEnum)]
enum Model {
    ApcRpdu,
    ApcRpdu2,
    ApcMasterswitch,
}

fn snmp_user(text: &str) -> Result<SnmpUser, String> {
    let parts: Vec<&str> = text.split(':').collect();
    let pair = |a: &str, b: &str| Some((a.to_owned(), b.to_owned()));
    let (name, auth, privacy) = match parts.as_slice() {
        [name] => (name, None, None),
        [name, auth, phrase] => (name, pair(auth, phrase), None),
        [name, auth, phrase, privacy, privacy_phrase] => {
            (name, pair(auth, phrase), pair(privacy, privacy_phrase))
        }
        _ => return Err("NAME, NAME:AUTH:PHRASE or NAME:AUTH:PHRASE:PRIV:PHRASE".into()),
    };
    Ok(SnmpUser { name: (*name).to_owned(), auth, privacy })
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    let relay: Arc<dyn Relay> = match &options.state {
        Some(path) => Arc::new(FileRelay::open(path.clone(), options.outlets)?),
        None => Arc::new(MemoryRelay::new(options.outlets)),
    };
    let pdu = Pdu::new(Arc::clone(&relay));
    if let Some(path) = &options.journal {
        let file = Mutex::new(std::fs::File::options().create(true).append(true).open(path)?);
        pdu.on_record(move |record| {
            let line = serde_json::to_string(record).expect("a record is plain data");
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            if let Err(error) = writeln!(file, "{line}") {
                eprintln!("ha-pdu-sim: journal: {error}");
            }
        });
    }
    if let Some(text) = &options.faults {
        pdu.set_faults(serde_json::from_str(text)?);
    }
    let mut terminate = signal(SignalKind::terminate())?;
    let http = match options.http {
        Some(addr) => {
            let access =
                HttpOptions { user: options.http_user.clone(), password: options.http_password.clone() };
            Some(serve_http(Arc::clone(&pdu), addr, access).await?)
        }
        None => None,
    };
    let snmp = match options.snmp {
        Some(addr) => Some(serve_snmp(Arc::clone(&pdu), addr, snmp_options(&options)).await?),
        None => None,
    };
    let mut said = String::new();
    said.extend(http.as_ref().map(|server| format!("http {}\n", server.addr())));
    said.extend(snmp.as_ref().map(|server| format!("snmp {}\n", server.addr())));
    if let Some(addr) = options.control {
        let listener = TcpListener::bind(addr).await?;
        said.push_str(&format!("control {}\n", listener.local_addr()?));
        tokio::spawn(async move { axum::serve(listener, control(pdu, relay)).await });
    }
    said.push_str("ready\n");
    std::io::stdout().write_all(said.as_bytes())?;
    std::io::stdout().flush()?;
    tokio::select! {
        _ = terminate.recv() => {}
        result = tokio::signal::ctrl_c() => result?,
    }
    Ok(())
}

fn snmp_options(options: &Options) -> SnmpOptions {
    SnmpOptions {
        read_community: options.read_community.clone(),
        write_community: options.community.clone(),
        users: options.users.clone(),
        object_id: match options.model {
            Model::ApcRpdu => ObjectId::Rpdu,
            Model::ApcRpdu2 => ObjectId::Rpdu2,
            Model::ApcMasterswitch => ObjectId::MasterSwitch,
        },
    }
}

type Control = (Arc<Pdu>, Arc<dyn Relay>);

fn control(pdu: Arc<Pdu>, relay: Arc<dyn Relay>) -> Router {
    async fn faults(State((pdu, _)): State<Control>) -> Json<PduFaults> {
        Json(pdu.faults())
    }
    async fn set_faults(State((pdu, _)): State<Control>, Json(faults): Json<PduFaults>) -> Json<PduFaults> {
        pdu.set_faults(faults);
        Json(pdu.faults())
    }
    async fn journal(State((pdu, _)): State<Control>) -> Json<Vec<Record>> {
        Json(pdu.journal())
    }
    async fn outlets(State((_, relay)): State<Control>) -> Json<std::collections::BTreeMap<u32, bool>> {
        Json((1..=relay.outlets()).map(|outlet| (outlet, relay.get(outlet))).collect())
    }
    Router::new()
        .route("/faults", get(faults).put(set_faults))
        .route("/journal", get(journal))
        .route("/outlets", get(outlets))
        .with_state((pdu, relay))
}
