//! A host's clock: it starts anew with each boot, drifts, and stands still while the hypervisor stops the host.

use ha_model::BootNs;

/// Nanoseconds of the world.
pub type World = u64;

/// The clock.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// At this time of the world it showed `shown`.
    since: World,
    shown: u64,
    /// Millionths that it runs fast.
    ppm: i32,
    is_stopped: bool,
}

impl Clock {
    /// A boot, that was begun so long before.
    #[must_use]
    pub fn booted(t: World, uptime: u64, ppm: i32) -> Self {
        Self { since: t, shown: uptime, ppm, is_stopped: false }
    }

    /// What it shows.
    #[must_use]
    pub fn at(&self, t: World) -> BootNs {
        if self.is_stopped {
            return BootNs(self.shown);
        }
        let passed = i128::from(t.saturating_sub(self.since));
        let passed = passed + passed * i128::from(self.ppm) / 1_000_000;
        BootNs(self.shown + u64::try_from(passed).unwrap_or(0))
    }

    /// When it will show that, going on as it does; not before it does.
    #[must_use]
    pub fn when(&self, shows: BootNs) -> World {
        let left = i128::from(shows.0.saturating_sub(self.shown));
        let rate = 1_000_000 + i128::from(self.ppm);
        let left = (left * 1_000_000 + rate - 1) / rate;
        self.since.saturating_add(u64::try_from(left).unwrap_or(u64::MAX))
    }

    /// From now on it drifts so.
    pub fn drift(&mut self, t: World, ppm: i32) {
        (self.shown, self.since, self.ppm) = (self.at(t).0, t, ppm);
    }

    /// It stands still.
    pub fn stop(&mut self, t: World) {
        (self.shown, self.since, self.is_stopped) = (self.at(t).0, t, true);
    }

    /// Whether it stands still.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.is_stopped
    }

    /// It goes on from where it stood.
    pub fn go_on(&mut self, t: World) {
        if self.is_stopped {
            (self.since, self.is_stopped) = (t, false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    #[test]
    fn it_drifts_stands_and_goes_on() {
        let mut clock = Clock::booted(10 * S, 5 * S, 0);
        assert_eq!(clock.at(12 * S), BootNs(7 * S));
        clock.drift(12 * S, 1000);
        assert_eq!(clock.at(13 * S), BootNs(8 * S + S / 1000));
        clock.stop(13 * S);
        assert_eq!(clock.at(50 * S), BootNs(8 * S + S / 1000));
        clock.go_on(50 * S);
        assert_eq!(clock.at(51 * S), BootNs(9 * S + 2 * S / 1000));
    }

    #[test]
    fn what_it_will_show_it_shows_then() {
        for ppm in [-1000, -1, 0, 7, 1000] {
            let clock = Clock::booted(3 * S, S, ppm);
            for shows in [S, S + 1, 2 * S + 12_345, 100 * S] {
                let t = clock.when(BootNs(shows));
                assert!(clock.at(t) >= BootNs(shows), "{ppm} {shows}: too early");
                assert!(
                    clock.at(t.saturating_sub(2)) < BootNs(shows) || shows == S,
                    "{ppm} {shows}: too late"
                );
            }
        }
    }
}
