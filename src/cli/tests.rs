use clap::CommandFactory;

use super::*;

fn read(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(std::iter::once("minimcp").chain(line.split_whitespace()))
}

#[test]
fn the_grammar_holds() {
    Cli::command().debug_assert();
}

#[test]
fn wrong_use_is_exit_code_2_and_help_is_none() {
    for line in [
        "",
        "fly",
        "extend work",
        "extend work --ttl 30",
        "create github --config nothing",
        "call work --arg a=1",
        "call work tool --args-json [1]",
        "ls --status sleepy",
        "logs work --stream stdin",
        "credentials add github --expires-at tomorrow",
    ] {
        assert_eq!(read(line).unwrap_err().exit_code(), 2, "{line}");
    }
    for line in ["--help", "call --help", "--version"] {
        assert_eq!(read(line).unwrap_err().exit_code(), 0, "{line}");
    }
}

#[test]
fn every_command_teaches_with_an_example() {
    for command in Cli::command().get_subcommands() {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        assert!(help.contains(&format!("minimcp {}", command.get_name())), "{}: {help}", command.get_name());
    }
}

#[test]
fn the_data_directory_is_understood_before_and_after_the_command() {
    for line in ["--data-dir /d ls", "ls --data-dir /d", "doctor --data-dir /d"] {
        assert_eq!(read(line).unwrap().globals.data_dir.as_deref(), Some("/d".as_ref()), "{line}");
    }
    for line in ["--data-dir /d serve", "serve --data-dir /d"] {
        let Command::Serve(serve) = read(line).unwrap().command else { panic!("{line}") };
        assert!(format!("{serve:?}").contains("data_dir: Some(\"/d\")"), "{line}: {serve:?}");
    }
}

#[test]
fn secrets_on_the_command_line_come_with_a_warning() {
    let mut cli = Cli::command();
    for (path, word) in
        [(&["credentials", "add"][..], "--field <"), (&["call"], "--token <"), (&["tools"], "--token <")]
    {
        let mut command = &mut cli;
        for name in path {
            command = command.find_subcommand_mut(name).unwrap();
        }
        let help = command.render_long_help().to_string();
        let about = help.split(word).nth(1).unwrap();
        assert!(about[..160].contains("can see command"), "{word}: {about}");
    }
}
