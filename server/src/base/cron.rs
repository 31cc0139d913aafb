//! Times as cron has them, in a time zone. Where clocks are put forward, a time that is left out comes at the end of the gap; where
//! they are put back, one that comes twice comes once, unless it comes every hour or more often.

use croner::{
    Cron,
    parser::{CronParser, Seconds},
};
use jiff::{Timestamp, tz::TimeZone};

/// When something happens again and again.
#[derive(Debug, Clone)]
pub struct Times {
    cron: Cron,
    zone: TimeZone,
}

/// Why this says no times.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimesError {
    /// The pattern is none.
    #[error("is no pattern of cron: {0}")]
    Cron(String),
    /// The zone is not known.
    #[error("is no time zone that is known")]
    Zone,
}

impl Times {
    /// A pattern of five fields, or six with seconds before them; in a zone of the IANA database, empty for UTC.
    pub fn parse(cron: &str, zone: &str) -> Result<Self, TimesError> {
        let parser = CronParser::builder().seconds(Seconds::Optional).build();
        let cron = parser.parse(cron).map_err(|error| TimesError::Cron(error.to_string()))?;
        let zone = match zone {
            "" => TimeZone::UTC,
            name => TimeZone::get(name).map_err(|_| TimesError::Zone)?,
        };
        Ok(Self { cron, zone })
    }

    /// The first time after one; `None` when there is none.
    pub fn after(&self, ms: u64) -> Option<u64> {
        let at = self.zoned(ms)?;
        unix_ms(self.cron.find_next_occurrence(&at, false).ok()?.timestamp())
    }

    /// The last time up to one.
    pub fn until(&self, ms: u64) -> Option<u64> {
        let at = self.zoned(ms)?;
        unix_ms(self.cron.find_previous_occurrence(&at, true).ok()?.timestamp())
    }

    fn zoned(&self, ms: u64) -> Option<jiff::Zoned> {
        let at = Timestamp::from_millisecond(i64::try_from(ms).ok()?).ok()?;
        Some(at.to_zoned(self.zone.clone()))
    }
}

fn unix_ms(at: Timestamp) -> Option<u64> {
    u64::try_from(at.as_millisecond()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(cron: &str, zone: &str, from: &str, count: usize) -> Vec<String> {
        let times = Times::parse(cron, zone).unwrap();
        let mut ms = unix_ms(from.parse().unwrap()).unwrap();
        let next = std::iter::from_fn(|| {
            ms = times.after(ms)?;
            Some(Timestamp::from_millisecond(i64::try_from(ms).unwrap()).unwrap().to_string())
        });
        next.take(count).collect()
    }

    #[test]
    fn five_fields_are_minutes_and_six_are_seconds() {
        assert_eq!(
            times("*/20 9 * * MON-FRI", "", "2026-11-27T09:30:00Z", 3),
            ["2026-11-27T09:40:00Z", "2026-11-30T09:00:00Z", "2026-11-30T09:20:00Z"]
        );
        assert_eq!(
            times("*/20 * * * * *", "", "2026-11-27T23:59:40Z", 2),
            ["2026-11-28T00:00:00Z", "2026-11-28T00:00:20Z"]
        );
    }

    #[test]
    fn a_time_that_is_left_out_in_spring_comes_at_the_end_of_the_gap() {
        assert_eq!(
            times("30 2 * * *", "Europe/Berlin", "2026-03-28T00:00:00Z", 3),
            ["2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]
        );
    }

    #[test]
    fn a_time_that_comes_twice_in_autumn_comes_once_and_every_half_hour_is_every_half_hour() {
        assert_eq!(
            times("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", 2),
            ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]
        );
        assert_eq!(
            times("*/30 * * * *", "Europe/Berlin", "2026-10-25T00:00:00Z", 4),
            ["2026-10-25T00:30:00Z", "2026-10-25T01:00:00Z", "2026-10-25T01:30:00Z", "2026-10-25T02:00:00Z"]
        );
    }

    #[test]
    fn the_last_time_up_to_one_may_be_that_one() {
        let times = Times::parse("0 12 * * *", "Asia/Tokyo").unwrap();
        let at = |text: &str| unix_ms(text.parse().unwrap()).unwrap();
        assert_eq!(times.until(at("2026-11-29T03:00:00Z")), Some(at("2026-11-29T03:00:00Z")));
        assert_eq!(times.until(at("2026-11-29T02:59:59Z")), Some(at("2026-11-28T03:00:00Z")));
    }

    #[test]
    fn what_never_comes_has_no_next_time_and_what_is_none_is_refused() {
        assert_eq!(Times::parse("0 0 30 2 *", "").unwrap().after(0), None);
        for cron in ["", "* * * *", "61 * * * *", "hello", "* * * * * * * *", "0 0 0 0 0"] {
            assert!(matches!(Times::parse(cron, ""), Err(TimesError::Cron(_))), "{cron}");
        }
        assert_eq!(Times::parse("* * * * *", "Europe/Nowhere").unwrap_err(), TimesError::Zone);
    }
}
