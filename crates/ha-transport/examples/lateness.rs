//! How late the heartbeat thread runs on this machine, as it is loaded now:
//! `cargo run --example lateness -- SECONDS [plain]`; `plain` asks the kernel for nothing, to compare.

use ha_transport::beats::{Ages, BeatContents, Beats, BeatsConfig, Realtime};
use ha_transport::boot_now;
use std::collections::BTreeMap;
use std::time::Duration;

/// The interval of profile `fast`.
const INTERVAL: Duration = Duration::from_millis(15);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let seconds: u64 = arguments.next().ok_or("usage: lateness SECONDS [plain]")?.parse()?;
    let realtime = if arguments.next().is_some() { Realtime::NONE } else { Realtime::ALL };
    let (beats, _receiver, warnings) = Beats::start(BeatsConfig {
        listen: vec![],
        peers: BTreeMap::new(),
        interval: INTERVAL,
        ages: Ages::default(),
        realtime,
        on_period: None,
    })?;
    for warning in warnings {
        println!("warning: {warning}");
    }
    let control = beats.control();
    let valid_until = boot_now() + Duration::from_secs(seconds + 60);
    control.publish(BeatContents { valid_until, ..BeatContents::default() });
    std::thread::sleep(Duration::from_secs(seconds));
    println!(
        "every {} ms for {seconds} s: latest period {:.3} ms late",
        INTERVAL.as_millis(),
        control.stats().late_max_ns as f64 / 1e6
    );
    Ok(())
}
