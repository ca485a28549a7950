//! `man`: the manual, made from the same words as the help.

use std::path::PathBuf;

use clap::{Args, Command};
use clap_mangen::Man;

use super::failure::Failure;
use super::output::Output;

/// Print the manual page of a command, or write all pages into a directory
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  minimcp man | man -l -
  minimcp man create | man -l -
  minimcp man --dir ~/.local/share/man/man1       then: man minimcp-create")]
pub(crate) struct Show {
    /// The command, such as create or credentials add [default: minimcp itself]
    command: Vec<String>,
    /// Write the page of every command into this directory, which has to be there
    #[arg(long, value_name = "DIR", conflicts_with = "command")]
    dir: Option<PathBuf>,
}

impl Show {
    pub(crate) fn run(self, command: Command, output: &mut Output) -> Result<(), Failure> {
        let pages = pages(command);
        let Some(dir) = self.dir else {
            let wanted = [&["minimcp".to_owned()], self.command.as_slice()].concat().join("-");
            let page = pages.into_iter().find(|page| page.name == wanted).ok_or_else(|| {
                Failure::usage(format!("there is no command `{}`", self.command.join(" ")))
                    .next("`minimcp --help` shows those there are")
            })?;
            return output.text(&page.text);
        };
        for page in pages {
            let file = dir.join(format!("{}.1", page.name));
            std::fs::write(&file, page.text)
                .map_err(|error| Failure::new(format!("writing {}: {error}", file.display())))?;
        }
        output.text(&format!("The manual is in {}\n", dir.display()))
    }
}

/// One page of the manual.
struct Page {
    /// The command with its nouns, such as `minimcp-credentials-add`.
    name: String,
    /// The text, for troff.
    text: String,
}

/// The pages of a command and of all below it.
fn pages(mut command: Command) -> Vec<Page> {
    // Without this, subcommands know neither their whole names nor the options that hold everywhere.
    command.build();
    let mut pages = Vec::new();
    collect(&command, "minimcp", &mut pages);
    pages
}

fn collect(command: &Command, name: &str, pages: &mut Vec<Page>) {
    let mut text = Vec::new();
    let page = Man::new(command.clone()).title(name.to_uppercase());
    // Writing into memory does not fail.
    if page.source(concat!("minimcp ", env!("CARGO_PKG_VERSION"))).render(&mut text).is_ok() {
        pages.push(Page { name: name.to_owned(), text: String::from_utf8_lossy(&text).into_owned() });
    }
    for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
        collect(below, &format!("{name}-{}", below.get_name()), pages);
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn every_command_has_a_page_with_its_options_and_that_of_the_program_tells_the_exit_codes() {
        let pages = pages(Cli::command());
        let page = |name: &str| {
            let page = pages.iter().find(|page| page.name == name);
            page.map(|page| page.text.replace("\\-", "-")).unwrap_or_else(|| panic!("no page {name}"))
        };
        assert!(page("minimcp").contains("Exit code 0: done"), "{}", page("minimcp"));
        assert!(page("minimcp-create").contains("--ttl"), "{}", page("minimcp-create"));
        assert!(page("minimcp-credentials-add").contains("--from-env"));
        assert!(!pages.iter().any(|page| page.name.ends_with("-help")));
    }
}
