//! Times in the reader's zone, with UTC beside them.

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use crate::catalogue::Texts;

const DAYS: [&str; 7] = [
    "day-monday",
    "day-tuesday",
    "day-wednesday",
    "day-thursday",
    "day-friday",
    "day-saturday",
    "day-sunday",
];

const MONTHS: [&str; 12] = [
    "month-1", "month-2", "month-3", "month-4", "month-5", "month-6", "month-7", "month-8", "month-9", "month-10",
    "month-11", "month-12",
];

fn name(names: &[&'static str], number: i8) -> &'static str {
    usize::try_from(number - 1)
        .ok()
        .and_then(|index| names.get(index))
        .copied()
        .unwrap_or(names[0])
}

/// The time as the reader's clock shows it.
pub(crate) fn local(texts: &Texts, time: Timestamp) -> String {
    at(texts, &time.to_zoned(texts.zone().clone()))
}

fn at(texts: &Texts, zoned: &Zoned) -> String {
    texts.with(
        "time",
        &[
            ("date", date(texts, zoned.date()).into()),
            ("time", zoned.strftime("%H:%M").to_string().into()),
            ("zone", zoned.strftime("%Z").to_string().into()),
        ],
    )
}

/// A day.
pub(crate) fn date(texts: &Texts, date: jiff::civil::Date) -> String {
    texts.with(
        "date",
        &[
            ("year", date.year().to_string().into()),
            ("month", texts.text(name(&MONTHS, date.month())).into()),
            ("day", date.day().to_string().into()),
            (
                "weekday",
                texts.text(name(&DAYS, date.weekday().to_monday_one_offset())).into(),
            ),
        ],
    )
}

/// The time in UTC, short: it stands beside the local one.
pub(crate) fn utc(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// Both, or one where the reader's zone is UTC.
pub(crate) fn both(texts: &Texts, time: Timestamp) -> String {
    let local = local(texts, time);
    if *texts.zone() == TimeZone::UTC {
        return local;
    }
    texts.with("time-both", &[("local", local.into()), ("utc", utc(time).into())])
}

/// A length of time in the largest unit of which there are two, so that nothing is called "1 day" that is nearly two.
pub(crate) fn length(texts: &Texts, seconds: i64) -> String {
    let (id, count) = match seconds.max(0) {
        s if s >= 2 * 365 * 86_400 => ("length-years", s / (365 * 86_400)),
        s if s >= 2 * 86_400 => ("length-days", s / 86_400),
        s if s >= 2 * 3_600 => ("length-hours", s / 3_600),
        s => ("length-minutes", (s + 59) / 60),
    };
    texts.with(id, &[("count", count.into())])
}
