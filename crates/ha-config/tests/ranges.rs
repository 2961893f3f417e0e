//! The ranges and defaults that the reference states are those that the reader keeps.

// Helpers of tests stand outside of `#[test]` functions.
#![allow(clippy::unwrap_used)]

use ha_config::schema::{self, Section};
use ha_config::{format_duration, parse};
use ha_model::{DeviceId, ResourceId};
use std::time::Duration;

/// One node, one device, one resource, one group; `extra` goes into the named place.
fn file(place: &str, extra: &str) -> String {
    let at = |name: &str| if name == place { extra } else { "" };
    let monitor = if place == "monitor" { format!("monitor = {{ {extra} }}") } else { String::new() };
    format!(
        "name = \"x\"\n{}\n[[node]]\nname = \"n\"\nlinks = [\"10.0.0.1\"]\n\
         [[fence]]\nname = \"f\"\nagent = \"fence_x\"\noutlets = {{ n = [\"1\"] }}\n{}\n\
         [[resource]]\nname = \"r\"\nagent = \"exec\"\noptions = {{ start = \"/bin/r\" }}\n{monitor}\n{}\n\
         [[group]]\nname = \"g\"\nmembers = [\"r\"]\n{}\n",
        at("top"),
        at("fence"),
        at("resource"),
        at("group"),
    )
}

fn accepts(place: &str, key: &str, value: &str) -> bool {
    parse("f", &file(place, &format!("{key} = {value}"))).is_ok()
}

fn time(text: &str) -> Duration {
    let (number, unit) = text.split_at(text.find(|c: char| c.is_alphabetic()).unwrap());
    let factor = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        other => panic!("{other}"),
    };
    Duration::from_millis(number.parse::<u64>().unwrap() * factor)
}

#[test]
fn the_ends_of_each_range_are_in_it_and_what_lies_beyond_is_not() {
    let places: [(&str, &'static Section); 5] = [
        ("top", &schema::TOP),
        ("fence", &schema::FENCE),
        ("resource", &schema::RESOURCE),
        ("monitor", &schema::MONITOR),
        ("group", &schema::GROUP),
    ];
    let ms = Duration::from_millis(1);
    let mut checked = 0;
    for (place, section) in places {
        for key in section.keys {
            let Some((low, high)) = key.range.split_once(" to ") else { continue };
            let cases: Vec<(String, bool)> = match key.kind {
                "time" => {
                    let (low, high) = (time(low), time(high));
                    let mut cases = vec![(low, true), (high, true), (high + ms, false)];
                    cases.extend(low.checked_sub(ms).map(|below| (below, false)));
                    let quoted = |time: Duration| format!("\"{}\"", format_duration(time));
                    cases.into_iter().map(|(value, good)| (quoted(value), good)).collect()
                }
                "score" | "whole number" => {
                    let (low, high): (i64, i64) = (low.parse().unwrap(), high.parse().unwrap());
                    let cases = [(low, true), (high, true), (low - 1, false), (high + 1, false)];
                    cases.into_iter().map(|(value, good)| (value.to_string(), good)).collect()
                }
                "table: node = score" => {
                    let (low, high): (i64, i64) = (low.parse().unwrap(), high.parse().unwrap());
                    let cases = [(low, true), (high, true), (low - 1, false), (high + 1, false)];
                    cases.into_iter().map(|(value, good)| (format!("{{ n = {value} }}"), good)).collect()
                }
                _ => continue,
            };
            for (value, good) in cases {
                assert_eq!(accepts(place, key.name, &value), good, "{place}: {} = {value}", key.name);
                checked += 1;
            }
        }
    }
    assert!(checked > 40, "only {checked} values were tried");
}

#[test]
fn what_is_left_out_has_the_default_of_the_reference() {
    let config = parse("f", &file("", "")).unwrap().config;
    let resource = &config.resources[&ResourceId::from("r")];
    let device = &config.devices[&DeviceId::from("f")];
    let time = format_duration;
    let default = |section: &'static Section, key: &str| {
        section.keys.iter().find(|k| k.name == key).unwrap().default.to_owned()
    };
    for (key, value) in [
        ("start_timeout", time(resource.start_timeout)),
        ("stop_timeout", time(resource.stop_timeout)),
        ("failure_timeout", time(resource.failure_timeout)),
        ("migration_threshold", resource.migration_threshold.to_string()),
        ("priority", resource.priority.to_string()),
        ("enabled", resource.enabled.to_string()),
        ("exclusive", (!resource.objects.is_empty()).to_string()),
    ] {
        assert_eq!(default(&schema::RESOURCE, key), value, "{key}");
    }
    let (interval, timeout) = (time(resource.monitor.interval), time(resource.monitor.timeout));
    assert!(default(&schema::RESOURCE, "monitor").ends_with(&format!("`exec`: {interval}/{timeout}")));
    assert!(default(&schema::MONITOR, "interval").ends_with(&format!("`exec`: {interval}")));
    assert!(default(&schema::MONITOR, "timeout").ends_with(&format!("`exec`: {timeout}")));
    assert_eq!(default(&schema::FENCE, "timeout"), time(device.timeout));
    assert_eq!(device.off_settle, config.timing.off_settle);
    assert_eq!(default(&schema::TOP, "stickiness"), config.stickiness.to_string());
    assert_eq!((resource.stickiness, resource.prefer.len()), (None, 0));
}
