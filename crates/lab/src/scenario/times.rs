//! Times in scenarios: absolute ones, ones relative to the start, and the next time a day of the year comes round.

use jiff::{SignedDuration, Timestamp, civil, tz::TimeZone};

/// The least time ahead of a day of the year, so that there is time to do something about it.
const AHEAD: SignedDuration = SignedDuration::from_hours(14 * 24);

/// `2026-01-04T13:00:00Z`, `-9y`, `+12d`, `next 01-04T13:00:00Z`.
pub(super) fn parse(text: &str, now: Timestamp) -> Option<Timestamp> {
    if let Some(day) = text.strip_prefix("next ") {
        let year = now.to_zoned(TimeZone::UTC).year();
        return (year..=year + 2)
            .filter_map(|year| format!("{year:04}-{day}").parse::<Timestamp>().ok())
            .find(|at| at.duration_since(now) > AHEAD);
    }
    if let Some(first @ ('+' | '-')) = text.chars().next() {
        let unit = text.chars().next_back()?;
        let amount: i64 = text.get(1..text.len() - unit.len_utf8())?.parse().ok()?;
        let hours = match unit {
            'h' => 1,
            'd' => 24,
            'w' => 7 * 24,
            'y' => 365 * 24 + 6,
            _ => return None,
        };
        let span = SignedDuration::from_hours(amount.checked_mul(hours)?);
        return now.checked_add(if first == '-' { -span } else { span }).ok();
    }
    text.parse().ok().or_else(|| {
        let day: civil::Date = text.parse().ok()?;
        Some(day.to_zoned(TimeZone::UTC).ok()?.timestamp())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_in_all_forms() {
        let now: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
        let at = |text| parse(text, now).map(|at| at.to_string());
        assert_eq!(at("2014-06-17").unwrap(), "2014-06-17T00:00:00Z");
        assert_eq!(at("2014-06-17T01:02:03Z").unwrap(), "2014-06-17T01:02:03Z");
        assert_eq!(at("+12d").unwrap(), "2026-12-06T12:00:00Z");
        assert_eq!(at("-2h").unwrap(), "2026-11-24T10:00:00Z");
        assert_eq!(at("next 01-04T13:00:00Z").unwrap(), "2027-01-04T13:00:00Z");
        assert_eq!(at("next 11-30T13:00:00Z").unwrap(), "2027-11-30T13:00:00Z");
        for bad in ["", "+", "+d", "+xd", "soon", "+é", "next year"] {
            assert_eq!(at(bad), None, "{bad}");
        }
    }
}
