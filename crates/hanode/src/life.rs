//! Who this node is now: its boot, its session; random numbers for both come from the kernel.

use ha_model::{Incarnation, Now, SessionId, WallMs};
use ring::rand::{SecureRandom, SystemRandom};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Boot ids that a lab or a container host hands out; the kernel's is the same in every namespace.
const GIVEN_BOOT_ID: &str = "/run/ha/boot_id";
const KERNEL_BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Why the boot cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum LifeError {
    /// The file cannot be read.
    #[error("the id of this boot cannot be read from {path}: {source}")]
    Read {
        /// File.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It does not hold a UUID.
    #[error("{path} does not hold a boot id (32 hexadecimal digits), but \"{found}\"")]
    Form {
        /// File.
        path: PathBuf,
        /// Its content.
        found: String,
    },
    /// The kernel gives no randomness.
    #[error("the kernel gives no random numbers")]
    Random,
}

/// This boot.
pub fn incarnation(given: Option<&Path>) -> Result<Incarnation, LifeError> {
    let default = if Path::new(GIVEN_BOOT_ID).exists() { GIVEN_BOOT_ID } else { KERNEL_BOOT_ID };
    let path = given.unwrap_or(Path::new(default));
    let text =
        std::fs::read_to_string(path).map_err(|source| LifeError::Read { path: path.to_owned(), source })?;
    let digits: String = text.trim().chars().filter(|c| *c != '-').collect();
    u128::from_str_radix(&digits, 16)
        .ok()
        .filter(|_| digits.len() == 32)
        .map(Incarnation)
        .ok_or_else(|| LifeError::Form { path: path.to_owned(), found: text.trim().to_owned() })
}

/// A new session.
pub fn session() -> Result<SessionId, LifeError> {
    let mut bytes = [0; 16];
    SystemRandom::new().fill(&mut bytes).map_err(|_| LifeError::Random)?;
    Ok(SessionId(u128::from_le_bytes(bytes)))
}

/// A seed for the randomness of elections.
pub fn seed() -> Result<u64, LifeError> {
    let mut bytes = [0; 8];
    SystemRandom::new().fill(&mut bytes).map_err(|_| LifeError::Random)?;
    Ok(u64::from_le_bytes(bytes))
}

/// The present.
pub fn now() -> Now {
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Now { boot: ha_transport::boot_now(), wall: WallMs(i64::try_from(wall.as_millis()).unwrap_or(i64::MAX)) }
}
