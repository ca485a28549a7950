//! Single values out of the layers, each read by its rule; whatever is wrong is remembered and told at once.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use super::layers::{ConfigError, Fault, KEYS, Layers, Origin};
use super::report::{Line, Report};
use super::surroundings::Surroundings;
use super::units;

/// Hands out values by key and remembers every mistake.
#[derive(Debug)]
pub(super) struct Values {
    lines: Vec<Line>,
    faults: Vec<Fault>,
}

impl Values {
    pub(super) fn new(mut layers: Layers, surroundings: &Surroundings) -> Self {
        let lines = KEYS.iter().map(|&(key, fixed)| {
            let (value, origin) = layers
                .set
                .remove(key)
                .unwrap_or_else(|| (surroundings.default_of(key, fixed), Origin::Default));
            Line { key, value, origin }
        });
        Self { lines: lines.collect(), faults: layers.faults }
    }

    fn line(&self, key: &str) -> &Line {
        self.lines.iter().find(|line| line.key == key).expect("every key that is read is in KEYS")
    }

    pub(super) fn fault(&mut self, key: &str, detail: impl Into<String>) {
        let origin = self.line(key).origin.clone();
        self.faults.push(Fault { key: key.into(), origin, detail: detail.into() });
    }

    /// A value by its own reader. After a mistake the default stands in, so that reading can go on.
    pub(super) fn read<T>(&mut self, key: &str, reader: impl Fn(&str) -> Result<T, String>) -> T {
        let found = reader(&self.line(key).value);
        found.unwrap_or_else(|wanted| {
            let got = &self.line(key).value;
            self.fault(key, format!("`{got}` will not do: {wanted}"));
            let fixed = KEYS.iter().find(|(known, _)| *known == key).map_or("", |(_, fixed)| fixed);
            reader(if fixed.is_empty() { "/" } else { fixed }).expect("every default is valid")
        })
    }

    /// A value that may be left empty.
    pub(super) fn optional<T>(&mut self, key: &str, reader: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        let text = &self.line(key).value;
        if text.is_empty() {
            return None;
        }
        match reader(text) {
            Ok(value) => Some(value),
            // The value is left out of the words: a URL may hold a password.
            Err(wanted) => {
                self.fault(key, format!("it has to be {wanted}"));
                None
            }
        }
    }

    pub(super) fn parse<T: FromStr>(&mut self, key: &str, wanted: &str) -> T {
        self.read(key, |text| text.parse().map_err(|_| format!("it has to be {wanted}")))
    }

    pub(super) fn number<T>(&mut self, key: &str, range: RangeInclusive<T>) -> T
    where
        T: FromStr + PartialOrd + fmt::Display,
    {
        self.read(key, |text| match text.parse() {
            Ok(number) if range.contains(&number) => Ok(number),
            _ => Err(format!("it has to be a whole number from {} to {}", range.start(), range.end())),
        })
    }

    /// A number of things that may be had, or `none` for no bound.
    pub(super) fn bound(&mut self, key: &str) -> Option<u32> {
        self.read(key, |text| match text {
            "none" => Ok(None),
            text => {
                text.parse().map(Some).map_err(|_| "it has to be a whole number, or none for no bound".into())
            }
        })
    }

    pub(super) fn size(&mut self, key: &str, range: RangeInclusive<usize>) -> usize {
        self.read(key, |text| match units::size(text) {
            Some(size) if range.contains(&size) => Ok(size),
            _ => Err(format!(
                "it has to be a number of bytes from {} to {}, such as 256KiB or 10MiB",
                range.start(),
                range.end()
            )),
        })
    }

    pub(super) fn duration(&mut self, key: &str, range: RangeInclusive<Duration>) -> Duration {
        self.read(key, |text| match humantime::parse_duration(text) {
            Ok(duration) if range.contains(&duration) => Ok(duration),
            _ => Err(format!(
                "it has to be a time from {} to {}, such as 500ms, 30s or 2h",
                humantime::format_duration(*range.start()),
                humantime::format_duration(*range.end())
            )),
        })
    }

    pub(super) fn word<T: Copy>(&mut self, key: &str, words: &[(&str, T)]) -> T {
        self.read(key, |text| {
            words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value).ok_or_else(|| {
                let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
                format!("it has to be one of {}", known.join(", "))
            })
        })
    }

    pub(super) fn truth(&mut self, key: &str) -> bool {
        self.word(key, &[("true", true), ("false", false), ("1", true), ("0", false)])
    }

    /// The account of every value, or every mistake.
    pub(super) fn finish(mut self, database_url: &str) -> Result<Report, ConfigError> {
        if !self.faults.is_empty() {
            return Err(ConfigError(self.faults));
        }
        for line in &mut self.lines {
            match line.key {
                "database-url" => line.value = units::masked(database_url),
                "traces.headers" => line.value = units::masked_headers(&line.value),
                _ => {}
            }
        }
        Ok(Report(self.lines))
    }
}
