//! Reads `profile` and `[timing]`: the table of the profile with single times replaced.

use crate::limits::TIMING_MAX;
use crate::raw::RawTiming;
use crate::report::{Bytes, Report};
use crate::schema::TIMING;
use crate::timing_fields::FIELDS;
use crate::walk::Table;
use ha_model::{Profile, Timing};
use std::collections::BTreeMap;

const PROFILES: [(&str, Profile); 2] = [("default", Profile::Default), ("fast", Profile::Fast)];

/// Reads the pace and its exceptions. A typed `t_lost` derives the other times anew before they are replaced.
pub(crate) fn read_timing(top: &Table<'_>, report: &mut Report<'_>) -> RawTiming {
    let profile = top.word("profile", &PROFILES, report);
    let pace_at = profile.as_ref().map_or(0..0, |profile| profile.at.clone());
    let profile = profile.map_or(Profile::Default, |profile| profile.value);
    let mut raw = RawTiming { profile, timing: Timing::derive(profile), places: BTreeMap::new(), pace_at };
    let Some((_, entries)) = top.inner("timing", "[timing]", report) else { return raw };
    let at: Bytes = top.get("timing").map_or(0..0, |(_, value)| value.span());
    let table = Table::open(&TIMING, at, entries, report);
    for field in FIELDS {
        let Some(time) = table.duration(field.name, field.min..=field.max.min(TIMING_MAX), report) else {
            continue;
        };
        if field.name == "t_lost" {
            raw.timing = Timing::from_t_lost(time.value);
        } else {
            (field.set)(&mut raw.timing, time.value);
        }
        raw.places.insert(field.name, time.at);
    }
    if !raw.places.contains_key("t_watchdog") {
        raw.timing = raw.timing.with_watchdog();
    }
    raw
}
