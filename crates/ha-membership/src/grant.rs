//! The member's side of the grant: until when exclusive resources may run here.

use ha_model::BootNs;
use std::time::Duration;

/// Until when this member may run exclusive resources.
#[derive(Clone, Debug, Default, Hash)]
pub struct Grant {
    until: Option<BootNs>,
}

impl Grant {
    /// The leader granted in answer to the request that we sent at `sent_at`. A grant never shortens an earlier
    /// one; it always counts from the sending, so that a suspend between sending and answer opens no hole.
    pub fn extend(&mut self, sent_at: BootNs, t_grant: Duration) {
        let until = sent_at + t_grant;
        self.until = Some(self.until.map_or(until, |u| u.max(until)));
    }

    /// The end of the grant; `None`: there never was one in this session.
    #[must_use]
    pub fn until(&self) -> Option<BootNs> {
        self.until
    }

    /// Whether the grant holds now.
    #[must_use]
    pub fn holds(&self, now: BootNs) -> bool {
        self.until.is_some_and(|u| now < u)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_from_sending_and_never_shrinks() {
        let mut grant = Grant::default();
        assert!(!grant.holds(BootNs::from_ms(0)), "no grant before the first answer");
        let t = Duration::from_millis(300);
        grant.extend(BootNs::from_ms(1000), t);
        assert!(grant.holds(BootNs::from_ms(1299)));
        assert!(!grant.holds(BootNs::from_ms(1300)));
        grant.extend(BootNs::from_ms(900), t);
        assert_eq!(grant.until(), Some(BootNs::from_ms(1300)), "a late answer must not shorten the grant");
    }
}
