//! From options to SNMP credentials.
//!
//! Must not know: what is asked of the device.
//!
//! Invariant: a security level that lacks a pass phrase is an error, never a lower level.

use std::time::{SystemTime, UNIX_EPOCH};

use async_snmp::v3::{DesSaltState, PersistedDesSaltState};
use async_snmp::{Auth, AuthProtocol, PrivProtocol, UsmConfig};
use ha_fence_agent::{DeviceError, Secret, Settings, UsageError};

/// RFC 3414 §11.2 asks for pass phrases of at least 8 characters; devices refuse shorter ones.
const MIN_PASS_PHRASE: usize = 8;
/// Largest `snmpEngineBoots` (RFC 3414 §2.2.2): salts of DES are made from such a number.
const MAX_BOOTS: u64 = 2_147_483_646;

/// What a request is signed and sealed with.
pub(crate) struct Credentials {
    pub(crate) auth: Auth,
    /// Needed for DES alone.
    pub(crate) salt: Option<DesSaltState>,
}

/// Reads the credentials.
pub(crate) fn read(settings: &Settings) -> Result<Credentials, DeviceError> {
    let version = settings.get("snmp_version").unwrap_or("2c");
    if version == "3" {
        return usm(settings);
    }
    let community = settings.secret("community")?.ok_or_else(|| {
        UsageError::Values(vec![format!(
            "option 'community' (or community_file) is missing: SNMP v{version} needs it"
        )])
    })?;
    let community = community.expose().to_owned();
    let auth = if version == "1" { Auth::v1(community) } else { Auth::v2c(community) };
    Ok(Credentials { auth, salt: None })
}

fn usm(settings: &Settings) -> Result<Credentials, DeviceError> {
    let user = settings.required("username", "SNMP v3 needs a user")?.to_owned();
    let auth_phrase = settings.secret("password")?;
    let priv_phrase = settings.secret("snmp_priv_passwd")?;
    let level = settings.get("snmp_sec_level").unwrap_or(match (&auth_phrase, &priv_phrase) {
        (None, _) => "noAuthNoPriv",
        (Some(_), None) => "authNoPriv",
        (Some(_), Some(_)) => "authPriv",
    });
    let config = UsmConfig::new(user);
    if level == "noAuthNoPriv" {
        return Ok(Credentials { auth: config.into(), salt: None });
    }
    let auth_phrase = phrase(auth_phrase, "password", level)?;
    let auth_protocol: AuthProtocol = settings
        .get("snmp_auth_prot")
        .unwrap_or("SHA")
        .parse()
        .map_err(|error| wrong("snmp_auth_prot", &error))?;
    if level == "authNoPriv" {
        let config =
            config.auth(auth_protocol, auth_phrase.expose()).map_err(|error| wrong("password", &error))?;
        return Ok(Credentials { auth: config.into(), salt: None });
    }
    let priv_phrase = phrase(priv_phrase, "snmp_priv_passwd", level)?;
    let priv_protocol = match settings.get("snmp_priv_prot") {
        Some("DES") => PrivProtocol::Des,
        Some("AES192") => PrivProtocol::Aes192Blumenthal,
        Some("AES256") => PrivProtocol::Aes256Blumenthal,
        _ => PrivProtocol::Aes128,
    };
    let config = config
        .auth_priv(auth_protocol, auth_phrase.expose(), priv_protocol, priv_phrase.expose())
        .map_err(|error| wrong("snmp_priv_passwd", &error))?;
    let salt = (priv_protocol == PrivProtocol::Des).then(des_salt).transpose()?;
    Ok(Credentials { auth: config.into(), salt })
}

fn phrase(found: Option<Secret>, option: &str, level: &str) -> Result<Secret, DeviceError> {
    match found {
        None => Err(DeviceError::Config(format!("option '{option}' is missing: {level} needs it"))),
        Some(secret) if secret.expose().len() < MIN_PASS_PHRASE => Err(DeviceError::Config(format!(
            "option '{option}' is shorter than {MIN_PASS_PHRASE} characters"
        ))),
        Some(secret) => Ok(secret),
    }
}

fn wrong(option: &str, error: &dyn std::fmt::Display) -> DeviceError {
    DeviceError::Config(format!("option '{option}': {error}"))
}

/// DES needs salts that never repeat under one key. An agent keeps no file between runs, so each run takes the
/// epoch from the clock, in steps of 16 ms, which repeats after more than a year.
fn des_salt() -> Result<DesSaltState, DeviceError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let epoch = u64::try_from(now).unwrap_or_default() / 16 % (MAX_BOOTS - 1) + 1;
    let persisted = PersistedDesSaltState::new(u32::try_from(epoch).expect("below 2^31"))
        .map_err(|error| wrong("snmp_priv_prot", &error))?;
    DesSaltState::restart(persisted, |_| Ok::<(), std::convert::Infallible>(()))
        .map_err(|error| wrong("snmp_priv_prot", &error))
}
