//! The `minimcp` program.

use std::process::ExitCode;

use minimcp::cli::Cli;
use minimcp::memory::{self, Wiping};

#[global_allocator]
static ALLOCATOR: Wiping = Wiping;

fn main() -> ExitCode {
    // First of all: when the daemon starts a server through this program, this does not return.
    let gate = minimcp_actors::launch::gate::entry();
    if let Err(error) = memory::shut() {
        return failed(&format!("the kernel does not keep this process to itself: {error}"));
    }
    let cli = match Cli::read(std::env::args_os()) {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(cli.run(gate)),
        Err(error) => failed(&format!("the runtime cannot be started: {error}")),
    }
}

fn failed(why: &str) -> ExitCode {
    use std::io::Write;
    // Without stderr there is nothing left to do.
    let _ = writeln!(std::io::stderr(), "error: {why}");
    ExitCode::FAILURE
}
