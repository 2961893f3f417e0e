//! The SNMP face: v1, v2c and v3 over the objects of `mib`.
//!
//! Must not know: what an object means.
//!
//! Invariants: the read community writes nothing; a v3 user is let in only at its own security level.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use async_snmp::agent::Agent;
use async_snmp::{
    AuthProtocol, AuthoritativeEngine, BoxFuture, CryptoError, DesSaltState, GetNextResult, GetResult,
    HandlerError, HandlerResult, MibHandler, Oid, PreparedSet, PrivProtocol, RequestContext, SecurityLevel,
    SecurityModel, SetCommitError, SetCommitResult, SetTestError, SetTestResult, SetUndoError, SetUndoResult,
    Value, VarBind, Version,
};
use tokio::net::UdpSocket;
use tokio::task::JoinSet;

use crate::journal::Protocol;
use crate::mib::{self, Write, WriteError};
use crate::pdu::Pdu;
use crate::udp_front;

/// What the switch says it is (sysObjectID).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectId {
    /// First-generation rack PDU.
    Rpdu,
    /// Second-generation rack PDU.
    Rpdu2,
    /// An older switch with the MasterSwitch table alone.
    MasterSwitch,
}

impl ObjectId {
    fn arcs(self) -> Vec<u32> {
        let product = match self {
            Self::Rpdu => 5,
            Self::Rpdu2 => 6,
            Self::MasterSwitch => 2,
        };
        [mib::APC.as_slice(), &[1, 3, 4, product]].concat()
    }
}

/// A user of SNMP v3. Its pass phrases decide its security level.
#[derive(Clone)]
pub struct SnmpUser {
    /// User name.
    pub name: String,
    /// `MD5`, `SHA`, `SHA256` … and pass phrase.
    pub auth: Option<(String, String)>,
    /// `DES`, `AES`, `AES256` … and pass phrase; needs `auth`.
    pub privacy: Option<(String, String)>,
}

/// Who may read and write, and what the switch says it is.
#[derive(Clone)]
pub struct SnmpOptions {
    /// Community that may read.
    pub read_community: String,
    /// Community that may read and write.
    pub write_community: String,
    /// Users of version 3, who may read and write.
    pub users: Vec<SnmpUser>,
    /// sysObjectID.
    pub object_id: ObjectId,
}

impl Default for SnmpOptions {
    fn default() -> Self {
        Self {
            read_community: "public".into(),
            write_community: "private".into(),
            users: Vec::new(),
            object_id: ObjectId::Rpdu,
        }
    }
}

/// Why the face did not start.
#[derive(Debug, thiserror::Error)]
pub enum SnmpServeError {
    /// The address cannot be used.
    #[error("SNMP face at {addr}: {source}")]
    Bind {
        /// Which address.
        addr: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// A user's protocols or pass phrases are not usable.
    #[error("SNMP user {user}: {detail}")]
    User {
        /// Which user.
        user: String,
        /// Why.
        detail: String,
    },
    /// The agent library refused.
    #[error("SNMP agent: {0} (is the loopback interface up?)")]
    Agent(String),
}

/// A running SNMP face; it ends when dropped.
pub struct SnmpServer {
    addr: SocketAddr,
    _tasks: JoinSet<()>,
}

impl SnmpServer {
    /// The address it listens on, with the port that was chosen.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}

/// Serves SNMP at `addr` (port 0: any). The agent proper listens on a port of the loopback interface behind it.
///
/// # Errors
/// When the address or a user's protocols cannot be used.
pub async fn serve_snmp(
    pdu: Arc<Pdu>,
    addr: SocketAddr,
    options: SnmpOptions,
) -> Result<SnmpServer, SnmpServeError> {
    let outer = UdpSocket::bind(addr).await.map_err(|source| SnmpServeError::Bind { addr, source })?;
    let addr = outer.local_addr().map_err(|source| SnmpServeError::Bind { addr, source })?;
    let agent = build(&pdu, &options).await?;
    let inner = agent.local_addr();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        if let Err(error) = agent.run().await {
            tracing::error!(%error, "SNMP agent ended");
        }
    });
    tasks.spawn(async move {
        if let Err(error) = udp_front::relay(pdu, outer, inner).await {
            tracing::error!(%error, "SNMP front ended");
        }
    });
    Ok(SnmpServer { addr, _tasks: tasks })
}

