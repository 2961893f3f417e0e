//! The simulated PDUs of a lab: each in its own network namespace, over the outlets of the machine room.
//!
//! Must not know: how a host is powered. What a switch was asked, and what it says it did, goes to `NAME.jsonl` in the
//! lab's directory; what truly happened is in the room's own journal.

use crate::error::{Context, LabError, Result};
use crate::json_log::JsonLog;
use crate::network::{enter, netns_path};
use crate::room::Room;
use crate::spec::{PduSpec, ipv4};
use ha_pdu::{HttpOptions, Pdu, PduFaults, Relay, SnmpOptions, SnmpUser, serve_http, serve_snmp};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, mpsc};

/// User of every switch's HTTP face.
pub const HTTP_USER: &str = "admin";
/// Its password.
pub const HTTP_PASSWORD: &str = "1234";
/// SNMP community that may read.
pub const READ_COMMUNITY: &str = "public";
/// SNMP community that may switch.
pub const WRITE_COMMUNITY: &str = "private";
/// SNMP v3 user (SHA256 and AES).
pub const SNMP_USER: &str = "ha-lab";
/// Its authentication pass phrase.
pub const SNMP_AUTH: &str = "authenticate-me";
/// Its privacy pass phrase.
pub const SNMP_PRIVACY: &str = "nobody-may-read";
/// Bound of a switch's own journal.
const JOURNAL_MAX: u64 = 16 << 20;

/// The outlets of one switch.
///
/// The switch's own thread lives in the switch's network namespace, and so would all that it starts; power is given
/// and taken in the lab's root namespace. So a thread that was started there does it.
struct Outlets {
    room: Arc<Room>,
    pdu: String,
    hands: Mutex<mpsc::Sender<Move>>,
}

/// One outlet to move, and whom to tell when it is done.
struct Move {
    outlet: u32,
    on: bool,
    done: mpsc::SyncSender<()>,
}

impl Outlets {
    fn new(room: &Arc<Room>, pdu: &str) -> Self {
        let (hands, moves) = mpsc::channel::<Move>();
        let (own_room, own_pdu) = (room.clone(), pdu.to_string());
        std::thread::spawn(move || {
            for Move { outlet, on, done } in moves {
                if let Err(e) = own_room.set_outlet(&own_pdu, outlet, on, "outlet") {
                    eprintln!("ha-lab power: {own_pdu} outlet {outlet}: {e}");
                }
                let _ = done.send(());
            }
        });
        Self { room: room.clone(), pdu: pdu.into(), hands: Mutex::new(hands) }
    }
}

impl Relay for Outlets {
    fn outlets(&self) -> u32 {
        self.room.outlets(&self.pdu).keys().copied().max().unwrap_or(0)
    }

    fn get(&self, outlet: u32) -> bool {
        self.room.outlets(&self.pdu).get(&outlet).copied().unwrap_or(false)
    }

    fn set(&self, outlet: u32, on: bool) {
        let (done, is_done) = mpsc::sync_channel(1);
        let asked = self.hands.lock().unwrap_or_else(|p| p.into_inner()).send(Move { outlet, on, done });
        if asked.is_err() || is_done.recv().is_err() {
            eprintln!("ha-lab power: {} outlet {outlet}: the switch's hands are gone", self.pdu);
        }
    }

    fn name(&self, outlet: u32) -> String {
        let pdus = &self.room.spec().pdus;
        let host = pdus.iter().find(|p| p.name == self.pdu).and_then(|p| p.outlets.get(&outlet));
        host.cloned().unwrap_or_else(|| format!("outlet{outlet}"))
    }
}

/// A running switch.
pub struct Switch {
    pdu: Arc<Pdu>,
}

impl Switch {
    /// Starts a switch in a thread inside its network namespace; returns when both faces listen.
    pub fn start(room: &Arc<Room>, spec: &PduSpec) -> Result<Self> {
        let pdu = Pdu::new(Arc::new(Outlets::new(room, &spec.name)));
        let dir = &room.spec().dir;
        let log = Mutex::new(JsonLog::open(&dir.join(format!("{}.jsonl", spec.name)), JOURNAL_MAX)?);
        pdu.on_record(move |record| {
            let written = log.lock().unwrap_or_else(|p| p.into_inner()).write(record);
            if let Err(e) = written {
                eprintln!("ha-lab power: {e}");
            }
        });
        let network = netns_path(dir, &spec.name);
        let link = room.spec().links.last().expect("a lab has a link");
        let address: Ipv4Addr = ipv4(link, spec.number).parse().expect("built from four bytes");
        let (said, ready) = mpsc::sync_channel(1);
        let served = pdu.clone();
        std::thread::spawn(move || {
            let failure = enter(&network).and_then(|()| serve(served, address.into(), &said));
            let _ = said.send(failure);
        });
        let answer = ready.recv().map_err(|_| LabError::Gone(format!("switch {} panicked", spec.name)));
        answer?.map(|()| Self { pdu })
    }

    /// Replaces its faults; null ends them all.
    pub fn set_faults(&self, faults: serde_json::Value) -> Result<()> {
        let faults = match faults {
            serde_json::Value::Null => PduFaults::default(),
            some => serde_json::from_value(some).map_err(|e| LabError::Refused(format!("fault: {e}")))?,
        };
        self.pdu.set_faults(faults);
        Ok(())
    }
}

/// Serves until the process ends; says once that it does. A runtime of one thread, so that every socket is made in
/// this thread's network namespace.
fn serve(pdu: Arc<Pdu>, address: IpAddr, said: &mpsc::SyncSender<Result<()>>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.what(|| "start a switch".into())?.block_on(async move {
        let http = HttpOptions { user: HTTP_USER.into(), password: HTTP_PASSWORD.into() };
        let at = |port| SocketAddr::new(address, port);
        let _http =
            serve_http(pdu.clone(), at(80), http).await.what(|| format!("serve HTTP at {address}"))?;
        let snmp = SnmpOptions {
            read_community: READ_COMMUNITY.into(),
            write_community: WRITE_COMMUNITY.into(),
            users: vec![SnmpUser {
                name: SNMP_USER.into(),
                auth: Some(("SHA256".into(), SNMP_AUTH.into())),
                privacy: Some(("AES".into(), SNMP_PRIVACY.into())),
            }],
            ..SnmpOptions::default()
        };
        let _snmp = serve_snmp(pdu, at(161), snmp)
            .await
            .map_err(std::io::Error::other)
            .what(|| format!("serve SNMP at {address}"))?;
        let _ = said.send(Ok(()));
        std::future::pending::<Result<()>>().await
    })
}
