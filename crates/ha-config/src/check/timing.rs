//! The inequalities between times.

use crate::code::Code;
use crate::duration::format_duration;
use crate::raw::RawTiming;
use crate::report::Report;
use crate::timing_fields::{FIELDS, FIXED};
use ha_model::{Inequality, Timing, Waiver};
use std::time::Duration;

/// Reports every inequality that does not hold, at the place of the time to change.
pub(crate) fn check_timing(raw: &RawTiming, report: &mut Report<'_>) {
    let violations = raw.timing.violations();
    let pace_is_wrong = violations.iter().any(|broken| broken.field == "timing.t_lost");
    for broken in violations {
        let field = broken.field.trim_start_matches("timing.");
        if pace_is_wrong && field != "t_lost" && !raw.places.contains_key(field) {
            continue; // derived from the wrong pace: it changes with it
        }
        let never_waived = bounds_the_lease(&broken);
        if !never_waived && report.waived(Waiver::UnsoundTimingsFenceHealthyNodes) {
            continue;
        }
        let involved = involved(&broken);
        // The field that the table blames may be derived from one that was typed: point at what can be changed.
        let at = std::iter::once(field)
            .chain(involved.iter().copied())
            .find_map(|name| raw.places.get(name))
            .unwrap_or(&raw.pace_at);
        let values: Vec<String> =
            involved.iter().map(|name| format!("{name} is {}", value(name, &raw.timing))).collect();
        let message = format!("{} does not hold ({})", broken.rule, values.join(", "));
        let more = report.error(Code::UnsoundTiming, at, message).help(format!("why: {}", broken.because));
        if never_waived {
            more.help("no waiver: two leaders could act at once");
        } else {
            more.waiver(Waiver::UnsoundTimingsFenceHealthyNodes);
        }
    }
}

/// The lease of a leader stays bounded whatever is waived (S5).
fn bounds_the_lease(broken: &Inequality) -> bool {
    broken.field == "timing.t_lease" && broken.rule.contains("<=")
}

/// The times that a rule speaks of, in its order.
fn involved(broken: &Inequality) -> Vec<&'static str> {
    let names = || FIELDS.iter().map(|field| field.name).chain(FIXED.iter().map(|fixed| fixed.name));
    let words = broken.rule.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words.filter_map(|word| names().find(|name| *name == word)).collect()
}

fn value(name: &str, timing: &Timing) -> String {
    let fixed = || FIXED.iter().find(|fixed| fixed.name == name).map(|fixed| fixed.value);
    let value =
        FIELDS.iter().find(|field| field.name == name).map(|field| (field.get)(timing)).or_else(fixed);
    format_duration(value.unwrap_or(Duration::ZERO))
}
