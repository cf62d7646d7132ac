//! Days as people write them.

use crate::clock::Timestamp;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// The day of a time, in UTC: `7 March 2026`.
pub(super) fn day(time: Timestamp) -> String {
    let (year, month, day) = date(time.0 / 86_400);
    format!("{day} {} {year}", MONTHS[month])
}

/// Year, month from 0, and day from 1 of a day counted from 1970 on. Years begin in March here, so that the day which
/// some of them have more is their last.
fn date(days: u64) -> (u64, usize, u64) {
    const PER_ERA: u64 = 146_097;
    let days = days.saturating_add(719_468);
    let (era, of_era) = (days / PER_ERA, days % PER_ERA);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let (month, year) = match from_march {
        0..10 => (from_march + 2, 0),
        _ => (from_march - 10, 1),
    };
    (era * 400 + year_of_era + year, usize::try_from(month).unwrap_or_default(), day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_has_its_name() {
        for (seconds, expected) in [
            (0, "1 January 1970"),
            (86_399, "1 January 1970"),
            (951_782_400, "29 February 2000"),
            (951_868_800, "1 March 2000"),
            (1_709_164_800, "29 February 2024"),
            (1_735_689_599, "31 December 2024"),
            (4_107_542_400, "1 March 2100"),
        ] {
            assert_eq!(day(Timestamp(seconds)), expected);
        }
    }

    #[test]
    fn every_time_has_a_day() {
        assert!(!day(Timestamp(u64::MAX)).is_empty());
    }
}
