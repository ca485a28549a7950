//! How long archived logs are kept, and how much of them.

use chrono::TimeDelta;

use super::values::Values;

/// Settings below `logs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogSettings {
    /// How long the logs of an instance are kept after its end.
    pub retention: TimeDelta,
    /// Bytes that the archived logs of one user may take.
    pub quota: u64,
}

pub(super) fn read(values: &mut Values) -> LogSettings {
    let days: u16 = values.number("logs.retention-days", 0..=3_650);
    let megabytes: u32 = values.number("logs.quota-mb", 0..=1_000_000);
    LogSettings { retention: TimeDelta::days(days.into()), quota: u64::from(megabytes) << 20 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::{fault_of, settings};

    #[test]
    fn days_and_megabytes_are_whole_numbers() {
        assert_eq!(settings("").logs, LogSettings { retention: TimeDelta::days(30), quota: 256 << 20 });
        let logs = settings("[logs]\nretention-days = 7\nquota-mb = 0").logs;
        assert_eq!((logs.retention, logs.quota), (TimeDelta::days(7), 0));
        assert!(fault_of("[logs]\nretention-days = 9999").contains("logs.retention-days"));
        assert!(fault_of("[logs]\nquota-mb = 'much'").contains("logs.quota-mb"));
    }
}
