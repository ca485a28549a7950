//! The one place that writes to the terminal: results to stdout, everything else to stderr.
//!
//! A reader that goes away ends the command quietly, because every write comes back as a
//! [`Failure`] that knows a broken pipe from a full disk.

use std::fmt::Display;
use std::io::{self, BufRead, IsTerminal, Write};
use std::time::Duration;

use comfy_table::Table;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::failure::Failure;
use super::harmless::harmless;

/// Where results go and in which form.
pub(crate) struct Output {
    out: Box<dyn Write + Send>,
    json: bool,
    terminal: bool,
    colors: bool,
}

impl Output {
    /// The output of this process.
    pub(crate) fn of_process(json: bool) -> Self {
        let terminal = io::stdout().is_terminal();
        let colors = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { out: Box::new(io::stdout()), json, terminal, colors }
    }

    /// An output that nobody sees, as in a pipe.
    #[cfg(test)]
    pub(crate) fn piped() -> Self {
        Self { out: Box::new(io::sink()), json: false, terminal: false, colors: false }
    }

    /// Whether the caller asked for JSON.
    pub(crate) fn json(&self) -> bool {
        self.json
    }

    /// Whether a person looks at the output.
    pub(crate) fn terminal(&self) -> bool {
        self.terminal
    }

    /// The lines of the terminal, if it is one and says.
    pub(crate) fn height(&self) -> Option<u16> {
        let size = self.terminal.then(|| rustix::termios::tcgetwinsize(io::stdout()))?.ok()?;
        (size.ws_row > 0).then_some(size.ws_row)
    }

    /// Whether to colour.
    pub(crate) fn colors(&self) -> bool {
        self.colors
    }

    /// One line of the result, or several. What came from others is made harmless for a terminal.
    pub(crate) fn line(&mut self, line: impl Display) -> Result<(), Failure> {
        let line = line.to_string();
        let line = if self.terminal { harmless(&line) } else { line.into() };
        writeln!(self.out, "{line}")?;
        Ok(self.out.flush()?)
    }

    /// Text that may have ended its last line already.
    pub(crate) fn text(&mut self, text: &str) -> Result<(), Failure> {
        if text.is_empty() { Ok(()) } else { self.line(text.strip_suffix('\n').unwrap_or(text)) }
    }

    /// A table, or a sentence where it has no rows.
    pub(crate) fn table(&mut self, table: &Table, empty: &str) -> Result<(), Failure> {
        if table.row_count() > 0 {
            self.line(table.trim_fmt())
        } else if self.terminal {
            self.line(empty)
        } else {
            Ok(())
        }
    }

    /// A remark beside the result: to stderr, so that it never mixes with it.
    pub(crate) fn note(&self, note: impl Display) {
        // There is nobody left to tell that stderr is gone.
        let _ = writeln!(io::stderr(), "{note}");
    }

    /// Shows that we wait, on a terminal only. Ends when dropped.
    pub(crate) fn spinner(&self, message: impl Into<String>) -> Spinner {
        let bar = ProgressBar::new_spinner();
        if self.json || !io::stderr().is_terminal() {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
            bar.set_style(style);
        }
        bar.set_message(message.into());
        bar.enable_steady_tick(Duration::from_millis(100));
        Spinner(bar)
    }

    /// Shows how far something is, on a terminal only. Ends when dropped.
    pub(crate) fn bar(&self, message: impl Into<String>) -> Bar {
        let bar = ProgressBar::new(0);
        if self.json || !io::stderr().is_terminal() {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} ({elapsed})") {
            bar.set_style(style);
        }
        bar.set_message(message.into());
        Bar(bar)
    }

    /// Whether a person can be asked.
    pub(crate) fn can_ask(&self) -> bool {
        io::stdin().is_terminal() && io::stderr().is_terminal()
    }

    /// Asks a yes-or-no question. Anything but yes is no.
    pub(crate) fn confirm(&self, question: &str) -> Result<bool, Failure> {
        let mut stderr = io::stderr();
        write!(stderr, "{question} [y/N] ")?;
        stderr.flush()?;
        let mut answer = String::new();
        io::stdin()
            .lock()
            .read_line(&mut answer)
            .map_err(|error| Failure::new(format!("the answer could not be read: {error}")))?;
        Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
    }
}

impl std::fmt::Debug for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Output")
            .field("json", &self.json)
            .field("terminal", &self.terminal)
            .finish_non_exhaustive()
    }
}

/// How far something is.
#[derive(Debug)]
pub(crate) struct Bar(ProgressBar);

impl Bar {
    /// So much of so much is done.
    pub(crate) fn reached(&self, done: u64, all: u64) {
        self.0.set_length(all);
        self.0.set_position(done);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// A sign that we wait.
#[derive(Debug)]
pub(crate) struct Spinner(ProgressBar);

impl Spinner {
    /// Says what is waited for now.
    pub(crate) fn say(&self, message: impl Into<String>) {
        self.0.set_message(message.into());
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