async fn build(pdu: &Arc<Pdu>, options: &SnmpOptions) -> Result<Agent, SnmpServeError> {
    let agent_error = |error: &dyn std::fmt::Display| SnmpServeError::Agent(error.to_string());
    let mut random = [0; 8];
    ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut random)
        .map_err(|_| agent_error(&"no random numbers"))?;
    // A new engine at each start, so that its boots counter may start at 1 without being kept.
    let engine_id = [&[0x80, 0, 1, 0x3e, 5], random.as_slice()].concat();
    let engine = AuthoritativeEngine::install(engine_id, |_| Ok::<(), std::convert::Infallible>(()))
        .map_err(|error| agent_error(&error))?;
    let salt = DesSaltState::install(|_| Ok::<(), std::convert::Infallible>(()))
        .map_err(|error| agent_error(&error))?;
    let mut builder = Agent::builder()
        .bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).to_string())
        .authoritative_engine(engine)
        .des_salt_state(salt)
        .community(options.read_community.as_str())
        .community(options.write_community.as_str());
    for user in &options.users {
        builder = builder
            .usm_user(user.name.clone(), |known| secured(known, user))
            .map_err(|error| SnmpServeError::User { user: user.name.clone(), detail: error.to_string() })?;
    }
    for base in [mib::SYSTEM, mib::APC] {
        let handler = Objects { pdu: Arc::clone(pdu), base, object_id: options.object_id.arcs() };
        builder = builder.handler(Oid::from_slice(&base), Arc::new(handler));
    }
    builder = builder.vacm(|mut vacm| {
        let everything = Oid::from_slice(&[1, 3, 6, 1]);
        vacm = vacm.view("all", |view| view.include(everything));
        for model in [SecurityModel::V1, SecurityModel::V2c] {
            vacm = vacm
                .group(options.read_community.clone(), model, "readers")
                .group(options.write_community.clone(), model, "writers")
                .access("readers", model, SecurityLevel::NoAuthNoPriv, |access| access.read_view("all"))
                .access("writers", model, SecurityLevel::NoAuthNoPriv, |access| {
                    access.read_view("all").write_view("all")
                });
        }
        for user in &options.users {
            let level = match (&user.auth, &user.privacy) {
                (None, _) => SecurityLevel::NoAuthNoPriv,
                (Some(_), None) => SecurityLevel::AuthNoPriv,
                (Some(_), Some(_)) => SecurityLevel::AuthPriv,
            };
            let group = format!("user {}", user.name);
            vacm = vacm.group(user.name.clone(), SecurityModel::Usm, group.clone()).access(
                group,
                SecurityModel::Usm,
                level,
                |access| access.read_view("all").write_view("all"),
            );
        }
        vacm
    });
    builder.build().await.map_err(|error| agent_error(&error))
}

fn secured(known: async_snmp::UsmUser, user: &SnmpUser) -> Result<async_snmp::UsmUser, CryptoError> {
    let auth = |name: &str| {
        name.parse::<AuthProtocol>()
            .map_err(|_| CryptoError::UnsupportedAlgorithm("unknown authentication protocol"))
    };
    match (&user.auth, &user.privacy) {
        (None, _) => Ok(known),
        (Some((protocol, phrase)), None) => known.auth(auth(protocol)?, phrase.as_bytes()),
        (Some((protocol, phrase)), Some((privacy, privacy_phrase))) => {
            let privacy = match privacy.as_str() {
                "DES" => PrivProtocol::Des,
                "AES192" => PrivProtocol::Aes192Blumenthal,
                "AES256" => PrivProtocol::Aes256Blumenthal,
                "AES" => PrivProtocol::Aes128,
                _ => return Err(CryptoError::UnsupportedAlgorithm("unknown privacy protocol")),
            };
            known.auth_priv(auth(protocol)?, phrase.as_bytes(), privacy, privacy_phrase.as_bytes())
        }
    }
}

