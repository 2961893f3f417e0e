//! Time from exec of `hactl status` to its answer, with a daemon that answers at once.
//!
//! `cargo build -p hactl && cargo run -p hactl --example latency`

use ha_api::{Server, SocketOptions};
use ha_model::{AdminReply, Phase, StatusView, Term, WallMs};
use std::process::{Command, Stdio};
use std::time::Instant;

const RUNS: usize = 100;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = std::env::temp_dir().join(format!("hactl-latency-{}", std::process::id()));
    let options = SocketOptions { path: directory.join("hanode.sock"), ..SocketOptions::default() };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let server = {
        let _guard = runtime.enter();
        Server::bind(&options)?
    };
    let view = StatusView {
        cluster: "shop".to_owned(),
        seen_by: "alpha".into(),
        at: WallMs(0),
        state: Phase::Active,
        leader: Some("alpha".into()),
        term: Term(1),
        voters: vec!["alpha".into()],
        nodes: Vec::new(),
        resources: Vec::new(),
        fences: Vec::new(),
        paths: Vec::new(),
        waivers: Vec::new(),
        warnings: Vec::new(),
        own_view: None,
    };
    let handler = move |_, _| std::future::ready(AdminReply::Status(Box::new(view.clone())));
    runtime.spawn(server.run("alpha".into(), "0", handler, std::future::pending()));

    // target/debug/examples/latency -> target/debug/hactl
    let own = std::env::current_exe()?;
    let program = own.parent().and_then(|d| d.parent()).ok_or("no target directory")?.join("hactl");
    let mut times = Vec::with_capacity(RUNS);
    for _ in 0..RUNS {
        let start = Instant::now();
        let status = Command::new(&program)
            .arg("status")
            .env("HA_SOCKET", &options.path)
            .stdout(Stdio::null())
            .status()?;
        times.push(start.elapsed());
        if !status.success() {
            return Err(format!("{} failed: {status}", program.display()).into());
        }
    }
    times.sort_unstable();
    let ms = |position: usize| times[position].as_secs_f64() * 1000.0;
    println!(
        "hactl status, exec to end, {RUNS} runs: min {:.1} ms, median {:.1} ms, max {:.1} ms",
        ms(0),
        ms(RUNS / 2),
        ms(RUNS - 1)
    );
    std::fs::remove_dir_all(&directory)?;
    Ok(())
}
