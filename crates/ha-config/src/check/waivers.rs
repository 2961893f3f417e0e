//! Waivers: which were typed, and which of them waive nothing.

use crate::code::Code;
use crate::nearest::suggestion;
use crate::report::{Bytes, Report};
use crate::walk::{Table, shown};
use ha_model::Waiver;
use std::collections::BTreeMap;

/// Most entries of `waivers` that are read: each may stand there once, a few more are read to be refused.
const WAIVERS_READ_MAX: usize = 2 * Waiver::ALL.len();

/// Reads `waivers` into the report.
pub(crate) fn read_waivers(top: &Table<'_>, report: &mut Report<'_>) {
    let example = format!("waivers = [\"{}\"]", Waiver::UnfencedMembersBlockRecovery.word());
    let Some(typed) = top.strings("waivers", &example, WAIVERS_READ_MAX, report) else { return };
    let mut waivers: BTreeMap<Waiver, Bytes> = BTreeMap::new();
    for word in typed.value {
        let Some(waiver) = Waiver::ALL.into_iter().find(|waiver| waiver.word() == word.value) else {
            let hint = suggestion(&word.value, Waiver::ALL.iter().map(|waiver| waiver.word()));
            let message = format!("unknown waiver `{}`{hint}", shown(&word.value));
            report.error(Code::UnknownName, &word.at, message);
            continue;
        };
        if let Some(first) = waivers.get(&waiver) {
            let first = first.clone();
            report.error(Code::Duplicate, &word.at, "this waiver stands twice").see(&first, "the first");
        } else {
            waivers.insert(waiver, word.at);
        }
    }
    report.set_waivers(waivers);
}

/// Warns of waivers that nothing needs. Not called for a file with errors: what is needed is then unknown.
pub(crate) fn check_needless(report: &mut Report<'_>) {
    for (waiver, at) in report.waivers().clone() {
        if !report.was_needed(waiver) {
            report
                .warning(Code::NeedlessWaiver, &at, "this waiver is not needed")
                .help("remove it: it would accept silently what a later change makes unsafe");
        }
    }
}
