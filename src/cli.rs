//! The command line: the way to start the daemon, and a client of its HTTP API with one noun per file.
//!
//! A client command never touches the store or a process: whatever it can do, any other caller of the API
//! can do too. `doctor` alone looks at this machine, `serve` alone is the daemon, and `backup` and
//! `restore --backup` alone work on the database of this machine.

mod audit;
mod backup;
mod call;
mod client;
mod client_config;
mod completions;
mod connection;
mod create;
mod credential_fields;
mod credentials;
mod diagnose;
mod doctor;
mod events;
mod failure;
mod harmless;
mod instances;
mod kept_tokens;
mod keys;
mod lifecycle;
mod logs;
mod man;
mod mcp;
mod output;
mod resolve;
mod restore;
mod serve;
mod sse;
mod table;
mod token;
mod tokens;
mod top;
mod types;
mod users;
mod values;
mod waiting;
mod webhooks;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use minimcp_actors::launch::gate::Gate;
use uuid::Uuid;

use client::Client;
use connection::{Connection, Globals};
use failure::Failure;
use kept_tokens::KeptTokens;
use output::Output;
use resolve::Candidate;

use crate::api::Page;
use crate::api::instance::Instance;

/// Gives every user their own MCP servers, supervised
#[derive(Debug, Parser)]
#[command(name = "minimcp", version, about, after_help = FIRST_STEPS)]
pub struct Cli {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Command,
}

const FIRST_STEPS: &str = "\
First steps:
  minimcp serve                                   start the daemon, in a terminal of its own
  minimcp types                                   what servers there are
  minimcp credentials add github                  asks for the secrets of a server, without showing them
  minimcp create github --credential default --ttl 2h --wait
  minimcp call ID                                 what the server can do

An ID may be cut to any unique prefix, or be the name.
On the daemon's machine the URL and the token are found in its data directory; elsewhere set MINIMCP_URL and \
MINIMCP_TOKEN.
Exit code 0: done; 1: refused or failed; 2: wrong use; 78: the daemon cannot run as it is set up, and starting it \
again will not help.";

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Serve),
    #[command(flatten)]
    Client(ClientCommand),
    Doctor(doctor::Doctor),
    Backup(backup::Backup),
    Restore(restore::Restore),
    Completions(completions::Completions),
    Man(man::Show),
}

/// The commands that speak with a daemon.
#[derive(Debug, Subcommand)]
enum ClientCommand {
    Types(types::Types),
    Credentials(credentials::Credentials),
    Create(create::Create),
    ClientConfig(client_config::Show),
    Ls(instances::Ls),
    Show(instances::Show),
    Stop(lifecycle::Stop),
    Restart(lifecycle::Restart),
    Extend(lifecycle::Extend),
    Rm(lifecycle::Rm),
    Token(token::Token),
    Keys(keys::Keys),
    Logs(logs::Logs),
    Events(events::Events),
    Audit(audit::Audit),
    Top(top::Top),
    Diagnose(diagnose::Diagnose),
    Call(call::Call),
    Tools(call::Tools),
    Users(users::Users),
    Tokens(tokens::Tokens),
    Webhooks(webhooks::Webhooks),
}

/// What a client command works with.
#[derive(Debug)]
struct Context {
    client: Client,
    output: Output,
    tokens: KeptTokens,
}

impl Cli {
    /// Reads the arguments of the process. Where they ask for help or are wrong, the answer is written and
    /// its exit code comes back.
    ///
    /// # Errors
    /// The exit code to end with.
    pub fn read(args: impl IntoIterator<Item = OsString>) -> Result<Self, ExitCode> {
        Self::try_parse_from(args).map_err(|error| {
            // Nobody is left to tell that help could not be written.
            let _ = error.print();
            ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
        })
    }

    /// Does what was asked.
    pub async fn run(self, gate: Gate) -> ExitCode {
        let output = Output::of_process(self.globals.json);
        match run(self, gate, output).await {
            Ok(code) => code,
            Err(failure) => {
                if !failure.is_silent() {
                    Output::of_process(false).note(&failure);
                }
                failure.exit_code()
            }
        }
    }
}

async fn run(cli: Cli, gate: Gate, mut output: Output) -> Result<ExitCode, Failure> {
    match cli.command {
        Command::Serve(serve) => serve.run(gate, output).await?,
        Command::Client(command) => command.run(Context::new(&cli.globals, output)?).await?,
        Command::Doctor(doctor) => return doctor.run(&cli.globals, gate, &mut output).await,
        Command::Backup(backup) => backup.run(&cli.globals, &mut output).await?,
        Command::Restore(restore) => restore.run(&cli.globals, output).await?,
        Command::Completions(completions) => completions.run(&mut Cli::command(), &mut output)?,
        Command::Man(show) => show.run(Cli::command(), &mut output)?,
    }
    Ok(ExitCode::SUCCESS)
}

impl ClientCommand {
    async fn run(self, mut context: Context) -> Result<(), Failure> {
        let context = &mut context;
        match self {
            Self::Types(types) => types.run(context).await,
            Self::Credentials(credentials) => credentials.run(context).await,
            Self::Create(create) => create.run(context).await,
            Self::ClientConfig(show) => show.run(context).await,
            Self::Ls(ls) => ls.run(context).await,
            Self::Show(show) => show.run(context).await,
            Self::Stop(stop) => stop.run(context).await,
            Self::Restart(restart) => restart.run(context).await,
            Self::Keys(keys) => keys.run(context).await,
            Self::Extend(extend) => extend.run(context).await,
            Self::Rm(rm) => rm.run(context).await,
            Self::Token(token) => token.run(context).await,
            Self::Logs(logs) => logs.run(context).await,
            Self::Events(events) => events.run(context).await,
            Self::Audit(audit) => audit.run(context).await,
            Self::Top(top) => top.run(context).await,
            Self::Diagnose(diagnose) => diagnose.run(context).await,
            Self::Call(call) => call.run(context).await,
            Self::Tools(tools) => tools.run(context).await,
            Self::Users(users) => users.run(context).await,
            Self::Tokens(tokens) => tokens.run(context).await,
            Self::Webhooks(webhooks) => webhooks.run(context).await,
        }
    }
}

impl Context {
    fn new(globals: &Globals, output: Output) -> Result<Self, Failure> {
        let connection = Connection::find(globals)?;
        if connection.in_the_clear() && connection.token.is_some() {
            output.note(format!("warning: your token goes to {} unencrypted; use https", connection.url));
        }
        let tokens = KeptTokens::find(&connection.data_dir);
        Ok(Self { client: Client::new(connection)?, output, tokens })
    }

    /// The instance that is meant. A whole id is taken as it is, without asking the daemon.
    async fn instance(&self, wanted: &str) -> Result<Uuid, Failure> {
        if let Some(id) = resolve::whole(wanted) {
            return Ok(id);
        }
        let page: Page<Instance> = self.client.list("/v1/instances", &[]).await?.read()?;
        let candidates: Vec<Candidate> = page
            .items
            .into_iter()
            .map(|instance| Candidate {
                id: instance.id,
                name: instance.name,
                note: format!("{}, {}", instance.mcp_type, instance.status),
            })
            .collect();
        resolve::pick(wanted, &candidates, "instance", "minimcp ls")
    }
}

#[cfg(test)]
mod tests;
