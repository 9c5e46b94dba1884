//! The measurements as tables, and whether they are what was promised.

use std::fmt::Write as _;
use std::time::Duration;

use super::measure::Sample;

const MIB: u64 = 1 << 20;

/// The most that `inspect` and `convert` may read, write and keep in memory, in bytes.
const READ: u64 = 64 * MIB;
const WRITTEN: u64 = 2 * MIB;
const MEMORY: u64 = 64 * MIB;
/// The longest that they may take on a warm disk of 4 GiB.
const TIME: Duration = Duration::from_millis(300);
/// How many times as long they may take on a disk of 1 TiB.
const GROWTH: f64 = 1.2;

/// The guest by which time is judged.
pub(super) const JUDGED: &str = "bookworm-plain";

/// What one command took on one disk.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) guest: &'static str,
    /// Size of the disk.
    pub(super) gib: u64,
    pub(super) command: &'static str,
    pub(super) result: Result<Vec<Sample>, String>,
}

/// A promise, and what was measured.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target {
    promise: String,
    measured: String,
    pub(super) met: bool,
}

/// The median, and how far the others are from it.
fn spread<T: Ord + Copy>(samples: &[Sample], value: impl Fn(&Sample) -> T) -> Option<(T, T, T)> {
    let mut values: Vec<T> = samples.iter().map(value).collect();
    values.sort_unstable();
    Some((*values.first()?, *values.get(values.len() / 2)?, *values.last()?))
}

fn size(gib: u64) -> String {
    if gib >= 1024 {
        format!("{} TiB", gib / 1024)
    } else {
        format!("{gib} GiB")
    }
}

fn seconds(duration: Duration) -> String {
    format!("{:.3}", duration.as_secs_f64())
}

fn mib(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / MIB as f64)
}

/// All rows as a table of Markdown.
pub(super) fn table(rows: &[Row]) -> String {
    let mut text = String::from(
        "| guest | disk | command | time, s (least–most) | processor, s | read, MiB | written, MiB | memory, MiB |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        let _ = write!(text, "| {} | {} | {} ", row.guest, size(row.gib), row.command);
        let cells = row.result.as_ref().map_err(String::as_str).and_then(|samples| {
            let (least, wall, most) = spread(samples, |sample| sample.wall).ok_or("not run")?;
            let (_, cpu, _) = spread(samples, |sample| sample.cpu).ok_or("not run")?;
            let most_of = |value: fn(&Sample) -> u64| samples.iter().map(value).max().unwrap_or_default();
            Ok(format!(
                "| {} ({}–{}) | {} | {} | {} | {} |",
                seconds(wall),
                seconds(least),
                seconds(most),
                seconds(cpu),
                mib(most_of(|sample| sample.read)),
                mib(most_of(|sample| sample.written)),
                mib(most_of(|sample| sample.memory)),
            ))
        });
        let _ = match cells {
            Ok(cells) => writeln!(text, "{cells}"),
            Err(reason) => writeln!(text, "| {reason} | | | | |"),
        };
    }
    text
}

/// Whether the promises are kept.
pub(super) fn targets(rows: &[Row]) -> Vec<Target> {
    let mut targets = Vec::new();
    for command in ["inspect", "convert"] {
        let samples: Vec<Sample> = rows
            .iter()
            .filter(|row| row.command == command)
            .filter_map(|row| row.result.as_ref().ok())
            .flatten()
            .copied()
            .collect();
        let mut most = |what: &str, limit: u64, value: fn(&Sample) -> u64| {
            let most = samples.iter().map(value).max();
            targets.push(Target {
                promise: format!("`{command}` {what} at most {} MiB, on every disk", limit / MIB),
                measured: most.map_or_else(|| "nothing".to_owned(), |most| format!("{} MiB", mib(most))),
                met: most.is_some_and(|most| most <= limit),
            });
        };
        most("reads", READ, |sample| sample.read);
        most("writes", WRITTEN, |sample| sample.written);
        most("uses", MEMORY, |sample| sample.memory);
        let time = |gib| {
            let row = rows
                .iter()
                .find(|row| row.guest == JUDGED && row.command == command && row.gib == gib)?;
            spread(row.result.as_ref().ok()?, |sample| sample.wall).map(|(_, median, _)| median)
        };
        let (small, large) = (time(4), time(1024));
        targets.push(Target {
            promise: format!(
                "`{command}` takes less than {} s on a warm disk of 4 GiB",
                TIME.as_secs_f64()
            ),
            measured: small.map_or_else(|| "nothing".to_owned(), |time| format!("{} s", seconds(time))),
            met: small.is_some_and(|time| time < TIME),
        });
        let growth = small
            .zip(large)
            .map(|(small, large)| large.as_secs_f64() / small.as_secs_f64());
        targets.push(Target {
            promise: format!("`{command}` takes at most {GROWTH} times as long at 1 TiB"),
            measured: growth.map_or_else(|| "nothing".to_owned(), |growth| format!("{growth:.2} times")),
            met: growth.is_some_and(|growth| growth <= GROWTH),
        });
    }
    targets
}

/// The promises as a table of Markdown.
pub(super) fn verdicts(targets: &[Target]) -> String {
    let mut text = String::from("| target | measured | |\n|---|---|---|\n");
    for Target { promise, measured, met } in targets {
        let met = if *met { "met" } else { "**not met**" };
        let _ = writeln!(text, "| {promise} | {measured} | {met} |");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(milliseconds: u64, read: u64) -> Sample {
        Sample {
            wall: Duration::from_millis(milliseconds),
            cpu: Duration::from_millis(milliseconds / 2),
            read: read * MIB,
            written: MIB / 2,
            memory: 10 * MIB,
        }
    }

    fn rows(large: u64, read: u64) -> Vec<Row> {
        let mut rows = Vec::new();
        for command in ["inspect", "convert"] {
            for (gib, wall) in [(4, 100), (1024, large)] {
                rows.push(Row {
                    guest: JUDGED,
                    gib,
                    command,
                    result: Ok(vec![sample(wall * 9, 1), sample(wall, read), sample(wall / 2, 1)]),
                });
            }
        }
        rows
    }

    #[test]
    fn kept_and_broken_promises() {
        assert!(targets(&rows(119, 64)).iter().all(|target| target.met));
        let broken = |rows: &[Row]| targets(rows).iter().filter(|target| !target.met).count();
        assert_eq!(broken(&rows(121, 64)), 2);
        assert_eq!(broken(&rows(121, 65)), 4);
        assert_eq!(broken(&[]), 10);
    }

    #[test]
    fn tables() {
        let mut rows = rows(110, 2);
        rows.truncate(2);
        rows.push(Row {
            guest: JUDGED,
            gib: 4,
            command: "virt-v2v-in-place",
            result: Err("not installed".to_owned()),
        });
        let text = table(&rows);
        assert!(
            text.contains("| bookworm-plain | 1 TiB | inspect | 0.110 (0.055–0.990) | 0.055 | 2.0 | 0.5 | 10.0 |"),
            "{text}"
        );
        assert!(text.contains("| virt-v2v-in-place | not installed | | | | |"), "{text}");
        let columns: Vec<usize> = text.lines().map(|line| line.matches('|').count()).collect();
        assert!(columns.iter().all(|&count| count == 9), "{text}");
        assert!(verdicts(&targets(&rows)).contains("**not met**"));
    }
}
