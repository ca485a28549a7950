//! Which lines of a log are wanted.

use serde::Deserialize;

/// How grave a line is; the graver, the smaller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl Level {
    /// Every one with its name in the API.
    pub(crate) const NAMED: [(&str, Self); 5] = [
        ("error", Self::Error),
        ("warn", Self::Warn),
        ("info", Self::Info),
        ("debug", Self::Debug),
        ("trace", Self::Trace),
    ];

    /// What the loggers of this world call it.
    fn from_word(word: &str) -> Option<Self> {
        match word.to_ascii_lowercase().as_str() {
            "fatal" | "critical" | "crit" | "alert" | "emerg" | "panic" | "error" | "erro" | "err" => {
                Some(Self::Error)
            }
            "warn" | "warning" => Some(Self::Warn),
            "info" | "notice" | "http" => Some(Self::Info),
            "verbose" | "debug" | "debg" => Some(Self::Debug),
            "silly" | "trace" | "trce" => Some(Self::Trace),
            _ => None,
        }
    }
}

/// Which lines are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    /// A text that has to be in the line, letter by letter.
    pub(crate) grep: Option<String>,
    /// The level that the line has to have at least, where it is JSON that says so.
    pub(crate) level: Option<Level>,
}

#[derive(Deserialize)]
struct Leveled {
    level: String,
}

impl Filter {
    /// Whether every line is wanted.
    pub(crate) fn is_open(&self) -> bool {
        *self == Self::default()
    }

    /// Whether this line is wanted. One that does not tell its level is not, if a level is asked for.
    pub(crate) fn takes(&self, line: &str) -> bool {
        self.grep.as_deref().is_none_or(|text| line.contains(text))
            && self.level.is_none_or(|wanted| {
                let told = serde_json::from_str::<Leveled>(line).ok();
                told.and_then(|told| Level::from_word(&told.level)).is_some_and(|level| level <= wanted)
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_taken_by_its_text_and_by_the_level_it_tells() {
        let filter = |grep: Option<&str>, level| Filter { grep: grep.map(Into::into), level };
        let line = r#"{"level":"warn","message":"slow (10.0s)"}"#;
        for (grep, level, taken) in [
            (None, None, true),
            (Some("slow (10.0s)"), None, true),
            (Some("slow .10"), None, false),
            (Some("Slow"), None, false),
            (None, Some(Level::Warn), true),
            (None, Some(Level::Trace), true),
            (None, Some(Level::Error), false),
            (Some("slow"), Some(Level::Error), false),
        ] {
            assert_eq!(filter(grep, level).takes(line), taken, "{grep:?} {level:?}");
        }
        for silent in ["warn: plain text", r#"{"level":40}"#, r#"{"level":"odd"}"#, "", "[]"] {
            assert!(
                !filter(None, Some(Level::Trace)).takes(silent) && filter(None, None).takes(silent),
                "{silent}"
            );
        }
        for (name, level) in Level::NAMED {
            assert_eq!(Level::from_word(name), Some(level));
        }
        assert!(Filter::default().is_open() && !filter(None, Some(Level::Info)).is_open());
    }
}
