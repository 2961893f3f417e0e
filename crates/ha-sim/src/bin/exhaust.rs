//! `exhaust`
use ha_sim::scope::{explore, scopes, milestones};
fn main() {
    std::panic::set_hook(Box::new(|_| {}));
    let args: Vec<String> = std::env::args().skip(1).collect();
    let secs: u64 = args.get(1).and_then(|s| s.parse().ok()).unwrap_or(60);
    for scope in scopes::ALL {
        if args.first().is_some_and(|n| n != scope.name && n != "all") { continue }
        let end = std::time::Instant::now() + std::time::Duration::from_secs(secs);
        let o = explore::explore(scope, Some(end));
        println!("{}: states {} worlds {} moves {} depth {} took {:?} cut short {}", scope.name, o.states, o.worlds.len(), o.moves, o.depth, o.took, o.is_cut_short);
        for (n, r) in milestones::ROWS.iter().zip(o.rows) { println!("   {r:>9} {n}"); }
        if let Some((v, path)) = &o.broken {
            for l in explore::replay(scope, path) { println!("{l}"); }
            println!("BROKEN {v:?} after {}", path.len());
        } else if args.get(2).is_some() { for l in explore::undisturbed(scope) { println!("{l}"); } }
    }
}
