//! From measurements to the figures and tables that are printed.

use std::time::Duration;

/// The value below which this part (0 to 1) of the values lies; 0 of none.
pub(crate) fn quantile(values: &[f64], part: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "few values"
    )]
    let at = ((sorted.len().saturating_sub(1)) as f64 * part).round() as usize;
    sorted.get(at).copied().unwrap_or_default()
}

/// The middle value.
pub(crate) fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

/// Milliseconds.
pub(crate) fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

/// A Markdown table.
#[derive(Debug)]
pub(crate) struct Table(Vec<String>);

impl Table {
    pub(crate) fn new<const N: usize>(heads: [&str; N]) -> Self {
        let line = format!("| {} |", heads.join(" | "));
        Self(vec![line, format!("|{}", "---|".repeat(N))])
    }

    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.0.push(format!("| {} |", cells.join(" | ")));
    }

    pub(crate) fn print(&self) {
        println!("\n{}\n", self.0.join("\n"));
    }
}
