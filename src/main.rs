//! The `minimcp` program.

use std::process::ExitCode;

use minimcp::cli::Cli;

fn main() -> ExitCode {
    // First of all: when the daemon starts a server through this program, this does not return.
    let gate = minimcp_actors::launch::gate::entry();
    let cli = match Cli::read(std::env::args_os()) {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(cli.run(gate)),
        Err(error) => {
            use std::io::Write;
            // Without a runtime and without stderr there is nothing left to do.
            let _ = writeln!(std::io::stderr(), "error: the runtime cannot be started: {error}");
            ExitCode::FAILURE
        }
    }
}
