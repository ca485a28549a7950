//! How things look in tables and lists: one look for every command.

use std::ops::Range;

use chrono::{DateTime, Duration, Utc};
use comfy_table::{Attribute, Cell, CellAlignment, Color, ContentArrangement, Table, presets};

use super::output::Output;
use crate::api::instance::Status;

/// Stands for a value that is not there.
pub(crate) const NOTHING: &str = "-";

/// An empty table with this head. On a terminal it fits the width; in a pipe no line is ever broken.
pub(crate) fn table(output: &Output, head: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let arrangement =
        if output.terminal() { ContentArrangement::Dynamic } else { ContentArrangement::Disabled };
    table.set_content_arrangement(arrangement);
    if output.colors() {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    table.set_header(head.iter().map(|title| Cell::new(title.to_uppercase()).add_attribute(Attribute::Bold)));
    if let Some(first) = table.column_mut(0) {
        first.set_padding((0, 1));
    }
    table
}

/// Puts the numbers of these columns below each other.
pub(crate) fn align_right(table: &mut Table, columns: Range<usize>) {
    for index in columns {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

/// A status in its colour.
pub(crate) fn status_cell(status: Status) -> Cell {
    let color = match status {
        Status::Running => Color::Green,
        Status::Pending | Status::Starting | Status::Restarting | Status::Stopping => Color::Yellow,
        Status::Unhealthy | Status::Disconnected | Status::Failed => Color::Red,
        Status::Hibernated => Color::Cyan,
        Status::Stopped | Status::Expired => Color::DarkGrey,
    };
    Cell::new(status.as_str()).fg(color)
}

/// The lines of a list of names and values, the values below each other.
pub(crate) fn details(rows: &[(&str, String)]) -> String {
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let lines = rows.iter().map(|(name, value)| {
        // Further lines of a value stand below its first.
        let value = value.trim_end().replace('\n', &format!("\n{:width$}  ", ""));
        format!("{name:width$}  {value}")
    });
    lines.collect::<Vec<String>>().join("\n")
}

/// A value, or a dash.
pub(crate) fn or_nothing<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| NOTHING.to_owned(), |value| value.to_string())
}

/// Bytes as a person reads them.
pub(crate) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut unit = 0;
    let mut whole = bytes;
    let mut rest = 0;
    while whole >= 1_024 && unit + 1 < UNITS.len() {
        rest = whole % 1_024;
        whole /= 1_024;
        unit += 1;
    }
    let name = UNITS[unit];
    if unit > 1 && whole < 100 {
        format!("{whole}.{} {name}", rest * 10 / 1_024)
    } else {
        format!("{whole} {name}")
    }
}

/// The two greatest units of a time span.
pub(crate) fn span(seconds: i64) -> String {
    const UNITS: [(i64, &str); 4] = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let seconds = seconds.max(0);
    let first = UNITS.iter().position(|(size, _)| seconds >= *size).unwrap_or(3);
    let (size, name) = UNITS[first];
    let mut text = format!("{}{name}", seconds / size);
    if let Some((small, name)) = UNITS.get(first + 1)
        && seconds % size >= *small
    {
        text.push_str(&format!("{}{name}", seconds % size / small));
    }
    text
}

/// What is left until a moment, or that it is over.
pub(crate) fn left(until: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let seconds = whole_seconds(until - now);
    if seconds > 0 { span(seconds) } else { "over".to_owned() }
}

/// Rounded up, so that what was set to two hours just now is two hours from now.
fn whole_seconds(distance: Duration) -> i64 {
    distance.num_milliseconds().div_euclid(1_000)
        + i64::from(distance.num_milliseconds().rem_euclid(1_000) > 0)
}

/// A moment, exact and as a distance from now.
pub(crate) fn moment(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let exact = at.format("%Y-%m-%d %H:%M:%S UTC");
    let seconds = whole_seconds(at - now);
    if seconds > 0 {
        format!("{exact} (in {})", span(seconds))
    } else {
        format!("{exact} ({} ago)", span(-seconds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_spans_are_short() {
        for (size, text) in [
            (0, "0 B"),
            (1_023, "1023 B"),
            (2_048, "2 KiB"),
            (1_572_864, "1.5 MiB"),
            (536_870_912, "512 MiB"),
            (u64::MAX, "16777215 TiB"),
        ] {
            assert_eq!(bytes(size), text);
        }
        for (seconds, text) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m"),
            (3_725, "1h2m"),
            (86_400, "1d"),
            (90_000, "1d1h"),
            (-4, "0s"),
        ] {
            assert_eq!(span(seconds), text);
        }
    }

    #[test]
    fn moments_say_how_far_they_are() {
        let now = DateTime::UNIX_EPOCH;
        assert_eq!(moment(now + Duration::seconds(90), now), "1970-01-01 00:01:30 UTC (in 1m30s)");
        assert_eq!(moment(now, now + Duration::hours(2)), "1970-01-01 00:00:00 UTC (2h ago)");
        assert_eq!(left(now, now), "over");
        assert_eq!(left(now + Duration::hours(2), now + Duration::milliseconds(300)), "2h");
    }

    #[test]
    fn values_of_several_lines_stay_in_their_column() {
        assert_eq!(details(&[("a", "1".into()), ("long", "2\n3\n".into())]), "a     1\nlong  2\n      3");
    }
}
