//! Wall time in words. Always UTC: the nodes of a cluster need not agree on a zone, and a rescue system has none.

use crate::time::WallMs;

/// `2026-11-22 11:19:12 UTC`.
#[must_use]
pub fn seconds(at: WallMs) -> String {
    let (date, clock, _) = parts(at);
    format!("{date} {clock} UTC")
}

/// `2026-11-22` and `11:19:12.345`, UTC.
#[must_use]
pub fn date_and_clock(at: WallMs) -> (String, String) {
    let (date, clock, ms) = parts(at);
    (date, format!("{clock}.{ms:03}"))
}

fn parts(at: WallMs) -> (String, String, i64) {
    let (days, ms) = (at.0.div_euclid(86_400_000), at.0.rem_euclid(86_400_000));
    let (year, month, day) = civil(days);
    let s = ms / 1000;
    (
        format!("{year:04}-{month:02}-{day:02}"),
        format!("{:02}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60),
        ms % 1000,
    )
}

/// Days since 1970-01-01 to year, month, day in the Gregorian calendar: years counted from March, in eras of
/// 400 years (146 097 days).
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_around_leap_days_and_the_epoch() {
        for (ms, text) in [
            (0, "1970-01-01 00:00:00.000 UTC"),
            (951_782_400_000, "2000-02-29 00:00:00.000 UTC"),
            (951_868_799_999, "2000-02-29 23:59:59.999 UTC"),
            (4_107_542_400_000, "2100-03-01 00:00:00.000 UTC"),
            (1_795_346_352_345, "2026-11-22 11:19:12.345 UTC"),
            (-1, "1969-12-31 23:59:59.999 UTC"),
        ] {
            let (date, clock) = date_and_clock(WallMs(ms));
            assert_eq!(format!("{date} {clock} UTC"), text);
        }
        assert_eq!(seconds(WallMs(1_795_346_352_345)), "2026-11-22 11:19:12 UTC");
    }

    #[test]
    fn times_beyond_any_calendar_are_no_panic() {
        for ms in [i64::MIN, i64::MAX] {
            assert!(seconds(WallMs(ms)).ends_with(" UTC"));
        }
    }
}
