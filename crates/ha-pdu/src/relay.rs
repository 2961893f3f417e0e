//! What the switch switches.
//!
//! Must not know: protocols, faults.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The caller's relays. Outlets are numbered from 1 to [`Relay::outlets`].
///
/// Called with no lock held, from the switch's runtime: [`Relay::set`] may take as long as cutting power takes.
pub trait Relay: Send + Sync + 'static {
    /// How many outlets there are.
    fn outlets(&self) -> u32;
    /// Whether an outlet truly gives power.
    fn get(&self, outlet: u32) -> bool;
    /// Gives or takes power.
    fn set(&self, outlet: u32, on: bool);
    /// What the switch calls an outlet.
    fn name(&self, outlet: u32) -> String {
        format!("outlet{outlet}")
    }
}

/// Relays in memory, all on at first.
#[derive(Debug)]
pub struct MemoryRelay(Mutex<BTreeMap<u32, bool>>);

impl MemoryRelay {
    /// `outlets` relays.
    #[must_use]
    pub fn new(outlets: u32) -> Self {
        Self(Mutex::new((1..=outlets).map(|outlet| (outlet, true)).collect()))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u32, bool>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Relay for MemoryRelay {
    fn outlets(&self) -> u32 {
        u32::try_from(self.lock().len()).expect("made from a u32")
    }

    fn get(&self, outlet: u32) -> bool {
        self.lock().get(&outlet).copied().unwrap_or(false)
    }

    fn set(&self, outlet: u32, on: bool) {
        if let Some(state) = self.lock().get_mut(&outlet) {
            *state = on;
        }
    }
}

/// Relays kept in a JSON file (`{"1": true, …}`), replaced as a whole at each change.
#[derive(Debug)]
pub struct FileRelay {
    path: PathBuf,
    memory: MemoryRelay,
}

impl FileRelay {
    /// `outlets` relays, as the file says where it exists, on otherwise.
    ///
    /// # Errors
    /// When the file cannot be read or written, or is not of this form.
    pub fn open(path: PathBuf, outlets: u32) -> io::Result<Self> {
        let memory = MemoryRelay::new(outlets);
        match std::fs::read(&path) {
            Ok(bytes) => {
                let saved: BTreeMap<u32, bool> = serde_json::from_slice(&bytes)?;
                for (outlet, on) in saved {
                    memory.set(outlet, on);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let relay = Self { path, memory };
        relay.save()?;
        Ok(relay)
    }

    fn save(&self) -> io::Result<()> {
        let text = serde_json::to_vec(&*self.memory.lock())?;
        let new = self.path.with_extension("new");
        std::fs::write(&new, text)?;
        std::fs::rename(&new, &self.path)
    }
}

impl Relay for FileRelay {
    fn outlets(&self) -> u32 {
        self.memory.outlets()
    }

    fn get(&self, outlet: u32) -> bool {
        self.memory.get(outlet)
    }

    fn set(&self, outlet: u32, on: bool) {
        self.memory.set(outlet, on);
        if let Err(error) = self.save() {
            tracing::error!(path = %self.path.display(), %error, "relay state not saved");
        }
    }
}
