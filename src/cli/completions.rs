//! `completions`: words for the shell.

use clap::{Args, Command};
use clap_complete::Shell;

use super::failure::Failure;
use super::output::Output;

/// Print completions for a shell
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  minimcp completions bash > ~/.local/share/bash-completion/completions/minimcp"
)]
pub(crate) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self, command: &mut Command, output: &mut Output) -> Result<(), Failure> {
        // The generator panics on a writer that fails, so it gets one that cannot.
        let mut script = Vec::new();
        clap_complete::generate(self.shell, command, "minimcp", &mut script);
        output.text(&String::from_utf8_lossy(&script))
    }
}
