//! This node's watchdog: armed where the cluster file names one, told to the leader, and written to only while what runs here
//! may run (S4).
//!
//! Must not know: devices. Invariants: it is armed before the log says so, and disarmed only when the log says no more that
//! it is; the limit until which the heartbeat thread may write to it follows from the grant, the longest stop and the time
//! for which a core may stand still (`PetLimit`).

use super::Node;
use super::lead::Key;
use super::warnings::About;
use crate::effect::Effect;
use ha_membership::PetLimit;
use ha_model::sabotage::{self, Sabotage};
use ha_model::{ArmedWatchdog, BootNs, Entry, Level, NodeId, Now, WatchdogPlan, WatchdogState};

/// What this node knows of its watchdog.
#[derive(Clone, Debug, Default, Hash)]
pub(super) struct Watchdog {
    /// As the shell said last.
    state: WatchdogState,
    /// What was asked of the shell last.
    asked: Option<WatchdogPlan>,
    /// What the leader was told of it last.
    told: Option<ArmedWatchdog>,
    /// Until when it may be written to, as told last.
    limit: Option<BootNs>,
    /// The next step that makes the limit longer.
    next: Option<BootNs>,
}

impl Watchdog {
    pub fn next_deadline(&self) -> Option<BootNs> {
        self.next
    }

    pub fn is_missing(&self) -> bool {
        matches!(self.state, WatchdogState::Missing(_))
    }

    fn armed(&self) -> Option<&ArmedWatchdog> {
        match &self.state {
            WatchdogState::Armed(watchdog) => Some(watchdog),
            WatchdogState::Off | WatchdogState::Missing(_) => None,
        }
    }
}

impl Node {
    /// The device that the configuration names for this node.
    pub(super) fn watchdog_named(&self) -> Option<&str> {
        self.config.nodes.get(&self.setup.me)?.watchdog.as_deref()
    }

    /// What is told of it: nothing while it is another than the one that is named.
    pub(super) fn watchdog_told(&self) -> Option<ArmedWatchdog> {
        self.watchdog.armed().filter(|w| self.watchdog_named() == Some(w.device.as_str())).cloned()
    }

    /// What a node says of its watchdog, to its leader.
    pub(super) fn hear_of_watchdog(&mut self, now: Now, from: &NodeId, told: Option<&ArmedWatchdog>) {
        let Some((record, watchdog)) = self.state.node(from).zip(told) else { return };
        let named = self.config.nodes.get(from).and_then(|n| n.watchdog.as_ref());
        if let (Some(incarnation), false) = (record.incarnation, record.watchdog.as_ref() == Some(watchdog))
            && named == Some(&watchdog.device)
        {
            let (node, watchdog) = (from.clone(), watchdog.clone());
            let entry = Entry::WatchdogArmed { node, incarnation, watchdog };
            self.propose(now, Key::Watchdog(from.clone()), entry);
        }
    }

    pub(super) fn watchdog_is(&mut self, state: WatchdogState) {
        if let WatchdogState::Missing(why) = &state {
            let text = format!(
                "its watchdog cannot be used ({why}): should a stop hang here without a grant, only the others can end it; \
                 mend it or take it out of the cluster file, then restart hanode"
            );
            self.warn(About::Watchdog, Level::Alarm, text);
        }
        self.watchdog.state = state;
    }

    /// Whether the log says, in the boot that this is, that it is armed.
    fn is_watchdog_counted(&self) -> bool {
        let record = self.state.node(&self.setup.me);
        record.is_some_and(|r| r.watchdog.is_some() && r.incarnation == Some(self.setup.incarnation))
    }

    pub(super) fn watchdog_duties(&mut self, now: Now) {
        let told = self.watchdog_told();
        if told != self.watchdog.told {
            self.watchdog.told = told;
            self.local.is_report_due = true;
        }
        let plan = self.watchdog_plan();
        if plan.is_some() && plan != self.watchdog.asked {
            self.watchdog.asked.clone_from(&plan);
            self.out.extend(plan.map(Effect::Watchdog));
        }
        self.extend_limit(now);
    }

    fn watchdog_plan(&self) -> Option<WatchdogPlan> {
        let (named, armed) = (self.watchdog_named(), self.watchdog.armed());
        if sabotage::is(Sabotage::DisarmUnasked) && self.is_watchdog_counted() {
            return Some(WatchdogPlan::Disarm);
        }
        match (named, armed) {
            (Some(device), armed) if armed.is_none_or(|a| a.device == device) => {
                Some(WatchdogPlan::Arm { device: device.to_owned(), timeout: self.config.timing.t_watchdog })
            }
            // Another is named, or none: by the same entry the log no longer says that this one is armed.
            (_, Some(_)) if !self.is_watchdog_counted() => Some(WatchdogPlan::Disarm),
            _ => None,
        }
    }

    fn extend_limit(&mut self, now: Now) {
        if self.watchdog.armed().is_none() {
            (self.watchdog.limit, self.watchdog.next) = (None, None);
            return;
        }
        let timing = &self.config.timing;
        let granted_until = self.grant.until().unwrap_or(self.local.first_grant_by);
        let limit = PetLimit { granted_until, longest_stop: self.local.longest_stop() };
        let until = limit.at(now.boot, timing);
        let pause = timing.core_age_max / 4;
        // A step for each heartbeat would tell nothing but that.
        let is_news = self.watchdog.limit.is_none_or(|told| until < told || until.since(told) >= pause);
        if is_news {
            self.watchdog.limit = Some(until);
            self.out.push(Effect::Pet { until });
        }
        // Past the end of a grant it grows no more, unless a step brings news.
        let grows = self.watchdog.limit.is_some_and(|told| told > now.boot);
        self.watchdog.next = grows.then(|| now.boot + pause);
    }
}
