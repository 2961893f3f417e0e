//! Commits per second and their latency on a real disk: `cargo run --release --example commits -- DIR`.

use ha_model::{BootNs, EffectId};
use ha_storage::{Batch, Store, StoreWriter};
use std::path::PathBuf;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

/// Commits measured for each line of the table.
const RUNS: u64 = 300;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir =
        PathBuf::from(std::env::args().nth(1).ok_or("usage: commits DIR (an empty directory on the disk)")?);
    println!("{:<28} {:>9} {:>9} {:>9} {:>9} {:>9}", "commit", "per s", "min ms", "median", "99 %", "max");
    let (mut store, _) = Store::open(&dir.join("store"))?;
    let mut next = 1;
    for bytes in [100, 4 << 10, 64 << 10, 1 << 20] {
        let mut times = Vec::new();
        for _ in 0..RUNS {
            let batch = Batch {
                append: vec![(next, vec![7; bytes])],
                drop_through: (next > 100).then(|| next - 100),
                ..Batch::default()
            };
            let started = Instant::now();
            store.apply(&batch)?;
            times.push(started.elapsed());
            next += 1;
        }
        print(&format!("one entry of {bytes} B"), &mut times, RUNS);
    }
    grouped(store, next)
}

/// The writer with 32 batches always outstanding.
fn grouped(store: Store, first: u64) -> Result<(), Box<dyn std::error::Error>> {
    const OUTSTANDING: u64 = 32;
    let (tx, rx) = channel();
    let writer = StoreWriter::start(
        store,
        || BootNs(1),
        move |done| {
            let _ = tx.send(done);
        },
    )?;
    let mut submitted = std::collections::VecDeque::new();
    let mut times = Vec::new();
    let total = RUNS * 10;
    for n in 0..total + OUTSTANDING {
        if n >= OUTSTANDING {
            rx.recv()?;
            let at: Option<Instant> = submitted.pop_front();
            times.extend(at.map(|at| at.elapsed()));
        }
        if n < total {
            submitted.push_back(Instant::now());
            writer
                .submit(EffectId(n), Batch { append: vec![(first + n, vec![7; 100])], ..Batch::default() })?;
        }
    }
    print("100 B, 32 outstanding", &mut times, total);
    Ok(())
}

fn print(what: &str, times: &mut [Duration], commits: u64) {
    let wall: Duration = times.iter().sum();
    times.sort();
    let ms = |at: usize| times[at.min(times.len() - 1)].as_secs_f64() * 1e3;
    let outstanding = if commits > RUNS { 32.0 } else { 1.0 };
    println!(
        "{what:<28} {:>9.0} {:>9.3} {:>9.3} {:>9.3} {:>9.3}",
        commits as f64 / wall.as_secs_f64() * outstanding,
        ms(0),
        ms(times.len() / 2),
        ms(times.len() * 99 / 100),
        ms(times.len() - 1),
    );
}
