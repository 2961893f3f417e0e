//! How the contents lie in redb's tables, and the reading back that trusts nothing.
//!
//! Each record carries a checksum over its key and value. The manifest says what must be there: a table that lost
//! its first or last rows, or was emptied, does not pass. All of it is read at every start; it fits in memory,
//! since the core holds it there anyway.

use crate::batch::Bounds;
use crate::store::Contents;
use ha_codec::{decode, encode, open_record, seal_record};
use ha_model::StoreId;
use redb::{ReadTransaction, ReadableTable, TableDefinition, TableError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Format of the store. It rises when a table, the manifest, or what the daemon keeps in them changes: 2 since hard state, memory of
/// peers and memberships say where a store was put back and where it was named.
pub(crate) const FORMAT: u32 = 3;
/// The manifest is a few numbers.
const MANIFEST_MAX: usize = 1 << 10;
/// The single key of the tables with one record.
pub(crate) const ONLY: u64 = 0;

pub(crate) const MANIFEST: TableDefinition<u64, &[u8]> = TableDefinition::new("manifest");
pub(crate) const META: TableDefinition<&str, &[u8]> = TableDefinition::new("meta");
pub(crate) const LOG: TableDefinition<u64, &[u8]> = TableDefinition::new("log");
pub(crate) const SNAPSHOT: TableDefinition<u64, &[u8]> = TableDefinition::new("snapshot");

/// What the store must hold; written with every batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Manifest {
    pub format: u32,
    pub store: StoreId,
    pub first: u64,
    pub next: u64,
    pub meta_records: u64,
    pub has_snapshot: bool,
}

impl Manifest {
    pub fn fresh(store: StoreId) -> Self {
        Self { format: FORMAT, store, first: 1, next: 1, meta_records: 0, has_snapshot: false }
    }

    pub fn bounds(&self) -> Bounds {
        Bounds { first: self.first, next: self.next }
    }

    pub fn to_record(self) -> Vec<u8> {
        seal_record(b"manifest", &encode(&self))
    }
}

pub(crate) fn meta_record(key: &str, value: &[u8]) -> Vec<u8> {
    seal_record(format!("meta/{key}").as_bytes(), value)
}

pub(crate) fn log_record(index: u64, value: &[u8]) -> Vec<u8> {
    seal_record(format!("log/{index}").as_bytes(), value)
}

pub(crate) fn snapshot_record(value: &[u8]) -> Vec<u8> {
    seal_record(b"snapshot", value)
}

/// What reading back found.
pub(crate) enum Loaded {
    Intact(Manifest, Contents),
    OtherFormat(u32),
}

/// Why reading back failed: damage, or the disk.
pub(crate) enum LoadError {
    Corrupt(String),
    Redb(redb::Error),
}

impl<E: Into<redb::Error>> From<E> for LoadError {
    fn from(e: E) -> Self {
        LoadError::Redb(e.into())
    }
}

fn corrupt<T>(why: impl Into<String>) -> Result<T, LoadError> {
    Err(LoadError::Corrupt(why.into()))
}

fn opened(what: &str, key: &str, record: &[u8]) -> Result<Vec<u8>, LoadError> {
    match open_record(key.as_bytes(), record) {
        Ok(value) => Ok(value.to_vec()),
        Err(e) => corrupt(format!("{what}: {e}")),
    }
}

macro_rules! table {
    ($txn:expr, $definition:expr) => {
        match $txn.open_table($definition) {
            Ok(table) => table,
            Err(TableError::TableDoesNotExist(name)) => return corrupt(format!("table {name} is missing")),
            Err(e) => return Err(e.into()),
        }
    };
}

/// Reads and verifies everything.
pub(crate) fn load(txn: &ReadTransaction) -> Result<Loaded, LoadError> {
    let manifest = match read_manifest(txn)? {
        Ok(manifest) => manifest,
        Err(other) => return Ok(Loaded::OtherFormat(other)),
    };
    let meta = read_meta(txn)?;
    if meta.len() as u64 != manifest.meta_records {
        return corrupt(format!("{} meta records where {} were written", meta.len(), manifest.meta_records));
    }
    let log = read_log(txn, manifest.bounds())?;
    let snapshot = match table!(txn, SNAPSHOT).get(ONLY)? {
        Some(record) => Some(opened("snapshot", "snapshot", record.value())?),
        None => None,
    };
    if snapshot.is_some() != manifest.has_snapshot {
        return corrupt(format!(
            "snapshot present: {}, written: {}",
            snapshot.is_some(),
            manifest.has_snapshot
        ));
    }
    let contents =
        Contents { store: manifest.store, meta, first: manifest.first, log, snapshot, rolled_back: false };
    Ok(Loaded::Intact(manifest, contents))
}

/// The manifest, or the number of another format.
fn read_manifest(txn: &ReadTransaction) -> Result<Result<Manifest, u32>, LoadError> {
    let table = table!(txn, MANIFEST);
    let Some(record) = table.get(ONLY)? else { return corrupt("the manifest is missing") };
    let bytes = opened("manifest", "manifest", record.value())?;
    match decode::<Manifest>(&bytes, MANIFEST_MAX) {
        Ok(manifest) if manifest.format == FORMAT => Ok(Ok(manifest)),
        Ok(manifest) => Ok(Err(manifest.format)),
        // The format comes first and stays there, whatever a newer version adds behind it.
        Err(e) => match bytes.first() {
            Some(&format) if u32::from(format) > FORMAT && format < 251 => Ok(Err(format.into())),
            _ => corrupt(format!("manifest: {e}")),
        },
    }
}

fn read_meta(txn: &ReadTransaction) -> Result<BTreeMap<String, Vec<u8>>, LoadError> {
    let mut meta = BTreeMap::new();
    for row in table!(txn, META).iter()? {
        let (key, record) = row?;
        let key = key.value();
        let value = opened(&format!("meta record {key}"), &format!("meta/{key}"), record.value())?;
        meta.insert(key.to_owned(), value);
    }
    Ok(meta)
}

fn read_log(txn: &ReadTransaction, bounds: Bounds) -> Result<Vec<(u64, Vec<u8>)>, LoadError> {
    let mut log = Vec::new();
    let mut next = bounds.first;
    for row in table!(txn, LOG).iter()? {
        let (index, record) = row?;
        let index = index.value();
        if index != next {
            return corrupt(format!("log entry {index} where {next} is due"));
        }
        log.push((index, opened(&format!("log entry {index}"), &format!("log/{index}"), record.value())?));
        next += 1;
    }
    if next != bounds.next {
        return corrupt(format!("log ends before {next}, {} was written", bounds.next));
    }
    Ok(log)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::OpenError;
    use redb::{Database, ReadableDatabase, backends::InMemoryBackend};

    #[test]
    fn a_store_of_another_format_is_neither_read_nor_called_corrupt() {
        for (found, advice) in [(FORMAT - 1, "run the version that wrote it"), (FORMAT + 1, "upgrade")] {
            let db = Database::builder().create_with_backend(InMemoryBackend::new()).unwrap();
            let txn = db.begin_write().unwrap();
            let manifest = Manifest { format: found, ..Manifest::fresh(StoreId(1)) };
            txn.open_table(MANIFEST).unwrap().insert(ONLY, manifest.to_record().as_slice()).unwrap();
            txn.commit().unwrap();
            let loaded = load(&db.begin_read().unwrap());
            assert!(matches!(loaded, Ok(Loaded::OtherFormat(of)) if of == found));
            let told = OpenError::OtherFormat { found, known: FORMAT }.to_string();
            assert!(told.contains(advice), "{told}");
        }
    }
}