struct Objects {
    pdu: Arc<Pdu>,
    base: [u32; 7],
    object_id: Vec<u32>,
}

impl Objects {
    fn snapshot(&self) -> HandlerResult<std::collections::BTreeMap<Oid, Value>> {
        mib::snapshot(&self.pdu, &self.object_id).map_err(|_| HandlerError::new("device failure"))
    }
}

impl MibHandler for Objects {
    fn get<'a>(&'a self, _: &'a RequestContext, oid: &'a Oid) -> BoxFuture<'a, HandlerResult<GetResult>> {
        Box::pin(async move {
            Ok(self.snapshot()?.remove(oid).map_or(GetResult::NoSuchInstance, GetResult::Value))
        })
    }

    fn get_next<'a>(
        &'a self,
        _: &'a RequestContext,
        oid: &'a Oid,
    ) -> BoxFuture<'a, HandlerResult<GetNextResult>> {
        Box::pin(async move {
            let base = Oid::from_slice(&self.base);
            let after = (std::ops::Bound::Excluded(oid.clone()), std::ops::Bound::Unbounded);
            let next = self
                .snapshot()?
                .range(after)
                .find(|(oid, _)| oid.starts_with(&base))
                .map(|(oid, value)| GetNextResult::Value(VarBind::new(oid.clone(), value.clone())));
            Ok(next.unwrap_or(GetNextResult::EndOfMibView))
        })
    }

    fn test_set<'a>(
        &'a self,
        ctx: &'a RequestContext,
        oid: &'a Oid,
        value: &'a Value,
    ) -> BoxFuture<'a, SetTestResult> {
        Box::pin(async move {
            let write = mib::decode_write(oid, value).map_err(|error| match error {
                WriteError::NotWritable => SetTestError::NotWritable,
                WriteError::WrongType => SetTestError::WrongType,
                WriteError::WrongValue => SetTestError::WrongValue,
            })?;
            let protocol = match ctx.version() {
                Version::V1 => Protocol::SnmpV1,
                Version::V2c => Protocol::SnmpV2c,
                // The library may learn more versions; they will be secured like v3.
                _ => Protocol::SnmpV3,
            };
            let known = self.snapshot().ok().map(|objects| objects.contains_key(oid));
            if known == Some(true) && self.pdu.faults().rejecting {
                let _ = mib::apply(&self.pdu, protocol, write);
                return Err(SetTestError::WrongValue);
            }
            if known == Some(true) {
                return Ok(Box::new(Prepared { pdu: Arc::clone(&self.pdu), protocol, write })
                    as Box<dyn PreparedSet>);
            }
            // The refusal belongs into the journal too, so the command is given and fails there.
            let _ = mib::apply(&self.pdu, protocol, write);
            Err(if known.is_some() { SetTestError::NoCreation } else { SetTestError::GeneralFailure })
        })
    }
}

struct Prepared {
    pdu: Arc<Pdu>,
    protocol: Protocol,
    write: Write,
}

impl PreparedSet for Prepared {
    fn commit<'a>(
        &'a mut self,
        _: &'a RequestContext,
        _: &'a Oid,
        _: &'a Value,
    ) -> BoxFuture<'a, SetCommitResult> {
        Box::pin(async move {
            mib::apply(&self.pdu, self.protocol, self.write).map_err(|_| SetCommitError::Failed)?;
            self.pdu.late().await;
            Ok(())
        })
    }

    fn undo<'a>(
        &'a mut self,
        _: &'a RequestContext,
        _: &'a Oid,
        _: &'a Value,
    ) -> BoxFuture<'a, SetUndoResult> {
        // Power that was cut cannot be un-cut.
        Box::pin(async { Err(SetUndoError::Failed) })
    }
}
