//! Ends what an earlier session of the daemon left of its fence agents.
//!
//! Must not know: what they were asked. Invariant: the root below which this session's agents will run is noted before
//! the first of them, in the state directory.

use crate::root::CgroupRoot;
use std::fs;
use std::io;
use std::path::Path;

/// No name of an instance makes this file name: those begin with `ha-`.
const NOTE: &str = "fence.root";
/// The leash above those of all calls.
pub(super) const LEASH: &str = "fence";

/// Kills the fence agents of earlier sessions, and notes where those of this one will be.
pub(crate) fn end_earlier_agents(root: &CgroupRoot, state_dir: &Path) -> io::Result<()> {
    let mut leash = root.leash(&[LEASH]);
    let file = state_dir.join(NOTE);
    match fs::read_to_string(&file) {
        Ok(note) if note == root.note() => {}
        Ok(note) => match CgroupRoot::noted(&note) {
            Ok(former) => leash.also_below(Some(former)),
            // Each has died with its daemon; only what detached itself from one can be left.
            Err(why) => tracing::warn!("what an earlier session's fence agents left is not seen: {why}"),
        },
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) => return Err(e),
    }
    leash.kill();
    let whole = file.with_extension("new");
    fs::write(&whole, root.note())?;
    fs::rename(whole, file)
}
