//! Load on the real daemon, beside the same work without it, in one run: `cargo bench --bench load -- --help`
//!
//! Figures go to stdout as Markdown, progress to stderr. Everything that was started is ended, whatever happens.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it is a program for the terminal")]

mod adopt;
mod bare;
mod bridges;
mod child;
mod daemon;
mod echo;
mod figures;
mod gateway;
mod idle;
mod mass;
mod neighbours;
mod pipes;
mod probe;
mod proc;
mod restart;
mod start;
mod stdio;
mod wrk;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, CommandFactory, Parser, Subcommand};

/// Measure the daemon beside the same work without it
#[derive(Debug, Parser)]
#[command(name = "load", bin_name = "cargo bench --bench load --")]
struct Cli {
    #[command(flatten)]
    places: Places,
    /// Given by `cargo bench`
    #[arg(long, hide = true, global = true)]
    bench: bool,
    #[command(subcommand)]
    what: Option<What>,
}

/// What is measured with
#[derive(Debug, Args)]
struct Places {
    /// The `minimcp` program
    #[arg(long, value_name = "FILE", default_value = env!("CARGO_BIN_EXE_minimcp"), hide_default_value = true, global = true)]
    daemon: PathBuf,
    /// The workspace of the Node servers, installed and built
    #[arg(long, value_name = "DIR", default_value = "mcp-servers", global = true)]
    servers_dir: PathBuf,
    /// A setting of the daemon; may be given several times
    #[arg(long, value_name = "KEY=VALUE", global = true)]
    set: Vec<String>,
    /// The nginx program
    #[arg(long, value_name = "FILE", default_value = "nginx", global = true)]
    nginx: PathBuf,
    /// The wrk program
    #[arg(long, value_name = "FILE", default_value = "wrk", global = true)]
    wrk: PathBuf,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Created-to-ready against spawn-to-ready of the same server
    Start {
        /// Starts of each kind
        #[arg(long, default_value_t = 25, value_parser = clap::value_parser!(u32).range(1..=1_000))]
        rounds: u32,
    },
    /// SIGKILL-to-ready against kill, spawn and ready of the same server
    Restart {
        /// Kills of each kind
        #[arg(long, default_value_t = 25, value_parser = clap::value_parser!(u32).range(1..=1_000))]
        rounds: u32,
    },
    /// Memory and CPU of the daemon with children that only sleep
    Idle {
        /// Children at most
        #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=5_000))]
        children: u32,
        /// How long the CPU is watched
        #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3_600))]
        seconds: u64,
        /// Seconds between two health checks of a child
        #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=86_400))]
        interval: u32,
    },
    /// Requests per second: direct, through nginx, through the gateway
    Gateway {
        /// Rounds of each way and number of connections
        #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
        rounds: u32,
        /// Length of each
        #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=60))]
        seconds: u64,
    },
    /// Requests per second and memory of a server on standard streams: over raw pipes, through the daemon, through
    /// supergateway and mcp-proxy, which are installed the first time
    Stdio {
        /// Rounds of each way and number of connections
        #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
        rounds: u32,
        /// Length of each
        #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=60))]
        seconds: u64,
        /// Servers over which the daemon's memory is measured
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=500))]
        servers: u32,
    },
    /// Calls of a server beside one that takes too much, against its calls without
    Neighbours {
        /// Calls without and with each kind of hog
        #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(20..=100_000))]
        calls: u32,
        /// The only kind of hog
        #[arg(long, value_parser = ["memory", "cpu", "processes", "output"])]
        hog: Option<String>,
    },
    /// SIGKILL of the daemon: from its next start until every child is taken over
    Adopt {
        /// Children
        #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=5_000))]
        children: u32,
        /// Kills
        #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
        rounds: u32,
    },
}

fn main() -> ExitCode {
    if let Some(role) = child::role() {
        return role.play();
    }
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let measured = runtime.context("a runtime").and_then(|runtime| runtime.block_on(measure(cli)));
    match measured {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn measure(Cli { places, what, .. }: Cli) -> anyhow::Result<()> {
    // A plain `cargo bench` runs everything that needs nothing installed; this says what else there is.
    let Some(what) = what else { return Ok(Cli::command().print_help()?) };
    let measuring = async {
        match what {
            What::Start { rounds } => start::measure(&places, rounds).await,
            What::Restart { rounds } => restart::measure(&places, rounds).await,
            What::Idle { children, seconds, interval } => {
                idle::measure(&places, children, seconds, interval).await
            }
            What::Gateway { rounds, seconds } => gateway::measure(&places, rounds, seconds).await,
            What::Stdio { rounds, seconds, servers } => {
                stdio::measure(&places, rounds, seconds, servers).await
            }
            What::Neighbours { calls, hog } => neighbours::measure(&places, calls, hog.as_deref()).await,
            What::Adopt { children, rounds } => adopt::measure(&places, children, rounds).await,
        }
    };
    // Dropping what was under way ends what it had started.
    tokio::select! {
        measured = measuring => measured,
        _ = tokio::signal::ctrl_c() => anyhow::bail!("interrupted"),
    }
}
